"""Validation on held-out training data: one click on stills, and following through clips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_sam2.network.model import upscale_logits
from napari_sam2.training.batch import Batch
from napari_sam2.training.batches import SOFT, BatchBuilder, BatchPlan
from napari_sam2.training.clip import ClipSource
from napari_sam2.training.forward import Trainee
from napari_sam2.training.losses import LossWeights, overlap_of
from napari_sam2.training.prompts import CENTRE

VALIDATION_SEED = 20_240_801


@dataclass(frozen=True)
class ValidationSize:
    """How much is looked at."""

    stills: int = 24
    clips: int = 8
    cells: int = 6
    frames: int = 7
    size: int = 320


class Validation:
    """A fixed set of held-out fields, built once.

    Parameters
    ----------
    stills, clips : dict of str to ClipSource
        Held-out sources by name; every source gets its share of the fields.
    size : ValidationSize
    """

    def __init__(
        self, stills: dict[str, ClipSource], clips: dict[str, ClipSource], size: ValidationSize | None = None
    ) -> None:
        size = size or ValidationSize()
        plan = BatchPlan(still_cells=size.cells, clip_cells=size.cells, size=size.size, prompt=CENTRE)
        self._stills: list[tuple[str, Batch]] = []
        self._clips: list[tuple[str, Batch]] = []
        for index, (name, source) in enumerate(stills.items()):
            rng = np.random.default_rng([VALIDATION_SEED, index])
            builder = BatchBuilder(plan, rng)
            for _ in range(max(1, size.stills // len(stills))):
                builder.add_still(source.sample(rng, size.size, 1))
            self._stills.append((name, builder.build()))
        for index, (name, source) in enumerate(clips.items()):
            rng = np.random.default_rng([VALIDATION_SEED, 1000 + index])
            builder = BatchBuilder(plan, rng)
            for _ in range(max(1, size.clips // len(clips))):
                builder.add_clip(source.sample(rng, size.size, size.frames))
            self._clips.append((name, builder.build()))

    @torch.no_grad()
    def run(self, trainee: Trainee, device: torch.device, dtype: torch.dtype | None) -> dict[str, float]:
        """Measure a network.

        Returns
        -------
        dict of str to float
            ``one_click`` and ``one_click/NAME``: median IoU; ``follow_1``, ``follow_end`` (and ``.../NAME``): mean IoU
            over visible cells after one frame, and from frame 5 on; ``score``: share of cell-frames whose presence is
            told right.
        """
        was_training = trainee.training
        trainee.eval()
        out: dict[str, float] = {}
        clicks, nexts, ends, right = [], [], [], []
        generator = torch.Generator()
        for name, batch in self._stills:
            batch = batch.to(device)
            with torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None):
                step = trainee(batch, LossWeights(), generator, correct=False)
            if step.row_logits is not None:
                clicks.append(fine_overlap(step.row_logits, batch.row_target))
                out[f"one_click/{name}"] = float(clicks[-1].median())
        for name, batch in self._clips:
            batch = batch.to(device)
            with torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None):
                step = trainee(batch, LossWeights(), generator, correct=False)
            if step.track_logits is None or step.track_scores is None:
                continue
            overlap = fine_overlap(step.track_logits.flatten(0, 1), batch.track_target.flatten(0, 1))
            overlap = overlap.view(batch.track_present.shape)
            there = batch.track_present
            nexts.append(overlap[:, 1][there[:, 1]])
            ends.append(overlap[:, 5:][there[:, 5:]])
            right.append(((step.track_scores > 0) == there)[:, 1:].flatten().float())
            out[f"follow_end/{name}"] = float(ends[-1].mean()) if len(ends[-1]) else float("nan")
        trainee.train(was_training)
        for key, values in (("one_click", clicks), ("follow_1", nexts), ("follow_end", ends), ("score", right)):
            if values:
                joined = torch.cat(values)
                out[key] = float(joined.median() if key == "one_click" else joined.mean())
        return out


def fine_overlap(logits_nhw: Tensor, target_nhw: Tensor) -> Tensor:
    """IoU (N,) at model resolution of stride-4 logits and targets in sixteenths; an empty mask counts 0."""
    truth = upscale_logits(target_nhw.float() / SOFT) > 0.5
    return overlap_of(upscale_logits(logits_nhw), truth)
