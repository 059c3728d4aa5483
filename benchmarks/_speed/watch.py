"""Looking inside a tracker while it works: what each part of a frame takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import wraps
from typing import Any, Protocol
from unittest.mock import patch

import torch

from benchmarks._speed.contenders import synchronise
from napari_sam2.tracking import CellTracker, engine, features, guard, memory, propagate, results
from napari_sam2.tracking.lanes import lanes, side_by_side

#: Parts in the order in which a frame goes through them.
PARTS = ("encode", "cut", "recall", "attend", "decode", "guard", "memory", "keys", "remember", "paint", "tidy")


class Around(Protocol):
    """What is done around every call of a part."""

    def __call__(self, part: str, arguments: tuple[Any, ...]) -> AbstractContextManager[None]:
        """Context that a call runs in."""

    def shared(self, wide: int) -> AbstractContextManager[None]:
        """Context in which calls take one of so many lanes each."""


@contextmanager
def watch(tracker: CellTracker, around: Around) -> Iterator[None]:
    """Enter ``around(part, arguments)`` for every call of a part of a frame's work.

    What is computed side by side otherwise comes one after the other meanwhile, each in one lane.

    Parameters
    ----------
    tracker
        Whose network is watched.
    around
        Makes the context manager that a call runs in.
    """
    model = tracker.network
    places: list[tuple[Any, str, str]] = [
        (model, "encode_image", "encode"),
        (features.FeatureSource, "prepare", "cut"),
        (features.FeatureSource, "windows", "cut"),
        (features.FeatureSource, "coarse_windows", "cut"),
        (memory.MemoryBank, "look", "recall"),
        (model, "attend", "attend"),
        (model, "embed_prompts", "decode"),
        (model, "decode", "decode"),
        (model, "select", "decode"),
        (guard.Guard, "judge", "guard"),
        (model, "encode_memory", "memory"),
        (model.memory_attention, "memory_keys", "keys"),
        (memory.MemoryBank, "remember", "remember"),
        (propagate, "merge", "paint"),
        (results, "tidy", "tidy"),
    ]

    def in_turn(calls: Sequence[Callable[[], Any]], single: bool = False) -> Iterator[Any]:
        wide = min(lanes(), len(calls))
        for call in calls:
            with around.shared(wide):
                found = next(side_by_side([call], single or wide > 1))
            yield found

    with ExitStack() as stack:
        stack.enter_context(patch.object(engine, "side_by_side", in_turn))
        for owner, name, part in places:
            stack.enter_context(patch.object(owner, name, _wrapped(getattr(owner, name), part, around)))
        yield


def _wrapped(call: Callable[..., Any], part: str, around: Around) -> Callable[..., Any]:
    @wraps(call)
    def watched(*arguments: Any, **named: Any) -> Any:
        with around(part, arguments):
            return call(*arguments, **named)

    return watched


class Clock:
    """Seconds by part; those of a part within another count for the inner one only.

    Parameters
    ----------
    device
        Waited for at every change of part, which makes the whole a little slower on a GPU.

    Attributes
    ----------
    seconds
        By part; what is shared out among lanes counts for as much as it takes when all of them are busy.
    spent
        Seconds inside parts, whether shared out or not.
    """

    def __init__(self, device: torch.device | str) -> None:
        self.device = device
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.spent = 0.0
        self._inner: list[float] = []
        self._wide = 1

    @contextmanager
    def __call__(self, part: str, arguments: tuple[Any, ...]) -> Iterator[None]:
        """Time what runs inside."""
        synchronise(self.device)
        self._inner.append(0.0)
        began = time.perf_counter()
        try:
            yield
        finally:
            synchronise(self.device)
            spent = time.perf_counter() - began
            own = spent - self._inner.pop()
            self.seconds[part] += own / self._wide
            self.spent += own
            if self._inner:
                self._inner[-1] += spent

    @contextmanager
    def shared(self, wide: int) -> Iterator[None]:
        """Count what runs inside as taking one of so many lanes."""
        self._wide = wide
        try:
            yield
        finally:
            self._wide = 1
