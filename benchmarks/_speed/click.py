"""Part `click`: from a click to the preview of its mask."""

from __future__ import annotations

from statistics import median

import numpy as np

from benchmarks._book import Bar, Part, Row
from benchmarks._quality.clicks import interior_point
from benchmarks._speed.contenders import seconds_of
from benchmarks._speed.movies import Field, make_field
from benchmarks._speed.reference import DIAMETER
from benchmarks._speed.setup import Setup
from napari_sam2.tracking import CellTracker

KNOWN_FRAME_MS = 100.0
NEW_FRAME_MS = 500.0
#: Cells of the field; how many do not matter to a click.
CELLS = 40


def click(setup: Setup) -> Part:
    """Milliseconds from `add_click` to the label image of `segment`, on an encoded frame and on new ones."""
    cells = max(2, min(CELLS, setup.clicks))
    field = make_field(cells, DIAMETER, setup.side)
    tracker = CellTracker(field.movie(), setup.model, device=setup.device)
    places = list(field.some(cells).items())
    first = seconds_of(lambda: _preview(tracker, places[0][0], 0, places[0][1]))
    for cell, yx in places:
        tracker.add_click(cell, 0, yx)
    tracker.segment(0)  # all of the frame is encoded now
    for cell, _ in places:
        tracker.remove_prompts(cell)
    known = []
    for i in range(setup.clicks):
        cell, (y, x) = places[i % cells]
        known.append(seconds_of(lambda c=cell, at=(y + 0.25, x): _preview(tracker, c, 0, at)))  # type: ignore[misc]
        tracker.remove_prompts(cell)
    second = []
    for i in range(setup.clicks):
        cell, (y, x) = places[i % cells]
        tracker.add_click(cell, 0, (y, x))
        tracker.segment(0, [cell])
        second.append(seconds_of(lambda c=cell, at=(y, x + 1.0): _preview(tracker, c, 0, at)))  # type: ignore[misc]
        tracker.remove_prompts(cell)
    new = []
    for frame in range(1, setup.new_frames + 1):
        cell, at = _somewhere(field, frame)
        new.append(seconds_of(lambda c=cell, t=frame, yx=at: _preview(tracker, c, t, yx)))  # type: ignore[misc]
    kinds = (
        ("first click of all, which finds the cells' size", [first]), ("on a frame already encoded", known),
        ("a second click on the same cell", second), ("on a new frame", new),
    )  # fmt: skip
    rows: list[Row] = [
        {"click": kind, "median ms": 1000 * median(times), "90 % below, ms": 1000 * float(np.quantile(times, 0.9)),
         "clicks": len(times)}
        for kind, times in kinds
    ]  # fmt: skip
    what = f"click to preview, {setup.model_name}, {setup.side}² px field"
    bars = [
        Bar(f"{what}: frame already encoded, median", 1000 * median(known), KNOWN_FRAME_MS, True, "ms"),
        Bar(f"{what}: new frame, median", 1000 * median(new), NEW_FRAME_MS, True, "ms"),
    ]
    note = f"`add_click` and `segment` of that cell, through the public calls; {setup.model_name} in {setup.precision}."
    return Part("Click to preview", note, rows, bars)


def _preview(tracker: CellTracker, cell: int, frame: int, yx: tuple[float, float]) -> object:
    tracker.add_click(cell, frame, yx)
    return tracker.segment(frame, [cell])


def _somewhere(field: Field, frame: int) -> tuple[int, tuple[float, float]]:
    """A cell and a place in it on a frame."""
    period = 2 * (len(field.labels) - 1)
    at = frame % period
    labels = field.labels[min(at, period - at)]
    cell = int(np.random.default_rng(frame).choice(np.unique(labels[labels > 0])))
    return 10_000 + cell, interior_point(labels == cell)
