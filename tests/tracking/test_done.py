"""What is done and what is to be tracked again: after a change during a run, and where a cell gave way to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_sam2.tracking import CellTracker
from napari_sam2.tracking.done import Done
from napari_sam2.tracking.plan import Segment
from napari_sam2.tracking.prompts import PromptBook
from tests.tracking.small import discs_movie, run, still_discs, tracker_for

FRAMES = 6
CELL, OTHER = (48, 36), (48, 120)


@pytest.fixture(scope="module")
def movie() -> np.ndarray:
    return still_discs(FRAMES, (96, 160), (36, 120))


def _tracker(movie: np.ndarray, mistaken: int) -> CellTracker:
    """Cell 1, tracked; and cell 2, clicked on it by mistake and tracked then."""
    tracker = CellTracker(movie, device="cpu", cell_diameter=28.0)
    tracker.add_click(1, 0, CELL)
    run(tracker)
    tracker.add_click(2, mistaken, CELL)
    run(tracker, only_stale=True)
    return tracker


def _sizes(tracker: CellTracker, cell: int, place: tuple[int, int]) -> list[int]:
    """Pixels of a cell on one of the two discs, by frame."""
    half = np.s_[:, :80] if place == CELL else np.s_[:, 80:]
    return [int((np.asarray(tracker.labels[t])[half] == cell).sum()) for t in range(FRAMES)]


@pytest.mark.parametrize("mistaken", [2, FRAMES - 1])
def test_a_corrected_click_gives_back_the_cell_that_it_erased(movie: np.ndarray, mistaken: int) -> None:
    tracker = _tracker(movie, mistaken)
    assert max(_sizes(tracker, 1, CELL)[mistaken:]) == 0
    assert run(tracker, only_stale=True) == [], "as long as nothing changes, all is done"
    tracker.prompts.remove(2)
    tracker.prompts.add_clicks(2, mistaken, [(*OTHER, True)])
    run(tracker, only_stale=True)
    assert min(_sizes(tracker, 1, CELL)) > 500 and min(_sizes(tracker, 2, OTHER)) > 500
    assert max(_sizes(tracker, 2, CELL)) == 0
    assert run(tracker, only_stale=True) == []


def test_so_does_a_click_that_is_taken_back(movie: np.ndarray) -> None:
    tracker = _tracker(movie, 2)
    tracker.remove_prompts(2)
    run(tracker, only_stale=True)
    assert min(_sizes(tracker, 1, CELL)) > 500 and max(_sizes(tracker, 2, CELL)) == 0
    assert run(tracker, only_stale=True) == []


def test_one_of_two_that_were_tracked_together_comes_back_too(movie: np.ndarray) -> None:
    tracker = CellTracker(movie, device="cpu", cell_diameter=28.0)
    tracker.add_click(1, 0, CELL)
    tracker.add_click(2, 2, CELL)
    run(tracker, "forward")
    assert max(_sizes(tracker, 1, CELL)[2:]) == 0
    tracker.prompts.remove(2)
    tracker.prompts.add_clicks(2, 2, [(*OTHER, True)])
    run(tracker, "forward", only_stale=True)
    assert min(_sizes(tracker, 1, CELL)) > 500 and min(_sizes(tracker, 2, OTHER)[2:]) > 500


def test_another_click_on_the_winner_does_not_go_on_for_ever(movie: np.ndarray) -> None:
    tracker = _tracker(movie, 2)
    tracker.add_click(2, 2, (50, 38))
    run(tracker, only_stale=True)
    assert run(tracker, only_stale=True) == []
    assert min(_sizes(tracker, 2, CELL)[1:]) > 500 and max(_sizes(tracker, 1, CELL)[1:]) < 30


def test_a_prompt_that_changes_during_a_run_is_not_done() -> None:
    tracker = tracker_for(discs_movie(5, (64, 72), seed=3))
    tracker.add_click(1, 0, (24, 40))
    tracker.add_click(2, 0, (44, 20))
    for result in tracker.track("forward"):
        if result.frame == 2:
            tracker.add_click(1, 0, (28, 40))
    again = run(tracker, "forward", only_stale=True)
    assert [r.frame for r in again] == list(range(5)) and all(set(r.scores) == {1} for r in again)
    assert run(tracker, "forward", only_stale=True) == []


def test_nor_does_a_run_go_on_with_a_cell_whose_prompt_changed_before_it_was_interrupted() -> None:
    tracker = tracker_for(discs_movie(6, (64, 72), seed=3))
    tracker.add_click(1, 0, (24, 40))
    results = tracker.track("forward")
    while next(results).frame < 2:
        pass
    tracker.add_click(1, 0, (28, 40), foreground=False)
    results.close()  # type: ignore[attr-defined]
    taken = tracker._parking.take([Segment(1, 0, 5, 1, (0,))], lambda frame: [1])
    assert not taken


Sign = Callable[[Segment], Any]


def test_who_gave_way_depends_on_the_winner_where_its_segment_lies() -> None:
    book, done = PromptBook(10, (20, 20)), Done()
    near, far = Segment(1, 0, 4, 1, (0, 9)), Segment(1, 9, 5, -1, (9, 0))
    sign: Sign = lambda segment: segment  # noqa: E731
    for cell, frame in ((1, 0), (1, 9), (2, 3)):
        book.add_clicks(cell, frame, [(5, 5, True)])
    begun = done.begin([near, far], sign, book)
    done.gave_way(begun, 3, {(2, 1)})
    assert done.missing([near, far], sign, book) == [near, far]
    done.end(begun)
    assert done.missing([near, far], sign, book) == [] and not done.before([near], book).leftovers(3)
    book.add_clicks(2, 7, [(5, 5, True)])
    assert done.missing([near, far], sign, book) == [near]
    book.remove(2)
    assert done.missing([near, far], sign, book) == [near]
    before = done.before([near], book)
    assert set(before.leftovers(3)) == {2} and before.gave_way == {3: {(2, 1)}}
