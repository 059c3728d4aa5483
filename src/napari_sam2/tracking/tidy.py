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
    wanted = np.isin(labels, list(cells))
    box = ndimage.find_objects(wanted.astype(np.int8))
    if not box or box[0] is None:
        return
    # One pixel more on each side, so that the outside is one piece of background.
    part = np.pad(labels[box[0]], 1)
    wanted = np.pad(wanted[box[0]], 1)
    pieces, n = _pieces(part)
    size = np.bincount(pieces.reshape(-1), minlength=n + 1)
    owner = np.zeros(n + 1, np.int64)
    owner[pieces.reshape(-1)] = part.reshape(-1)
    mine = np.zeros(n + 1, bool)
    mine[pieces[wanted]] = True
    largest = _largest(owner, np.where(owner > 0, size, 0))
    island = mine & (size < ISLAND_SHARE * largest)
    part[island[pieces]] = 0

    holes, n = ndimage.label(part == 0)
    if n > 1:
        low, high = _neighbours(part, holes, n)
        inside = (low == high) & (low > 0)
        inside[0] = inside[holes[0, 0]] = False
        area = np.bincount(holes.reshape(-1), minlength=n + 1)
        around = _largest_of(low, part, inside)
        fill = inside & np.isin(low, part[wanted]) & (area <= HOLE_SHARE * around)
        at = fill[holes]
        part[at] = low[holes[at]]
    labels[box[0]] = part[1:-1, 1:-1]


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


def _neighbours(
    part: LabelImage, holes: npt.NDArray[np.int32], n: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Lowest and highest label that touches each piece of background."""
    low, high = np.full(n + 1, np.iinfo(np.int64).max), np.zeros(n + 1, np.int64)
    for axis in (0, 1):
        first, second = [slice(None)] * 2, [slice(None)] * 2
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        for a, b in ((tuple(first), tuple(second)), (tuple(second), tuple(first))):
            touching = (holes[a] > 0) & (part[b] > 0)
            np.minimum.at(low, holes[a][touching], part[b][touching])
            np.maximum.at(high, holes[a][touching], part[b][touching])
    return low, high


def _largest_of(low: npt.NDArray[np.int64], part: LabelImage, inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Area of the cell around each hole."""
    cells, counts = np.unique(part[part > 0], return_counts=True)
    out = np.zeros(len(low), np.int64)
    if len(cells):
        at = np.searchsorted(cells, low[inside])
        out[inside] = counts[np.minimum(at, len(cells) - 1)]
    return out
