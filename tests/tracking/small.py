"""A small network, small movies, and ways to count what is done with them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any

import numpy as np
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from napari_sam2.network import Sam2
from napari_sam2.network.conv_trunk import ConvTrunk
from napari_sam2.tracking import CellTracker, Settings
from tests.network.formula_weights import mini_cell_model

#: Windows of the small network, in tokens: its native size.
WINDOW = 8
#: Masks of formula weights are scattered over their windows: nothing of them is stray.
SETTINGS = Settings(window=WINDOW, target_diameter=40.0, tidy=False)


@cache
def tracking_model() -> Sam2:
    """The small network of the bundled model's kind, in which every cell is there: formula weights know no cells."""
    model = copy.deepcopy(mini_cell_model())
    with torch.no_grad():
        model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.add_(3)  # type: ignore[operator, union-attr]
    return model


def discs_movie(frames: int, shape: tuple[int, int], seed: int = 0, count: int = 4, radius: float = 9.0) -> np.ndarray:
    """Bright discs that drift slowly over a noisy ground: (T, Y, X) uint16."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0.2, 0.8, (count, 2)) * shape
    speeds = rng.normal(0, 0.8, (count, 2))
    y, x = np.indices(shape)
    movie = rng.integers(80, 120, (frames, *shape)).astype(np.uint16)
    for t in range(frames):
        for place in centres + t * speeds:
            movie[t][(y - place[0]) ** 2 + (x - place[1]) ** 2 < radius**2] += 400
    return movie


def still_discs(frames: int, shape: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
    """Two bright discs of 28 pixels in the middle row, at some columns, that stand still: (T, Y, X) uint8."""
    rng = np.random.default_rng(3)
    y, x = np.indices(shape)
    discs = np.logical_or.reduce([np.hypot(y - shape[0] / 2, x - column) < 14 for column in columns])
    return np.clip(30 + 170 * discs + rng.normal(0, 6, (frames, *shape)), 0, 255).astype(np.uint8)


def tracker_for(movie: Any, **options: Any) -> CellTracker:
    """A tracker with the small network, at a fixed scale."""
    options = {"cell_diameter": 18.0, "settings": SETTINGS, "limits": (80, 500), "mode": "windows"} | options
    return CellTracker(movie, tracking_model(), **options)


def run(tracker: CellTracker, *args: Any, **options: Any) -> list[Any]:
    """Track to the end and return all results."""
    return list(tracker.track(*args, **options))


class Counting:
    """An array that remembers which frames were read."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.reads: list[int] = []

    def __getitem__(self, index: Any) -> np.ndarray:
        self.reads.append(int(index[0] if isinstance(index, tuple) else index))
        return self.array[index]


@contextmanager
def encoded_images() -> Iterator[list[int]]:
    """Record how many images each call of a convolutional trunk encodes, whichever copy of a network it is in."""
    calls: list[int] = []

    def note(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, ConvTrunk):
            calls.append(len(inputs[0]))

    hook = register_module_forward_pre_hook(note)
    yield calls
    hook.remove()


def count_calls(
    owner: Any, name: str, monkeypatch: Any, what: Callable[..., Any] = lambda *args, **options: None
) -> list:
    """Record ``what(*args)`` of every call of a method from now on."""
    calls: list[Any] = []
    method = getattr(owner, name)

    @wraps(method)
    def counted(*args: Any, **options: Any) -> Any:
        calls.append(what(*args, **options))
        return method(*args, **options)

    monkeypatch.setattr(owner, name, counted)
    return calls
