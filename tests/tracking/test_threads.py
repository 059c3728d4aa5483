"""Cells of a frame are shared out among lanes of a CPU, and torch has as many threads as before whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from napari_sam2.network import Sam2
from napari_sam2.tracking import EXACT, engine
from napari_sam2.tracking.engine import CPU_CHUNK, FEWEST
from napari_sam2.tracking.graphs import Replayer

from .small import SETTINGS, discs_movie, run, tracker_for
from .test_calls import StandIn


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("cells", "batches"), [(1, [1]), (3, [3]), (5, [2, 3])])
def test_cells_are_computed_in_lanes_of_one_thread(
    cells: int, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int, str]] = []
    attend = Sam2.attend

    def watched(self: Sam2, features: torch.Tensor, memory: Any) -> torch.Tensor:
        seen.append((len(features), torch.get_num_threads(), threading.current_thread().name))
        return attend(self, features, memory)

    monkeypatch.setattr(Sam2, "attend", watched)
    tracker = tracker_for(discs_movie(2, (96, 128)), settings=replace(SETTINGS, search_cells=0))
    for cell in range(1, cells + 1):
        tracker.add_click(cell, 0, (30 + 6 * cell, 40 + 6 * cell))
    run(tracker)
    assert sorted(n for n, _, _ in seen) == batches
    assert {threads for _, threads, _ in seen} == {1}
    assert all(name.startswith("torch-lane") for _, _, name in seen)
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_whole_fields_are_computed_on_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    attend = Sam2.attend

    def watched(self: Sam2, features: torch.Tensor, memory: Any) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return attend(self, features, memory)

    monkeypatch.setattr(Sam2, "attend", watched)
    tracker = tracker_for(discs_movie(2, (96, 128)), settings=EXACT)
    tracker.add_click(1, 0, (40, 40))
    run(tracker)
    assert seen and set(seen) == {2}


@pytest.mark.usefixtures("two_threads")
def test_recorded_calls_share_their_memory_and_are_run_one_at_a_time() -> None:
    mine = tracker_for(discs_movie(2, (96, 128)))._engine
    mine.calls.replayer = Replayer(StandIn())
    names: set[str] = set()
    mine._in_chunks(20, lambda part: names.add(threading.current_thread().name))
    assert names == {threading.current_thread().name}


@pytest.mark.parametrize("wide", [1, 2, 4])
@pytest.mark.parametrize("cells", [1, 2, 5, 9, 64, 65, 100, 500])
def test_a_frame_is_shared_out_evenly(wide: int, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "lanes", lambda: wide)
    mine = tracker_for(discs_movie(2, (96, 128)))._engine
    parts, at_once = mine._parts(0, cells)
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(cells))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= CPU_CHUNK and at_once <= mine.chunk
    assert len(sizes) == 1 or min(sizes) >= FEWEST
    assert len(sizes) >= min(wide, cells // FEWEST)  # no lane idles while there is enough for it
    assert len(sizes) <= wide or len(sizes) % wide == 0


@pytest.mark.usefixtures("two_threads")
def test_what_does_not_fit_side_by_side_is_tried_with_fewer_and_nothing_done_is_done_again() -> None:
    mine = tracker_for(discs_movie(2, (96, 128)))._engine
    mine.chunk, done = 16, []

    def narrow(part: slice) -> list[int]:
        if part.start >= 10 and part.stop - part.start > 3:  # memory becomes scarce half way
            raise MemoryError("out of memory")
        done.append(part)
        return list(range(part.start, part.stop))

    assert sum(mine._in_chunks(20, narrow), []) == list(range(20))
    assert mine.chunk == 5  # half of the ten that were in work
    assert sum(part.stop - part.start for part in done) == 20


@pytest.mark.usefixtures("two_threads")
def test_threads_come_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Sam2, *args: torch.Tensor) -> object:
        raise ValueError("broken")

    monkeypatch.setattr(Sam2, "decode", broken)
    tracker = tracker_for(discs_movie(2, (96, 128)))
    tracker.add_click(1, 0, (40, 40))
    with pytest.raises(ValueError, match="broken"):
        tracker.segment(0)
    assert torch.get_num_threads() == 2
