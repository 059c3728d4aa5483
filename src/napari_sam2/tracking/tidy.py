"""Islands and holes of the painted masks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy import ndimage

LabelImage = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.int64]

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
    mine = np.isin(labels, chosen)
    rows, columns = (np.flatnonzero(mine.any(axis)) for axis in (1, 0))
    if not len(rows):
        return
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    # One pixel more on each side, so that the outside is one piece of background.
    part = np.pad(labels[box], 1)
    pieces, n = _pieces(part)
    first, length, piece = _runs(pieces)
    size = np.bincount(piece, length, n + 1)
    owner = np.zeros(n + 1, np.int64)
    owner[piece] = part.reshape(-1)[first]
    largest = _largest(owner, np.where(owner > 0, size, 0))
    island = np.isin(owner, chosen) & (size < ISLAND_SHARE * largest)
    dropped = island[piece]
    part.reshape(-1)[_pixels(first[dropped], length[dropped])] = 0
    _fill_holes(part, chosen)
    labels[box] = part[1:-1, 1:-1]


def _fill_holes(part: LabelImage, cells: list[int]) -> None:
    """Fill small holes of some cells of a padded label image, in place."""
    holes, n = ndimage.label(part == 0)
    if n < 2:
        return
    first, length, number = _runs(holes)
    inner = (number > 0) & (number != holes[0, 0])  # none of them lies at the edge, which is the outside
    hole = np.repeat(number[inner], length[inner])
    y, x = np.divmod(_pixels(first[inner], length[inner]), part.shape[1])
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


def _runs(numbers: npt.NDArray[np.integer]) -> tuple[IntArray, IntArray, IntArray]:
    """Runs of equal numbers along the rows of a picture: first flat index, length, and number of each.

    There are far fewer of them than of pixels. A run may go on in the next row.
    """
    flat = numbers.reshape(-1)
    first = np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1])))
    return first, np.diff(first, append=len(flat)), flat[first].astype(np.int64)


def _pixels(first: IntArray, length: IntArray) -> IntArray:
    """Flat indices of all pixels of some runs."""
    before = np.cumsum(length) - length
    return np.repeat(first - before, length) + np.arange(length.sum())


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
