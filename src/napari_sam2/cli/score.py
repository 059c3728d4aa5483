"""How well tracked labels agree with the truth, per clicked cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

FOLLOWED_IOU = 0.5
"""A cell with at least this IoU is the same cell, by the convention of the field (Cell Tracking Challenge, SEG)."""


@dataclass
class Score:
    """Overlaps of each clicked cell with its truth, gathered frame by frame.

    Parameters
    ----------
    clicked : mapping of int to int
        Cell to the frame on which it was clicked. Earlier frames do not count.

    Notes
    -----
    A frame on which the truth does not show the cell does not count either. Where a frame comes twice, the last one
    counts.
    """

    clicked: Mapping[int, int]
    ious: dict[tuple[int, int], float] = field(default_factory=dict)

    def add(self, frame: int, labels: npt.NDArray[Any], truth: npt.NDArray[Any]) -> None:
        """Compare one frame, both (Y, X), ids alike."""
        size = max(int(labels.max(initial=0)), int(truth.max(initial=0)), *self.clicked, 0) + 1
        found = np.bincount(labels.ravel(), minlength=size)
        true = np.bincount(truth.ravel(), minlength=size)
        both = np.bincount(truth.ravel()[labels.ravel() == truth.ravel()], minlength=size)
        for cell, first in self.clicked.items():
            if frame >= first and true[cell]:
                self.ious[cell, frame] = float(both[cell] / (found[cell] + true[cell] - both[cell]))

    @property
    def mean_iou(self) -> float:
        """Mean over all cells and frames; NaN if there are none."""
        return float(np.mean(list(self.ious.values()))) if self.ious else float("nan")

    @property
    def followed(self) -> list[int]:
        """The cells that are still themselves, with an IoU of at least one half, on the last frame that shows them."""
        last: dict[int, int] = {}
        for cell, frame in self.ious:
            last[cell] = max(frame, last.get(cell, frame))
        return sorted(cell for cell, frame in last.items() if self.ious[cell, frame] >= FOLLOWED_IOU)
