"""Two cells on one object, one of them in the labels already: who is prompted about it has it, from there on."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.tracking import CellTracker
from napari_sam2.tracking.arbitrate import Claims, paint, settle_with_present
from napari_sam2.tracking.plan import plan
from tests.tracking.small import still_discs

SHAPE = (40, 50)


def _disc(y: float, x: float, radius: float) -> np.ndarray:
    rows, columns = np.indices(SHAPE)
    return np.hypot(rows - y, columns - x) < radius


def _claims(*masks: np.ndarray, logit: float = 2.0) -> Claims:
    parts = [np.flatnonzero(mask) for mask in masks]
    which = np.concatenate([np.full(len(at), i) for i, at in enumerate(parts)])
    at = np.concatenate(parts)
    return Claims(which, at, np.full(len(at), logit, np.float32))


def _painted(
    labels: np.ndarray,
    mask: np.ndarray,
    prompted: set[int],
    going_on: frozenset[tuple[int, int]] = frozenset(),
    locked: frozenset[int] = frozenset(),
    logit: float = 2.0,
) -> tuple[np.ndarray, set[tuple[int, int]]]:
    """What merging does with cell 3: settle, then paint, into a copy; and who displaced whom."""
    out = labels.astype(np.int32)
    claims = _claims(mask, logit=logit)
    claims, won = settle_with_present(out, [3], claims, prompted.__contains__, going_on, locked)
    paint(out, [3], claims, locked)
    return out, won


CELL, OTHER = _disc(20, 20, 8), _disc(20, 22, 8)


def test_a_correction_takes_a_cell_back_from_another_one_that_drifted_onto_it() -> None:
    found, won = _painted(np.where(OTHER, 7, 0), CELL, prompted={3})
    assert np.array_equal(found == 3, CELL)
    assert not (found == 7).any(), "of the other one only a rim is left, which nobody meant"
    assert won == {(3, 7)}


def test_and_goes_on_to_have_it_on_the_frames_that_follow() -> None:
    found, won = _painted(np.where(OTHER, 7, 0), CELL, prompted=set(), going_on=frozenset({(3, 7)}))
    assert np.array_equal(found == 3, CELL) and not (found == 7).any()
    assert won == {(3, 7)}


@pytest.mark.parametrize(("prompted", "going_on"), [(set(), {(7, 3)}), ({3, 7}, {(3, 9)})])
def test_otherwise_it_is_left_to_the_logits(prompted: set[int], going_on: set[tuple[int, int]]) -> None:
    found, won = _painted(np.where(OTHER, 7, 0), CELL, prompted, frozenset(going_on))
    assert (found == 3)[CELL & ~OTHER].all()
    assert (found == 7)[_disc(20, 22, 2)].all(), "the inside of a kept cell defends itself"
    assert not won


def test_a_cell_that_drifts_does_not_take_one_that_is_prompted_here() -> None:
    before = np.where(OTHER, 7, 0)
    found, won = _painted(before, CELL, prompted={7}, going_on=frozenset({(3, 7)}), logit=50.0)
    assert np.array_equal(found, before) and not won


def test_locked_cells_never_give_way() -> None:
    found, won = _painted(np.where(OTHER, 7, 0), CELL, prompted={3}, locked=frozenset({7}))
    assert np.array_equal(found == 7, OTHER) and not won


def test_neighbours_that_only_touch_are_no_doubles() -> None:
    beside = _disc(20, 33, 8)
    found, won = _painted(np.where(beside, 7, 0), CELL, prompted={3})
    assert np.count_nonzero(found == 7) > 0.8 * beside.sum() and not won


def test_one_that_swallowed_its_neighbour_gives_it_back_and_keeps_itself() -> None:
    own = _disc(20, 38, 10)
    found, won = _painted(np.where(own | CELL, 7, 0), CELL, prompted={3})
    assert np.array_equal(found == 3, CELL)
    assert np.array_equal(found == 7, own & ~CELL)
    assert won == {(3, 7)}


@pytest.mark.parametrize("direction", ["forward", "both"])
def test_a_click_takes_an_object_back_on_all_frames_although_only_that_cell_is_tracked_again(direction) -> None:
    movie = still_discs(7, (96, 128), (36, 90))
    tracker = CellTracker(movie, device="cpu", cell_diameter=28.0)
    tracker.add_click(cell=1, frame=0, yx=(48, 36))
    for _ in tracker.track("forward"):
        pass
    tracker.labels[1:][tracker.labels[1:] == 1] = 9  # as if another cell, with its prompt elsewhere, lay on it
    alone = np.asarray(tracker.labels[3] == 9)
    tracker.add_click(cell=2, frame=3, yx=(48, 36))
    for _ in tracker.track(direction, cells=[2]):
        pass
    changed = range(3, 7) if direction == "forward" else range(1, 7)
    for frame in changed:
        mine = np.asarray(tracker.labels[frame] == 2)
        assert (mine & alone).sum() > 0.9 * alone.sum(), frame
        assert not (tracker.labels[frame] == 9).any(), frame
    if direction == "forward":
        assert (tracker.labels[2] == 9).sum() > 0.9 * alone.sum(), "what is not tracked stays"


@pytest.mark.parametrize("written", [True, False], ids=["written", "lost"])
def test_what_was_taken_back_stays_so_where_a_pass_is_interrupted(written: bool) -> None:
    tracker = CellTracker(still_discs(7, (96, 128), (36, 90)), device="cpu", cell_diameter=28.0)
    tracker.add_click(cell=1, frame=0, yx=(48, 36))
    for _ in tracker.track("forward"):
        pass
    tracker.labels[1:][tracker.labels[1:] == 1] = 9
    before = np.asarray(tracker.labels[5]).copy()
    tracker.add_click(cell=2, frame=3, yx=(48, 36))
    segments = plan(tracker.prompts, "forward", (0, 7), [2])
    results = tracker.track_segments(segments, (0, 7))
    while next(results).frame < 5:
        pass
    results.close()  # type: ignore[attr-defined]
    if not written:
        tracker.labels[5] = before
    for _ in tracker.track_segments(segments, (0, 7), lambda frame: [2] if frame < (6 if written else 5) else []):
        pass
    for frame in range(3, 7):
        assert (tracker.labels[frame] == 2).sum() > 0.9 * (before == 9).sum(), frame
        assert not (tracker.labels[frame] == 9).any(), frame
