"""Frames beside one whose outline was told are cut where that outline says, and others are left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.tracking import CellTracker, Settings, propagate
from napari_sam2.tracking.outline import SHARE, STEP, cut_at, level_of
from napari_sam2.tracking.prompts import FramePrompts, MaskCrop, Round

from .small import SETTINGS, discs_movie, run, tracker_for

SIDE = 32


def _hill(peak: float, foot: float = -2.0) -> torch.Tensor:
    """Logits of a blurred round cell: the peak in the middle, falling evenly to the foot at a distance of 16."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    distance = ((y - SIDE / 2) ** 2 + (x - SIDE / 2) ** 2).float().sqrt()
    return peak + (foot - peak) * distance / (SIDE / 2)


@pytest.mark.parametrize("share", [-0.4, 0.3, 0.6])
def test_the_level_is_that_at_which_the_corrected_mask_comes_back(share: float) -> None:
    tracked = _hill(3.0)[None]
    level = level_of(tracked, tracked - share * 3.0)
    assert level.item() == pytest.approx(SHARE * share, abs=SHARE * 1.5 * STEP)


def test_what_comes_back_by_itself_is_left_alone() -> None:
    tracked = _hill(3.0)[None]
    assert level_of(tracked, tracked).item() == 0
    assert level_of(tracked, tracked - 0.02).item() == 0


@pytest.mark.parametrize("far", [(0, 14), (12, 12)])
def test_another_place_has_no_level(far: tuple[int, int]) -> None:
    tracked = _hill(3.0)[None]
    wanted = torch.roll(_hill(3.0) - 2.0, far, (0, 1))[None]
    assert level_of(tracked, wanted).item() == 0


def test_nothing_at_all_has_no_level() -> None:
    tracked = _hill(3.0)[None]
    assert level_of(torch.full_like(tracked, -1024.0), tracked).item() == 0
    assert level_of(tracked, torch.full_like(tracked, -10.0)).item() == 0


@given(st.lists(st.floats(-1.0, 0.66), min_size=1, max_size=4), st.floats(0.5, 20))
def test_cut_logits_are_positive_above_the_level_and_keep_their_peak(levels: list[float], peak: float) -> None:
    logits = torch.stack([_hill(peak) for _ in levels])
    level = torch.tensor(levels)
    cut = cut_at(logits, level)
    far = (logits - level[:, None, None] * peak).abs() > 1e-4
    assert torch.equal((cut > 0)[far], (logits > level[:, None, None] * peak)[far])
    assert torch.allclose(cut.amax((1, 2)), logits.amax((1, 2)), rtol=1e-4)


def test_cells_without_level_or_mask_are_not_touched() -> None:
    logits = torch.stack([_hill(3.0), torch.full((SIDE, SIDE), -1024.0), _hill(-0.5)])
    assert torch.equal(cut_at(logits, torch.tensor([0.0, 0.5, 0.5])), logits)


def test_what_tells_an_outline() -> None:
    click = (5.0, 5.0, True)
    crop = MaskCrop((0, 0), np.ones((4, 4), bool))
    assert not FramePrompts((Round((click,)),)).outlined
    assert FramePrompts((Round((click,)), Round(((9.0, 9.0, False),)))).outlined
    assert FramePrompts((Round((), ((0.0, 0.0), (9.0, 9.0))),)).outlined
    assert FramePrompts(mask=crop).outlined
    assert FramePrompts((Round((click,)),), base=crop).outlined


@pytest.mark.parametrize("radius", [9.0, 16.0])
def test_a_disc_that_is_drawn_too_small_or_too_large_stays_so(radius: float) -> None:
    movie = np.repeat(discs_movie(1, (96, 128), radius=13.0), 4, axis=0)
    centre = (np.random.default_rng(0).uniform(0.2, 0.8, (4, 2)) * movie.shape[1:])[0]
    y, x = np.indices(movie.shape[1:])
    drawn = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
    wrong = {}
    for outlines in (True, False):
        settings = replace(Settings(), outlines=outlines)
        tracker = CellTracker(movie, "cell", cell_diameter=26.0, settings=settings)
        tracker.add_mask(1, 0, drawn)
        run(tracker)
        areas = [np.count_nonzero(frame == 1) for frame in tracker.labels[1:]]
        wrong[outlines] = np.abs(np.log(np.array(areas) / np.count_nonzero(drawn)))
    assert (wrong[True] < 0.7 * wrong[False]).all()


def test_levels_are_found_for_told_outlines_only_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def watched(tracked: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        asked.append(len(tracked))
        return torch.full((len(tracked),), 0.25)

    monkeypatch.setattr("napari_sam2.tracking.anchors.level_of", watched)
    tracker = tracker_for(discs_movie(4, (96, 128)))
    tracker.add_click(1, 0, (40.0, 40.0))
    tracker.add_click(2, 0, (60.0, 80.0))
    tracker.add_click(2, 0, (64.0, 84.0), foreground=False)
    tracker.add_box(3, 0, ((20.0, 60.0), (40.0, 90.0)))
    cut: list[list[float]] = []
    monkeypatch.setattr(propagate, "cut_at", lambda logits, level: cut.append(level.tolist()) or cut_at(logits, level))
    run(tracker)
    assert asked == [2]
    assert [levels for levels in cut if len(levels) == 3] == [
        [0.0, pytest.approx(0.25 * left), pytest.approx(0.25 * left)] for left in np.exp([0, -1 / 8, -2 / 8])
    ]
    tracker.add_click(1, 3, (40.0, 40.0))
    run(tracker)
    assert asked == [2, 1]  # a correction of a tracked mask tells one too; the others are as they were


def test_nobody_is_asked_where_outlines_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_sam2.tracking.anchors.level_of", lambda *given: pytest.fail("asked"))
    tracker = tracker_for(discs_movie(3, (96, 128)), settings=replace(SETTINGS, outlines=False))
    tracker.add_box(1, 0, ((20.0, 60.0), (40.0, 90.0)))
    run(tracker)
