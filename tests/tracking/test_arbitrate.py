"""One label image from overlapping masks: the highest logit wins, locked cells stay, kept cells defend themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_sam2.tracking.arbitrate import (
    KEPT_LOGIT_LIMIT,
    KEPT_LOGIT_PER_PIXEL,
    SUPPRESSED_LOGIT,
    Claims,
    paint,
    suppress_losers,
)
from napari_sam2.tracking.prompts import MaskCrop
from napari_sam2.tracking.tidy import HOLE_SHARE, ISLAND_SHARE, tidy

SHAPE = (24, 30)


@dataclass
class Crowd:
    """Random overlapping crops of logits, no two of them equal, some of them over the frame's border."""

    cells: list[int]
    crops: np.ndarray
    corners: np.ndarray

    @classmethod
    def random(cls, seed: int) -> Crowd:
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 6))
        size = (int(rng.integers(3, 14)), int(rng.integers(3, 14)))
        crops = rng.normal(1, 5, (n, *size)).astype(np.float32)
        corners = np.stack([rng.integers(-3, limit - 3, n) for limit in SHAPE], axis=1)
        cells = rng.choice(np.arange(1, 100), n, replace=False).tolist()
        for axis in (0, 1):  # nothing is claimed outside the frame
            at = corners[:, axis, None] + np.arange(size[axis])
            outside = (at < 0) | (at >= SHAPE[axis])
            crops[
                outside[:, :, None] & np.ones(size, bool)[None]
                if axis == 0
                else outside[:, None, :] & np.ones(size, bool)
            ] = -np.inf
        return cls(cells, crops, corners)

    def claims(self, order: np.ndarray) -> Claims:
        return Claims.of_crops(self.crops[order], self.corners[order], SHAPE)

    def whole(self) -> np.ndarray:
        """Logits in frames: (N, Y, X)."""
        out = np.full((len(self.cells), *SHAPE), -np.inf, np.float32)
        for i, (y, x) in enumerate(self.corners):
            for a, b in np.argwhere(np.isfinite(self.crops[i])):
                out[i, y + a, x + b] = self.crops[i, a, b]
        return out


seeds = st.integers(0, 10**6)


@settings(deadline=None)
@given(seeds)
def test_the_highest_logit_wins_in_whatever_order_the_cells_come(seed: int) -> None:
    crowd = Crowd.random(seed)
    whole = crowd.whole()
    expected = np.where((whole > 0).any(0), np.array(crowd.cells)[whole.argmax(0)], 0)
    rng = np.random.default_rng(seed)
    for _ in range(2):
        order = rng.permutation(len(crowd.cells))
        labels = np.zeros(SHAPE, np.int32)
        paint(labels, [crowd.cells[i] for i in order], crowd.claims(order))
        assert np.array_equal(labels, expected)


def test_of_equal_logits_the_first_cell_wins() -> None:
    crops = np.full((2, 4, 4), 3.0, np.float32)
    labels = np.zeros(SHAPE, np.int32)
    paint(labels, [9, 4], Claims.of_crops(crops, np.array([[2, 2], [2, 2]]), SHAPE))
    assert set(np.unique(labels)) == {0, 9}


@settings(deadline=None)
@given(seeds)
def test_locked_cells_never_change(seed: int) -> None:
    rng = np.random.default_rng(seed)
    crowd = Crowd.random(seed)
    labels = (rng.integers(0, 4, SHAPE) * 100).astype(np.int32)
    before = labels.copy()
    paint(labels, crowd.cells, crowd.claims(np.arange(len(crowd.cells))), frozenset({100, 300}))
    for cell in (100, 300):
        assert np.array_equal(labels == cell, before == cell)
    assert set(np.unique(labels)) <= {0, 100, 200, 300, *crowd.cells}


@settings(deadline=None)
@given(seeds)
def test_free_pixels_are_painted_as_if_there_were_nobody_else(seed: int) -> None:
    rng = np.random.default_rng(seed)
    crowd = Crowd.random(seed)
    order = np.arange(len(crowd.cells))
    alone = np.zeros(SHAPE, np.int32)
    paint(alone, crowd.cells, crowd.claims(order))
    labels = np.where(rng.random(SHAPE) < 0.3, 500, 0).astype(np.int32)
    free = labels == 0
    paint(labels, crowd.cells, crowd.claims(order))
    assert np.array_equal(labels[free], alone[free])


@pytest.mark.parametrize(("logit", "wins"), [(KEPT_LOGIT_LIMIT + 1, True), (KEPT_LOGIT_LIMIT - 0.1, False)])
def test_the_inside_of_a_kept_cell_yields_only_to_a_very_sure_one(logit: float, wins: bool) -> None:
    labels = np.zeros((60, 60), np.int32)
    labels[10:50, 10:50] = 7
    claim = Claims.of_crops(np.full((1, 2, 2), logit, np.float32), np.array([[29, 29]]), (60, 60))
    paint(labels, [3], claim)
    assert (labels[29:31, 29:31] == (3 if wins else 7)).all()
    assert (labels == 7).sum() == 1600 - 4 * wins


def test_a_kept_cell_gives_way_at_its_border_first() -> None:
    labels = np.zeros((60, 60), np.int32)
    labels[10:50, 10:50] = 7
    logit = 3.2 * KEPT_LOGIT_PER_PIXEL
    paint(labels, [3], Claims.of_crops(np.full((1, 30, 30), logit, np.float32), np.array([[0, 15]]), (60, 60)))
    lost = np.flatnonzero(labels[:, 30] == 3)
    assert lost.tolist() == list(range(13))  # the ground, and three rows of the kept cell


def test_what_is_drawn_outweighs_everything_but_locks() -> None:
    labels = np.full(SHAPE, 7, np.int32)
    labels[:5] = 8
    mask = np.zeros(SHAPE, bool)
    mask[3:9, 4:9] = True
    other = Claims.of_crops(np.full((1, *SHAPE), 500.0, np.float32), np.array([[0, 0]]), SHAPE)
    claims = Claims.join([other, Claims.of_mask(1, MaskCrop.of(mask), SHAPE)])
    paint(labels, [1, 2], claims, frozenset({8}))
    assert np.array_equal(labels == 2, mask & (np.arange(SHAPE[0])[:, None] >= 5))
    assert np.array_equal(labels == 8, np.broadcast_to(np.arange(SHAPE[0])[:, None] < 5, SHAPE))


@settings(deadline=None)
@given(seeds)
def test_memories_do_not_claim_what_a_neighbour_holds(seed: int) -> None:
    """Against every pair of windows, placed in the field one by one."""
    rng = np.random.default_rng(seed)
    n, side = int(rng.integers(1, 5)), 2
    origins = rng.integers(0, 5, (n, 2)) + rng.integers(0, 50, 2)
    logits = rng.normal(0, 4, (n, side * 4, side * 4)).astype(np.float32)
    field = np.full((n, 300, 300), -np.inf, np.float32)
    for i, (y, x) in enumerate(origins * 4):
        field[i, y : y + side * 4, x : x + side * 4] = logits[i]
    best = field.max(0)
    got = suppress_losers(torch.from_numpy(logits), origins).numpy()
    for i, (y, x) in enumerate(origins * 4):
        won = best[y : y + side * 4, x : x + side * 4]
        expected = np.where(logits[i] < won, np.minimum(logits[i], SUPPRESSED_LOGIT), logits[i])
        assert np.array_equal(got[i], expected)


def test_a_cell_that_has_no_neighbour_loses_nothing_around_itself() -> None:
    logits = torch.full((2, 8, 8), -2.0)
    logits[:, 2:5, 2:5] = 5
    assert torch.equal(suppress_losers(logits, np.array([[0, 0], [40, 40]])), logits)


def test_tidying_takes_islands_away_and_fills_holes_of_the_wanted_cells_only() -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[5:25, 5:25] = 1
    labels[12:14, 12:14] = 0  # a hole
    labels[18, 18] = 2  # a neighbour inside: no hole
    labels[30:33, 40:43] = 1  # an island
    labels[5:25, 30:50] = 3
    labels[10, 35] = 0  # a hole in a cell that is not asked for
    labels[35, 35] = 3
    before = labels.copy()
    tidy(labels, {1})
    assert (labels[12:14, 12:14] == 1).all()
    assert labels[18, 18] == 2
    assert (labels[30:33, 40:43] == 0).all()
    assert np.array_equal(labels == 3, before == 3)


@settings(deadline=None)
@given(seeds)
def test_tidying_changes_no_pixel_of_others_and_lets_nobody_vanish(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, 4, (6, 7)), np.ones((4, 4), int)).astype(np.int32)
    labels[rng.random(labels.shape) < 0.1] = 0
    before = labels.copy()
    tidy(labels, {1, 2})
    assert np.array_equal(labels == 3, before == 3)
    for cell in (1, 2):
        assert (labels == cell).any() == (before == cell).any()


def _plainly_tidied(labels: npt.NDArray[np.int32], cells: set[int]) -> npt.NDArray[np.int32]:
    """Cell by cell and piece by piece."""
    out = np.pad(labels, 1)
    for cell in cells:
        pieces, n = ndimage.label(out == cell)
        sizes = [(pieces == i + 1).sum() for i in range(n)]
        for i, size in enumerate(sizes):
            if size < ISLAND_SHARE * max(sizes):
                out[pieces == i + 1] = 0
    holes, n = ndimage.label(out == 0)
    filled = out.copy()
    for i in range(2, n + 1):  # the first one is the outside
        hole = holes == i
        around = set(np.unique(out[ndimage.binary_dilation(hole) & ~hole]).tolist())
        if len(around) == 1 and around <= cells and hole.sum() <= HOLE_SHARE * (out == around.copy().pop()).sum():
            filled[hole] = around.pop()
    return filled[1:-1, 1:-1]


@settings(deadline=None)
@given(seeds)
def test_tidying_is_what_one_would_do_piece_by_piece(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(24, 31)), rng.uniform(0.3, 2.0))
    labels = np.clip(np.round(noise * rng.uniform(3, 9)), 0, 4).astype(np.int32)
    cells = set(rng.integers(1, 5, 3).tolist())
    expected = _plainly_tidied(labels, cells)
    tidy(labels, cells)
    assert np.array_equal(labels, expected)


def test_halves_of_a_dividing_cell_are_both_kept() -> None:
    labels = np.zeros((30, 30), np.int32)
    labels[3:10, 3:10] = 1
    labels[15:22, 15:21] = 1
    before = labels.copy()
    tidy(labels, {1})
    assert np.array_equal(labels, before)
