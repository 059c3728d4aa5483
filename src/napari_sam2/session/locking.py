"""Locks, and what holds Ctrl-C back: what a session has written down and what it knows must not part."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_RLock: Any = type(threading.RLock())


class OwnedLock(_RLock):
    """A lock that a thread can take again while it holds it; ``mine`` says whether it does.

    Waiting for another thread that needs this lock is only possible for one who does not hold it. Taking it and letting
    go of it are single steps, so that Ctrl-C cannot come between them and what follows in a ``with`` block.
    """

    @property
    def mine(self) -> bool:
        """Whether the calling thread holds it."""
        return bool(self._is_owned())


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Finish a block before Ctrl-C is obeyed, which only ever interrupts the main thread.

    For what is done to memory and disk together: one without the other would be a session that contradicts itself.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    late: list[tuple[int, Any]] = []

    def note(number: int, frame: Any) -> None:
        late.append((number, frame))

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if late:
            handler(*late[-1])
