"""Small batches on a CPU are computed in a thread of their own, in which torch has that one thread.

Steps of a few milliseconds gain nothing from a second thread, which has to be waited for after each of them. Setting
the number of threads around such a batch would not do: torch gives the number of that moment to every thread that is
born meanwhile, for good.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import torch

T = TypeVar("T")


def on_one_thread(call: Callable[[], T]) -> T:
    """Compute something for inference with one of torch's threads, and wait for it; its errors are raised here."""
    if torch.get_num_threads() == 1:
        return call()

    def there() -> T:
        with torch.inference_mode():  # which is a matter of each thread
            return call()

    try:
        waiting = _thread().submit(there)
    except RuntimeError:  # Python is about to end, and starts nothing any more
        return call()
    return waiting.result()


@lru_cache(maxsize=1)
def _thread() -> ThreadPoolExecutor:
    threads = torch.get_num_threads()
    # named as what it is: one of torch's, that stays as those do, and no job that somebody has to end
    pool = ThreadPoolExecutor(1, "torch-single", initializer=_take_one)
    pool.submit(int).result()  # it is born now
    torch.set_num_threads(threads)  # for those that are born from here on
    return pool


def _take_one() -> None:
    torch.get_num_threads()  # the first call in a thread takes over what the process has, even after it was set
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_thread.cache_clear)  # a forked process has no such thread
