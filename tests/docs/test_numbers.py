"""Numbers in the documentation are those that were measured last."""

from __future__ import annotations

import json
from pathlib import Path

import make_numbers
import pytest
from tools import numbers, results


@pytest.mark.parametrize("page", make_numbers.pages(), ids=lambda page: page.name)
def test_pages_are_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert make_numbers.filled(text) == text, f"{page.name} is out of date: python docs/make_numbers.py"


def test_some_pages_have_numbers() -> None:
    marked = [page.name for page in make_numbers.pages() if "<!-- numbers: " in page.read_text(encoding="utf-8")]
    assert {"README.md", "limits.md"} <= set(marked)


def test_filled_replaces_what_is_between_markers_only() -> None:
    text = "before\n<!-- numbers: a -->\nold\n<!-- end of numbers -->\nafter\n"
    once = make_numbers.filled(text, {"a": lambda: "new"})
    assert once == "before\n<!-- numbers: a -->\n\nnew\n\n<!-- end of numbers -->\nafter\n"
    assert make_numbers.filled(once, {"a": lambda: "new"}) == once


@pytest.mark.parametrize("text", ["<!-- numbers: b -->\n<!-- end of numbers -->", "<!-- numbers: a -->\nno end"])
def test_unknown_names_and_open_markers_are_errors(text: str) -> None:
    with pytest.raises(ValueError):
        make_numbers.filled(text, {"a": lambda: "new"})


def book(path: Path, rows: list[dict[str, object]], name: str = "scaling") -> None:
    """Write results with one part, as the benchmarks do."""
    machine = {"cpu": "Abacus", "cores": 4, "threads": 1, "gpu": None}
    circumstances = {"machine": machine, "model": {"name": "cell", "dtype": "float32"}}
    path.write_text(json.dumps({name: {"circumstances": circumstances, "part": {"rows": rows}}}))


def test_speed_says_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    assert numbers.speed() == numbers.NOT_MEASURED
    book(tmp_path / "speed.json", [{"cells": 1, "s per frame": 0.5}, {"cells": 100, "s per frame": 12.34}])
    book(tmp_path / "speed-quick.json", [{"cells": 1, "s per frame": 99.0}])
    text = numbers.speed()
    assert "500 ms for 1 cell, 12 s for 100 cells" in text and "Abacus, 1 thread," in text and "99" not in text
    assert "100 cells 12 s (Abacus, 1 thread)" in numbers.models()


def test_quality_leaves_out_what_was_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    row = {"movie": "M/01", "method": "cell", "mode": "windows", "frames": 7, "click_median_iou": 0.5}
    (tmp_path / "quality.json").write_text(json.dumps({"rows": [row]}))
    assert numbers.quality().splitlines() == [
        "|  | M/01, 7 frames |",
        "| --- | --- |",
        "| one click on each cell's first frame, median IoU | 0.500 |",
    ]


def test_a_score_no_better_than_chance_is_called_that() -> None:
    assert "no better than chance" in numbers._score({"score_absent_frames": 5, "score_auc": 0.53})
    assert "chance" not in numbers._score({"score_absent_frames": 5, "score_auc": 0.8})


@pytest.mark.parametrize(
    ("value", "shown"), [(0.1234, "0.12"), (3.62, "3.6"), (10.4, "10"), (1234.0, "1,234"), (0.0, "0"), (None, "–")]
)
def test_number(value: float | None, shown: str) -> None:
    assert results.number(value) == shown
