"""Islands and holes of the painted masks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy import ndimage

LabelImage = npt.NDArray[np.int32]

#: Parts smaller than this share of a cell's largest part are islands. A cell that falls into two halves keeps both:
#: that may be a division, and is for the user to judge.
ISLAND_SHARE = 0.2
#: Holes up to this share of the cell around them are filled.
HOLE_SHARE = 0.1


def tidy(labels: LabelImage, cells: Iterable[int]) -> None:
    """Remove islands and fill holes of some cells, in place.

    Parameters
    ----------
    labels
        (Y, X) label image; pixels of other cells are never changed.
    cells
        Cells to be tidied.
    """
    chosen = list(cells)
    box = ndimage.find_objects(np.isin(labels, chosen).view(np.int8))
    if not box or box[0] is None:
        return
    # One pixel more on each side, so that the outside is one piece of background.
    part = np.pad(labels[box[0]], 1)
    pieces, n = _pieces(part)
    size = np.bincount(pieces.reshape(-1), minlength=n + 1)
    owner = np.zeros(n + 1, np.int64)
    owner[pieces.reshape(-1)] = part.reshape(-1)
    largest = _largest(owner, np.where(owner > 0, size, 0))
    island = np.isin(owner, chosen) & (size < ISLAND_SHARE * largest)
    if island.any():
        part[island[pieces]] = 0
    _fill_holes(part, chosen)
    labels[box[0]] = part[1:-1, 1:-1]


def _fill_holes(part: LabelImage, cells: list[int]) -> None:
    """Fill small holes of some cells of a padded label image, in place."""
    holes, n = ndimage.label(part == 0)
    if n < 2:
        return
    y, x = np.nonzero((holes > 0) & (holes != holes[0, 0]))  # none of them lies at the edge, which is the outside
    hole = holes[y, x]
    low, high = np.full(n + 1, np.iinfo(np.int64).max), np.zeros(n + 1, np.int64)
    for beside in (part[y - 1, x], part[y + 1, x], part[y, x - 1], part[y, x + 1]):
        touching = beside > 0
        np.minimum.at(low, hole[touching], beside[touching])
        np.maximum.at(high, hole[touching], beside[touching])
    inside = (low == high) & np.isin(low, cells)
    if not inside.any():
        return
    area = np.bincount(hole, minlength=n + 1)
    fill = inside & (area <= HOLE_SHARE * _largest_of(low, part, inside))
    at = fill[hole]
    part[y[at], x[at]] = low[hole[at]]


def _pieces(part: LabelImage) -> tuple[npt.NDArray[np.int64], int]:
    """Number the connected pieces (4-neighbours) of equal label; background is 0."""
    from skimage.measure import label

    pieces = label(part, background=0, connectivity=1)
    return pieces, int(pieces.max(initial=0))


def _largest(owner: npt.NDArray[np.int64], size: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each piece the size of the largest piece of the same owner."""
    _, group = np.unique(owner, return_inverse=True)
    best = np.zeros(group.max(initial=0) + 1, np.int64)
    np.maximum.at(best, group, size)
    return best[group]


def _largest_of(low: npt.NDArray[np.int64], part: LabelImage, inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Area of the cell around each hole."""
    out = np.zeros(len(low), np.int64)
    if int(part.max()) < part.size:  # counting is many times faster than sorting, unless numbers are enormous
        out[inside] = np.bincount(part.reshape(-1))[low[inside]]
    else:
        cells, counts = np.unique(part, return_counts=True)
        out[inside] = counts[np.searchsorted(cells, low[inside])]
    return out
