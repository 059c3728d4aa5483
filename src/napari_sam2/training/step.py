"""What the forward pass of a training step works on and gives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from napari_sam2.network.model import Selection
from napari_sam2.training.losses import CellLosses


@dataclass
class Windows:
    """Features of N windows: (N, C, n, n), (N, C/4, 2n, 2n), (N, C/8, 4n, 4n), and their origins in tokens."""

    stride16: Tensor
    stride8: Tensor
    stride4: Tensor
    origin: Tensor


@dataclass
class StepOutput:
    """What a step gives.

    Attributes
    ----------
    loss : Tensor
        Scalar.
    terms : dict of str to float
        For the log.
    row_logits : (R, 4n, 4n)
        Chosen logits after the first prompt, before corrections.
    track_logits : (N, T, 4n, 4n)
        Chosen logits on every frame; -1024 where the cell is taken to be absent.
    track_scores : (N, T)
        Object score logits.
    """

    loss: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)
    row_logits: Tensor | None = None
    track_logits: Tensor | None = None
    track_scores: Tensor | None = None


def replace_rows(answer: Selection, index: Tensor, other: Selection) -> Selection:
    """Rows `index` of one selection replaced by another's; differentiable."""
    values = {}
    for name, value in vars(answer).items():
        values[name] = value.index_copy(0, index, getattr(other, name).to(value.dtype))
    return replace(answer, **values)


def collect(output: StepOutput, name: str, losses: CellLosses, weight: float) -> None:
    """Add a group of losses to the step's, and what the log says of it."""
    output.loss = output.loss + weight * losses.total
    share = weight if name == "follow" else 1.0
    entries = {
        f"{name}_mask": losses.mask,
        f"{name}_score": losses.object_score,
        f"{name}_iou_error": losses.iou,
        f"{name}_overlap": losses.overlap.mean() if len(losses.overlap) else losses.mask,
    }
    for key, value in entries.items():
        output.terms[key] = output.terms.get(key, torch.zeros_like(value)) + share * value.detach()
