"""Learning rate and averaged weights for runs whose length nobody knows beforehand."""

from __future__ import annotations

import torch
from torch import nn


def learning_rate_factor(
    step: int, warmup: int, decay_start: int | None, decay_steps: int, floor: float = 0.01
) -> float:
    """Warm-up, a plateau of any length, and a decay that is switched on when time runs out.

    Parameters
    ----------
    step : int
        Steps done so far.
    warmup : int
        Steps of linear warm-up.
    decay_start : int or None
        Step at which the decay begins; None keeps the plateau.
    decay_steps : int
        Length of the decay, which falls as one minus a square root (Hägele et al. 2024, "1-sqrt").
    floor : float
        What is left at the end.
    """
    factor = min(1.0, (step + 1) / max(1, warmup))
    if decay_start is not None and step >= decay_start:
        progress = min(1.0, (step - decay_start) / max(1, decay_steps))
        factor *= max(floor, 1 - progress**0.5)
    return factor


class AveragedWeights:
    """Exponential moving average of a network's parameters and buffers; the average is what is shipped.

    Parameters
    ----------
    model : nn.Module
        Copied at once.
    decay : float
        Limit of the decay; young averages forget faster.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        self._decay = decay
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards the network's present weights after `step` steps."""
        decay = min(self._decay, (1 + step) / (10 + step))
        current = model.state_dict()
        floats = [k for k, v in self.state.items() if v.is_floating_point()]
        torch._foreach_lerp_([self.state[k] for k in floats], [current[k].detach() for k in floats], 1 - decay)
        for k, v in self.state.items():
            if not v.is_floating_point():
                v.copy_(current[k])
