"""Dense auxiliary targets and the small head that learns them; in training only, never shipped.

They let the encoder learn from every cell of an image and not just from the prompted ones.
"""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam2.network.config import Sam2Config

STRIDE = 4  # model px
OFFSET_UNIT = 32.0  # model px; offsets to a cell's centre are learned in this unit
DENSE_CHANNELS = 5  # foreground, boundary, offset y, offset x, log of the cell's diameter


def dense_targets(labels: np.ndarray) -> np.ndarray:
    """Targets at stride 4 for one frame.

    Parameters
    ----------
    labels : (H, W) int
        0 is background.

    Returns
    -------
    (5, H/4, W/4) float16
        Foreground 0/1; boundary 0/1 (a neighbour or the background begins here); offset (y, x) to the centre of the own
        cell in units of 32 px; natural logarithm of the cell's diameter over 32 px.
    """
    coarse = labels[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    height, width = coarse.shape
    _, compact = np.unique(coarse, return_inverse=True)
    compact = compact.reshape(-1)
    rows, cols = np.divmod(np.arange(height * width, dtype=np.float32), np.float32(width))
    area = np.maximum(np.bincount(compact), 1)
    centre_row, centre_col = (np.bincount(compact, x) / area for x in (rows, cols))
    inside = coarse > 0
    edge = np.zeros_like(inside)
    vertical, horizontal = coarse[1:] != coarse[:-1], coarse[:, 1:] != coarse[:, :-1]
    edge[1:] |= vertical
    edge[:-1] |= vertical
    edge[:, 1:] |= horizontal
    edge[:, :-1] |= horizontal
    out = np.zeros((DENSE_CHANNELS, height, width), np.float16)
    out[0] = inside
    out[1] = edge & inside
    unit = STRIDE / OFFSET_UNIT
    out[2] = np.where(inside, ((centre_row[compact] - rows) * unit).reshape(height, width), 0)
    out[3] = np.where(inside, ((centre_col[compact] - cols) * unit).reshape(height, width), 0)
    diameter = np.sqrt(area * 4 / np.pi) * unit
    out[4] = np.where(inside, np.log(diameter)[compact].reshape(height, width), 0)
    return out


class DenseHead(nn.Module):
    """Predicts the dense targets from the three feature maps of the encoder."""

    def __init__(self, config: Sam2Config, hidden: int = 48) -> None:
        super().__init__()
        width = config.width
        self.reduce = nn.ModuleList(nn.Conv2d(c, hidden, 1) for c in (width // 8, width // 4, width))
        self.mix = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.out = nn.Conv2d(hidden, DENSE_CHANNELS, 1)

    def forward(self, stride4: Tensor, stride8: Tensor, stride16: Tensor) -> Tensor:
        """(B, 5, H/4, W/4) predictions; the first two are logits."""
        at8 = self.reduce[1](stride8) + F.interpolate(self.reduce[2](stride16), scale_factor=2.0, mode="nearest")
        at4 = self.reduce[0](stride4) + F.interpolate(at8, scale_factor=2.0, mode="bilinear")
        return self.out(F.relu(self.mix(F.relu(at4))))


def dense_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Balanced cross-entropy of foreground and boundary, robust errors of offset and size inside cells; a scalar."""
    predicted, target = predicted.float(), target.float()
    total = predicted.new_zeros(())
    for channel in (0, 1):
        truth = target[:, channel]
        loss = F.binary_cross_entropy_with_logits(predicted[:, channel], truth, reduction="none")
        positives, negatives = truth.sum(), (1 - truth).sum()
        total = total + (loss * truth).sum() / (positives + 1) + (loss * (1 - truth)).sum() / (negatives + 1)
    inside = target[:, :1]
    offset = F.smooth_l1_loss(predicted[:, 2:], target[:, 2:], reduction="none", beta=0.2)
    return total + 2 * (offset * inside).sum() / (inside.sum() + 1)
