"""The run in napari's activity dock. Needs a window."""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QLabel, QMainWindow, QWidget

from napari_sam2.widgets.run_state import RunState

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk

EVERY = 0.25
"""Seconds between two changes of the bar; a run that ends sooner has none. napari lets the whole window work off its
events for each, which must not happen within the work that a click or a finished frame makes."""
UNHURRIED = 10
"""Per cent of its speed at which napari's sign of work turns. Each of its 33 pictures a second has the whole window put
together anew, with the canvas: where the processor draws, that took as much of it as tracking does."""

LEAST = 12
"""Pixels that are left to that sign in any case."""


class Activity:
    """Shows the run of a desk as a progress bar with its speed and the time left; of two docks, one does.

    Parameters
    ----------
    desk
        The desk.
    dock
        What is in the window.
    """

    def __init__(self, desk: Desk, dock: QWidget) -> None:
        self._bar: Any = None
        self._desk = desk
        self._dock = weakref.ref(dock)
        self._state = RunState()
        self._due = False
        self._left = False
        self._slowed: list[Any] = []
        desk.run_changed.connect(self.show)

    def show(self, state: RunState) -> None:
        """Bring the bar up to date, soon; there is one while a run is under way."""
        self._state = state
        if not state.busy:
            self.close()
        elif not self._due:
            self._due = True
            self._desk.runner.call_later(EVERY, f"activity-{id(self)}", self._show)

    def _show(self) -> None:
        self._due = False
        state = self._state
        if self._left or not state.busy or _shown_by.setdefault(self._desk, self) is not self:
            return
        if self._bar is None:
            from napari.utils import progress

            self._slow_down()
            self._bar = progress(total=0, desc="Tracking")
        bar = self._bar
        if state.total and bar.total != state.total:
            bar.total = state.total
            bar.reset(state.total)
        if state.done > bar.n:
            bar.update(state.done - bar.n)
        bar.set_description(state.text or "Tracking")
        if not self._state.busy:  # napari has let events in meanwhile, and the run was over
            self.close()

    def _slow_down(self) -> None:
        from napari_sam2.widgets.main_dock import main_window_of

        dock = self._dock()
        window = None if dock is None else main_window_of(dock)
        bar = window.statusBar() if isinstance(window, QMainWindow) else None
        signs = [] if bar is None else [sign for sign in bar.findChildren(QLabel) if sign.movie() is not None]
        for sign in signs:  # a pixel higher than the bar, it would make the canvas lower, and all be drawn anew
            holder = sign.parentWidget()
            if not sign.isVisible() and holder is not None:
                sign.setMaximumHeight(max(holder.height(), LEAST))
        self._slowed = [movie for sign in signs if (movie := sign.movie()) is not None and movie.speed() == 100]
        for movie in self._slowed:
            movie.setSpeed(UNHURRIED)

    def close(self) -> None:
        """Take the bar away."""
        if _shown_by.get(self._desk) is self:
            del _shown_by[self._desk]
        bar, self._bar = self._bar, None
        slowed, self._slowed = self._slowed, []
        with suppress(RuntimeError):  # the window is gone
            for movie in slowed:
                movie.setSpeed(100)
            if bar is not None:
                bar.close()

    def leave(self) -> None:
        """Show nothing any more."""
        self._left = True
        self._desk.run_changed.disconnect(self.show, missing_ok=True)
        self.close()


_shown_by: weakref.WeakKeyDictionary[Any, Activity] = weakref.WeakKeyDictionary()
