"""Parts of masks that lie apart from the cell."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_sam2.tracking.parts import DROPPED_LOGIT, keep_parts, most_interior, shift_masks
from napari_sam2.tracking.prompts import FramePrompts, MaskCrop, Round

SIDE = 32


def _mask(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    out = np.zeros((SIDE, SIDE), bool)
    for top, left, bottom, right in boxes:
        out[top:bottom, left:right] = True
    return out


def _logits(*masks: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.where(np.stack(masks), 5.0, -5.0))


CELL, NEIGHBOUR, SPECK = (4, 4, 12, 12), (4, 16, 12, 26), (20, 20, 22, 22)


def test_a_larger_neighbour_goes_and_the_cell_stays() -> None:
    kept = keep_parts(_logits(_mask(CELL, NEIGHBOUR, SPECK)), _mask(CELL)[None])
    assert np.array_equal(kept[0].numpy() > 0, _mask(CELL))
    assert kept.min() == DROPPED_LOGIT


def test_both_daughters_stay_where_their_mother_was() -> None:
    daughters = _mask((4, 4, 12, 7), (4, 9, 12, 12))
    kept = keep_parts(_logits(daughters), _mask(CELL)[None])
    assert np.array_equal(kept[0].numpy() > 0, daughters)


def test_a_cell_that_jumped_keeps_its_largest_part() -> None:
    kept = keep_parts(_logits(_mask(NEIGHBOUR, SPECK)), _mask((25, 2, 28, 5))[None])
    assert np.array_equal(kept[0].numpy() > 0, _mask(NEIGHBOUR))


def test_cells_do_not_mind_each_other() -> None:
    masks = [_mask(CELL, SPECK), _mask(NEIGHBOUR), np.zeros((SIDE, SIDE), bool)]
    kept = keep_parts(_logits(*masks), np.stack([_mask(CELL), _mask(NEIGHBOUR), _mask(CELL)]))
    assert np.array_equal(kept.numpy() > 0, np.stack([_mask(CELL), _mask(NEIGHBOUR), masks[2]]))


def test_every_part_that_was_clicked_on_stays() -> None:
    clicks = _mask((8, 8, 9, 9), (8, 20, 9, 21))
    kept = keep_parts(_logits(_mask(CELL, NEIGHBOUR, SPECK)), clicks[None], share=0)
    assert np.array_equal(kept[0].numpy() > 0, _mask(CELL, NEIGHBOUR))


@pytest.mark.parametrize("step", [(0, 0), (1, 0), (-2, 3), (0, -1), (20, 0)])
def test_a_mask_stays_in_place_when_its_window_moves(step: tuple[int, int]) -> None:
    before, after = np.array([[5, 5]]), np.array([[5, 5]]) + step
    y, x = np.nonzero(shift_masks(_mask(CELL)[None], before, after)[0])
    ya, xa = np.nonzero(_mask(CELL))
    there = {(int(a) + 20, int(b) + 20) for a, b in zip(ya, xa, strict=True)}
    found = {(int(a) + 4 * after[0, 0], int(b) + 4 * after[0, 1]) for a, b in zip(y, x, strict=True)}
    corner = 4 * after[0]
    inside = {p for p in there if all(corner[i] <= p[i] < corner[i] + SIDE for i in (0, 1))}
    assert found == inside


def test_the_most_interior_pixel_keeps_away_from_what_is_not_the_cell() -> None:
    dumbbell = _mask((4, 2, 14, 12), (8, 12, 10, 16), (2, 16, 16, 30))
    y, x = most_interior(dumbbell, [])
    assert dumbbell[int(y), int(x)] and x > 15, "deepest in the larger half"
    y, x = most_interior(dumbbell, [(9.0, 22.0)])
    assert dumbbell[int(y), int(x)] and x < 12, "the larger half is said to be something else"


def test_a_correction_implies_a_click_inside_the_mask_it_corrects() -> None:
    from napari_sam2.tracking.geometry import Geometry
    from napari_sam2.tracking.prompting import _window_points

    geometry = Geometry.windowed((256, 256), 1.0, 16)
    base = MaskCrop.of(np.pad(_mask(CELL), ((100, 124), (100, 124))))
    said = FramePrompts(rounds=(Round(clicks=((130.0, 120.0, False),)),), base=base)
    points, labels = _window_points(said, 0, geometry, np.array([0, 0]), implied=True)
    assert labels == [1, 0] and base.full((256, 256))[int(points[0][1]), int(points[0][0])]
    assert _window_points(said, 0, geometry, np.array([0, 0]), implied=False)[1] == [0]


def test_one_of_two_masks_on_the_same_object_has_all_of_it() -> None:
    from napari_sam2.tracking.arbitrate import Claims, paint, settle_doubles

    rng = np.random.default_rng(0)
    shape = (20, 40)
    crops = np.full((3, *shape), -1.0, np.float32)
    crops[0, 5:15, 5:15] = 5 + rng.normal(0, 1, (10, 10))  # a daughter, and her mother still on her
    crops[1, 5:15, 6:16] = 4.5 + rng.normal(0, 1, (10, 10))
    crops[2, 5:15, 15:30] = 3  # a neighbour that touches: pixel by pixel, as ever
    claims = Claims.of_crops(crops, np.zeros((3, 2), int), shape)
    labels = np.zeros(shape, np.int32)
    paint(labels, [7, 8, 9], settle_doubles(claims, 3))
    assert (labels[5:15, 5:15] == 7).all(), "no speckle"
    assert (labels == 8).sum() <= 10 and (labels[5:15, 16:30] == 9).all()
    unchanged = settle_doubles(Claims.of_crops(crops[[0, 2]], np.zeros((2, 2), int), shape), 2)
    assert len(unchanged.at) == (crops[[0, 2]] > 0).sum()


def test_who_was_clicked_later_has_the_object_and_nothing_of_the_older_one_is_left() -> None:
    from napari_sam2.tracking.arbitrate import Claims, settle_doubles

    shape = (20, 40)
    crops = np.full((3, *shape), -5.0, np.float32)
    crops[0, 2:12, 2:12] = 9.0  # an old cell, surer, with a rim around the young one
    crops[1, 3:11, 3:11] = 2.0  # clicked a moment ago
    crops[2, 3:18, 11:30] = 4.0  # an old neighbour that the first only touches
    crops[0, 3:11, 11:13] = 3.0
    claims = Claims.of_crops(crops, np.zeros((3, 2), np.int64), shape)
    settled = settle_doubles(claims, 3, ages=[90, 1, 90])
    assert set(settled.which.tolist()) == {1, 2}
    for cell in (1, 2):
        assert (settled.which == cell).sum() == (crops[cell] > 0).sum()
    same_age = settle_doubles(claims, 3)
    assert (same_age.which == 0).sum() == (crops[0] > 0).sum()


def test_a_large_old_cell_only_gives_a_small_young_one_its_place() -> None:
    from napari_sam2.tracking.arbitrate import Claims, settle_doubles

    shape = (20, 20)
    crops = np.full((2, *shape), -5.0, np.float32)
    crops[0, 2:18, 2:18] = 9.0
    crops[1, 4:9, 4:9] = 2.0
    settled = settle_doubles(Claims.of_crops(crops, np.zeros((2, 2), np.int64), shape), 2, ages=[50, 0])
    assert (settled.which == 0).sum() == 16 * 16 - 25 and (settled.which == 1).sum() == 25


def test_each_mask_is_judged_as_if_it_were_alone() -> None:
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(ndimage.gaussian_filter(rng.normal(size=(30, SIDE, SIDE)), (0, 2, 2)) - 0.04)
    logits[::5] = -1
    logits[1::5] = torch.from_numpy(np.where(_mask(CELL), 1.0, -1.0))
    places = rng.random(logits.shape) > 0.98
    for share in (0, 0.2):
        before = logits.clone()
        alone = torch.cat([keep_parts(logits[i : i + 1], places[i : i + 1], share) for i in range(len(logits))])
        assert torch.equal(keep_parts(logits, places, share), alone)
        assert torch.equal(logits, before)
    assert 0 < sum(not torch.equal(a, b) for a, b in zip(alone, logits, strict=True)) < 20
