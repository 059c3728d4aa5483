"""Losses on mask logits at stride 4, one value a cell.

Each is normalised over its own cell, since a mean over all pixels of a batch makes small cells vanish. Logits must be
taken before absent objects are blanked (set to -1024).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

FOCUS = 2.0  # gamma of the focal loss (Lin et al. 2017)
SINGLE_WEIGHT = 1.0  # of mask 0 where the best of masks 1..3 is taught too


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms. `tilt` 0 balances a cell against its surroundings, 1 counts pixels of both the same."""

    focal: float = 5.0
    dice: float = 1.0
    iou: float = 0.5
    object_score: float = 0.5
    dense: float = 1.0
    tilt: float = 0.0


@dataclass
class CellLosses:
    """Summed terms and what a log wants to know; scalars, and (N,) for `overlap`."""

    total: Tensor
    mask: Tensor
    iou: Tensor
    object_score: Tensor
    overlap: Tensor


def balanced_focal(logits: Tensor, target: Tensor, tilt: float = 0.0) -> Tensor:
    """Focal loss with positives and negatives normalised separately.

    Parameters
    ----------
    logits, target : Tensor
        (..., h, w); the target is the share 0..1 of a pixel that the cell covers.
    tilt : float
        Negatives are divided by ``negatives ** (1 - tilt) * positives ** tilt``: 0 is balance (which a network from
        nothing needs: else negatives outweigh the cell and nothing is ever drawn), 1 weighs all pixels alike
        (calibrated edges).

    Returns
    -------
    Tensor
        (...,)
    """
    logits, target = logits.float(), target.float()
    p = logits.sigmoid()
    on = (1 - p) ** FOCUS * F.softplus(-logits) * target
    off = p**FOCUS * F.softplus(logits) * (1 - target)
    positives = target.sum((-2, -1))
    negatives = (1 - target).sum((-2, -1))
    scale = (negatives + 1) ** (1 - tilt) * (positives + 1) ** tilt
    return on.sum((-2, -1)) / (positives + 1) + off.sum((-2, -1)) / scale


def soft_dice(logits: Tensor, target: Tensor) -> Tensor:
    """One minus the soft Dice overlap, (..., h, w) -> (...,)."""
    p, target = logits.float().sigmoid(), target.float()
    overlap = 2 * (p * target).sum((-2, -1))
    return 1 - (overlap + 1) / (p.sum((-2, -1)) + target.sum((-2, -1)) + 1)


def overlap_of(logits: Tensor, target: Tensor) -> Tensor:
    """IoU of the mask above 0 with the target, counting partly covered pixels by their share; (..., h, w) -> (...,)."""
    predicted, target = (logits > 0).float(), target.float()
    both = torch.minimum(predicted, target).sum((-2, -1))
    return both / torch.maximum(predicted, target).sum((-2, -1)).clamp(min=1e-6)


def cell_losses(
    logits_nmhw: Tensor,
    iou_nm: Tensor,
    object_logits_n: Tensor,
    target_nhw: Tensor,
    present_n: Tensor,
    multimask_n: Tensor,
    weights: LossWeights,
) -> CellLosses:
    """All losses of decoded cells, summed over cells and divided by their number.

    Parameters
    ----------
    logits_nmhw, iou_nm, object_logits_n : Tensor
        (N, 4, h, w), (N, 4), (N,) as the decoder gives them.
    target_nhw : Tensor
        (N, h, w) share 0..1 of each pixel that the cell covers.
    present_n : Tensor
        (N,) bool. An absent cell only teaches the object score.
    multimask_n : Tensor
        (N,) bool: the best of masks 1..3 is taught, and mask 0; otherwise mask 0 alone.
    """
    target = target_nhw[:, None].expand_as(logits_nmhw)
    mask_nm = weights.focal * balanced_focal(logits_nmhw, target, weights.tilt)
    mask_nm = mask_nm + weights.dice * soft_dice(logits_nmhw, target)
    with torch.no_grad():
        true_iou = overlap_of(logits_nmhw, target)
        best = 1 + mask_nm[:, 1:].argmin(1)
        chosen = torch.where(multimask_n, best, torch.zeros_like(best))
        share = F.one_hot(chosen, mask_nm.shape[1]).float()
        share[:, 0] = torch.where(multimask_n, torch.full_like(share[:, 0], SINGLE_WEIGHT), share[:, 0])
        graded = torch.ones_like(iou_nm)
        graded[:, 1:] = multimask_n[:, None].float()
        there = present_n.float()
    count = max(1, len(target_nhw))
    mask = ((mask_nm * share).sum(1) * there).sum() / count
    error = (iou_nm.float() - true_iou).abs()
    iou = ((error * graded).sum(1) / graded.sum(1) * there).sum() / count
    score = F.binary_cross_entropy_with_logits(object_logits_n.float(), there, reduction="sum") / count
    total = mask + weights.iou * iou + weights.object_score * score
    overlap = true_iou.gather(1, chosen[:, None])[:, 0]
    return CellLosses(total, mask.detach(), iou.detach(), score.detach(), overlap)
