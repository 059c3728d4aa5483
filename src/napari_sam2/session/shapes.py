"""What the pixels tell beyond the table: masks in several parts, neighbours that touch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


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
    from skimage.measure import label

    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    if not rows.size:
        return {}
    image = np.pad(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1)
    cells, flat = np.unique(image, return_inverse=True)
    index = flat.reshape(image.shape)
    pieces = label(image, background=0, connectivity=2)
    size = np.bincount(pieces.reshape(-1))
    owner = np.zeros(len(size), np.int64)
    owner[pieces.reshape(-1)] = index.reshape(-1)
    order = np.lexsort((-size, owner))
    first = np.searchsorted(owner[order], np.arange(len(cells)))
    second = np.zeros(len(cells))
    for i in range(1, len(cells)):
        if first[i] + 1 < len(order) and owner[order[first[i] + 1]] == i:
            second[i] = size[order[first[i] + 1]]
    area = np.bincount(index.reshape(-1), minlength=len(cells))
    border, shared = np.zeros(len(cells)), np.zeros(len(cells))
    background = int(cells[0] == 0)
    for a, b in ((index[:-1], index[1:]), (index[:, :-1], index[:, 1:])):
        edge = a != b
        for mine, other in ((a[edge], b[edge]), (b[edge], a[edge])):
            border += np.bincount(mine, minlength=len(cells))
            shared += np.bincount(mine[other >= background], minlength=len(cells))
    return {
        int(c): Shape(float(second[i] / area[i]), float(shared[i] / max(border[i], 1)))
        for i, c in enumerate(cells)
        if c
    }
