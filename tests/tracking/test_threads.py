"""Small batches take one thread of a CPU, large ones all, and torch has as many as before whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from napari_sam2.network import Sam2
from napari_sam2.tracking.engine import ONE_THREAD

from .small import discs_movie, run, tracker_for


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("cells", [1, ONE_THREAD, ONE_THREAD + 1])
def test_a_few_cells_are_computed_on_one_thread_and_many_on_all(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    decode = Sam2.decode

    def watched(self: Sam2, *args: torch.Tensor) -> object:
        seen.append(torch.get_num_threads())
        return decode(self, *args)

    monkeypatch.setattr(Sam2, "decode", watched)
    tracker = tracker_for(discs_movie(3, (96, 128)))
    for cell in range(1, cells + 1):
        tracker.add_click(cell, 0, (30 + 6 * cell, 40 + 6 * cell))
    run(tracker)
    assert set(seen) == {1 if cells <= ONE_THREAD else 2}
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_a_thread_that_is_born_meanwhile_has_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    born: list[int] = []
    decode = Sam2.decode

    def watched(self: Sam2, *args: torch.Tensor) -> object:
        other = threading.Thread(target=lambda: born.append(torch.get_num_threads()))
        other.start()
        other.join()
        return decode(self, *args)

    monkeypatch.setattr(Sam2, "decode", watched)
    tracker = tracker_for(discs_movie(2, (96, 128)))
    tracker.add_click(1, 0, (40, 40))
    tracker.segment(0)
    assert born and set(born) == {2}


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
