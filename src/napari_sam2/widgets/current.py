"""The session that is being worked on, for the console and for scripts. Needs neither napari nor Qt."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam2.session import Session
    from napari_sam2.widgets.desk import Desk

_latest: list[weakref.ref[Desk]] = []


def remember(desk: Desk) -> None:
    """Note that a desk's session is the one the user works on."""
    _latest[:] = [ref for ref in _latest if ref() not in (None, desk)] + [weakref.ref(desk)]


def current_session() -> Session | None:
    """The session that was last worked on in any viewer; None if none is open.

    What it does shows in the viewer, and what is done in the viewer it has.
    """
    for ref in reversed(_latest):
        desk = ref()
        if desk is not None and not desk.closed and desk.session is not None:
            return desk.session
    return None
