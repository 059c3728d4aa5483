"""Freed memory is kept by the process: counted in pages that the system has to clear, not in seconds."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

from napari_sam2.tracking.allocator import VARIABLES

ROUNDS = 40
#: Computes results of 8 MB in turns, as a frame does, and counts the pages that were fetched for it.
CHILD = f"""
import json, resource, sys
import torch
from napari_sam2.tracking import allocator
if sys.argv[1] == "tracker":
    import numpy as np
    from napari_sam2.tracking import CellTracker
    CellTracker(np.zeros((1, 32, 32), np.uint8), limits=(0, 1), device="cpu")
told = allocator.keep_freed_memory() if sys.argv[1] == "keep" else None
torch.set_num_threads(1)
def work():
    x = torch.ones(1 << 20)
    for _ in range({ROUNDS}):
        y = torch.cat((x, x))
        z = y + 1
        del y, z
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(json.dumps([told, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before]))
"""
PAGES = ROUNDS * 2 * (8 << 20) // os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0


def _pages(how: str, **variables: str) -> tuple[bool | None, int]:
    plain = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, how], env=plain | variables, capture_output=True, text=True, check=True
    )
    told, pages = json.loads(done.stdout)
    return told, int(pages)


needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")


@needs_glibc
def test_memory_is_fetched_once() -> None:
    told, pages = _pages("keep")
    assert told is True
    assert pages < PAGES / 20


@needs_glibc
def test_a_tracker_on_the_cpu_sees_to_it() -> None:
    assert _pages("tracker")[1] < PAGES / 20


@needs_glibc
@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"])
def test_a_user_who_has_chosen_is_left_alone(name: str) -> None:
    told, pages = _pages("keep", **{name: "131072"})
    assert told is False
    assert pages > PAGES / 2, "the count must notice memory that is fetched again and again"
