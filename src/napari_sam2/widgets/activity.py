"""The run in napari's activity dock. Needs a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.run_state import RunState


class Activity:
    """Shows the run of a desk as a progress bar with its speed and the time left.

    Parameters
    ----------
    desk
        The desk.
    """

    def __init__(self, desk: Desk) -> None:
        self._bar: Any = None
        self._desk = desk
        desk.run_changed.connect(self.show)

    def show(self, state: RunState) -> None:
        """Bring the bar up to date; there is one while a run is under way."""
        if not state.busy:
            self.close()
            return
        if self._bar is None:
            from napari.utils import progress

            self._bar = progress(total=0, desc="Tracking")
        bar = self._bar
        if state.total and bar.total != state.total:
            bar.total = state.total
            bar.reset(state.total)
        if state.done > bar.n:
            bar.update(state.done - bar.n)
        bar.set_description(state.text or "Tracking")

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def leave(self) -> None:
        """Show nothing any more."""
        self._desk.run_changed.disconnect(self.show, missing_ok=True)
        self.close()
