"""A click on the background says something of the rest of a mask: what is no likelier than that place goes with it.

A network answers a click on the rim of a mask that is too large all around with a notch, and the user clicks his way
around the cell. But before it was told, it gave that place a logit, as it did all others that it took for the cell.
What lies below that level is no likelier to be the cell. Sharp edges are steep and hardly move; the slope of a blurred
one moves all around.

That holds for places on the cell's own slope. Whoever clicks a neighbour away that a mask took in, or a hole in the
cell, clicks on another top, which says nothing of how far the cell reaches: there the network's answer stays.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from napari_sam2.network.prompt_encoder import BACKGROUND, FOREGROUND
from napari_sam2.tracking.hold import logits_at
from napari_sam2.tracking.resample import LOGIT_STRIDE

ABOVE = 0.5
"""Logit by which places that were clicked as the cell stay above the level at least."""
BESIDE = 1.5
"""A place is beside the heart of a cell within so many times the heart's depth in the mask ..."""
SLOPE = 0.5
"""... and farther out it says something of the cell with at most this share of the heart's logit."""
TOP = 0.9
"""A place with more than this share of the heart's logit is on no slope."""


def lower_to_clicks(logits_nhw: Tensor, untold_nhw: Tensor, points_npx2: Tensor, labels_np: Tensor) -> Tensor:
    """Take from masks what is no likelier than the places on their slopes that were clicked as background.

    Parameters
    ----------
    logits_nhw
        (N, h, w) at stride 4, where all clicks are taken into account.
    untold_nhw
        (N, h, w) the same without the clicks on the background.
    points_npx2
        (N, P, 2) x and y in model pixels of each cell's window.
    labels_np
        (N, P) as in `Prompts`; all but clicks is left out of account.

    Returns
    -------
    Tensor
        (N, h, w) float32, nowhere above `logits_nhw`. What was no part of the untold mask is as it was: the network
        found it with the help of a click or of a mask, so the untold logits say nothing of it.
    """
    logits, untold, points = logits_nhw.float(), untold_nhw.float(), points_npx2.float()
    hearts, is_heart = _hearts(logits, points, labels_np)
    there, top = logits_at(untold, points), logits_at(untold, hearts)
    sloping = (labels_np == BACKGROUND) & _on_slope(untold, points, hearts, is_heart)
    nowhere = torch.full_like(there[:, :1], torch.inf)
    level = torch.where(sloping, there, -nowhere).amax(1)
    limit = torch.where(is_heart, top, nowhere).amin(1) - ABOVE
    level = torch.minimum(level, limit).clamp(min=0)[:, None, None]
    return torch.where(untold > 0, torch.minimum(logits, untold - level), logits)


def _hearts(logits_nhw: Tensor, points_npx2: Tensor, labels_np: Tensor) -> tuple[Tensor, Tensor]:
    """Places (N, P + 1, 2) that are the cell, and which of them count: clicks, or else where the mask is surest."""
    width = logits_nhw.shape[2]
    best = logits_nhw.flatten(1).argmax(1)
    surest = torch.stack((best % width, best // width), -1) * LOGIT_STRIDE + (LOGIT_STRIDE - 1) / 2
    clicked = labels_np == FOREGROUND
    return torch.cat((points_npx2, surest[:, None]), 1), torch.cat((clicked, ~clicked.any(1, keepdim=True)), 1)


def _on_slope(untold_nhw: Tensor, points_npx2: Tensor, hearts_nqx2: Tensor, is_heart_nq: Tensor) -> Tensor:
    """Whether points (N, P) lie on the slope of the nearest heart of their cell, and not on another top."""
    apart = torch.cdist(points_npx2, hearts_nqx2).masked_fill(~is_heart_nq[:, None], torch.inf)
    distance, nearest = apart.min(2)
    heart = hearts_nqx2.gather(1, nearest[..., None].expand(-1, -1, 2))
    there, top = logits_at(untold_nhw, points_npx2), logits_at(untold_nhw, heart)
    beside = distance <= BESIDE * LOGIT_STRIDE * logits_at(_depth(untold_nhw), heart)
    return (beside | (there <= SLOPE * top)) & (there <= TOP * top)


def _depth(logits_nhw: Tensor) -> Tensor:
    """Distance (N, h, w) of places in masks from their edge, in pixels of the logits."""
    inside = np.pad((logits_nhw > 0).cpu().numpy(), ((0, 0), (1, 1), (1, 1)))  # the window's border is an edge, too
    depth = np.stack([ndimage.distance_transform_edt(mask)[1:-1, 1:-1] for mask in inside])
    return torch.from_numpy(depth).to(logits_nhw)
