"""Outlines: area, distance to the contour, boxes; and cells pushing each other."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from napari_sam2.training.synthetic import ShapeRecipe
from napari_sam2.training.synthetic.cells import random_cell
from napari_sam2.training.synthetic.placing import drop_crossing, place, push_apart
from napari_sam2.training.synthetic.shapes import N_HARMONICS, contour_table, rod_patch, star_patch

ROUND = np.zeros(2 * N_HARMONICS, np.float32)


def test_a_circle_is_a_circle() -> None:
    patch = star_patch((80, 90), 40.0, 50.0, 20.0, 0.3, 1.0, 0.0, contour_table(ROUND))
    assert patch is not None
    y, x = np.mgrid[patch.window]
    distance = np.hypot(y - 40, x - 50)
    np.testing.assert_allclose(patch.rho, distance / 20, atol=2e-3)
    away = distance > 3  # the very centre is only approximate
    np.testing.assert_allclose(patch.edge[away], (20 - distance)[away], atol=0.1)


@pytest.mark.parametrize(("elongation", "bend"), [(1.0, 0.0), (2.5, 0.0), (2.5, 0.8)])
def test_area_does_not_depend_on_the_outline(elongation: float, bend: float) -> None:
    rng = np.random.default_rng(0)
    tips = np.array([[0.1, 0.6, 8.0], [3.0, 0.4, 20.0]], np.float32)
    table = contour_table((0.08 * rng.standard_normal(2 * N_HARMONICS)).astype(np.float32), tips)
    patch = star_patch((300, 300), 150.0, 150.0, 30.0, 1.1, elongation, bend, table)
    assert patch is not None
    inside = patch.rho < 1
    assert inside.sum() == pytest.approx(np.pi * 30**2, rel=0.02)
    # The box holds the whole outline.
    assert not inside[[0, -1]].any()
    assert not inside[:, [0, -1]].any()


def test_the_long_axis_points_where_the_angle_says() -> None:
    for patch in (
        star_patch((200, 200), 100.0, 100.0, 25.0, 0.6, 3.0, 0.0, contour_table(ROUND)),
        rod_patch((200, 200), 100.0, 100.0, 40.0, 8.0, 0.6, 0.0),
    ):
        assert patch is not None
        y, x = np.nonzero(patch.rho < 1)
        _, vectors = np.linalg.eigh(np.cov(np.array([x, y])))
        assert abs(vectors[:, 1] @ (np.cos(0.6), np.sin(0.6))) > 0.999


def test_a_rod_has_its_length_width_and_septum() -> None:
    whole = rod_patch((100, 100), 50.0, 50.0, 30.0, 8.0, 0.0, 0.0)
    pinched = rod_patch((100, 100), 50.0, 50.0, 30.0, 8.0, 0.0, 0.0, constriction=0.7)
    assert whole is not None
    assert pinched is not None
    inside = whole.rho < 1
    assert np.ptp(np.nonzero(inside)[1]) + 1 == pytest.approx(60, abs=1.5)
    assert np.ptp(np.nonzero(inside)[0]) + 1 == pytest.approx(16, abs=1.5)
    middle = 50 - whole.cols.start
    assert (pinched.rho < 1)[:, middle].sum() < 0.5 * inside[:, middle].sum()
    assert (pinched.rho < 1)[:, 5].sum() == inside[:, 5].sum()


def test_outside_the_frame_there_is_no_patch() -> None:
    assert star_patch((50, 50), -40.0, 20.0, 10.0, 0.0, 1.0, 0.0, contour_table(ROUND)) is None
    assert rod_patch((50, 50), 20.0, 90.0, 20.0, 5.0, 0.0, 0.0) is None
    cut = star_patch((50, 50), 0.0, 0.0, 10.0, 0.0, 1.0, 0.0, contour_table(ROUND))
    assert cut is not None
    assert (cut.rows.start, cut.cols.start) == (0, 0)


def test_places_keep_their_distance() -> None:
    rng = np.random.default_rng(1)
    for clump in (0.0, 0.9):
        spots = place(rng, 40, (0, 0), (200, 300), 18.0, clump)
        assert len(spots) >= 20
        apart = np.linalg.norm(spots[:, None] - spots[None], axis=-1) + 1e9 * np.eye(len(spots))
        assert apart.min() >= 18
        assert spots.min() >= 0
        assert spots[:, 0].max() <= 200


def test_crowded_cells_push_each_other_apart() -> None:
    rng = np.random.default_rng(0)
    recipe = ShapeRecipe(diameter=20, diameter_spread=0.0)
    cells = [random_cell(rng, recipe, 0.0, 1, 50.0, 50.0), random_cell(rng, recipe, 0.0, 2, 53.0, 54.0)]
    alone = copy.deepcopy(cells)
    push_apart(cells, 0.8, 1.0, iterations=20)
    assert np.hypot(cells[0].y - cells[1].y, cells[0].x - cells[1].x) == pytest.approx(20, abs=1.0)
    # Along the line between them, and both as far.
    assert cells[0].y + cells[1].y == pytest.approx(103)
    push_apart(alone[:1], 0.8, 1.0)
    assert (alone[0].y, alone[0].x) == (50.0, 50.0)


def test_rods_that_cross_are_taken_out() -> None:
    rng = np.random.default_rng(0)
    recipe = ShapeRecipe(style="rod", diameter=20, elongation=5.0)
    cells = [random_cell(rng, recipe, 0.0, n, 50.0, x) for n, x in ((1, 50.0), (2, 52.0), (3, 200.0))]
    cells[0].angle, cells[1].angle = 0.0, np.pi / 2
    assert [c.id for c in drop_crossing(cells, 0.45)] == [1, 3]
