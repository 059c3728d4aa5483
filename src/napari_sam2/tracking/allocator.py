"""Freed memory is kept for what is computed next, where the C library would hand it back to the system.

A frame is computed in many steps whose results are some megabytes each and live for a moment. By default glibc returns
such memory to the system and asks for it again, and the system clears it page by page: on a CPU that takes about as
long as the arithmetic that fills it.
"""

from __future__ import annotations

import ctypes
import os
import platform
from functools import lru_cache

#: Parameters of glibc's `mallopt`, by their numbers in malloc.h.
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
#: Bytes at the end of the heap beyond which free memory goes back to the system after all.
KEPT = 512 << 20
#: Bytes of a single result above which it does so at once: the most that glibc allows.
LARGEST = 32 << 20
#: Bytes by which the heap grows.
GROWTH = 16 << 20
#: A user who sets one of these has chosen for himself.
VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES", "LD_PRELOAD")


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Tell the C library of this process, once, to keep up to `KEPT` bytes of freed memory.

    Returns
    -------
    bool
        Whether that was done: not where the C library is not glibc, or one of `VARIABLES` is set.
    """
    if platform.libc_ver()[0] != "glibc" or any(os.environ.get(name) for name in VARIABLES):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = ((MMAP_THRESHOLD, LARGEST), (TRIM_THRESHOLD, KEPT), (TOP_PAD, GROWTH))
    done = [mallopt(name, value) == 1 for name, value in wanted]
    return all(done)
