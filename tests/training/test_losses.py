"""Losses: balance between cell and surroundings, normalisation by cell, and who is punished for what."""

from __future__ import annotations

import pytest
import torch

from napari_sam2.training.losses import LossWeights, balanced_focal, cell_losses, overlap_of, soft_dice


def square(side: int, size: int = 32) -> torch.Tensor:
    target = torch.zeros(size, size)
    start = (size - side) // 2
    target[start : start + side, start : start + side] = 1
    return target


@pytest.mark.parametrize("side", [2, 6, 16])
def test_a_cell_outweighs_its_surroundings_whatever_its_size(side: int) -> None:
    # At the start all logits are alike; the gradient must then pull the mean of a cell's logits up and that of its
    # surroundings down by about the same, or small cells are never drawn.
    logits = torch.zeros(32, 32, requires_grad=True)
    target = square(side)
    balanced_focal(logits, target).backward()
    assert logits.grad is not None
    pull_up = -(logits.grad * target).sum()
    push_down = (logits.grad * (1 - target)).sum()
    assert 0.75 < float(pull_up / push_down) < 1.25


def test_tilt_one_counts_all_pixels_the_same() -> None:
    logits = torch.zeros(32, 32, requires_grad=True)
    target = square(4)
    balanced_focal(logits, target, tilt=1.0).backward()
    assert logits.grad is not None
    inside, outside = logits.grad[target > 0].abs().mean(), logits.grad[target == 0].abs().mean()
    assert float(inside / outside) == pytest.approx(1.0, rel=0.01)


def test_small_and_large_cells_count_the_same() -> None:
    targets = torch.stack([square(3), square(24)])
    wrong = torch.full_like(targets, -6.0)
    for loss in (balanced_focal(wrong, targets), soft_dice(wrong, targets)):
        assert float(loss[0] / loss[1]) > 0.6


def test_overlap_counts_partly_covered_pixels_by_their_share() -> None:
    target = torch.zeros(4, 4)
    target[0, 0], target[0, 1] = 1.0, 0.5
    logits = torch.full((4, 4), -1.0)
    logits[0, :2] = 1.0
    assert float(overlap_of(logits, target)) == pytest.approx(1.5 / 2)


def losses_of(logits: torch.Tensor, target: torch.Tensor, present: bool = True, multimask: bool = True, **kw: float):
    return cell_losses(
        logits[None],
        torch.full((1, 4), 0.5),
        torch.zeros(1),
        target[None],
        torch.tensor([present]),
        torch.tensor([multimask]),
        LossWeights(**kw),
    )


def test_best_of_three_teaches_only_the_best_and_the_single_mask() -> None:
    target = square(8)
    logits = torch.full((4, 32, 32), -3.0)
    logits[2] = torch.where(target > 0, 3.0, -3.0)
    logits.requires_grad_()
    losses_of(logits, target).total.backward()
    assert logits.grad is not None
    taught = logits.grad.flatten(1).abs().sum(1)
    assert taught[2] > 0 and taught[0] > 0
    assert taught[1] == 0 and taught[3] == 0


def test_a_clear_prompt_teaches_mask_zero_alone() -> None:
    logits = torch.zeros(4, 32, 32, requires_grad=True)
    losses_of(logits, square(8), multimask=False).total.backward()
    assert logits.grad is not None
    taught = logits.grad.flatten(1).abs().sum(1)
    assert taught[0] > 0 and float(taught[1:].sum()) == 0


def test_an_absent_cell_teaches_only_the_object_score() -> None:
    logits = torch.zeros(4, 32, 32, requires_grad=True)
    losses = losses_of(logits, torch.zeros(32, 32), present=False)
    assert float(losses.mask) == 0 and float(losses.iou) == 0
    assert float(losses.object_score) == pytest.approx(0.6931, abs=1e-3)
    assert float(losses.total.detach()) == pytest.approx(0.5 * 0.6931, abs=1e-3)


def test_predicted_quality_is_held_against_true_overlap() -> None:
    target = square(8)
    perfect = torch.where(target > 0, 8.0, -8.0).expand(4, -1, -1)
    losses = losses_of(perfect, target)
    assert float(losses.iou) == pytest.approx(0.5, abs=1e-3)  # said 0.5, is 1
    assert float(losses.overlap) == pytest.approx(1.0)
