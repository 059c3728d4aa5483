"""Maps of features of a part of a frame, and the windows cut out of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_sam2.tracking.regions import Region

IntArray = npt.NDArray[np.int64]
Maps = tuple[Tensor, ...]

#: Strides of the three maps, as elements a token.
ELEMENTS = (1, 2, 4)


@dataclass
class WindowFeatures:
    """Features of N windows: (N, C, h, w) at stride 16, and (N, C/4, 2h, 2w), (N, C/8, 4h, 4w) finer ones."""

    stride16: Tensor
    stride8: Tensor
    stride4: Tensor


@dataclass
class Sheet:
    """Maps (h, w, C), (2h, 2w, C/4), (4h, 4w, C/8) of a region; windows are cut out of a single sheet each."""

    region: Region
    maps: Maps


def held(sheets: Sequence[Sheet], origins: IntArray, window: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Which windows (N,) lie in one of the sheets as a whole."""
    held = np.zeros(len(origins), bool)
    for sheet in sheets:
        held |= sheet.region.holds(origins, window)
    return held


def joined(pages: Sequence[Sheet]) -> Sheet:
    """One sheet of several pages that do not overlap; what lies between them holds nothing."""
    if len(pages) == 1:
        return pages[0]
    whole = Region.around([page.region for page in pages])
    out = []
    for level, k in enumerate(ELEMENTS):
        first = pages[0].maps[level]
        target = first.new_empty(whole.rows * k, whole.columns * k, first.shape[2])
        for page in pages:
            top, left = (page.region.top - whole.top) * k, (page.region.left - whole.left) * k
            target[top : top + page.region.rows * k, left : left + page.region.columns * k] = page.maps[level]
        out.append(target)
    return Sheet(whole, tuple(out))


def copy_windows(source: Tensor, first_n2: IntArray, target: Tensor, rows: IntArray) -> None:
    """Copy windows that begin at `first_n2` of a map (H, W, C) into some rows of a batch (N, h, w, C)."""
    high, wide = target.shape[1:3]
    if source.device.type == "cpu":  # plain copies of whole rows of the map; a gather would look up every element
        for row, (y, x) in zip(rows.tolist(), first_n2.tolist(), strict=True):
            target[row] = source[y : y + high, x : x + wide]
        return
    at = torch.from_numpy(first_n2).to(source.device)
    y = (at[:, 0, None] + torch.arange(high, device=at.device))[:, :, None]
    x = (at[:, 1, None] + torch.arange(wide, device=at.device))[:, None, :]
    found = source.flatten(0, 1).index_select(0, (y * source.shape[1] + x).flatten())
    target[torch.from_numpy(rows).to(at.device)] = found.view(len(rows), high, wide, -1)
