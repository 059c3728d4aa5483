"""Cells above and below the focal plane: the truth is the cut through it, the picture shows more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_sam2.training.synthetic import make_movie
from napari_sam2.training.synthetic.cells import FLATNESS, Cell
from napari_sam2.training.synthetic.fluorescence import paint
from napari_sam2.training.synthetic.recipe import LookRecipe, Recipe, ShapeRecipe
from napari_sam2.training.synthetic.scene import lay_out
from napari_sam2.training.synthetic.shapes import N_HARMONICS

SHAPE = (128, 128)
RADIUS = 30.0


def disc(height: float) -> Cell:
    return Cell(
        id=1, y=64.0, x=64.0, radius=RADIUS, angle=0.0, elongation=1.0, bend=0.0,
        coefficients=np.zeros(2 * N_HARMONICS, np.float32), tips=np.zeros((0, 3), np.float32), brightness=1.0,
        texture=0, texture_offset=(0.0, 0.0), depth=0.5, pace=1.0, brilliance=0.5, height=height,
    )  # fmt: skip


def seen(height: float, **look: float) -> tuple[np.ndarray, np.ndarray]:
    """Light and labels of one cell at a height."""
    plain: dict[str, Any] = {
        "texture": 0.0,
        "granules": 0.0,
        "dome": 0.0,
        "seam": 0.0,
        "sectioning": 0.5,
        "defocus": 0.5,
    } | look
    recipe = Recipe("sections", 1, ShapeRecipe(diameter=2 * RADIUS), look=LookRecipe(**plain))
    placed, labels = lay_out([disc(height)], SHAPE, (0.0, 0.0), recipe)
    return paint(placed, SHAPE, recipe), labels


@pytest.mark.parametrize("height", [0.0, 0.3, -0.3, 0.55, -0.65])
def test_the_truth_is_the_cut_through_the_focal_plane(height: float) -> None:
    _, labels = seen(height)
    expected = np.pi * RADIUS**2 * (1 - (height / FLATNESS) ** 2)
    assert np.count_nonzero(labels) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("height", [0.74, FLATNESS, 1.1, -1.1])
def test_what_the_focal_plane_hardly_cuts_is_not_labelled_but_shines(height: float) -> None:
    light, labels = seen(height)
    assert not labels.any()
    assert light.max() > 0.05


def test_out_of_focus_is_dimmer_and_wider_and_soft() -> None:
    sharp, blurred, far = seen(0.0)[0], seen(0.6)[0], seen(1.4)[0]
    beyond = np.hypot(*(np.indices(SHAPE) - 64.0)) > RADIUS + 3
    assert sharp[~beyond].sum() > blurred[~beyond].sum() > far[~beyond].sum() > 0
    assert not sharp[beyond].any()
    assert blurred[beyond].sum() > 0
    assert np.abs(np.diff(far, axis=0)).max() < 0.2 * np.abs(np.diff(sharp, axis=0)).max()


def test_perfect_sectioning_shows_the_cut_alone() -> None:
    light, labels = seen(0.5, sectioning=1.0)
    inside = light > 0.5
    assert np.count_nonzero(inside ^ (labels > 0)) < 0.03 * np.count_nonzero(labels)


def test_cells_come_into_focus_and_leave_it() -> None:
    movie = make_movie(
        "sections", frames=30, size=(160, 160), cells=12, diameter=30, seed=4, depth=0.6, sink=0.2, speed=0.01,
        division_rate=0.0, death_rate=0.0, stage_jitter=0.0, jump_rate=0.0, black_rate=0.0, repeat_rate=0.0,
    )  # fmt: skip
    areas = np.stack([np.bincount(frame.ravel(), minlength=movie.labels.max() + 1) for frame in movie.labels])[:, 1:]
    there = areas > 0
    returned = [np.any(np.diff(np.flatnonzero(column)) > 1) for column in there.T]
    assert sum(returned) >= 3


def test_movies_in_focus_do_not_depend_on_how_depth_is_shown() -> None:
    one = make_movie("nuclei", frames=3, size=(96, 96), seed=2)
    other = make_movie("nuclei", frames=3, size=(96, 96), seed=2, sectioning=0.2, defocus=0.9, sink=0.5)
    np.testing.assert_array_equal(one.frames, other.frames)
