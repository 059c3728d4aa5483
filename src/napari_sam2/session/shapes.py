"""What a label image says about each of its cells: size, place, whether it is in parts, and whether it touches others.

All of it comes from the horizontal runs of the image, of which there are some thousands where there are a million
pixels, so that every frame can be measured while it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

LOOKED_UP = 1 << 20
"""Cell numbers below this are looked up in a table, which is quicker than sorting them."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Shapes:
    """Measurements of the cells of a label image, in ascending order of their numbers: (N,) each.

    Parameters
    ----------
    cells
        Their numbers.
    area
        Pixels.
    y, x
        Centroid in pixels.
    second
        Share of the pixels that lie in the second largest part (8 neighbours), 0 for one part.
    touching
        Share of the border that lies against other cells; a border is counted in edges of pixels.
    """

    cells: Ints
    area: Floats
    y: Floats
    x: Floats
    second: Floats
    touching: Floats

    def of(self, cells: Sequence[int]) -> Shapes:
        """The same of some cells, in the order in which they are named; zeros for those that are not there."""
        wanted = np.asarray(cells, np.int64)
        if not len(self.cells):
            zeros = np.zeros(len(wanted))
            return Shapes(wanted, *(zeros.copy() for _ in range(5)))
        at = np.minimum(np.searchsorted(self.cells, wanted), len(self.cells) - 1)
        there = self.cells[at] == wanted
        values = (self.area, self.y, self.x, self.second, self.touching)
        return Shapes(wanted, *(np.where(there, v[at], 0.0) for v in values))


def shapes(image: npt.NDArray[np.int32]) -> Shapes:
    """Measure all cells of a label image (Y, X); 0 is background."""
    wide = image.shape[1]
    flat = np.ascontiguousarray(image).reshape(-1)
    start, value = _runs(flat, wide)
    if not start.size:
        return Shapes(np.zeros(0, np.int64), *(np.zeros(0) for _ in range(5)))
    stop = np.append(start[1:], flat.size)
    # a run that follows another cell's without a gap, on the same row
    beside = (value[1:] > 0) & (value[:-1] > 0) & (start[1:] % wide != 0)
    shared_by = np.concatenate((value[1:][beside], value[:-1][beside]))
    inside = value > 0
    start, stop, value = start[inside], stop[inside], value[inside]
    cells, own = _numbered(value)
    n = len(cells)
    length = stop - start
    row = start // wide
    area = np.bincount(own, length, n).astype(float)
    y = np.bincount(own, row * length, n) / area
    x = np.bincount(own, length * (start - row * wide + (length - 1) / 2), n) / area
    above, below, overlap = _stacked(start, stop, row, wide)
    same = own[above] == own[below]
    kept = np.bincount(own[above[same]], np.maximum(overlap[same], 0), n)
    border = 2 * np.bincount(own, minlength=n) + 2 * area - 2 * kept
    shared = np.bincount(np.searchsorted(cells, shared_by), minlength=n).astype(float)
    other = ~same & (overlap > 0)
    for side in (above, below):
        shared += np.bincount(own[side[other]], overlap[other], n)
    second = _second_part(own, length, above[same], below[same], n) / area
    return Shapes(cells.astype(np.int64), area, y, x, second, shared / np.maximum(border, 1))


def _runs(flat: npt.NDArray[np.int32], wide: int) -> tuple[Ints, npt.NDArray[np.int32]]:
    """First pixel and value of every run of equal pixels on a row, background too; none for an empty image."""
    if not flat.size or not flat.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int32)
    new = np.empty(flat.size, bool)
    new[0] = True
    np.not_equal(flat[1:], flat[:-1], out=new[1:])
    new[::wide] = True
    start = np.flatnonzero(new)
    return start, flat[start]


def _numbered(value: npt.NDArray[np.int32]) -> tuple[npt.NDArray[Any], Ints]:
    """Different values in ascending order, and the place of each value among them."""
    most = int(value.max())
    if most >= LOOKED_UP:
        return np.unique(value, return_inverse=True)
    there = np.zeros(most + 1, bool)
    there[value] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[value]


def _stacked(start: Ints, stop: Ints, row: Ints, wide: int) -> tuple[Ints, Ints, Ints]:
    """Pairs of runs, one above the other or touching by a corner, and by how many pixels they overlap (0: a corner)."""
    first = np.searchsorted(stop - wide, start, side="left")
    last = np.searchsorted(start - wide, stop, side="right")
    count = np.maximum(last - first, 0)
    above = np.repeat(np.arange(len(start)), count)
    offset = np.cumsum(count) - count
    below = np.arange(len(above)) - np.repeat(offset - first, count)
    next_row = row[below] == row[above] + 1  # at the ends of rows, positions run over into the next
    above, below = above[next_row], below[next_row]
    overlap = np.minimum(stop[above], stop[below] - wide) - np.maximum(start[above], start[below] - wide)
    return above, below, overlap


def _second_part(own: Ints, length: Ints, above: Ints, below: Ints, n: int) -> Floats:
    """Pixels of the second largest connected part of each of n cells."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(above), bool), (above, below)), shape=(len(own), len(own)))
    parts, part = connected_components(graph, directed=False)
    second = np.zeros(n)
    if parts == n:
        return second
    size = np.bincount(part, length, parts)
    owner = np.zeros(parts, np.int64)
    owner[part] = own
    order = np.lexsort((-size, owner))
    ranked = owner[order]
    begins = np.flatnonzero(np.diff(ranked, prepend=-1))
    follows = begins + 1
    follows = follows[(follows < parts) & (ranked[np.minimum(follows, parts - 1)] == ranked[begins])]
    second[ranked[follows]] = size[order[follows]]
    return second
