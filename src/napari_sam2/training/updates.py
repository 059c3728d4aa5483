"""How gradients move the network: AdamW, on the mean gradient of one batch or of several."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_sam2.training.settings import TrainSettings

BETAS = (0.9, 0.98)


class Updates:
    """AdamW that moves a network once in so many batches, by the mean of their gradients.

    Larger batches than memory holds, or than a processor does in good time, come in parts; the network stands still
    between them.

    Parameters
    ----------
    network : nn.Module
        Weight decay works on its matrices and kernels only.
    settings : TrainSettings
    """

    def __init__(self, network: nn.Module, settings: TrainSettings) -> None:
        if settings.batches < 1:
            raise ValueError(f"batches that move the network together must be 1 or more, not {settings.batches}")
        self._parameters = list(network.parameters())
        self._batches = settings.batches
        self._clip_norm = settings.clip_norm
        heavy = [p for p in self._parameters if p.ndim >= 2]
        light = [p for p in self._parameters if p.ndim < 2]
        groups = [{"params": heavy, "weight_decay": settings.weight_decay}, {"params": light, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=BETAS, fused=True)

    def due(self, step: int) -> bool:
        """Whether the network moves after `step` batches: then nothing is left over that a checkpoint lacks."""
        return step % self._batches == 0

    def whole(self, step: int) -> int:
        """The first step from `step` on after which the network moves."""
        return -(-step // self._batches) * self._batches

    def add(self, loss: Tensor) -> None:
        """Add a batch's gradient."""
        (loss / self._batches).backward()

    def apply(self, learning_rate: float) -> float | None:
        """Move the network by the gradients added since the last time, and forget them.

        Returns
        -------
        float or None
            Norm of the gradient; None where it is not finite and nothing moved: one bad batch must not end a run of
            hours.
        """
        norm = nn.utils.clip_grad_norm_(self._parameters, self._clip_norm)
        finite = bool(torch.isfinite(norm))
        if finite:
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm) if finite else None
