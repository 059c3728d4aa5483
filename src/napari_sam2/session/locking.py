"""A lock that knows whether the thread that asks holds it."""

from __future__ import annotations

import threading
from types import TracebackType


class OwnedLock:
    """A lock that a thread can take again while it holds it; ``mine`` says whether it does.

    Waiting for another thread that needs this lock is only possible for one who does not hold it.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._owner: int | None = None
        self._depth = 0

    @property
    def mine(self) -> bool:
        """Whether the calling thread holds it."""
        return self._owner == threading.get_ident()

    def acquire(self) -> None:
        """Take it, waiting for it as long as it takes."""
        self._lock.acquire()
        self._owner = threading.get_ident()
        self._depth += 1

    def release(self) -> None:
        """Let go of it."""
        self._depth -= 1
        if not self._depth:
            self._owner = None
        self._lock.release()

    def __enter__(self) -> OwnedLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
