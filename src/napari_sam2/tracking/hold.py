"""Clicks hold: a place that was clicked on belongs to the cell, one that was clicked away does not.

A network weighs a click against what it sees, and a small one often goes on seeing what it saw: the user clicks, and
nothing happens. So what a mask says against a click is bent around it, by as much as is needed and no further than a
fraction of the cell: a smooth field is added to the logits that brings them to the right side at every click.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam2.network.prompt_encoder import BACKGROUND, FOREGROUND
from napari_sam2.tracking.resample import LOGIT_STRIDE

MARGIN = 1.0
"""Logit that a clicked place has at least, on its side of zero."""
REACH = 0.15
"""Standard deviation of the field around a click, in diameters of the mask."""
REACH_LIMITS = (1.2, 8.0)
"""Its bounds, in pixels of the logits."""
RIDGE = 0.01
"""Added to the diagonal, so that two clicks on one place can be solved for."""
ROUNDS = 4
"""Times that clicks which the field carries over are taken into account."""
NOTHING = -1000.0
"""Logits below this say that the cell is not there at all, which is not bent."""


def hold_clicks(logits_nhw: Tensor, points_npx2: Tensor, labels_np: Tensor) -> Tensor:
    """Bend logits so that clicks hold.

    Parameters
    ----------
    logits_nhw
        (N, h, w) at stride 4.
    points_npx2
        (N, P, 2) x and y in model pixels of each cell's window.
    labels_np
        (N, P) as in `Prompts`; all but clicks is left out of account.

    Returns
    -------
    Tensor
        (N, h, w) float32; cells whose clicks hold already are as they were.
    """
    logits = logits_nhw.float()
    height, width = logits.shape[1:]
    clicked = (labels_np == FOREGROUND) | (labels_np == BACKGROUND)
    sign = torch.where(labels_np == FOREGROUND, 1.0, -1.0)
    at = _on_logits(points_npx2, (height, width))
    there = _sampled(logits, at)
    bent = (clicked & (sign * there < MARGIN)).any(1) & (logits.amax((1, 2)) > NOTHING)
    if not bool(bent.any()):
        return logits
    rows = bent.nonzero()[:, 0]
    found = _field(at[rows], there[rows], sign[rows], clicked[rows], _reach(logits[rows]), (height, width))
    return logits.index_add(0, rows, found)


def logits_at(logits_nhw: Tensor, points_npx2: Tensor) -> Tensor:
    """Logits (N, P), interpolated, at points (x, y) in model pixels of each window."""
    return _sampled(logits_nhw.float(), _on_logits(points_npx2, (logits_nhw.shape[1], logits_nhw.shape[2])))


def _on_logits(points_npx2: Tensor, size: tuple[int, int]) -> Tensor:
    """Points in pixels of (h, w) logits, none of them outside."""
    last = torch.tensor([size[1] - 1, size[0] - 1], device=points_npx2.device)
    return ((points_npx2.float() - (LOGIT_STRIDE - 1) / 2) / LOGIT_STRIDE).clamp(min=0).minimum(last)


def _sampled(logits_nhw: Tensor, at_npx2: Tensor) -> Tensor:
    height, width = logits_nhw.shape[1:]
    last = torch.tensor([width - 1, height - 1], device=at_npx2.device)
    grid = (at_npx2 / last * 2 - 1)[:, None]
    return F.grid_sample(logits_nhw[:, None], grid, align_corners=True)[:, 0, 0]


def _reach(logits_nhw: Tensor) -> Tensor:
    """Standard deviations (N,) that suit the masks' sizes, in pixels of the logits."""
    area = (logits_nhw > 0).sum((1, 2)).float()
    return (REACH * 2 * (area / math.pi).sqrt()).clamp(*REACH_LIMITS)


def _field(
    at_npx2: Tensor, there_np: Tensor, sign_np: Tensor, clicked_np: Tensor, reach_n: Tensor, size: tuple[int, int]
) -> Tensor:
    """Sum of Gaussians (N, h, w) around clicks that brings the logits `there_np` to the right side at all of them.

    Only around clicks that would not hold otherwise: first those that the mask is against, then also those that lie so
    near to these that the field would carry them over.
    """
    scale = -0.5 / reach_n.square()
    apart = (at_npx2[:, :, None] - at_npx2[:, None]).square().sum(-1)
    kernel = (apart * scale[:, None, None]).exp()
    active = clicked_np & (sign_np * there_np < MARGIN)
    weight = torch.zeros_like(there_np)
    for _ in range(ROUNDS):
        both = active[:, :, None] & active[:, None]
        system = torch.where(both, kernel, torch.zeros_like(kernel))
        system = system + torch.diag_embed(torch.where(active, RIDGE, 1.0).to(kernel))
        wanted = torch.where(active, sign_np * MARGIN - there_np, torch.zeros_like(there_np))
        weight = torch.linalg.solve(system, wanted)
        reached = there_np + (kernel @ weight[..., None])[..., 0]
        more = active | (clicked_np & (sign_np * reached < MARGIN / 2))
        if bool((more == active).all()):
            break
        active = more
    x = torch.arange(size[1], device=at_npx2.device)
    y = torch.arange(size[0], device=at_npx2.device)
    # a Gaussian in two dimensions is the product of one along each
    along_x = ((x - at_npx2[..., :1]).square() * scale[:, None, None]).exp()
    along_y = ((y - at_npx2[..., 1:]).square() * scale[:, None, None]).exp()
    return torch.einsum("np,nph,npw->nhw", weight, along_y, along_x)
