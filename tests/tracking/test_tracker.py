"""`CellTracker` as its users meet it: what changes, what does not, and what is computed again.

The network's weights are made by a formula, so its masks are arbitrary, but every cell is there and all of them are
deterministic: what is tested is which pixels, frames and cells depend on what.
"""

from __future__ import annotations

import gc
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from napari_sam2.tracking import CellTracker, FrameResult
from napari_sam2.tracking.mirrors import MIRRORS

from .small import SETTINGS, count_calls, discs_movie, encoded_images, run, tracker_for, tracking_model

T, SHAPE = 12, (140, 180)
PLACES = {1: (40.0, 50.0), 2: (95.0, 60.0), 3: (60.0, 140.0)}


@cache
def _movie() -> np.ndarray:
    return discs_movie(T, SHAPE, seed=3)


def _tracker(**options: Any) -> CellTracker:
    return tracker_for(_movie(), **options)


def _three(**options: Any) -> CellTracker:
    tracker = _tracker(**options)
    for cell, place in PLACES.items():
        tracker.add_click(cell, 0, place)
    return tracker


@cache
def _three_tracked() -> np.ndarray:
    tracker = _three()
    run(tracker)
    return tracker.labels.copy()


def test_every_frame_comes_once_in_order_and_is_in_the_labels() -> None:
    tracker = _three()
    seen = []
    for result in tracker.track():
        assert isinstance(result, FrameResult)
        assert np.array_equal(tracker.labels[result.frame], result.labels), "written before it is handed out"
        assert result.labels.dtype == np.int32 and result.labels.shape == SHAPE
        assert result.scores.keys() == result.ious.keys() == result.areas.keys() == set(PLACES)
        assert all(0 <= v <= 1 for v in (*result.scores.values(), *result.ious.values()))
        for cell, area in result.areas.items():
            assert area == (result.labels == cell).sum()
        assert result.prompted == (frozenset(PLACES) if result.frame == 0 else frozenset())
        seen.append(result.frame)
    assert seen == list(range(T))
    assert set(np.unique(tracker.labels)) <= {0, *PLACES}
    for cell in PLACES:
        assert (tracker.labels == cell).any((1, 2)).sum() > T / 2, "these tests need masks"


def test_nothing_is_computed_before_the_first_frame_is_asked_for() -> None:
    tracker = _three()
    with encoded_images() as calls:
        frames = tracker.track()
        assert not calls
        next(frames)
        assert calls == [1] * (1 + len(MIRRORS)), "the prompted frame in each view"


def test_the_same_prompts_in_another_order_give_the_same_labels() -> None:
    said = [(cell, frame) for cell in PLACES for frame in (0, 7)]
    labels = []
    for order in (said, said[::-1]):
        tracker = _tracker()
        for cell, frame in order:
            tracker.add_click(cell, frame, PLACES[cell])
        run(tracker)
        labels.append(tracker.labels.copy())
    assert np.array_equal(*labels)


def test_it_does_not_matter_whether_a_neighbour_was_drawn_before_or_after_tracking() -> None:
    boxes = {1: ((20, 20), (70, 90)), 2: ((30, 40), (80, 110))}
    labels = []
    for track_in_between in (False, True):
        tracker = _tracker()
        for cell, box in boxes.items():
            if cell == 2 and track_in_between:
                run(tracker)
            tracker.add_box(cell, 0, box)
        run(tracker)
        labels.append(tracker.labels.copy())
    assert np.array_equal(*labels)


def test_tracking_again_gives_the_same() -> None:
    tracker = _three()
    run(tracker)
    first = tracker.labels.copy()
    run(tracker)
    assert np.array_equal(tracker.labels, first)
    assert np.array_equal(first, _three_tracked())


def test_preview_changes_nothing() -> None:
    tracker = _three()
    run(tracker)
    tracker.add_click(2, 0, (50.0, 50.0), foreground=False)
    before = tracker.labels.copy()
    preview = tracker.segment(0)
    assert np.array_equal(tracker.labels, before)
    assert preview.shape == SHAPE and preview.dtype == np.int32
    assert set(np.unique(preview)) <= {0, *PLACES} and preview.any()
    assert not tracker.segment(5).any()
    only = tracker.segment(0, cells=[1])
    assert set(np.unique(only)) == {0, 1}
    assert np.array_equal(tracker.segment(0, cells=iter([3, 2, 1])), tracker.segment(0))
    preview[:] = 77
    assert not (tracker.segment(0) == 77).any()


def test_a_preview_is_what_tracking_writes_on_a_prompted_frame() -> None:
    tracker = _three()
    preview = tracker.segment(0)
    next(tracker.track())
    assert np.array_equal(tracker.labels[0], preview)


def test_a_correction_takes_effect_on_both_sides_and_on_its_cell_only() -> None:
    """The complaint heard most often of other tools: a frame was corrected, and nothing changed."""
    tracker = _three()
    run(tracker)
    before = tracker.labels.copy()
    tracker.add_click(2, 5, (30.0, 120.0), foreground=False)
    tracker.add_click(2, 5, (100.0, 75.0))
    results = run(tracker, only_stale=True)
    after = tracker.labels
    changed = [(before[t] == 2) != (after[t] == 2) for t in range(T)]
    for t in range(1, T):
        assert changed[t].any(), f"frame {t} is beside or on the correction, and did not change"
    assert all(set(result.areas) == {2} for result in results), "no other cell is computed"
    for t in range(T):
        for cell in (1, 3):
            lost = (before[t] == cell) & (after[t] != cell)
            assert (after[t][lost] == 2).all(), "a pixel changes hands only where the corrected cell wins it"
            assert not ((after[t] == cell) & (before[t] != cell)).any()


def test_a_correction_reaches_no_further_than_the_next_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = _tracker()
    for frame in (0, 4, 11):
        tracker.add_click(1, frame, PLACES[1])
    run(tracker)
    before = tracker.labels.copy()
    tracker.add_click(1, 11, (20.0, 20.0), foreground=False)
    results = run(tracker, only_stale=True)
    assert {result.frame for result in results} <= set(range(4, T))
    assert np.array_equal(tracker.labels[:4], before[:4])


def test_only_what_changed_is_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = _three()
    run(tracker)
    attended = count_calls(tracker.network, "attend", monkeypatch, lambda features, memory: len(features))
    assert run(tracker, only_stale=True) == [] and not attended
    tracker.add_click(3, 6, PLACES[3])
    run(tracker, only_stale=True)
    told = 1  # its corrected frame is looked at for what is remembered of the outline
    assert attended and sum(attended) == T - 2 + told, "one cell on every frame but its two prompted ones"
    attended.clear()
    assert run(tracker, only_stale=True) == [] and not attended
    tracker.remove_prompts(3, 6)
    run(tracker, only_stale=True)
    assert sum(attended) == T - 1
    # As if it had never been corrected, but for pixels that its neighbours, who are not computed again, hold or yield.
    mine, before = tracker.labels == 3, _three_tracked() == 3
    assert (mine & before).sum() > 0.97 * (mine | before).sum()


def test_stopping_midway_keeps_what_is_done_and_the_rest_is_still_to_do() -> None:
    tracker = _three()
    frames = tracker.track()
    for _ in range(5):
        next(frames)
    frames.close()
    assert np.array_equal(tracker.labels[:5], _three_tracked()[:5])
    assert not tracker.labels[5:].any()
    assert {result.frame for result in run(tracker, only_stale=True)} == set(range(T))
    assert np.array_equal(tracker.labels, _three_tracked())


def test_a_cell_that_joins_later_leaves_the_others_alone() -> None:
    tracker = _three()
    run(tracker)
    before = tracker.labels.copy()
    tracker.add_click(9, 8, (115.0, 155.0))
    results = run(tracker, cells=[9])
    assert {result.frame for result in results} == set(range(T))
    assert all(set(result.scores) == {9} for result in results)
    untouched = tracker.labels != 9
    assert np.array_equal(tracker.labels[untouched], before[untouched])
    assert (tracker.labels[8] == 9).any()


def test_forward_and_backward_go_their_own_way() -> None:
    for direction, prompted, expected in (
        ("forward", 4, range(4, T)),
        ("backward", 4, range(4, -1, -1)),
        ("forward", T - 1, [T - 1]),
        ("backward", 0, [0]),
    ):
        tracker = _tracker()
        tracker.add_click(1, prompted, PLACES[1])
        results = run(tracker, direction)
        assert [result.frame for result in results] == list(expected)
        written = {t for t in range(T) if tracker.labels[t].any()}
        assert written <= set(expected) and prompted in written


def test_both_ways_fills_the_movie_from_the_middle() -> None:
    tracker = _tracker()
    tracker.add_click(1, 4, PLACES[1])
    frames = [result.frame for result in tracker.track("both")]
    assert sorted(frames) == list(range(T)), "the prompted frame is written once"


def test_backward_in_time_is_forward_in_the_reversed_movie() -> None:
    forward = _tracker()
    forward.add_click(1, 2, PLACES[1])
    run(forward, "forward")
    backward = tracker_for(_movie()[::-1])
    backward.add_click(1, T - 3, PLACES[1])
    run(backward, "backward")
    assert np.array_equal(backward.labels[::-1], forward.labels)


def test_only_the_frames_asked_for_are_written() -> None:
    tracker = _three()
    results = run(tracker, "forward", (4, 7))
    assert [result.frame for result in results] == [4, 5, 6]
    written = [t for t in range(T) if tracker.labels[t].any()]
    assert set(written) <= {4, 5, 6}
    assert np.array_equal(tracker.labels[4:7], _three_tracked()[4:7]), "as in a run over everything"


def test_only_the_cells_asked_for_are_tracked() -> None:
    tracker = _three()
    run(tracker, cells=[2])
    assert set(np.unique(tracker.labels)) == {0, 2}


def test_a_cell_is_not_tracked_beyond_its_life() -> None:
    tracker = _three()
    tracker.lifetimes[2] = (0, 5)
    run(tracker)
    assert (tracker.labels[:6] == 2).any()
    assert not (tracker.labels[6:] == 2).any()


def test_a_drawn_mask_is_taken_as_it_is() -> None:
    tracker = _three()
    y, x = np.indices(SHAPE)
    disc = (y - 70) ** 2 + (x - 90) ** 2 < 12**2
    tracker.add_mask(5, 3, disc)
    assert np.array_equal(tracker.segment(3) == 5, disc)
    run(tracker)
    assert np.array_equal(tracker.labels[3] == 5, disc)
    result = next(r for r in tracker.track(frames=(3, 4)) if r.frame == 3)
    assert result.areas[5] == disc.sum() and 5 in result.prompted


def test_locked_cells_do_not_change_whoever_comes() -> None:
    locked: dict[int, set[int]] = {}
    tracker = _three(locked=lambda frame: locked.get(frame, set()))
    run(tracker)
    before = tracker.labels.copy()
    locked.update({t: {1} for t in (3, 4, 5)})
    tracker.add_click(1, 4, (60.0, 80.0))
    tracker.add_click(7, 0, PLACES[1])
    run(tracker)
    for t in (3, 4, 5):
        assert np.array_equal(tracker.labels[t] == 1, before[t] == 1)
    assert any(not np.array_equal(tracker.labels[t] == 1, before[t] == 1) for t in (2, 6, 7))


def test_cells_in_small_batches_are_the_same_as_in_one() -> None:
    tracker = _three(settings=replace(SETTINGS, chunk=2))
    run(tracker)
    same = (tracker.labels == _three_tracked()).mean()
    assert same > 0.999


@pytest.mark.parametrize("cells", [1, 7, 10, 11, 23])
def test_batches_are_of_about_one_size(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_sam2.tracking.engine.lanes", lambda: 1)
    engine = _three()._engine
    engine.chunk = 10
    parts = engine._in_chunks(cells, lambda part: list(range(part.start, part.stop)))
    assert sum(parts, []) == list(range(cells))
    sizes = [len(part) for part in parts]
    assert len(sizes) == -(-cells // 10) and max(sizes) - min(sizes) <= 1


def test_a_batch_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = _three()
    attend = tracker.network.attend
    sizes = []

    def narrow(features: torch.Tensor, memory: Any) -> torch.Tensor:
        if len(features) > 1:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] data. DefaultCPUAllocator: can't allocate memory")
        sizes.append(len(features))
        return attend(features, memory)

    monkeypatch.setattr(tracker.network, "attend", narrow)
    run(tracker)
    assert sizes == [1] * 3 * (T - 1)
    assert (tracker.labels == _three_tracked()).mean() > 0.999


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = _three()

    def broken(*args: Any) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(tracker.network, "attend", broken)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        run(tracker)


def test_exact_mode_sees_the_whole_frame() -> None:
    tracker = tracker_for(_movie(), mode="exact", settings=None, cell_diameter=20.0)
    tracker.add_click(1, 0, PLACES[1])
    results = run(tracker, "forward", (0, 3))
    assert [result.frame for result in results] == [0, 1, 2]
    assert (tracker.labels[:3] == 1).any((1, 2)).all()


def test_memory_does_not_grow_with_the_movie() -> None:
    """Nothing is held for each frame but its labels: the same run over more frames keeps no more tensors alive."""

    def held(frames: int) -> int:
        tracker = tracker_for(np.tile(_movie(), (3, 1, 1))[:frames], cache_bytes=0)
        tracker.add_click(1, 0, PLACES[1])
        tracking = tracker.track("forward")
        for _ in range(frames - 1):
            next(tracking)
        gc.collect()
        bytes_held = sum(
            o.numel() * o.element_size()
            for o in gc.get_objects()
            if issubclass(type(o), torch.Tensor) and not issubclass(type(o), torch.nn.Parameter)
        )
        tracking.close()
        return bytes_held

    held(10)  # fills what is made once
    assert held(36) <= held(18) * 1.02 + 10_000


def test_the_model_is_only_looked_at() -> None:
    model = tracking_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run(_three(), "forward", (0, 3))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert not model.training
