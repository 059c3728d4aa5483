"""Listening that ends by itself: a desk outlives the docks that look at it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from qtpy.QtCore import QObject


def listen(widget: QObject, *pairs: tuple[Any, Callable[..., object]]) -> None:
    """Connect (signal of psygnal or napari, bound method) pairs until the widget is destroyed.

    Calling a method of a widget that Qt has destroyed already is an error; so is looking at it while it is being
    destroyed. What is connected therefore holds the widget weakly, and is disconnected without it.
    """
    relays = [(signal, _relay(weakref.WeakMethod(slot))) for signal, slot in pairs]
    for signal, relay in relays:
        signal.connect(relay)

    def stop(_: object = None) -> None:
        for signal, relay in relays:
            with suppress(ValueError):  # not connected any more
                signal.disconnect(relay)
        _stops.discard(stop)

    _stops.add(stop)
    widget.destroyed.connect(stop)


_stops: set[Callable[..., object]] = set()
"""Kept here: a function that only a dying widget holds is cleared by the garbage collector before Qt calls it."""


def _relay(weak: weakref.WeakMethod[Callable[..., object]]) -> Callable[..., None]:
    def relay(*args: Any) -> None:
        slot = weak()
        if slot is not None:
            slot(*args)

    return relay
