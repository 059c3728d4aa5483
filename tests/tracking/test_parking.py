"""A pass that was interrupted goes on where it was left, and gives what it would have given."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from napari_sam2.tracking import CellTracker
from napari_sam2.tracking.plan import plan
from napari_sam2.tracking.settings import Settings
from tests.tracking.small import SETTINGS, discs_movie, tracker_for

FRAMES = 8
SIZE = (64, 72)


def prompted(**options: Any) -> CellTracker:
    tracker = tracker_for(discs_movie(FRAMES, SIZE, seed=3), **options)
    tracker.add_click(1, 0, (24, 40))
    tracker.add_click(2, 0, (44, 20))
    tracker.add_click(3, 4, (36, 56))
    return tracker


class Log:
    """Runs that write what is not written yet, as a session does, and what they computed."""

    def __init__(self, tracker: CellTracker) -> None:
        self.tracker = tracker
        self.done: set[tuple[int, int]] = set()
        self.images: dict[int, np.ndarray] = {}
        self.looked: list[tuple[int, int]] = []
        engine = tracker._engine
        look: Callable[..., Any] = engine.from_memory

        def from_memory(geometry: Any, frame: int, step: int, bank: Any, rows: Any, origins: Any) -> Any:
            self.looked.append((frame, len(rows)))
            return look(geometry, frame, step, bank, rows, origins)

        engine.from_memory = from_memory  # type: ignore[method-assign]

    def held(self, frame: int) -> Iterable[int]:
        return [cell for cell, at in self.done if at == frame]

    def run(self, stop: int | None = None, lose_last: bool = False, span: tuple[int, int] = (0, FRAMES)) -> None:
        """Track; `stop` ends it after a frame, which is not written where `lose_last`."""
        self.looked.clear()
        book, steps = self.tracker.prompts, self.tracker.track_segments
        wanted = {(s.cell, t) for s in plan(book, "both", span) for t in (s.start, *s.frames)} - self.done
        segments = [s for s in plan(book, "both", span) if {(s.cell, t) for t in (s.start, *s.frames)} & wanted]
        results = steps(segments, span, self.held)
        for result in results:
            last = result.frame == stop
            if not (last and lose_last):
                self.done |= {(cell, result.frame) for cell in result.scores if (cell, result.frame) in wanted}
                self.images[result.frame] = result.labels.copy()
            if last:
                results.close()  # type: ignore[attr-defined]
                break


@pytest.fixture(scope="module")
def whole() -> dict[int, np.ndarray]:
    """What a run without interruption gives."""
    log = Log(prompted())
    log.run()
    return log.images


@pytest.mark.parametrize("lose_last", [False, True], ids=["written", "lost"])
def test_it_goes_on_from_where_it_was_left(whole: dict[int, np.ndarray], lose_last: bool) -> None:
    log = Log(prompted())
    log.run(stop=2, lose_last=lose_last)
    assert max(frame for frame, _ in log.looked) == 2
    log.run(stop=5, lose_last=lose_last)
    forward = [frame for frame, _ in log.looked]
    assert min(forward) == 3, "what was tracked is not tracked again"
    log.run()
    assert min(frame for frame, n in log.looked if n == 3) == 6, "all three together"
    assert all(np.array_equal(log.images[t], whole[t]) for t in range(FRAMES))


def test_interrupted_before_it_was_taken_up_again(whole: dict[int, np.ndarray]) -> None:
    log = Log(prompted())
    log.run(stop=5)
    log.tracker.add_click(4, 0, (14, 60))
    log.run(stop=2)
    assert {n for _, n in log.looked} == {1} and max(f for f, _ in log.looked) == 2, "only the new cell is behind"
    log.run()
    assert sorted({frame for frame, n in log.looked if n == 1 and frame > 2})[:3] == [3, 4, 5]
    fresh = prompted()
    fresh.add_click(4, 0, (14, 60))
    other = Log(fresh)
    other.run()
    assert all(np.array_equal(log.images[t] == 4, other.images[t] == 4) for t in range(6, FRAMES))


def test_a_cell_whose_prompts_have_changed_begins_anew(whole: dict[int, np.ndarray]) -> None:
    log = Log(prompted())
    log.run(stop=3)
    log.tracker.add_click(1, 0, (26, 42))
    log.done -= {(1, t) for t in range(FRAMES)}
    log.run()
    assert {frame for frame, n in log.looked if n == 1} >= {1, 2, 3}
    fresh = prompted()
    fresh.add_click(1, 0, (26, 42))
    other = Log(fresh)
    other.run()
    assert all(np.array_equal(log.images[t], other.images[t]) for t in range(4, FRAMES))


def test_a_cell_of_which_something_before_is_wanted_begins_anew(whole: dict[int, np.ndarray]) -> None:
    log = Log(prompted())
    log.run(stop=4)
    log.done.discard((2, 2))
    log.run()
    assert {frame for frame, n in log.looked if n == 1} >= {1, 2, 3, 4}
    assert all(np.array_equal(log.images[t], whole[t]) for t in range(FRAMES))


def test_nothing_is_kept_of_cells_that_are_gone_or_done() -> None:
    log = Log(prompted())
    log.run(stop=3)
    parking = log.tracker._parking
    assert len(parking) == 2
    log.tracker.prompts.remove(2, 0)
    log.run(stop=5)
    assert len(parking) == 2, "cell 1 is on its way, cell 3 has begun, cell 2 is gone"
    log.run()
    assert len(parking) == 0


def test_where_neighbours_count_nothing_is_kept() -> None:
    settings = Settings(**{**vars(SETTINGS), "neighbours": True})
    log = Log(prompted(settings=settings))
    log.run(stop=2)
    assert len(log.tracker._parking) == 0


def test_a_tracker_goes_at_once_with_all_that_it_keeps() -> None:
    """Features of a movie are up to gigabytes: they must not wait for the garbage collector."""
    tracker = prompted()
    results = tracker.track("forward")
    next(results), next(results)
    results.close()
    assert len(tracker._parking) == 2
    kept = [weakref.ref(x) for x in (tracker, tracker._features, tracker._parking, tracker._engine)]
    assert tracker._features.kept_bytes > 0
    gc.collect()
    gc.disable()
    try:
        del tracker, results
        assert [ref() for ref in kept] == [None] * len(kept)
    finally:
        gc.enable()
