"""What the pixels tell beyond the table: masks in several parts, neighbours that touch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse


@dataclass(frozen=True)
class Shape:
    """Shape of one cell's mask on a frame.

    Parameters
    ----------
    second
        Share of its pixels in its second largest part, 0 for one part.
    touching
        Share of its border that lies against other cells.
    """

    second: float
    touching: float


def shapes(image: npt.NDArray[np.int32]) -> dict[int, Shape]:
    """Shapes of all cells of a label image (Y, X)."""
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    if not rows.size:
        return {}
    image = np.pad(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1)  # background comes first
    cells, flat = np.unique(image, return_inverse=True)
    index = flat.reshape(image.shape)
    owner, size = pieces(index)
    order = np.lexsort((-size, owner))
    second = np.zeros(len(cells))
    # of each cell's pieces in order of size, the one after the largest
    follows = np.flatnonzero(owner[order][1:] == owner[order][:-1]) + 1
    largest = np.flatnonzero(np.diff(owner[order], prepend=-1))
    at = np.intersect1d(follows, largest + 1)
    second[owner[order[at]]] = size[order[at]]
    area = np.bincount(index.reshape(-1), minlength=len(cells))
    border, shared = np.zeros(len(cells)), np.zeros(len(cells))
    for a, b in ((index[:-1], index[1:]), (index[:, :-1], index[:, 1:])):
        edge = a != b
        for mine, other in ((a[edge], b[edge]), (b[edge], a[edge])):
            border += np.bincount(mine, minlength=len(cells))
            shared += np.bincount(mine[other > 0], minlength=len(cells))
    return {
        int(cells[i]): Shape(float(second[i] / area[i]), float(shared[i] / max(border[i], 1)))
        for i in range(1, len(cells))
    }


def pieces(index: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Connected pieces (8 neighbours) of equal number in an image (Y, X), 0 left out: number and size of each."""
    inside = index > 0
    node = np.cumsum(inside.reshape(-1)).reshape(index.shape) - 1
    ends = []
    high, wide = index.shape
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a = np.s_[: high - dy, max(0, -dx) : wide - max(0, dx)]
        b = np.s_[dy:, max(0, dx) : wide + min(0, dx)]
        same = inside[a] & (index[a] == index[b])
        ends.append((node[a][same], node[b][same]))
    first, second = (np.concatenate([pair[i] for pair in ends]) for i in (0, 1))
    count = int(inside.sum())
    graph = sparse.coo_matrix((np.ones(len(first), bool), (first, second)), shape=(count, count))
    found, piece = sparse.csgraph.connected_components(graph, directed=False)
    owner = np.zeros(found, np.int64)
    owner[piece] = index[inside]
    return owner, np.bincount(piece, minlength=found)
