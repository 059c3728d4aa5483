"""Plots of cells over time, drawn with pillow: four panels need no plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.draw import Picture, round_length
from napari_sam2.export.jobs import Job
from napari_sam2.export.measure import measure_intensity, measure_places
from napari_sam2.export.tracked import SHORT_UNITS, Tracked
from napari_sam2.export.write_zarr import colour_of

PANEL = (420, 260)
"""Width and height of a panel's axes, pixels."""
MARGIN = (70, 30, 20, 44)
"""Left, top, right, bottom of a panel."""
SHOWN_CELLS = 10
_INK, _FAINT, _PAPER = (40, 40, 40), (225, 225, 225), (255, 255, 255)


@dataclass(frozen=True)
class Curves:
    """What is plotted.

    Attributes
    ----------
    times
        (T,).
    panels
        Title with unit, and (cells, T) values; NaN where there is none.
    cells
        In the order of the rows.
    time_title
        Of the horizontal axis.
    """

    times: npt.NDArray[np.float64]
    panels: list[tuple[str, npt.NDArray[np.float64]]]
    cells: list[int]
    time_title: str


def measure_curves(tracked: Tracked, job: Job, cells: Sequence[int] | None = None) -> Curves:
    """Measure area, intensity of the first channel, speed and score, in one pass.

    Raises
    ------
    ValueError
        If a cell is on no frame.
    """
    frames = tracked.shape[0]
    found: dict[int, npt.NDArray[np.float64]] = {}
    for t in job.frames(frames):
        labels = tracked.frame(t)
        here = measure_places(labels)
        plane = None if tracked.movie is None else tracked.movie.raw(t)[0]
        mean = np.full(len(here.ids), np.nan) if plane is None else measure_intensity(labels, plane)["mean"]
        for i, cell in enumerate(here.ids.tolist()):
            record = tracked.record(cell, t)
            score = np.nan if record is None else float(record["score"])
            row = found.setdefault(cell, np.full((5, frames), np.nan))
            row[:, t] = here.area[i], mean[i], score, here.y[i], here.x[i]
    missing = [cell for cell in cells or () if cell not in found]
    if missing or not found:
        raise ValueError(f"cell {missing[0]} is on no frame" if missing else "there is no cell on any frame")
    longest = sorted(found, key=lambda c: (-int(np.isfinite(found[c][0]).sum()), c))[:SHOWN_CELLS]
    chosen = [int(cell) for cell in cells] if cells is not None else sorted(longest)
    table = np.stack([found[cell] for cell in chosen])
    sy, sx, st = (float(tracked.scale.get(axis, 1.0)) for axis in "YXT")
    moved = np.hypot(np.diff(table[:, 3], axis=1) * sy, np.diff(table[:, 4], axis=1) * sx) / st
    speed = np.concatenate((np.full((len(chosen), 1), np.nan), moved), 1)
    length = SHORT_UNITS.get(tracked.units.get("X", ""), tracked.units.get("X", "")) if "X" in tracked.scale else "px"
    time = SHORT_UNITS.get(tracked.units.get("T", ""), tracked.units.get("T", "")) if "T" in tracked.scale else "frame"
    panels = [
        (f"area [{length}^2]", table[:, 0] * sy * sx),
        ("mean intensity", table[:, 1]),
        (f"speed [{length}/{time}]", speed),
        ("object score", table[:, 2]),
    ]
    return Curves(
        np.arange(frames, dtype=np.float64) * st, panels, chosen, f"time [{time}]" if "T" in tracked.scale else "frame"
    )


def draw_plots(curves: Curves) -> Picture:
    """Draw the four panels and a legend."""
    from PIL import Image, ImageDraw

    left, top, right, bottom = MARGIN
    width, height = PANEL[0] + left + right, PANEL[1] + top + bottom
    legend = 24 + 18 * math.ceil(len(curves.cells) / 10)
    picture = Image.new("RGB", (2 * width, 2 * height + legend), _PAPER)
    draw = ImageDraw.Draw(picture)
    for number, (title, values) in enumerate(curves.panels):
        _draw_panel(draw, (number % 2 * width + left, number // 2 * height + top), title, values, curves)
    for i, cell in enumerate(curves.cells):
        x, y = left + i % 10 * 80, 2 * height + 8 + i // 10 * 18
        draw.line((x, y + 8, x + 20, y + 8), fill=_colour(cell), width=3)
        draw.text((x + 26, y), f"{cell}", fill=_INK, font_size=13)
    return np.asarray(picture)


def _draw_panel(
    draw: Any, corner: tuple[int, int], title: str, values: npt.NDArray[np.float64], curves: Curves
) -> None:
    x0, y0 = corner
    x1, y1 = x0 + PANEL[0], y0 + PANEL[1]
    known = values[np.isfinite(values)]
    low, high = (0.0, 1.0) if not known.size else (min(0.0, float(known.min())), float(known.max()))
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    first, last = float(curves.times[0]), float(max(curves.times[-1], curves.times[0] + 1e-9))

    def at(time: float, value: float) -> tuple[float, float]:
        return (x0 + (time - first) / (last - first) * PANEL[0], y1 - (value - low) / (high - low) * PANEL[1])

    for tick in ticks:
        y = at(first, tick)[1]
        draw.line((x0, y, x1, y), fill=_FAINT)
        draw.text((x0 - 6, y), f"{tick:g}", fill=_INK, font_size=12, anchor="rm")
    for tick in _ticks(first, last):
        if first <= tick <= last:
            x = at(tick, low)[0]
            draw.line((x, y1, x, y1 + 4), fill=_INK)
            draw.text((x, y1 + 6), f"{tick:g}", fill=_INK, font_size=12, anchor="ma")
    draw.line((x0, y0, x0, y1, x1, y1), fill=_INK)
    draw.text((x0, y0 - 8), title, fill=_INK, font_size=14, anchor="ls")
    draw.text((x1, y1 + 40), curves.time_title, fill=_INK, font_size=12, anchor="rs")
    if not known.size:
        draw.text(((x0 + x1) / 2, (y0 + y1) / 2), "not known", fill=_INK, font_size=14, anchor="mm")
    for cell, row in zip(curves.cells, values, strict=True):
        there = np.flatnonzero(np.isfinite(row))
        for run in np.split(there, np.flatnonzero(np.diff(there) > 1) + 1):
            points = [at(float(curves.times[t]), float(row[t])) for t in run]
            if len(points) > 1:
                draw.line(points, fill=_colour(cell), width=2)
            elif points:
                (x, y) = points[0]
                draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=_colour(cell))


def _colour(cell: int) -> tuple[int, int, int]:
    """The cell's colour, darkened for white paper."""
    red, green, blue = (int(part * 0.75) for part in colour_of(cell)[:3])
    return red, green, blue


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers over a range."""
    if not high > low:
        high = low + 1
    step = round_length((high - low) / 3)
    return [step * n for n in range(math.floor(low / step), math.ceil(high / step - 1e-9) + 1)]
