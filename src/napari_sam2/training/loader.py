"""From sources to a stream of batches, by worker processes.

A batch is a pure function of (seed, step), so that a run can be resumed exactly, with any number of workers.
"""

from __future__ import annotations

import signal
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from napari_sam2.training.batch import Batch
from napari_sam2.training.batches import BatchBuilder, BatchPlan
from napari_sam2.training.clip import Clip, ClipSource


class BatchData(Dataset):
    """Batches by step number.

    Parameters
    ----------
    stills, clips : ClipSource
        Where single frames and clips come from.
    plan : BatchPlan
    seed : int
    ramp : int
        Steps over which the number of clips grows from none to the plan's (the stills it displaces shrink to it).
    """

    def __init__(self, stills: ClipSource, clips: ClipSource, plan: BatchPlan, seed: int, ramp: int = 0) -> None:
        self._stills = stills
        self._clips = clips
        self._plan = plan
        self._seed = seed
        self._ramp = ramp

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self._seed, step])
        plan = self._plan
        wanted = plan.clips * min(1.0, step / self._ramp) if self._ramp else float(plan.clips)
        clips = int(wanted) + int(rng.random() < wanted - int(wanted))
        # A step without its clips takes more stills instead, so that early steps learn to segment first.
        stills = plan.stills + 2 * (plan.clips - clips)
        builder = BatchBuilder(plan, rng)
        for _ in range(stills):
            builder.add_still(self._stills.sample(rng, plan.size, 1))
        length = int(rng.integers(plan.frames[0], plan.frames[1] + 1))
        for _ in range(clips):
            clip = self._clips.sample(rng, plan.size, length)
            if rng.random() < plan.reverse:
                clip = reversed_clip(clip)
            second = int(rng.integers(1, length)) if length > 2 and rng.random() < plan.second_prompt else -1
            builder.add_clip(clip, second)
        return builder.build()


def reversed_clip(clip: Clip) -> Clip:
    """Play a clip backward; parents are dropped, since daughters would now merge."""
    return replace(clip, frames=clip.frames[::-1].copy(), labels=clip.labels[::-1].copy(), parents={})


def load_batches(
    data: BatchData, start: int, stop: int, workers: int, prefetch: int = 4
) -> Generator[Batch, None, None]:
    """Yield the batches of steps `start`..`stop` - 1 in order, made by worker processes (0: in this one).

    The workers end with the generator, whether it is used up, closed, or broken off by an error.
    """
    extra: dict[str, Any] = {"prefetch_factor": prefetch, "worker_init_fn": _start_worker} if workers else {}
    loader: DataLoader = DataLoader(data, batch_size=None, sampler=range(start, stop), num_workers=workers, **extra)
    batches = iter(loader)
    try:
        yield from batches
    finally:
        # An error keeps the iterator alive in its traceback, and with it the workers, which do not heed the SIGTERM by
        # which multiprocessing ends its children: the process would wait for them for ever. torch has no public way.
        getattr(batches, "_shutdown_workers", lambda: None)()
        for worker in getattr(batches, "_workers", ()):
            if worker.is_alive():  # still at a batch, which nobody wants
                worker.kill()


def _start_worker(number: int) -> None:
    # A signal to the whole process group asks the trainer for a checkpoint; it must not take its workers away.
    for stop in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        signal.signal(stop, signal.SIG_IGN)
