"""The table of kinds: what is counted, and that a run writes what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import kinds


def test_area_under_the_curve() -> None:
    assert kinds.auc(np.array([0.9, 0.8]), np.array([0.1, 0.8])) == pytest.approx(3.5 / 4)
    assert kinds.auc(np.array([0.9]), np.array([])) is None


def test_a_row_pools_cell_frames_of_all_movies() -> None:
    one = {"clicks": [1.0, 0.5], "follow": [0.4, 0.8], "there": [0.9], "gone": []}
    two = {"clicks": [0.9], "follow": [0.9], "there": [0.9], "gone": [0.1]}
    row = kinds.row_of("nuclei", [one, two])
    assert row["cells"] == 3 and row["one click: median IoU"] == 0.9
    assert row["follow: mean IoU"] == pytest.approx(0.7) and row["share right (> 0.5)"] == pytest.approx(2 / 3)
    assert row["object score: AUC"] == 1.0


def test_a_run_writes_table_numbers_and_picture(tmp_path: Path) -> None:
    kinds.main([
        "--kinds", "nuclei", "--movies", "1", "--frames", "2", "--size", "160", "--out", str(tmp_path),
        "--picture", str(tmp_path / "worst.png"),
    ])  # fmt: skip
    record = json.loads((tmp_path / "kinds.json").read_text())
    assert record["rows"][0]["cells"] > 0 and record["worst"][0]["kind"] == "nuclei"
    assert "| nuclei |" in (tmp_path / "kinds.md").read_text()
    assert (tmp_path / "worst.png").stat().st_size > 1000
