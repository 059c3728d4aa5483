"""What a long run will cost, found out before anyone asks; short runs are not spoken of. No Qt in here."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_sam2.widgets.needs import Needs

if TYPE_CHECKING:
    from napari_sam2.tracking.estimate import Estimate
    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.run_state import Request

MANY = 500
"""Masks to track from which on it is measured: fewer take no more than minutes even with a large model."""
LONG = 180.0
"""Seconds from which on a run is long: then its cost is told."""
QUIET = 2.0
"""Seconds without a change until it is measured: whoever clicks is not held up."""


class Forecast:
    """Measures what the chosen run would cost when there is much to track, and tells where it is long.

    Parameters
    ----------
    desk
        The desk.
    request
        Says which run is chosen.
    told
        Called on the main thread with the estimate of a long run.
    """

    def __init__(self, desk: Desk, request: Callable[[], Request], told: Callable[[Estimate], object]) -> None:
        self._desk = desk
        self._request, self._told = weakref.WeakMethod(request), weakref.WeakMethod(told)
        self._speed: tuple[object, float] = (None, 0.0)

    def needs_changed(self, needs: Needs) -> None:
        """There is more or less to track: measure, soon, where that may be long."""
        session = self._desk.session
        if session is None or needs.total < MANY:
            return
        key, seconds = self._speed
        if key != self._key() or seconds * needs.total >= LONG / 2:
            self._soon()

    def _soon(self) -> None:
        known = weakref.ref(self)

        def ask() -> None:
            found = known()
            if found is not None:
                found._ask()

        self._desk.runner.call_later(QUIET, f"forecast-{id(self)}", ask)

    def _ask(self) -> None:
        desk, request = self._desk, self._request()
        if request is None or desk.closed or desk.session is None or desk.needs.total < MANY:
            return
        if desk.run.kind == "idle":
            desk.estimate(request(), self._found)
        elif desk.run.kind == "preview":
            self._soon()

    def _found(self, found: Estimate) -> None:
        self._speed = self._key(), found.seconds / max(found.cell_frames, 1)
        told = self._told()
        if told is not None and found.seconds >= LONG:
            told(found)

    def _key(self) -> object:
        """What the speed depends on: the movie, the model, the device."""
        session = self._desk.session
        if session is None:
            return None
        return (
            session.path,
            session.meta["model"]["name"],
            session.meta.get("device"),
            session.meta.get("cell_diameter"),
        )
