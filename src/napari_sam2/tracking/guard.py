"""Whether a mask deserves to be remembered: doubtful ones are shown and flagged, but must not poison the memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_sam2.tracking.masks import Masks
from napari_sam2.tracking.settings import Settings

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

ABSENT = "the cell is not seen here"
POOR = "the mask is predicted to be poor"
GREW = "the area grew suddenly"
SHRANK = "the area shrank suddenly"
JUMPED = "the cell jumped"


class Guard:
    """Judges masks by score, predicted IoU, and by jumps in area and place since the last trusted frame.

    Parameters
    ----------
    cells
        Number of rows.
    settings
        Thresholds.
    """

    def __init__(self, cells: int, settings: Settings) -> None:
        self.settings = settings
        self._area = np.zeros(cells)
        self._centre = np.zeros((cells, 2))
        self._age = np.zeros(cells, np.int64)

    def start(self, row: int, masks: Masks, centre: FloatArray) -> None:
        """Take the mask of a prompted frame as the measure."""
        self._area[row] = masks.areas()[0]
        self._centre[row] = centre
        self._age[row] = 0

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """What it knows, a row for each cell, by name; to be written to as well."""
        return {"area": self._area, "centre": self._centre, "age": self._age}

    def judge(self, rows: IntArray, masks: Masks, centres: FloatArray) -> dict[int, str]:
        """Return the batch indices of doubtful masks, each with the reason in words."""
        settings = self.settings
        if not settings.guard:
            return {}
        area = masks.areas()
        self._age[rows] += 1
        # The longer ago a cell was trusted, the further it may have gone and the more it may have changed.
        patience = np.sqrt(self._age[rows])
        seen = (masks.object_logits_n > 0).cpu().numpy() & (area > 0)
        poor = masks.iou_n.float().cpu().numpy() < settings.min_iou
        before = np.maximum(self._area[rows], 1)
        ratio = area / before
        reach = settings.max_jump * 2 * np.sqrt(before / np.pi) * patience
        jump = np.hypot(*(centres - self._centre[rows]).T) > reach
        limit = settings.max_growth * patience
        doubts = {}
        for reason, hit in (
            (JUMPED, jump),
            (SHRANK, ratio < 1 / limit),
            (GREW, ratio > limit),
            (POOR, poor),
            (ABSENT, ~seen),
        ):
            doubts.update({int(i): reason for i in np.flatnonzero(hit)})
        sure = np.array([i not in doubts for i in range(len(rows))])
        self._area[rows[sure]] = area[sure]
        self._centre[rows[sure]] = centres[sure]
        self._age[rows[sure]] = 0
        return doubts
