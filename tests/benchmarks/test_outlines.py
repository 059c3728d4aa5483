"""The table of kept outlines: what is counted, and that a run writes what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import outlines


def test_a_row_pools_the_cells_of_all_movies_and_leaves_out_what_is_not_seen() -> None:
    unseen = float("nan")
    one = {outlines.REDRAWN: [[0.9, 0.5, unseen, 0.7]], outlines.CORRECTED: [], outlines.CLICKED: []}
    two = {outlines.REDRAWN: [[0.7, 0.7, 0.1, unseen]], outlines.CORRECTED: [], outlines.CLICKED: [[1.0] * 4]}
    first, second = outlines.rows_of([one, two], outlines=True)
    assert first["number"] == 2 and first["first frame"] == pytest.approx(0.8)
    assert first["next frame"] == pytest.approx(0.6) and first["all that follow"] == pytest.approx(0.5)
    assert second["cells"] == outlines.CLICKED and second["last 3"] == 1


def test_a_run_writes_table_and_numbers(tmp_path: Path) -> None:
    arguments = ["--kinds", "nuclei", "--movies", "1", "--frames", "3", "--size", "192", "--out", str(tmp_path)]
    outlines.main(arguments)
    rows = json.loads((tmp_path / "outlines.json").read_text())["rows"]
    assert {row["outlines"] for row in rows} == {"kept", "not kept"}
    same = [row["first frame"] for row in rows if row["cells"] == outlines.REDRAWN]
    assert len(same) == 2 and same[0] == same[1]  # which outline is told does not depend on whether it is kept
    assert f"| {outlines.REDRAWN} |" in (tmp_path / "outlines.md").read_text()
