"""Batches on a CPU are computed side by side, in threads of their own, among which torch's threads are shared out.

Most steps of a batch take a few milliseconds. They gain little from a second thread, which has to be waited for after
each of them; two batches at once gain nearly twofold. Setting the number of threads around a batch would not do: torch
gives the number of that moment to every thread that is born meanwhile, for good.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from threading import Barrier
from typing import TypeVar

import torch

T = TypeVar("T")

#: Batches side by side at most: Python begins their steps one at a time, so many would wait for each other.
LANES = 4


def lanes() -> int:
    """How many batches are best computed side by side, with as many threads as torch has now."""
    return min(LANES, torch.get_num_threads())


def side_by_side(calls: Sequence[Callable[[], T]], single: bool = False) -> Generator[T, None, None]:
    """Compute independent things for inference, up to `lanes` of them at once.

    Parameters
    ----------
    calls
        What to compute.
    single
        Give each of them one of torch's threads only, as suits steps that are small.

    Yields
    ------
    T
        Their results, in order. The error of one of them is raised in its place, when all that had begun have ended.
    """
    threads, wide = torch.get_num_threads(), min(lanes(), len(calls))
    if threads == 1 or (wide == 1 and not single):
        yield from (call() for call in calls)
        return
    each = 1 if single else max(1, threads // wide)
    waiting: list[Future[T]] = []
    try:
        try:
            for call in calls:
                waiting.append(_threads(wide, each).submit(partial(_infer, call)))
        except RuntimeError:  # Python is about to end, or the system gives no more threads: the rest is computed here
            pass
        yield from (future.result() for future in waiting)
        yield from (call() for call in calls[len(waiting) :])
    finally:
        for future in [future for future in waiting if not future.cancel()]:  # all are told before any is waited for
            future.exception()


def _infer(call: Callable[[], T]) -> T:
    with torch.inference_mode():  # which is a matter of each thread
        return call()


@lru_cache(maxsize=8)
def _threads(lanes: int, each: int) -> ThreadPoolExecutor:
    before, all_there = torch.get_num_threads(), Barrier(lanes)
    # named as what they are: some of torch's, that stay as those do, and no job that somebody has to end
    pool = ThreadPoolExecutor(lanes, "torch-lane", initializer=partial(_take, each))
    try:
        for born in [pool.submit(all_there.wait) for _ in range(lanes)]:  # all are born now
            born.result()
    except BaseException:  # those that were born would wait for the others for ever, and the process for them
        all_there.abort()
        pool.shutdown(wait=False)
        raise
    finally:
        torch.set_num_threads(before)  # for those that are born from here on
    return pool


def _take(threads: int) -> None:
    torch.get_num_threads()  # the first call in a thread takes over what the process has, even after it was set
    torch.set_num_threads(threads)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # a forked process has no such threads
