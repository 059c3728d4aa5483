"""What one training step works on, as plain tensors."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass
class Batch:
    """Frames and cells of one training step.

    A *row* is one prompt: a cell on a frame. Rows of stills stand first, then the first frames of the followed cells,
    then their second prompted frames.

    Attributes
    ----------
    images : (B, H, W) uint8
        All frames: stills, then clip by clip.
    dense : (B, 5, H/4, W/4) float16
        Targets of the auxiliary head, see `napari_sam2.training.dense`.
    row_image, row_origin, row_target, row_points, row_labels, row_use_mask, row_redrawn
        (R,), (R, 2) tokens, (R, 4n, 4n) uint8 in sixteenths, (R, P, 2), (R, P), (R,) bool, (R,) bool.
    track_image, track_origin, track_target, track_present
        (N, T), (N, T, 2), (N, T, 4n, 4n), (N, T) bool: followed cells on every frame of their clip.
    track_first, track_second
        (N,) row of the first prompt; row of the second prompt or -1.
    second_frame : (N,) int64
        Frame of the second prompt, or -1.
    """

    images: Tensor
    dense: Tensor
    row_image: Tensor
    row_origin: Tensor
    row_target: Tensor
    row_points: Tensor
    row_labels: Tensor
    row_use_mask: Tensor
    row_redrawn: Tensor
    track_image: Tensor
    track_origin: Tensor
    track_target: Tensor
    track_present: Tensor
    track_first: Tensor
    track_second: Tensor
    second_frame: Tensor

    def to(self, device: torch.device) -> Batch:
        """Copy all tensors to `device`."""
        moved = {f.name: getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)}
        return Batch(**moved)
