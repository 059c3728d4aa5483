"""What is computed side by side comes back in order, on the threads that were meant for it, and errors come out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch

from napari_sam2.tracking import lanes as module
from napari_sam2.tracking.lanes import LANES, lanes, side_by_side


@pytest.fixture(params=[1, 2, 3, 6, 8])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("n", [1, 3, 9])
def test_results_come_in_order_on_the_threads_that_are_shared_out(threads: int, n: int, single: bool) -> None:
    def call(number: int) -> Callable[[], tuple[int, int, bool]]:
        def there() -> tuple[int, int, bool]:
            time.sleep(0.002 * (n - number))  # the last ones end first
            return number, torch.get_num_threads(), torch.is_inference_mode_enabled()

        return there

    with torch.inference_mode():
        found = list(side_by_side([call(i) for i in range(n)], single))
    assert [number for number, _, _ in found] == list(range(n))
    each = 1 if single else max(1, threads // min(LANES, n))
    assert {given for _, given, _ in found} == {each}
    assert all(inference for _, _, inference in found)
    assert torch.get_num_threads() == threads


def test_as_many_at_once_as_there_are_lanes(threads: int) -> None:
    wide = lanes()
    assert wide == min(threads, LANES)
    together = threading.Barrier(wide)
    list(side_by_side([lambda: together.wait(30)] * (3 * wide)))  # breaks, and raises, where fewer come


def test_an_error_comes_after_the_results_before_it_and_when_all_have_ended(threads: int) -> None:
    ended: list[int] = []

    def call(number: int) -> Callable[[], int]:
        def there() -> int:
            if number == 2:
                raise ValueError("the third")
            time.sleep(0.01)
            ended.append(number)
            return number

        return there

    found = []
    with pytest.raises(ValueError, match="the third"):
        for number in side_by_side([call(i) for i in range(20)]):
            found.append(number)
    assert found == [0, 1]
    before = list(ended)
    time.sleep(0.05)
    assert ended == before and len(ended) < 19  # nothing goes on, and what had not begun never does


def test_threads_that_are_born_meanwhile_have_all_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    born: list[int] = []

    def there() -> None:
        other = threading.Thread(target=lambda: born.append(torch.get_num_threads()))
        other.start()
        other.join()

    list(side_by_side([there, there, there]))
    assert born == [2, 2, 2]
    torch.set_num_threads(before)


def test_where_the_system_gives_no_threads_all_is_computed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    before, start, started = torch.get_num_threads(), threading.Thread.start, []
    torch.set_num_threads(4)

    def scarce(self: threading.Thread) -> None:
        if "torch-lane" in self.name:
            started.append(self)
            if len(started) > 1:
                raise RuntimeError("can't start new thread")
        start(self)

    module._threads.cache_clear()
    monkeypatch.setattr(threading.Thread, "start", scarce)
    assert list(side_by_side([lambda i=i: i for i in range(6)])) == list(range(6))  # type: ignore[misc]
    monkeypatch.undo()
    started[0].join(30)
    assert not started[0].is_alive(), "it would keep the process from ending"
    born: list[int] = []
    other = threading.Thread(target=lambda: born.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert born == [4]
    torch.set_num_threads(before)


def test_nothing_goes_on_where_it_is_left() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    done: list[int] = []

    def slowly(number: int) -> None:
        time.sleep(0.02)
        done.append(number)

    results = side_by_side([partial(slowly, i) for i in range(20)])
    next(results)
    results.close()
    seen = len(done)
    time.sleep(0.1)
    assert len(done) == seen < 20
    torch.set_num_threads(before)
