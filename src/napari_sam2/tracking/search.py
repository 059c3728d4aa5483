"""Looking for lost cells beyond their windows, at a bounded cost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from napari_sam2.tracking.arbitrate import field_index
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.masks import Masks, join_masks
from napari_sam2.tracking.resample import LOGIT_STRIDE, LOGITS_PER_TOKEN
from napari_sam2.tracking.settings import Settings

IntArray = npt.NDArray[np.int64]
BoolImage = npt.NDArray[np.bool_]


class Search:
    """Looks again for cells whose object score has fallen, in windows around the one where they were lost.

    The network sees windows of the size that it was trained on, at the eight places half a window away, rather than one
    large window. A place is taken only if the cell is seen there and nobody else holds it, be it on its way with the
    searched one or not; of two that are seen at one place the surer one has it.

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
        self,
        masks: Masks,
        rows: IntArray,
        geometry: Geometry,
        look: Callable[[IntArray, IntArray], Masks],
        others: Callable[[], BoolImage],
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
        others
            Gives the pixels (Y, X) of the frame that cells hold which are not among these; asked only where one of
            these was seen somewhere, since it takes reading the frame's labels.
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
        good = ((tried.object_logits_n > 0) & (tried.iou_n >= self.settings.min_iou)).tolist()
        seen = [i for i in torch.argsort(score, descending=True, stable=True).tolist() if good[i]]
        if not seen:
            return masks
        replacement = _share_out(seen, tried, which, masks, others(), geometry)
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


def _share_out(
    seen: list[int], tried: Masks, which: IntArray, masks: Masks, others: BoolImage, geometry: Geometry
) -> dict[int, int]:
    """Which of the tried masks becomes that of which cell: in the order of `seen`, unless most of it is held already.

    Held are the pixels of cells that are not searched for, and of those that have been found.
    """
    n = len(masks.origins)
    size = (tried.logits_nhw.shape[1], tried.logits_nhw.shape[2])
    index, length = field_index(np.concatenate((masks.origins, tried.origins[seen])), size, torch.device("cpu"))
    at = index.numpy()
    held = np.zeros(length, bool)
    own = (masks.logits_nhw > 0).cpu().numpy()
    own[which] = False
    held[at[:n][own]] = True
    found: dict[int, int] = {}
    for i, there in zip(seen, at[n:], strict=True):
        cell, mask = int(which[i]), (tried.logits_nhw[i] > 0).cpu().numpy()
        taken = held[there] | _in_window(others, tried.origins[i], size, geometry)
        if cell not in found and not (taken & mask).sum() * 2 > mask.sum():
            found[cell] = i
            held[there[mask]] = True
    return found


def _in_window(pixels: BoolImage, origin: IntArray, size: tuple[int, int], geometry: Geometry) -> BoolImage:
    """Pixels (Y, X) of the frame as logits (4h, 4w) of a window see them; nothing beyond the frame."""
    # pixel centres of logits are those of model pixels (`geometry`), at their own stride
    scale = np.array(geometry.scale) / LOGIT_STRIDE
    rows, columns = (
        np.round((np.arange(n) + first * LOGITS_PER_TOKEN + 0.5) / s - 0.5).astype(np.int64)
        for n, first, s in zip(size, origin, scale, strict=True)
    )
    inside = (rows < pixels.shape[0])[:, None] & (columns < pixels.shape[1])
    return inside & pixels[rows.clip(max=pixels.shape[0] - 1)][:, columns.clip(max=pixels.shape[1] - 1)]
