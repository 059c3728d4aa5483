"""Masks between frame pixels, model pixels and stride-4 logits."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam2.network.config import TOKEN_STRIDE
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.prompts import MaskCrop

IntArray = npt.NDArray[np.int64]

#: Model pixels a mask logit.
LOGIT_STRIDE = 4
#: Logits a token, along one side.
LOGITS_PER_TOKEN = TOKEN_STRIDE // LOGIT_STRIDE
#: Crops are rounded up to this, so that frames of a movie share few sizes.
CROP_MULTIPLE = 8


def mask_to_window(mask: MaskCrop, geometry: Geometry, origin: IntArray) -> Tensor:
    """Resample a mask of the frame into the model pixels of a window.

    Parameters
    ----------
    mask
        In frame pixels.
    geometry
        The field.
    origin
        (2,) first token of the window.

    Returns
    -------
    Tensor
        (16h, 16w) float32 cover in 0..1: bilinear where the field is larger than the frame, averaged where smaller.
    """
    rows, columns = (n * TOKEN_STRIDE for n in geometry.window_tokens)
    if not mask.area:
        return torch.zeros(rows, columns)
    pad = 1  # so that interpolation sees the outside
    crop = torch.from_numpy(np.pad(mask.crop, pad).astype(np.float32))[None, None]
    over = [max(1, math.ceil(1 / s)) for s in geometry.scale]  # samples a model pixel where the mask is scaled down
    grid = []
    for axis, length in ((0, rows), (1, columns)):
        k = over[axis]
        at = origin[axis] * TOKEN_STRIDE - 0.5 + (torch.arange(length * k, dtype=torch.float64) + 0.5) / k
        frame = (at + 0.5) / geometry.scale[axis] - 0.5 - (mask.origin[axis] - pad)
        grid.append((frame + 0.5) / crop.shape[2 + axis] * 2 - 1)
    y, x = torch.meshgrid(grid[0].float(), grid[1].float(), indexing="ij")
    sampled = F.grid_sample(crop, torch.stack((x, y), -1)[None], mode="bilinear", align_corners=False)
    return F.avg_pool2d(sampled, tuple(over))[0, 0]


def logits_to_crops(logits_nhw: Tensor, origins: IntArray, geometry: Geometry) -> tuple[Tensor, IntArray]:
    """Bring mask logits to frame pixels, only where they are positive.

    Parameters
    ----------
    logits_nhw
        (N, 4h, 4w) logits at stride 4 of windows.
    origins
        (N, 2) first token of each window.
    geometry
        The field.

    Returns
    -------
    crops
        (N, a, b) logits in frame pixels, all crops of one size; -inf outside the window and the frame.
    corners
        (N, 2) frame pixel (y, x) of each crop's first pixel; may be negative or reach over the frame's end.
    """
    n = len(logits_nhw)
    high, wide = logits_nhw.shape[-2:]
    positive = logits_nhw > 0
    rows, columns = _extent(positive.any(2)), _extent(positive.any(1))
    scale = geometry.scale
    corners = np.zeros((n, 2), np.int64)
    sizes = []
    for axis, (first, last) in enumerate((rows, columns)):
        # Positive logits reach at most one element beyond their centres when interpolated.
        start = (origins[:, axis] * TOKEN_STRIDE + (first - 1) * LOGIT_STRIDE) / scale[axis]
        stop = (origins[:, axis] * TOKEN_STRIDE + (last + 2) * LOGIT_STRIDE) / scale[axis]
        corners[:, axis] = np.floor(start)
        size = int(np.ceil(stop - np.floor(start)).max(initial=1))
        sizes.append(-(-size // CROP_MULTIPLE) * CROP_MULTIPLE)
    weights, inside = [], []
    for axis, length in ((0, high), (1, wide)):
        frame = corners[:, axis, None] + np.arange(sizes[axis])
        model = (frame + 0.5) * scale[axis] - origins[:, axis, None] * TOKEN_STRIDE  # from the window's edge
        seen = (frame >= 0) & (frame < geometry.frame_shape[axis]) & (model >= 0) & (model <= length * LOGIT_STRIDE)
        at = np.clip(model / LOGIT_STRIDE - 0.5, 0, length - 1)
        apart = torch.from_numpy(at.astype(np.float32)).to(logits_nhw.device)[:, :, None]
        elements = torch.arange(length, device=logits_nhw.device)
        weights.append((1 - (apart - elements).abs()).clamp(min=0))
        inside.append(torch.from_numpy(seen).to(logits_nhw.device))
    # Bilinear interpolation along one axis after the other, as two small products.
    crops = weights[0] @ logits_nhw.float() @ weights[1].transpose(1, 2)
    return crops.masked_fill(~(inside[0][:, :, None] & inside[1][:, None, :]), -torch.inf), corners


def _extent(any_nl: Tensor) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """First and last true element of each row; 0 and -1 where there is none."""
    found = any_nl.cpu().numpy()
    length = found.shape[1]
    some = found.any(1)
    first = np.where(some, found.argmax(1), 0)
    last = np.where(some, length - 1 - found[:, ::-1].argmax(1), -1)
    return first.astype(float), last.astype(float)
