"""Cutting small windows out of a feature map, one for each cell."""

from __future__ import annotations

import torch
from torch import Tensor


def gather_windows(map_bchw: Tensor, batch_n: Tensor, origins_n2: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Cut one window a cell out of shared maps; differentiable, no loop over cells.

    Parameters
    ----------
    map_bchw
        (B, C, H, W) features.
    batch_n
        (N,) index of the map each cell looks at.
    origins_n2
        (N, 2) row and column of each window's first element at the map's own stride. Windows must lie inside the map.
    size
        Side, or (height, width), of the windows.

    Returns
    -------
    Tensor
        (N, C, height, width).
    """
    height, width = (size, size) if isinstance(size, int) else size
    if map_bchw.shape[-2:] == (height, width):
        return map_bchw[batch_n]
    rows = origins_n2[:, 0, None] + torch.arange(height, device=map_bchw.device)
    columns = origins_n2[:, 1, None] + torch.arange(width, device=map_bchw.device)
    map_bhwc = map_bchw.permute(0, 2, 3, 1)
    windows = map_bhwc[batch_n[:, None, None], rows[:, :, None], columns[:, None, :]]
    return windows.permute(0, 3, 1, 2)
