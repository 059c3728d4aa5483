"""The picture of cells by frames: what is known of some cells on some frames, as pixels. Free of Qt.

The height of a bar says how sure the model is, and so does its colour; everything else has a shape of its own, so that
nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session.table import REVIEWS, STATES, Rows
from napari_sam2.widgets.theme import RGB, STEPS, Theme, mix

Bools = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.uint8]

LOWEST_BAR = 0.3
"""Height of a bar at score 0, as a share of the row."""
HATCH = 6
"""Distance of the stripes of stale frames, in points."""
DASH = 4
"""Length of the dashes of missing frames, and between them, in points."""
LEAST_FOR_SIGNS = 9
"""Height of rows, in points, under which signs become plain ticks."""

LEFT, DEAD, DIVIDED, HIDDEN = (STATES.index(name) for name in ("left", "dead", "divided", "hidden"))
CHECKED, SUSPECT = REVIEWS.index("checked"), REVIEWS.index("suspect")

SIGNS = {
    "prompt": ("...#...", "..###..", ".#####.", "#######", ".#####.", "..###..", "...#..."),
    "divided": ("....###", "...##..", "####...", "####...", "####...", "...##..", "....###"),
    "left": ("...#...", "....#..", "#######", "#######", "....#..", "...#...", "......."),
    "dead": ("##...##", "###.###", ".#####.", "..###..", ".#####.", "###.###", "##...##"),
}
"""Shapes of the signs, in points."""


@dataclass(frozen=True)
class Line:
    """What the picture shows of one cell: (F,) each.

    Parameters
    ----------
    rows
        Records of the table.
    prompted, stale
        Frames with prompts, and those whose masks come from old ones.
    alive
        Frames of its life.
    mother
        Whether it has daughters.
    """

    rows: Rows
    prompted: Bools
    stale: Bools
    alive: Bools
    mother: bool


@dataclass(frozen=True)
class Grid:
    """Where the picture lies in cells and frames, in pixels.

    Parameters
    ----------
    width
        Of the picture.
    row
        Height of a row, with the gap to the next.
    start
        Frame at its left edge; may lie within a frame.
    per_frame
        Width of a frame; less than 1 where several share a column.
    unit
        Pixels in a point (device pixel ratio).
    """

    width: int
    row: int
    start: float
    per_frame: float
    unit: int = 1

    def edges(self, frames: int) -> npt.NDArray[np.int64]:
        """(W + 1,) frame at each column's left edge; `frames` and more where the movie has ended."""
        found = np.floor(self.start + np.arange(self.width + 1) / self.per_frame + 1e-9).astype(np.int64)
        return np.clip(found, 0, frames)

    def column(self, frame: float) -> int:
        """Column in the middle of a frame; may lie outside the picture."""
        return int(np.floor((frame + 0.5 - self.start) * self.per_frame))


def paint(lines: Sequence[Line], grid: Grid, theme: Theme) -> Picture:
    """Paint cells by frames.

    Parameters
    ----------
    lines
        The cells, from top to bottom.
    grid
        The geometry.
    theme
        The colours.

    Returns
    -------
    uint8 array (rows x row height, W, 4)
        RGBA.
    """
    high, wide, unit = grid.row, grid.width, grid.unit
    out = np.empty((len(lines), high, wide, 4), np.uint8)
    out[..., :3], out[..., 3] = theme.paper, 255
    if not lines or not wide:
        return out.reshape(-1, wide, 4)
    edges = grid.edges(len(lines[0].rows))
    columns = _Columns(edges, len(lines[0].rows))
    ramp = theme.ramp()
    gap = max(unit, 1)
    inner = high - gap
    y, x = np.mgrid[:inner, :wide]
    hatch = (x + y) % (HATCH * unit) < (HATCH * unit) // 3
    dash = (x // (DASH * unit)) % 2 == 0
    middle = np.abs(y - inner // 2) < max(1, unit)
    line = max(1, unit) * (2 if inner >= 10 * unit else 1)
    bed, ink = mix(theme.paper, theme.raised, 0.55), theme.ink
    for i, one in enumerate(lines):
        picture = out[i, :inner, :, :3]
        rows = one.rows
        there = rows["area"] > 0
        score = np.where(there, np.nan_to_num(rows["score"]).clip(0, 1), 2.0)
        worst = columns.least(score)
        shown = columns.any(there)
        level = np.where(shown, LOWEST_BAR + (1 - LOWEST_BAR) * worst.clip(0, 1), 0)
        picture[:, columns.any(one.alive)] = bed
        bar = shown & (y >= np.round(inner * (1 - level)).astype(int))
        colours = ramp[np.round(worst.clip(0, 1) * (STEPS - 1)).astype(int)]
        picture[bar] = np.broadcast_to(colours, picture.shape)[bar]
        missing = ~there & one.alive & ((rows["made"] > 0) | (rows["state"] == HIDDEN))
        lost = columns.any(missing) & ~shown
        picture[middle & lost & dash] = ink
        old = columns.any(one.stale)
        picture[hatch & old & (bar | lost)] = theme.paper
        picture[-line:, columns.any(rows["locked"] > 0)] = ink
        right = columns.every((rows["review"] == CHECKED) | ~there) & shown
        picture[:line, right] = ink
        doubted = columns.any(there & (rows["review"] == SUSPECT))
        picture[: 2 * line, doubted & dash[0]] = theme.warning
        _signs(picture, one, grid, theme)
    return out.reshape(-1, wide, 4)


def _signs(picture: npt.NDArray[np.uint8], line: Line, grid: Grid, theme: Theme) -> None:
    state, area = line.rows["state"], line.rows["area"]
    filled = np.flatnonzero(area)
    ends = {"left": state == LEFT, "dead": state == DEAD, "divided": state == DIVIDED}
    if line.mother and filled.size and not ends["divided"].any():
        ends["divided"] = np.arange(len(area)) == filled[-1]
    marks: dict[str, Bools] = {}
    for name, where in ends.items():
        # what lasts is marked where it begins
        marks[name] = where & ~np.concatenate(([False], where[:-1]))
    marks["prompt"] = line.prompted
    for name, where in marks.items():
        for frame in np.flatnonzero(where):
            _stamp(picture, name, grid.column(int(frame)), grid, theme)


def _stamp(picture: npt.NDArray[np.uint8], name: str, at: int, grid: Grid, theme: Theme) -> None:
    high, wide = picture.shape[:2]
    unit = grid.unit
    if high < LEAST_FOR_SIGNS * unit:
        picture[:, max(0, at) : max(0, at + unit)] = theme.ink
        return
    shape = np.array([[c == "#" for c in row] for row in SIGNS[name]]).repeat(unit, 0).repeat(unit, 1)
    shape = np.pad(shape, unit)
    halo = shape.copy()
    for axis in (0, 1):
        for step in range(1, unit + 1):
            halo |= np.roll(shape, step, axis) | np.roll(shape, -step, axis)
    top, left = (high - shape.shape[0]) // 2, at - shape.shape[1] // 2
    y0, x0 = max(0, -top), max(0, -left)
    y1, x1 = min(shape.shape[0], high - top), min(shape.shape[1], wide - left)
    if x1 <= x0 or y1 <= y0:
        return
    part = picture[top + y0 : top + y1, left + x0 : left + x1]
    part[halo[y0:y1, x0:x1]] = theme.paper
    part[shape[y0:y1, x0:x1]] = theme.ink


class _Columns:
    """Frames as columns of pixels: spread where a frame is wide, gathered where several share a column."""

    def __init__(self, edges: npt.NDArray[np.int64], frames: int) -> None:
        self._first = np.minimum(edges[:-1], max(frames - 1, 0))
        self._stop = np.maximum(np.minimum(edges[1:], frames), self._first + 1)
        self._outside = edges[:-1] >= frames
        self._gathered = bool((np.diff(edges) > 1).any())
        self._edges = edges

    def any(self, values: Bools) -> Bools:
        """Whether some frame of each column is so."""
        return self._reduce(np.logical_or, values) & ~self._outside

    def every(self, values: Bools) -> Bools:
        """Whether all frames of each column are so."""
        return self._reduce(np.logical_and, values) & ~self._outside

    def least(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The least value of each column."""
        found: npt.NDArray[np.float64] = self._reduce(np.minimum, values)
        return found

    def _reduce(self, how: np.ufunc, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if not self._gathered:
            return values[self._first]
        # frames beyond the picture must not count in its last column
        return how.reduceat(values[: int(self._stop[-1])], self._first)


def colour_of_score(score: float, theme: Theme) -> RGB:
    """Colour of the bar of a score, for the legend."""
    r, g, b = theme.ramp()[round(min(max(score, 0.0), 1.0) * (STEPS - 1))]
    return int(r), int(g), int(b)
