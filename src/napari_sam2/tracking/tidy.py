"""Islands and holes of the painted masks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

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

    Notes
    -----
    Pieces and holes are found among runs of equal pixels along the rows, of which there are far fewer than pixels.
    """
    chosen = list(cells)
    mine = np.isin(labels, chosen)
    rows, columns = (np.flatnonzero(mine.any(axis)) for axis in (1, 0))
    if not len(rows):
        return
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    # One pixel more on each side, so that the outside is one piece of background.
    runs = _Runs.of(np.pad(labels[box], 1))
    dropped = _drop_islands(runs, chosen)
    if dropped:
        runs = _Runs.of(runs.image())  # what was an island is of one run with the background beside it
    filled = _fill_holes(runs, chosen)
    if dropped or filled:
        labels[box] = runs.image()[1:-1, 1:-1]


@dataclass
class _Runs:
    """Runs of equal labels along the rows of an image, and which of them lie above and below each other.

    Parameters
    ----------
    shape
        Of the image.
    label, length
        (R,) of each run, row by row.
    above, below
        (P,) pairs of runs that share a part of their border; a pair may stand there twice.
    """

    shape: tuple[int, ...]
    label: LabelImage
    length: IntArray
    above: IntArray
    below: IntArray

    @classmethod
    def of(cls, image: LabelImage) -> _Runs:
        flat, width = image.reshape(-1), image.shape[1]
        begins = np.empty(len(flat), bool)
        np.not_equal(flat[1:], flat[:-1], out=begins[1:])
        begins[::width] = True
        first = np.flatnonzero(begins)
        number = np.arange(len(first))
        # Two runs share a border from where the later one of them begins.
        lower, upper = np.searchsorted(first, width), np.searchsorted(first, len(flat) - width)
        above = np.searchsorted(first, first[lower:] - width, "right") - 1
        below = np.searchsorted(first, first[:upper] + width, "right") - 1
        pairs = np.concatenate((above, number[:upper])), np.concatenate((number[lower:], below))
        return cls(image.shape, flat[first], np.diff(first, append=len(flat)), *pairs)

    def pieces(self) -> tuple[int, IntArray]:
        """Number of connected pieces (4-neighbours) of equal label, and the piece of each run (R,)."""
        equal = self.label[self.above] == self.label[self.below]
        pairs = self.above[equal], self.below[equal]
        graph = sparse.coo_array((np.ones(len(pairs[0]), np.int8), pairs), shape=(len(self.label),) * 2)
        n, piece = csgraph.connected_components(graph, directed=False)
        return int(n), piece.astype(np.int64)

    def image(self) -> LabelImage:
        """The image that the runs make."""
        return np.repeat(self.label, self.length).reshape(self.shape)


def _drop_islands(runs: _Runs, cells: list[int]) -> bool:
    """Make background of small pieces of some cells; returns whether there were any."""
    n, piece = runs.pieces()
    size = np.bincount(piece, runs.length, n)
    owner = np.zeros(n, np.int64)
    owner[piece] = runs.label
    largest = _largest(owner, size)
    island = np.isin(owner, cells) & (owner > 0) & (size < ISLAND_SHARE * largest)
    runs.label[island[piece]] = 0
    return bool(island.any())


def _fill_holes(runs: _Runs, cells: list[int]) -> bool:
    """Give small holes to the cells around them, where that is one of some cells; returns whether there were any."""
    n, piece = runs.pieces()
    empty = runs.label == 0
    hole = empty & (piece != piece[0])  # the first run lies at the edge, which is the outside
    if not hole.any():
        return False
    # No hole reaches to the edge, so a run within one has neighbours on both sides.
    within = np.flatnonzero(hole)
    up, down = hole[runs.below] & ~empty[runs.above], hole[runs.above] & ~empty[runs.below]
    around = np.concatenate((within - 1, within + 1, runs.above[up], runs.below[down]))
    holes = piece[np.concatenate((within, within, runs.below[up], runs.above[down]))]
    low, high = np.full(n, np.iinfo(np.int64).max), np.zeros(n, np.int64)
    np.minimum.at(low, holes, runs.label[around])
    np.maximum.at(high, holes, runs.label[around])
    inside = (low == high) & np.isin(low, cells)
    area = np.bincount(piece, runs.length, n)
    owners, group = np.unique(runs.label, return_inverse=True)
    owned = np.bincount(group, runs.length)
    inside &= area <= HOLE_SHARE * owned[np.searchsorted(owners, np.where(inside, low, 0))]
    filled = hole & inside[piece]
    runs.label[filled] = low[piece[filled]]
    return bool(filled.any())


def _largest(owner: IntArray, size: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """For each piece the size of the largest piece of the same owner."""
    _, group = np.unique(owner, return_inverse=True)
    best = np.zeros(group.max(initial=0) + 1)
    np.maximum.at(best, group, size)
    return best[group]
