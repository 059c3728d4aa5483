"""Tables: tracks for napari's Tracks layer, measurements, prompts. CSV in UTF-8, commas between columns."""

from __future__ import annotations

import csv
import math
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.jobs import Job, whole_or_nothing
from napari_sam2.export.measure import Measured, measure_intensity, measure_places, measure_shapes
from napari_sam2.export.tracked import REVIEWS, SHORT_UNITS, STATES, Tracked

TRACK_COLUMNS = ("track_id", "t", "y", "x", "parent", "area", "score", "iou", "state", "review")
PROMPT_COLUMNS = ("cell", "frame", "kind", "y", "x", "y2", "x2")


@contextmanager
def _writer(path: Path, overwrite: bool) -> Iterator[Any]:
    with whole_or_nothing(path, overwrite) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        yield csv.writer(file, lineterminator="\n")


def export_tracks(tracked: Tracked, path: Path, job: Job, *, overwrite: bool = False) -> None:
    """One line for each cell and frame: the first four columns are those of napari's Tracks layer, in pixels."""
    job.expect(tracked.shape[0])
    parents = tracked.parents
    with _writer(path, overwrite) as writer:
        writer.writerow(TRACK_COLUMNS)
        for t in job.frames(tracked.shape[0]):
            here = measure_places(tracked.frame(t))
            for i, cell in enumerate(here.ids.tolist()):
                place = [cell, t, text(here.y[i]), text(here.x[i]), parents.get(cell, ""), int(here.area[i])]
                writer.writerow([*place, *_known(tracked, cell, t)])


def export_prompts(tracked: Tracked, path: Path, job: Job, *, overwrite: bool = False) -> list[str]:
    """Clicks and boxes as ``napari-sam2 track --prompts`` reads them. Drawn masks are no part of it."""
    drawn = 0
    with _writer(path, overwrite) as writer:
        writer.writerow(PROMPT_COLUMNS)
        for said in sorted(tracked.prompts, key=lambda p: (p.frame, p.cell)):
            drawn += said.prompts.mask is not None
            for given in said.prompts.rounds:
                for y, x, inside in given.clicks:
                    kind = "click" if inside else "not"
                    writer.writerow([said.cell, said.frame, kind, text(y), text(x), "", ""])
                if given.box is not None:
                    corners = [text(value) for corner in given.box for value in corner]
                    writer.writerow([said.cell, said.frame, "box", *corners])
    if not tracked.prompts:
        return ["clicks and boxes, of which there are none here (labels alone hold none): the table is empty"]
    return [f"{drawn} drawn masks are prompts too, and are not in the table"] if drawn else []


def export_measurements(tracked: Tracked, path: Path, job: Job, *, overwrite: bool = False) -> None:
    """One line for each cell and frame, with everything that was measured, in pixels and in physical units.

    Shapes are those of scikit-image's ``regionprops``. Displacement is that from the cell's last sighting, speed is
    displacement over the time since then. Intensities are those of the movie as it is, of every channel.
    """
    job.expect(tracked.shape[0])
    channels = 0 if tracked.movie is None else tracked.movie.n_channels
    columns = _Columns(tracked, channels)
    parents = tracked.parents
    last: dict[int, tuple[int, float, float]] = {}
    with _writer(path, overwrite) as writer:
        writer.writerow(columns.heads)
        for t in job.frames(tracked.shape[0]):
            image = tracked.frame(t)
            here = measure_shapes(image)
            planes = [] if tracked.movie is None else list(tracked.movie.raw(t))
            intensity = [measure_intensity(image, plane) for plane in planes]
            for i, cell in enumerate(here.ids.tolist()):
                info = tracked.cells.get(cell)
                row = [cell, one_line(info.name) if info else "", parents.get(cell, ""), t, *columns.time(t)]
                row += [*_known(tracked, cell, t), *columns.shape(here, i)]
                row += columns.motion(t, float(here.y[i]), float(here.x[i]), last.get(cell))
                row += [text(found[name][i]) for found in intensity for name in ("mean", "min", "max", "sum")]
                writer.writerow(row)
                last[cell] = (t, float(here.y[i]), float(here.x[i]))


class _Columns:
    """Heads and values of the table of measurements: physical ones only where the scale is known."""

    def __init__(self, tracked: Tracked, channels: int) -> None:
        scale, units = tracked.scale, tracked.units
        self.dt = scale.get("T")
        self.dy, self.dx = scale.get("Y"), scale.get("X")
        self.calibrated = self.dy is not None and self.dx is not None and units.get("Y") == units.get("X")
        self.square = self.calibrated and math.isclose(self.dy or 1, self.dx or 1, rel_tol=1e-6)
        length = SHORT_UNITS.get(units.get("X", ""), units.get("X", "unit"))
        time = SHORT_UNITS.get(units.get("T", ""), units.get("T", "unit"))
        self.heads = ["cell", "name", "parent", "frame", *([f"time [{time}]"] if self.dt else [])]
        self.heads += ["score", "iou", "state", "review", "area [px]", "centroid_y [px]", "centroid_x [px]"]
        self.heads += ["bbox_y0 [px]", "bbox_x0 [px]", "bbox_y1 [px]", "bbox_x1 [px]", "perimeter [px]"]
        self.heads += ["major_axis [px]", "minor_axis [px]", "eccentricity", "orientation [rad]", "neighbours"]
        if self.calibrated:
            self.heads += [f"area [{length}^2]", f"centroid_y [{length}]", f"centroid_x [{length}]"]
        if self.square:
            self.heads += [f"{name} [{length}]" for name in ("perimeter", "major_axis", "minor_axis")]
        self.heads += ["displacement [px]", "speed [px/frame]"]
        if self.calibrated:
            self.heads += [f"displacement [{length}]"] + ([f"speed [{length}/{time}]"] if self.dt else [])
        for channel in range(channels):
            self.heads += [f"intensity_{name}_ch{channel}" for name in ("mean", "min", "max", "sum")]

    def time(self, t: int) -> list[str]:
        return [text(t * self.dt)] if self.dt else []

    def shape(self, m: Measured, i: int) -> list[Any]:
        y, x, area, box = float(m.y[i]), float(m.x[i]), int(m.area[i]), m.box[i].tolist()
        lengths = [float(m.perimeter[i]), float(m.major[i]), float(m.minor[i])]
        row: list[Any] = [area, text(y), text(x), *box, *map(text, lengths)]
        row += [text(m.eccentricity[i]), text(m.orientation[i]), int(m.neighbours[i])]
        dy, dx = self.dy or 1.0, self.dx or 1.0
        if self.calibrated:
            row += [text(area * dy * dx), text(y * dy), text(x * dx)]
        if self.square:
            row += [text(value * dx) for value in lengths]
        return row

    def motion(self, t: int, y: float, x: float, last: tuple[int, float, float] | None) -> list[str]:
        count = 2 + (self.calibrated and 1 + bool(self.dt))
        if last is None:
            return [""] * count
        frames, sy, sx = t - last[0], y - last[1], x - last[2]
        moved = math.hypot(sy, sx)
        row = [text(moved), text(moved / frames)]
        if self.calibrated:
            moved = math.hypot(sy * (self.dy or 1), sx * (self.dx or 1))
            row += [text(moved)] + ([text(moved / (frames * self.dt))] if self.dt else [])
        return row


def _known(tracked: Tracked, cell: int, frame: int) -> Sequence[str]:
    """Score, IoU, state and review as text; empty where nothing is known."""
    record = tracked.record(cell, frame)
    if record is None:
        return ("", "", "", "")
    return (text(record["score"]), text(record["iou"]), STATES[record["state"]], REVIEWS[record["review"]])


def one_line(words: str) -> str:
    """Without line breaks and control characters, which many programs take for the end of a row."""
    return "".join(" " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character for character in words)


def text(value: float | np.floating[Any] | npt.NDArray[Any]) -> str:
    """A number with nine digits, whole ones without a point; nothing for NaN."""
    number = float(value)
    if not math.isfinite(number):
        return ""
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.9g}"
