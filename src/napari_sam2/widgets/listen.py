"""Listening that ends by itself: a desk outlives the docks that look at it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from qtpy.QtCore import QObject


def listen(widget: QObject, *pairs: tuple[Any, Callable[..., object]]) -> None:
    """Connect (signal of psygnal or napari, bound method) pairs until the widget is destroyed.

    Calling a method of a widget that Qt has destroyed already is an error.
    """
    kept = [(signal, weakref.WeakMethod(slot)) for signal, slot in pairs]
    for signal, slot in pairs:
        signal.connect(slot)

    def stop(_: object = None) -> None:
        for signal, weak in kept:
            slot = weak()
            if slot is not None:
                with suppress(ValueError):  # not connected any more
                    signal.disconnect(slot)

    widget.destroyed.connect(stop)
