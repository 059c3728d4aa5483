"""Where the simulated user clicks, and how masks are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BoolMask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.integer[Any]]

#: A cell with more than this overlap is the same cell, by the convention of the field.
RIGHT = 0.5


def interior_point(mask: BoolMask) -> tuple[float, float]:
    """(y, x) of the pixel deepest inside a mask, of equals the most central; the frame's border is the mask's too.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    from scipy.ndimage import distance_transform_edt

    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        raise ValueError("an empty mask has no inside")
    crop = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    depth = distance_transform_edt(np.pad(crop, 1))[1:-1, 1:-1]
    deepest = np.argwhere(depth == depth.max())
    y, x = deepest[((deepest - deepest.mean(0)) ** 2).sum(1).argmin()]
    return float(y + rows[0]), float(x + columns[0])


def bounding_box(mask: BoolMask) -> tuple[tuple[float, float], tuple[float, float]]:
    """Corners ((y, x), (y, x)) of a mask, as tight as a careful user draws them: its outermost pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (float(rows[0]), float(columns[0])), (float(rows[-1]), float(columns[-1]))


def correction(found: BoolMask, true: BoolMask) -> tuple[tuple[float, float], bool]:
    """The next click of a user who sees `found` and wants `true`: the middle of the largest error, and its sign.

    A mask that has nothing in common with the cell is not pruned: the user clicks on the cell.
    """
    from scipy.ndimage import label

    if not (found & true).any():
        return interior_point(true), True
    best: tuple[int, BoolMask, bool] | None = None
    for error, foreground in ((true & ~found, True), (found & ~true, False)):
        parts, count = label(error)
        if count:
            sizes = np.bincount(parts.ravel())[1:]
            largest = int(sizes.argmax())
            if best is None or sizes[largest] > best[0]:
                best = (int(sizes[largest]), parts == largest + 1, foreground)
    if best is None:  # nothing is wrong
        return interior_point(true), True
    return interior_point(best[1]), best[2]


def iou(found: BoolMask, true: BoolMask) -> float:
    """Intersection over union; 0 for two empty masks."""
    union = np.count_nonzero(found | true)
    return float(np.count_nonzero(found & true) / union) if union else 0.0


@dataclass(frozen=True)
class Overlaps:
    """How the cells of one frame overlap with the truth: areas in pixels."""

    found: dict[int, int]
    true: dict[int, int]
    shared: dict[tuple[int, int], int]

    @classmethod
    def of(cls, labels: Labels, truth: Labels) -> Overlaps:
        """Count the overlaps of two (Y, X) label images."""
        where = (labels > 0) | (truth > 0)
        a, b = labels[where].astype(np.int64), truth[where].astype(np.int64)
        base = int(b.max(initial=0)) + 1
        codes, counts = np.unique(a * base + b, return_counts=True)
        found: dict[int, int] = {}
        true: dict[int, int] = {}
        shared: dict[tuple[int, int], int] = {}
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            cell, other = divmod(code, base)
            if cell:
                found[cell] = found.get(cell, 0) + count
            if other:
                true[other] = true.get(other, 0) + count
            if cell and other:
                shared[cell, other] = count
        return cls(found, true, shared)

    def iou(self, cell: int) -> float:
        """IoU of a tracked cell with the true cell of the same number; a missing one has 0."""
        both = self.shared.get((cell, cell), 0)
        union = self.found.get(cell, 0) + self.true.get(cell, 0) - both
        return both / union if union else 0.0

    def best(self, cell: int) -> int:
        """The true cell that a tracked one covers most; 0 where it covers none."""
        candidates = [(count, -other) for (own, other), count in self.shared.items() if own == cell]
        return -max(candidates)[1] if candidates else 0
