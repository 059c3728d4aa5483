"""Telling listeners what has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Changed:
    """What an action, its undo, or one tracked frame has changed.

    Parameters
    ----------
    verb
        Name of the action; ``"undo"`` and ``"redo"`` for those.
    cells
        Cells concerned.
    first, stop
        Frames concerned, first and one past the last; an empty range where no frame is.
    labels
        Whether pixels of these frames may have changed.
    """

    verb: str
    cells: frozenset[int]
    first: int = 0
    stop: int = 0
    labels: bool = False


class Signal(Generic[T]):
    """Calls everyone who listens, in the order of connecting, in the thread that makes the change.

    >>> signal = Signal[int]()
    >>> signal.connect(print)
    <built-in function print>
    >>> signal.emit(3)
    3
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[T], object]] = []
        self._blocked = 0

    def connect(self, listener: Callable[[T], object]) -> Callable[[T], object]:
        """Call `listener` from now on; returns it, so that it works as a decorator."""
        self._listeners.append(listener)
        return listener

    def disconnect(self, listener: Callable[[T], object]) -> None:
        """Call `listener` no more; without effect where it does not listen."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def emit(self, event: T) -> None:
        """Tell everyone."""
        if not self._blocked:
            for listener in list(self._listeners):
                listener(event)

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Tell nobody inside the block."""
        self._blocked += 1
        try:
            yield
        finally:
            self._blocked -= 1
