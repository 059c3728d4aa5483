"""Masks of a batch of cells on one frame, as the network gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_sam2.network import Selection
from napari_sam2.network.config import TOKEN_STRIDE
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.resample import LOGIT_STRIDE

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass
class Masks:
    """Masks of N cells on one frame.

    Parameters
    ----------
    origins
        (N, 2) first token of each window.
    logits_nhw
        (N, 4h, 4w) float32 logits at stride 4.
    iou_n, object_logits_n
        (N,) predicted IoU, and object score logits.
    pointers_nc
        (N, C) object pointers.
    drawn
        Masks in model pixels (16h, 16w) of rows that come straight from a drawn mask, by row.
    """

    origins: IntArray
    logits_nhw: Tensor
    iou_n: Tensor
    object_logits_n: Tensor
    pointers_nc: Tensor
    drawn: dict[int, Tensor]

    def row(self, i: int) -> Masks:
        """Return the masks of one cell, as a batch of one."""
        return self.take([i])

    def take(self, rows: Sequence[int]) -> Masks:
        """Copy the masks of some cells."""
        at = list(rows)
        drawn = {i: self.drawn[row] for i, row in enumerate(at) if row in self.drawn}
        return Masks(
            self.origins[at], self.logits_nhw[at], self.iou_n[at], self.object_logits_n[at], self.pointers_nc[at], drawn
        )

    def replace(self, rows: Sequence[int], other: Masks) -> None:
        """Put the masks of other windows, none of them drawn, into some rows."""
        at = list(rows)
        self.logits_nhw[at] = other.logits_nhw
        self.iou_n[at] = other.iou_n
        self.object_logits_n[at] = other.object_logits_n
        self.pointers_nc[at] = other.pointers_nc

    @classmethod
    def empty(
        cls, origins: IntArray, size: tuple[int, int], width: int, device: torch.device, dtype: torch.dtype
    ) -> Masks:
        """Masks still to be filled, for windows of ``size = (h, w)`` tokens and pointers of `width` channels."""
        n = len(origins)
        return cls(
            origins,
            torch.zeros(n, 4 * size[0], 4 * size[1], device=device),
            torch.zeros(n, device=device),
            torch.zeros(n, device=device),
            torch.zeros(n, width, device=device, dtype=dtype),
            {},
        )

    @classmethod
    def of(cls, origins: IntArray, chosen: Selection) -> Masks:
        """Masks that the network chose."""
        return cls(
            origins,
            chosen.logits_nhw.float(),
            chosen.iou_n.float(),
            chosen.object_logits_n.float(),
            chosen.pointer_nc,
            {},
        )

    def put(self, rows: Tensor, chosen: Selection) -> None:
        """Fill some rows with what the network chose."""
        self.logits_nhw[rows] = chosen.logits_nhw.float()
        self.iou_n[rows] = chosen.iou_n.float()
        self.object_logits_n[rows] = chosen.object_logits_n.float()
        self.pointers_nc[rows] = chosen.pointer_nc

    def areas(self) -> FloatArray:
        """Areas (N,) in square model pixels."""
        area: FloatArray = (self.logits_nhw > 0).sum((1, 2)).cpu().numpy() * float(LOGIT_STRIDE**2)
        return area

    def at_border(self, geometry: Geometry) -> npt.NDArray[np.bool_]:
        """Which masks (N,) reach to the border of the frame, which a field may go beyond at the bottom and right."""
        positive: npt.NDArray[np.bool_] = (self.logits_nhw > 0).cpu().numpy()
        reaches = np.zeros(len(positive), bool)
        for axis in (0, 1):
            lines = np.asarray(positive.any(2 - axis))
            first = self.origins[:, axis] * TOKEN_STRIDE // LOGIT_STRIDE
            last = (geometry.model_shape[axis] - 1) // LOGIT_STRIDE - first  # line of the frame's last pixel
            beyond = np.arange(lines.shape[1]) >= last[:, None]
            reaches |= ((first <= 0) & lines[:, 0]) | (lines & beyond).any(1)
        return reaches

    def centres(self, fallback: FloatArray) -> FloatArray:
        """Centres of mass (N, 2) in model pixels; the fallback where there is no mask."""
        positive = (self.logits_nhw > 0).float()
        area = positive.sum((1, 2))
        centres = []
        for axis in (1, 2):
            at = torch.arange(positive.shape[axis], device=positive.device, dtype=torch.float32)
            centres.append((positive.sum(3 - axis) * at).sum(1) / area.clamp(min=1))
        inside = torch.stack(centres, dim=1).cpu().numpy() * LOGIT_STRIDE + (LOGIT_STRIDE - 1) / 2
        found = inside + self.origins * TOKEN_STRIDE
        return np.where((area > 0).cpu().numpy()[:, None], found, fallback)


def join_masks(parts: Sequence[Masks]) -> Masks:
    """Put the masks of several groups of cells into one batch."""
    if len(parts) == 1:
        return parts[0]
    drawn: dict[int, Tensor] = {}
    offset = 0
    for part in parts:
        drawn.update({offset + row: mask for row, mask in part.drawn.items()})
        offset += len(part.origins)
    return Masks(
        np.concatenate([p.origins for p in parts]),
        torch.cat([p.logits_nhw for p in parts]),
        torch.cat([p.iou_n for p in parts]),
        torch.cat([p.object_logits_n for p in parts]),
        torch.cat([p.pointers_nc for p in parts]),
        drawn,
    )
