"""Write, read: the same ids, masks, parents, scales and whatever else the format says that it holds."""

from __future__ import annotations

import csv
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.export import CellInfo, LossWarning, Tracked, export
from napari_sam2.export.formats import FORMATS
from napari_sam2.export.read_segmentation import open_segmentation
from napari_sam2.export.read_tracks import read_tracks
from napari_sam2.export.tracked import RECORD, Prompted
from napari_sam2.export.write_tables import one_line
from napari_sam2.tracking.prompts import FramePrompts, Round
from tests.export.example import example

LABEL_FORMATS = ["ome-zarr", "tiff", "ome-tiff", "ctc", "geff", "coco"]
TRACK_FORMATS = ["geff", "trackmate", "tracks"]
QUICK = settings(max_examples=12, deadline=None)


def quietly(tracked: Tracked, path: Path, **options: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossWarning)
        return export(tracked, path, **options).path


def name_for(known: str) -> str:
    return f"cells{FORMATS[known].suffixes[0]}"


def stacked(tracked: Tracked) -> np.ndarray:
    return np.stack([tracked.frame(t) for t in range(tracked.shape[0])])


@st.composite
def tracked_movies(draw: st.DrawFn, top: int = 65535) -> Tracked:
    """Rectangles on a small field: any ids, any lives, mothers that end before their daughters."""
    frames, height, width = draw(st.integers(1, 4)), draw(st.integers(2, 12)), draw(st.integers(2, 12))
    labels = np.zeros((frames, height, width), np.int32)
    ids = draw(st.lists(st.integers(1, top), unique=True, max_size=4))
    for cell in ids:
        first = draw(st.integers(0, frames - 1))
        for t in range(first, draw(st.integers(first, frames - 1)) + 1):
            y, x = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
            labels[t, y : y + 4, x : x + 3] = cell
    seen = {cell: np.flatnonzero((labels == cell).any((1, 2))) for cell in ids}
    cells = {}
    for cell in ids:
        mothers = [m for m in ids if m != cell and seen[cell].size and seen[m].size and seen[m][-1] < seen[cell][0]]
        cells[cell] = CellInfo(parent=draw(st.sampled_from([None, *mothers])), name=draw(st.text(max_size=5)))
    scale, units = {}, {}
    if draw(st.booleans()):
        side = draw(st.floats(1e-3, 100))
        scale = {"T": draw(st.floats(1e-3, 1e4)), "Y": side, "X": side}
        units = {"T": draw(st.sampled_from(["second", "minute", "hour"])), "Y": "micrometer", "X": "micrometer"}
    return Tracked(labels, scale, units, cells)


def without_gaps(tracked: Tracked) -> bool:
    labels = stacked(tracked)
    spans = [np.flatnonzero((labels == cell).any((1, 2))) for cell in np.unique(labels[labels > 0])]
    return all(span[-1] - span[0] + 1 == len(span) for span in spans)


def check(tracked: Tracked, known: str, folder: Path) -> Tracked:
    path = quietly(tracked, folder / name_for(known), format=known)
    back = open_segmentation(path)
    labels = stacked(tracked)
    found = stacked(back)
    present = set(np.unique(labels).tolist()) - {0}
    if known != "ctc" or without_gaps(tracked):
        np.testing.assert_array_equal(found, labels)
    else:
        np.testing.assert_array_equal(found > 0, labels > 0)
    holds = FORMATS[known].holds
    if "scale" in holds and tracked.scale and known != "geff":
        assert back.scale == pytest.approx(dict(tracked.scale), rel=1e-6)
        assert dict(back.units) == dict(tracked.units)
    if "parents" in holds and known != "geff" and (known != "ctc" or without_gaps(tracked)):
        expected = {d: m for d, m in tracked.parents.items() if {d, m} <= present}
        assert {d: m for d, m in back.parents.items() if {d, m} <= present} == expected
    return back


@pytest.mark.parametrize("known", LABEL_FORMATS)
@QUICK
@given(tracked=tracked_movies())
def test_labels_come_back(known: str, tracked: Tracked) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(tracked, known, Path(folder))


@pytest.mark.parametrize("known", ["ome-zarr", "ome-tiff", "coco", "geff"])
@QUICK
@given(tracked=tracked_movies(top=2**31 - 1))
def test_ids_of_32_bit_come_back(known: str, tracked: Tracked) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(tracked, known, Path(folder))


@pytest.mark.parametrize("known", TRACK_FORMATS)
@QUICK
@given(tracked=tracked_movies())
def test_tracks_come_back(known: str, tracked: Tracked) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = quietly(tracked, Path(folder) / name_for(known), format=known)
        labels = stacked(tracked)
        if not labels.any():
            return
        back = read_tracks(path)
    expected = sorted((int(c), t) for t in range(len(labels)) for c in np.unique(labels[t]) if c)
    assert list(zip(back.cell.tolist(), back.frame.tolist(), strict=True)) == expected
    for cell, frame, y, x in zip(back.cell, back.frame, back.y, back.x, strict=True):
        middle = np.argwhere(labels[frame] == cell).mean(0)
        np.testing.assert_allclose((y, x), middle, rtol=1e-6, atol=1e-6)
    present = {int(c) for c in back.cell}
    assert back.parents == {d: m for d, m in tracked.parents.items() if {d, m} <= present}
    if "scale" in FORMATS[known].holds and tracked.scale:
        assert dict(back.scale) == pytest.approx(dict(tracked.scale))
        assert dict(back.units) == dict(tracked.units)


@QUICK
@given(
    said=st.lists(
        st.tuples(
            st.integers(1, 2**31 - 1),
            st.integers(0, 99),
            st.sampled_from(["click", "not", "box"]),
            st.tuples(*[st.floats(0, 50, allow_subnormal=False)] * 2),
        ),
        max_size=8,
        unique_by=lambda row: row[:2],
    )
)
def test_prompts_come_back(said: list[tuple[int, int, str, tuple[float, float]]]) -> None:
    from napari_sam2.cli.prompts import read_prompts

    prompts = []
    for cell, frame, kind, (y, x) in said:
        box = ((y, x), (y + 1, x + 2)) if kind == "box" else None
        clicks = () if box else ((y, x, kind == "click"),)
        prompts.append(Prompted(cell, frame, FramePrompts((Round(clicks, box),))))
    with tempfile.TemporaryDirectory() as folder:
        path = quietly(Tracked(np.zeros((1, 4, 4), int), prompts=tuple(prompts)), Path(folder) / "a.prompts.csv")
        if not said:
            assert len(path.read_text().splitlines()) == 1
            return
        back = read_prompts(path)
    assert [(p.cell, p.frame, p.kind) for p in back] == [
        row[:3] for row in sorted(said, key=lambda row: (row[1], row[0]))
    ]
    expected = {row[:2]: row[3] for row in said}
    for prompt in back:
        assert prompt.yx == pytest.approx(expected[prompt.cell, prompt.frame], rel=1e-8, abs=1e-300)


@QUICK
@given(tracked=tracked_movies())
def test_measurements_come_back(tracked: Tracked) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = quietly(tracked, Path(folder) / "a.measurements.csv")
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    labels = stacked(tracked)
    expected = [(int(c), t, int((labels[t] == c).sum())) for t in range(len(labels)) for c in np.unique(labels[t]) if c]
    assert [(int(r["cell"]), int(r["frame"]), int(r["area [px]"])) for r in rows] == expected
    for row in rows:
        assert row["parent"] == str(tracked.parents.get(int(row["cell"]), ""))
        assert row["name"] == one_line(tracked.cells[int(row["cell"])].name)
        if tracked.scale:
            side = tracked.scale["Y"]
            assert float(row["area [um^2]"]) == pytest.approx(int(row["area [px]"]) * side**2)


def test_ome_zarr_keeps_everything(tmp_path: Path) -> None:
    tracked = example()
    back = open_segmentation(quietly(tracked, tmp_path / "a.ome.zarr"))
    np.testing.assert_array_equal(stacked(back), stacked(tracked))
    assert back.cells == dict(tracked.cells)
    assert set(back.table) == set(tracked.table)
    for cell, rows in tracked.table.items():
        for column in RECORD.names or ():
            np.testing.assert_array_equal(back.table[cell][column], rows[column])


@pytest.mark.parametrize("known", LABEL_FORMATS)
def test_scores_states_and_names_come_back_where_the_table_says_so(tmp_path: Path, known: str) -> None:
    tracked = example()
    back = open_segmentation(quietly(tracked, tmp_path / name_for(known), format=known))
    held = FORMATS[known].holds - FORMATS[known].unread
    assert bool(back.table) == ("scores" in held) == ("states" in held)
    assert ({cell: info.name for cell, info in back.cells.items() if info.name} != {}) == ("names" in held)


def test_what_was_exported_can_be_exported_on(tmp_path: Path) -> None:
    """From any format that holds masks into any other."""
    first = quietly(example(), tmp_path / "a.ome.zarr")
    second = quietly(open_segmentation(first), tmp_path / "b.coco.json")
    third = quietly(open_segmentation(second), tmp_path / "c.ome.tif")
    np.testing.assert_array_equal(stacked(open_segmentation(third)), stacked(example()))


@pytest.mark.parametrize("known", ["ome-zarr", "coco", "trackmate", "geff", "tracks", "measurements"])
def test_the_same_is_written_the_same(tmp_path: Path, known: str) -> None:
    paths = [quietly(example(), tmp_path / number / name_for(known), format=known) for number in "12"]

    def content(path: Path) -> dict[str, bytes]:
        files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
        return {str(f.relative_to(path)): f.read_bytes() for f in files}

    assert content(paths[0]) == content(paths[1])
