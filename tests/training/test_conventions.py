"""Cells drawn after another convention: only they change, alike on every frame, and a click does not count."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_sam2.network import Sam2
from napari_sam2.training.batches import BatchBuilder, BatchPlan, soft_mask, window_of
from napari_sam2.training.conventions import CORE, CORE_SHARE, GROW, KINDS, MIN_AREA, SHRINK, redraw
from napari_sam2.training.forward import Trainee
from napari_sam2.training.losses import LossWeights

from .helpers import TINY, DiscSource


def _clip(seed: int, length: int = 3):
    return DiscSource().sample(np.random.default_rng(seed), 160, length)


def _cells(labels: np.ndarray) -> list[int]:
    inner = np.unique(labels[:, 30:-30, 30:-30])
    return [int(cell) for cell in inner if cell and all((frame == cell).sum() > 250 for frame in labels)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(list(KINDS)))
def test_only_that_cell_changes_and_only_into_background(seed: int, kind: str) -> None:
    clip = _clip(seed)
    before = clip.labels.copy()
    for cell in _cells(clip.labels):
        drawn = redraw(clip.frames, clip.labels, cell, np.random.default_rng(seed), kind)
        assert np.array_equal(clip.labels, before), "the truth itself must stay"
        if drawn is None:
            continue
        own, was = drawn == cell, before == cell
        changed = drawn != before
        assert changed[0].any()
        assert np.isin(before[changed], [0, cell]).all() and np.isin(drawn[changed], [0, cell]).all()
        if kind == GROW:
            assert (own | ~was).all() and own.sum() > was.sum()
        else:
            assert (was | ~own).all() and own.sum() < was.sum()
        assert own[0].sum() >= MIN_AREA
        # discs move as a whole, and so does what is drawn of them, however they are drawn
        areas = own.sum((1, 2))
        assert areas.max() <= 1.3 * areas.min()


def test_a_shrunken_cell_keeps_its_middle_and_a_grown_one_its_distance() -> None:
    y, x = np.indices((80, 80))
    far = np.hypot(y - 40, x - 40)
    labels = (far < 20).astype(np.int32)[None]
    frames = np.zeros((1, 80, 80), np.float32)
    for seed in range(10):
        small = redraw(frames, labels, 1, np.random.default_rng(seed), SHRINK)
        large = redraw(frames, labels, 1, np.random.default_rng(seed), GROW)
        assert small is not None and large is not None
        for drawn, moved in ((small, far[labels[0] == 1].max() - far[small[0] == 1].max()),
                             (large, far[large[0] == 1].max() - far[labels[0] == 1].max())):  # fmt: skip
            assert 0.1 * 20 - 1 <= moved <= 0.4 * 20 + 1
            radius = far[drawn[0] == 1].max()
            assert (far[drawn[0] != 1] > radius - 1.5).all(), "all around alike"


def test_a_core_is_the_brighter_or_the_darker_part() -> None:
    y, x = np.indices((80, 80))
    labels = (np.hypot(y - 40, x - 40) < 20).astype(np.int32)[None]
    frames = (x / 80).astype(np.float32)[None]
    sides = set()
    for seed in range(12):
        drawn = redraw(frames, labels, 1, np.random.default_rng(seed), CORE)
        assert drawn is not None
        share = (drawn == 1).sum() / labels.sum()
        assert CORE_SHARE[0] - 0.05 <= share <= CORE_SHARE[1] + 0.05
        assert ndimage.label(drawn[0])[1] == 1
        sides.add(bool(np.nonzero(drawn[0])[1].mean() > 40))
    assert sides == {True, False}


def test_hardly_anything_left_is_no_cell() -> None:
    labels = np.zeros((1, 40, 40), np.int32)
    labels[0, 10:16, 10:17] = 3  # 42 px: whatever it loses is too much
    assert redraw(np.zeros((1, 40, 40), np.float32), labels, 3, np.random.default_rng(0), SHRINK) is None
    assert redraw(np.zeros((1, 40, 40), np.float32), labels, 7, np.random.default_rng(0), GROW) is None


def _batch(redrawn: float, seed: int = 0, prompt: str = ""):
    plan = BatchPlan(stills=1, still_cells=4, clips=1, clip_cells=4, size=160, window=8, redrawn=redrawn, prompt=prompt)
    rng = np.random.default_rng(seed)
    builder = BatchBuilder(plan, rng)
    still, clip = _clip(5, 1), _clip(6, 3)
    builder.add_still(still)
    builder.add_clip(clip, second_frame=2)
    return builder.build(), still, clip


def test_batches_teach_redrawn_cells_by_the_redrawn_mask_on_every_frame() -> None:
    plain, still, clip = _batch(0.0)
    assert not plain.row_redrawn.any()
    batch, *_ = _batch(1.0)
    assert batch.row_redrawn.sum() >= 3, "most cells can be drawn otherwise"
    truth = [still.labels[0], *clip.labels]

    def is_true(image: int, origin: torch.Tensor, target: torch.Tensor) -> bool:
        window = window_of(truth[image], tuple(origin.tolist()), 8)
        return any(np.array_equal(soft_mask(window == cell), target.numpy()) for cell in np.unique(window) if cell)

    for one in (plain, batch):
        rows = zip(one.row_image.tolist(), one.row_origin, one.row_target, one.row_redrawn.tolist(), strict=True)
        for *row, redrawn in rows:
            assert is_true(*row) != redrawn
        for track, first in enumerate(one.track_first.tolist()):
            for t in range(1, 3):
                where = int(one.track_image[track, t]), one.track_origin[track, t], one.track_target[track, t]
                assert is_true(*where) != bool(one.row_redrawn[first])


def test_validation_sees_cells_as_they_are() -> None:
    assert not _batch(1.0, prompt="centre")[0].row_redrawn.any()


@pytest.mark.parametrize("boxes", [False, True])
def test_a_single_click_on_a_redrawn_cell_teaches_nothing_but_its_corrections_do(boxes: bool) -> None:
    torch.manual_seed(0)
    trainee = Trainee(Sam2(TINY), 8).eval()
    batch = _batch(1.0, seed=4)[0]
    for name in ("track_image", "track_origin", "track_target", "track_present", "track_first", "track_second"):
        setattr(batch, name, getattr(batch, name)[:0])
    batch.row_use_mask[:] = False
    batch.row_redrawn[:] = True
    batch.row_labels[:] = -2
    batch.row_labels[:, 0] = 1
    if boxes:
        batch.row_labels[:, 0], batch.row_labels[:, 1] = 2, 3
    terms = trainee(batch, LossWeights(), torch.Generator().manual_seed(0)).terms
    assert (float(terms["first_mask"]) > 0) == boxes
    assert float(terms["corrected_mask"]) > 0 and float(terms["corrected_3_mask"]) > 0
