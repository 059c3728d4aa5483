"""Listening that ends by itself: a desk outlives the docks that look at it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from qtpy.QtCore import QObject


def listen(widget: QObject, *pairs: tuple[Any, Callable[..., object]]) -> Callable[..., None]:
    """Connect (signal of psygnal or napari, bound method) pairs until the widget is destroyed.

    Calling a method of a widget that Qt has destroyed already is an error; so is looking at it while it is being
    destroyed. What is connected therefore holds the widget weakly, and is disconnected without it.

    Returns
    -------
    callable
        Ends it earlier.
    """
    relays: list[tuple[Any, Callable[..., None]]] = []

    def stop() -> None:
        for signal, relay in relays:
            with suppress(ValueError):  # not connected any more
                signal.disconnect(relay)

    for signal, slot in pairs:
        relays.append((signal, _relay(weakref.WeakMethod(slot))))
        signal.connect(relays[-1][1])
    when_destroyed(widget, stop)
    return stop


def when_destroyed(widget: QObject, function: Callable[[], object]) -> None:
    """Call a function, once, when a widget is destroyed; it must not look at the widget."""

    def call(_: object = None) -> None:
        _waiting.discard(call)
        function()

    _waiting.add(call)
    widget.destroyed.connect(call)


@contextmanager
def window_goes() -> Iterator[None]:
    """A window is being destroyed, or the program ends: widgets are not told of anything in here.

    Qt may have deleted parts of them, in an order of its own.
    """
    global _going
    before, _going = _going, True
    try:
        yield
    finally:
        _going = before


_waiting: set[Callable[..., object]] = set()
"""Kept here: a function that only a dying widget holds is cleared by the garbage collector before Qt calls it."""
_going = False


def _relay(weak: weakref.WeakMethod[Callable[..., object]]) -> Callable[..., None]:
    def relay(*args: Any) -> None:
        slot = weak()
        if slot is not None and not _going:
            slot(*args)

    return relay
