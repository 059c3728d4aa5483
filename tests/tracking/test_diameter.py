"""The size of cells from clicks: the scale at which the network is surest, not the one that its masks ask for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.tracking.diameter import LARGEST_SHARE, LEEWAY_ABOVE, LEEWAY_BELOW, SMALLEST, diameter_from_clicks
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.prompts import PromptBook
from napari_sam2.training.synthetic import make_movie

TARGET = 56.0
#: Model px that the network draws a part of a cell at where cells are shown too large.
PART = 50.0


@dataclass
class _Engine:
    """A network that is surest at one shown size, and draws parts of cells that are shown larger."""

    diameter: float
    shape: tuple[int, int] = (2000, 2000)
    surest_at: float = TARGET
    spread: float = 1.5
    part: float = PART
    scales: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.settings = SimpleNamespace(target_diameter=TARGET)
        self.features = SimpleNamespace(movie=SimpleNamespace(frame_shape=self.shape))

    def from_prompts(self, geometry: Geometry, frame: int, prompts: list[Any], rough: bool) -> Any:
        scale = geometry.mean_scale
        self.scales.append(scale)
        shown = self.diameter * scale
        off = abs(math.log2(shown / self.surest_at)) / self.spread
        area = math.pi / 4 * (self.part if shown > 1.6 * TARGET else shown) ** 2
        surety = torch.full((len(prompts),), math.exp(-off * off))
        return SimpleNamespace(areas=lambda: np.full(len(prompts), area), iou_n=surety)

    def geometry(self, diameter: float) -> Geometry:
        return Geometry.windowed(self.shape, TARGET / diameter, 16)


def _book(clicks: int = 5) -> PromptBook:
    book = PromptBook(3, (2000, 2000))
    for cell in range(1, clicks + 1):
        book.add_clicks(cell, 0, [(100.0 * cell, 50.0, True)])
    return book


def _found(engine: _Engine) -> float:
    return diameter_from_clicks(engine, _book(), engine.geometry)  # type: ignore[arg-type]


@given(st.floats(12.0, 400.0))
def test_cells_of_any_size_are_measured_where_the_network_is_surest(diameter: float) -> None:
    engine = _Engine(diameter)
    assert _found(engine) == pytest.approx(diameter, rel=0.05)
    assert len(engine.scales) == len(set(engine.scales)) <= 12


def test_a_part_that_looks_like_a_cell_is_not_taken_for_one() -> None:
    engine = _Engine(23.0)
    assert engine.geometry(9.2).mean_scale * 23.0 > 1.6 * TARGET, (
        "there masks measure 50 model px: just what they should"
    )
    assert _found(engine) == pytest.approx(23.0, rel=0.05)


def test_where_the_network_is_surest_elsewhere_the_size_is_near_that() -> None:
    thin = _Engine(20.0, surest_at=28.0)  # as spindles, which look best at half the scale of their area
    assert _found(thin) == pytest.approx(40.0 / LEEWAY_BELOW, rel=0.08)


def test_a_frame_is_never_taken_for_a_cell() -> None:
    engine = _Engine(31.0, shape=(256, 300), surest_at=1.0)  # a network that likes the coarsest scale best
    assert _found(engine) <= LARGEST_SHARE * 256 * LEEWAY_ABOVE
    assert min(engine.scales) >= TARGET / (LARGEST_SHARE * 256) * 0.9


def test_a_cell_as_large_as_the_frame_is_measured_at_the_coarsest_scale_there_is() -> None:
    engine = _Engine(150.0, shape=(190, 190), part=150.0)
    assert _found(engine) == pytest.approx(150.0, rel=0.02)


def test_masks_that_are_all_empty_say_nothing() -> None:
    engine = _Engine(30.0)
    engine.from_prompts = _empty(engine.from_prompts)  # type: ignore[method-assign]
    assert SMALLEST <= _found(engine) <= 1000


def _empty(call: Callable[..., Any]) -> Callable[..., Any]:
    def emptied(*arguments: Any, **named: Any) -> Any:
        masks = call(*arguments, **named)
        return SimpleNamespace(areas=lambda: np.zeros(len(masks.iou_n)), iou_n=masks.iou_n)

    return emptied


@pytest.mark.parametrize(("kind", "seed"), [("brightfield", 70_003), ("dic", 70_003), ("spots", 80_005)])
def test_small_thin_cells_are_not_seen_as_many_smaller_ones(kind: str, seed: int) -> None:
    from napari_sam2.tracking import CellTracker

    movie = make_movie(kind, frames=1, size=(256, 256), seed=seed)
    first = movie.labels[0]
    cells = [c for c in np.unique(first[4:-4, 4:-4]).tolist() if c and (first == c).sum() >= 60]
    tracker = CellTracker(movie.frames, model="cell")
    for cell in cells:
        y, x = np.argwhere(first == cell).mean(0)
        tracker.add_click(cell, 0, (y, x))
    true = float(np.median([2 * math.sqrt((first == c).sum() / math.pi) for c in cells]))
    assert true / 1.5 < tracker.cell_diameter < true * 1.8
