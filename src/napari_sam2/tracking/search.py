"""Looking for lost cells beyond their windows, at a bounded cost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from napari_sam2.tracking.arbitrate import field_index
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.masks import Masks, join_masks
from napari_sam2.tracking.settings import Settings

IntArray = npt.NDArray[np.int64]


class Search:
    """Looks again for cells whose object score has fallen, in windows around the one where they were lost.

    The network sees windows of the size that it was trained on, at the eight places half a window away, rather than one
    large window. A place is taken only if the cell is seen there and nobody else holds it.

    Parameters
    ----------
    cells
        Number of rows.
    settings
        How many cells are searched for on a frame, and how long without a pause.
    """

    def __init__(self, cells: int, settings: Settings) -> None:
        self.settings = settings
        self._lost = np.zeros(cells, np.int64)

    def start(self, row: int) -> None:
        """A cell begins, and is not lost."""
        self._lost[row] = 0

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """What it knows, a row for each cell, by name; to be written to as well."""
        return {"lost": self._lost}

    def again(
        self, masks: Masks, rows: IntArray, geometry: Geometry, look: Callable[[IntArray, IntArray], Masks]
    ) -> Masks:
        """Replace the masks of lost cells that are found elsewhere.

        Parameters
        ----------
        masks
            Of the N cells, from their own windows.
        rows
            (N,) their rows.
        geometry
            The field.
        look
            Segments cells (rows) in windows (origins).
        """
        absent = (masks.object_logits_n <= 0).cpu().numpy()
        self._lost[rows] = np.where(absent, self._lost[rows] + 1, 0)
        if geometry.window is None or not self.settings.search_cells:
            return masks
        lost = self._lost[rows]
        due = absent & ((lost <= self.settings.search_frames) | (lost % self.settings.search_frames == 0))
        # The most recently lost ones first: they are the most likely to be near.
        chosen = np.flatnonzero(due)[np.argsort(lost[due], kind="stable")][: self.settings.search_cells]
        if not len(chosen):
            return masks
        places = _places(masks.origins[chosen], geometry)
        which = np.repeat(chosen, places.shape[1])
        tried = look(rows[which], places.reshape(-1, 2))
        score = tried.object_logits_n.float() + tried.iou_n.float()
        free = ~_taken(tried, which, masks)
        good = (tried.object_logits_n > 0) & (tried.iou_n >= self.settings.min_iou) & free
        score = torch.where(good, score, -torch.inf).view(len(chosen), -1)
        value, best = score.max(1)
        found = torch.isfinite(value).cpu().numpy()
        replacement = {int(chosen[i]): i * places.shape[1] + int(best[i]) for i in range(len(chosen)) if found[i]}
        if not replacement:
            return masks
        self._lost[rows[list(replacement)]] = 0
        return join_masks([tried.row(replacement[i]) if i in replacement else masks.row(i) for i in range(len(rows))])


def _places(origins: IntArray, geometry: Geometry) -> IntArray:
    """Windows (N, 8, 2) half a window away from the given ones, kept inside the field."""
    rows, columns = geometry.window_tokens
    offsets = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    steps = np.array(offsets) * (rows // 2, columns // 2)
    return np.clip(origins[:, None] + steps, 0, np.array(geometry.tokens) - (rows, columns))


def _taken(tried: Masks, which: IntArray, masks: Masks) -> torch.Tensor:
    """Whether most of a mask lies on the masks of cells that are not searched for: (M,) bool."""
    n = len(masks.origins)
    size = tried.logits_nhw.shape[1:]
    at, length = field_index(np.concatenate((masks.origins, tried.origins)), size, tried.logits_nhw.device)
    others = torch.ones(n, dtype=torch.bool, device=at.device)
    others[torch.from_numpy(which).to(at.device)] = False
    held = torch.zeros(length, dtype=torch.bool, device=at.device)
    held[at[:n][(masks.logits_nhw > 0) & others[:, None, None]]] = True
    own = tried.logits_nhw > 0
    return (held[at[n:]] & own).sum((1, 2)) * 2 > own.sum((1, 2))
