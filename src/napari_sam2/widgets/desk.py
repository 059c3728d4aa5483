"""`Desk`: what is open in one viewer, and all that can be done with it. The docks, keys and commands only call this.

No Qt in here: it works on a `napari.components.ViewerModel` as well, which most tests do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam2.logfile import start_from_environment
from napari_sam2.widgets import notify
from napari_sam2.widgets.acting import NOTHING_OPEN, Acting
from napari_sam2.widgets.bound import Binding, BoundLayers
from napari_sam2.widgets.current import current_session
from napari_sam2.widgets.opening import Opening
from napari_sam2.widgets.prompting import Prompting
from napari_sam2.widgets.run_state import Request, RunState
from napari_sam2.widgets.runner import PlainRunner, Runner
from napari_sam2.widgets.sheet import Sheet
from napari_sam2.widgets.tasks import Tasks
from napari_sam2.widgets.view import View

if TYPE_CHECKING:
    from napari_sam2.session import Session
    from napari_sam2.session.events import Changed
    from napari_sam2.session.run import What
    from napari_sam2.tracking.plan import Direction


class Desk(Acting, Opening, Prompting, Tasks, View):
    """What is open in one viewer: sessions by image layer, the active one, the current cell, the run in progress.

    Parameters
    ----------
    viewer
        napari Viewer or ViewerModel.
    runner
        Threads and calls on the main thread.

    Attributes
    ----------
    session_changed : Signal of Session or None
        Another session is the active one.
    current_changed : Signal of int or None
        Another cell is the current one.
    document_changed : Signal of Changed
        Something has changed in the active session.
    run_changed : Signal of RunState
        What is being computed.
    frame_changed : Signal of int
        Another frame is shown.
    mode_changed : Signal
        Whether clicks make new cells, or the tool, has changed.
    needs_changed : Signal of Needs
        How much there is to track in the active session.
    opening_changed : Signal of str
        What is being opened; empty for nothing.
    refused : str
        Why the last movie could not be opened, in words; empty where it could.
    ended : Signal
        The desk is closed; keys and bars that belong to it are to be taken back.
    confirm
        Asks the user a question that is answered by yes or no; the main dock puts a dialog here.
    """

    session_changed = Signal(object)
    current_changed = Signal(object)
    document_changed = Signal(object)
    run_changed = Signal(object)
    frame_changed = Signal(int)
    mode_changed = Signal()
    needs_changed = Signal(object)
    opening_changed = Signal(str)
    ended = Signal()

    def __init__(self, viewer: Any, runner: Runner | None = None) -> None:
        self.viewer = viewer
        self.runner: Runner = runner or PlainRunner()
        self.confirm: Callable[[str], bool] = lambda text: False
        self.adding = True
        self.opening = ""
        self.refused = ""
        self._sheets: list[Sheet] = []
        self._active: Sheet | None = None
        self._depth = 0
        self._closed = False
        self._frame = 0
        self._where: Any = None
        layers = viewer.layers.events
        layers.removed.connect(self._layer_removed)
        viewer.layers.selection.events.active.connect(self._layer_chosen)
        viewer.dims.events.point.connect(self._dims_moved)

    # what there is ------------------------------------------------------------------------------------------------

    @property
    def session(self) -> Session | None:
        """The active session."""
        return None if self._active is None else self._active.session

    @property
    def layers(self) -> BoundLayers | None:
        """The layers of the active session."""
        return None if self._active is None else self._active.binding.layers

    @property
    def binding(self) -> Binding | None:
        """What keeps them and the session as one."""
        return None if self._active is None else self._active.binding

    @property
    def note(self) -> str:
        """What the user should know about the active session: continued, assumed axes."""
        return "" if self._active is None else self._active.note

    @property
    def sessions(self) -> dict[Any, Session]:
        """All open sessions, by image layer."""
        return {sheet.image: sheet.session for sheet in self._sheets}

    @property
    def current(self) -> int | None:
        """The current cell."""
        return None if self._active is None else self._active.current

    @property
    def run(self) -> RunState:
        """What is being computed for the active session."""
        return RunState() if self._active is None else self._active.runs.state

    @property
    def closed(self) -> bool:
        """Whether nothing can be done here any more."""
        return self._closed

    # tracking -----------------------------------------------------------------------------------------------------

    def track(
        self,
        *,
        cells: Sequence[int] | None = None,
        frames: tuple[int, int] | None = None,
        direction: Direction = "both",
        what: What = "needed",
    ) -> None:
        """Track in the background; as `Session.track`. The labels fill while it goes on."""
        sheet = self._active
        if sheet is None:
            notify.warning(NOTHING_OPEN)
            return
        sheet.binding.take_painted()
        if sheet.runs.occupied:
            notify.info(f"{sheet.runs.occupied} Wait a moment.")
            return
        chosen = None if cells is None else tuple(int(c) for c in cells)
        sheet.runs.track(Request(chosen, frames, direction, what))

    def pause(self) -> None:
        """Hold the run after the frame that is being computed."""
        if self._active is not None:
            self._active.runs.pause()

    def resume(self) -> None:
        """Go on with a paused run."""
        if self._active is not None:
            self._active.runs.resume()

    def cancel(self) -> None:
        """End the run; what is done is kept."""
        if self._active is not None:
            self._active.runs.cancel()

    def _run_finished(self, sheet: Sheet, request: Request, problem: BaseException | None, stopped: bool) -> None:
        if problem is not None:
            notify.show(problem, "tracking")
        sheet.binding.refresh_labels()
        sheet.counting.changed((), everything=True)
        if sheet is self._active:
            self.document_changed.emit(_nothing("tracked"))

    # what is heard ------------------------------------------------------------------------------------------------

    def heard(self, binding: Binding, event: Changed) -> None:
        """Bring what a session says to the main thread."""
        if self.runner.is_main():
            self._document_changed(binding, event)
        else:
            self.runner.call_soon(self._document_changed, binding, event)

    def _document_changed(self, binding: Binding, event: Changed) -> None:
        sheet = next((s for s in self._sheets if s.binding is binding), None)
        if sheet is None or self._closed:
            return
        if event.labels and event.first <= self._frame_of(sheet) < max(event.stop, event.first + 1):
            binding.refresh_labels()
        if event.verb != "track":
            self.runner.call_soon(self._write_prompts, binding)
            sheet.counting.changed(event.cells, everything=not event.cells)
            self._ask_previews(sheet, event)
        session = sheet.session
        if sheet.current is not None and sheet.current not in session.cells and sheet.current in session.document.used:
            self._set_current(sheet, None)  # its number is never used again
        if sheet is self._active:
            self.document_changed.emit(event)

    def _write_prompts(self, binding: Binding) -> None:
        if any(s.binding is binding for s in self._sheets):
            binding.write_prompts()

    def colour(self, cell: int) -> tuple[float, float, float, float]:
        """Colour of a cell as the Labels layer shows it, (r, g, b, a) in 0..1."""
        labels = None if self.layers is None else self.layers.labels
        if labels is not None:
            # the layer itself has no colour for cells that it does not show now, while one is shown alone
            found = labels.colormap.model_copy(update={"use_selection": False}).map(cell)
        else:
            from napari.utils.colormaps import label_colormap

            found = label_colormap().map(np.array([cell], np.int32))[0]
        r, g, b = (float(v) for v in np.asarray(found)[:3])
        return r, g, b, 1.0

    # the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop the threads, let go of the layers and close the sessions; everything is saved already."""
        if self._closed:
            return
        from napari_sam2.widgets.bindings import bindings_of

        self._closed = True
        bindings_of(self).unbind()  # docks may be gone already, without having taken them back
        for sheet in list(self._sheets):
            self._drop(sheet, remove=False)
        self.viewer.layers.events.removed.disconnect(self._layer_removed)
        self.viewer.layers.selection.events.active.disconnect(self._layer_chosen)
        self.viewer.dims.events.point.disconnect(self._dims_moved)
        self.runner.close()
        _desks.pop(id(self.viewer), None)
        self.ended.emit()


def _nothing(verb: str) -> Changed:
    from napari_sam2.session.events import Changed

    return Changed(verb, frozenset())


# finding desks ----------------------------------------------------------------------------------------------------

_desks: dict[int, Desk] = {}


def desk_of(viewer: Any) -> Desk:
    """The one desk of a viewer, made when first asked for.

    Parameters
    ----------
    viewer
        A napari Viewer, the proxy of it that widgets are given, or a ViewerModel.
    """
    bare = getattr(viewer, "__wrapped__", viewer)
    found = _desks.get(id(bare))
    if found is None or found.closed or found.viewer is not bare:
        start_from_environment()  # NAPARI_SAM2_LOG=FILE napari
        found = _desks[id(bare)] = Desk(bare, _runner_for(bare))
    return found


def _runner_for(viewer: Any) -> Runner:
    if not hasattr(viewer, "window"):
        return PlainRunner()
    from napari_sam2.widgets.qt_runner import QtRunner

    return QtRunner()


__all__ = ["BoundLayers", "Desk", "RunState", "current_session", "desk_of"]
