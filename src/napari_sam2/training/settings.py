"""Everything that determines a training run, as one JSON-ready record."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from napari_sam2.training.batches import BatchPlan
from napari_sam2.training.losses import LossWeights

#: How often clips and stills come from where: packed stills by kind, the packed movie, synthetic movies.
REAL_STILLS: dict[str, float] = {"fluo": 3.0, "stained": 0.5, "phase": 2.5}
REAL_MOVIES: dict[str, float] = {"phase": 0.7}
SYNTHETIC_SHARE = 0.45


@dataclass(frozen=True)
class TrainSettings:
    """Settings of a run.

    Attributes
    ----------
    config : str
        Name of the network's configuration.
    seed : int
    plan : BatchPlan
    weights : LossWeights
    ramp : int
        Steps over which clips come in; 0: all are there at once.
    tilt_ramp : tuple of int
        Steps between which the focal loss goes from balanced to ``weights.tilt``; (0, 0): it is there at once.
    batches : int
        Batches (and steps) whose gradients move the network together, for small machines and noisy tasks.
    learning_rate, weight_decay, clip_norm : float
    warmup : int
        Steps.
    average : float
        Decay of the averaged weights.
    synthetic : float
        Share of samples from synthetic movies.
    bank : int
        Number of synthetic movies; each is made when first drawn.
    precision : str
        ``"bf16"`` or ``"fp32"``.
    """

    config: str = "cell"
    seed: int = 1
    plan: BatchPlan = field(default_factory=BatchPlan)
    weights: LossWeights = field(default_factory=lambda: LossWeights(tilt=0.8))
    ramp: int = 1000
    tilt_ramp: tuple[int, int] = (800, 2500)
    batches: int = 1
    learning_rate: float = 8e-4
    weight_decay: float = 0.02
    clip_norm: float = 2.0
    warmup: int = 150
    average: float = 0.998
    synthetic: float = SYNTHETIC_SHARE
    bank: int = 300
    precision: str = "bf16"

    def tilt(self, step: int) -> float:
        """Tilt of the focal loss at a step."""
        start, stop = self.tilt_ramp
        if step >= stop:
            return self.weights.tilt
        return self.weights.tilt * min(1.0, max(0.0, (step - start) / max(1, stop - start)))

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrainSettings:
        """Read what `to_dict` gave."""
        data = dict(data)
        plan = dict(data.pop("plan"))
        plan["frames"] = tuple(plan["frames"])
        data["tilt_ramp"] = tuple(data["tilt_ramp"])
        return cls(plan=BatchPlan(**plan), weights=LossWeights(**data.pop("weights")), **data)
