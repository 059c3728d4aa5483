"""Masks painted on the device that computed them: one label image comes back, and a list of what is contested."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_sam2.tracking.arbitrate import Claims, doubles, paint

LabelImage = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.int64]


def pays(crops_nab: Tensor) -> bool:
    """Whether crops are better painted where they are: on anything but a CPU."""
    return crops_nab.device.type != "cpu"


def paste(
    labels: LabelImage,
    cells: Sequence[int],
    crops_nab: Tensor,
    corners: IntArray,
    ages: Sequence[int] | None = None,
    settle: bool = True,
) -> None:
    """Write the masks of N cells into an empty label image, in place, as `arbitrate.paint` would.

    Pixels that one cell alone claims, which most are, are painted on the device and copied back once.

    Parameters
    ----------
    labels
        (Y, X) label image, all zero.
    cells
        N cell numbers.
    crops_nab
        (N, a, b) logits in frame pixels, -inf outside the frame.
    corners
        (N, 2) frame pixel of each crop's first pixel.
    ages
        Frames from each cell's nearest prompt to here; all the same when None.
    settle
        Let one cell have what two claim as a whole (`arbitrate.settle_doubles`).
    """
    device = crops_nab.device
    which, y, x = (crops_nab > 0).nonzero(as_tuple=True)
    first = torch.from_numpy(corners).to(device)
    at = (first[which, 0] + y) * labels.shape[1] + first[which, 1] + x
    logits = crops_nab[which, y, x]
    count = torch.zeros(labels.size, dtype=torch.int32, device=device)
    count.index_add_(0, at, torch.ones_like(at, dtype=torch.int32))
    alone = count[at] == 1
    numbers = torch.tensor(list(cells), dtype=torch.int32, device=device)
    image = torch.zeros(labels.size, dtype=torch.int32, device=device)
    image[at[alone]] = numbers[which[alone]]
    labels[...] = image.cpu().numpy().reshape(labels.shape)

    area = torch.bincount(which, minlength=len(cells)).cpu().numpy()
    rest = ~alone
    claims = Claims(which[rest].cpu().numpy(), at[rest].cpu().numpy(), logits[rest].float().cpu().numpy())
    if settle:
        keep, gone = doubles(claims, area, ages)
        keep &= ~gone[claims.which]
        if gone.any():
            labels[np.isin(labels, np.asarray(cells)[gone])] = 0
        claims = Claims(claims.which[keep], claims.at[keep], claims.logits[keep])
    paint(labels, cells, claims)
