"""What keys, menus and the palette do: one function each, on a desk; about cells see `cell_commands`. No Qt here."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari_sam2.widgets import notify
from napari_sam2.widgets.cell_commands import NO_CELL, open_session
from napari_sam2.widgets.review_queue import queue_of

if TYPE_CHECKING:
    from napari_sam2.session import Session
    from napari_sam2.widgets.desk import Desk

NOTHING_RUNS = "Nothing is being tracked"


# clicks -----------------------------------------------------------------------------------------------------------


def next_cell(desk: Desk) -> None:
    """Have the next clicks be a new cell."""
    if open_session(desk) is not None:
        _note(desk)
        desk.next_cell()
        _use(desk, "clicks_on")


def last_cell(desk: Desk) -> None:
    """Go back to the cell that was current before this one."""
    session = open_session(desk)
    if session is None:
        return
    known = [cell for cell in _note(desk) if cell in session.cells and cell != desk.current]
    if not known:
        notify.info("There is no cell before this one")
        return
    desk.select(known[-1])
    _use(desk, "clicks_on")


_before: WeakKeyDictionary[Desk, list[int]] = WeakKeyDictionary()


def _note(desk: Desk) -> list[int]:
    """Cells that were current, the last one last; from the first key on they are noted."""
    if desk not in _before:
        session = desk.session
        seen = _before[desk] = sorted(session.cells) if session is not None else []

        def forget(session: Session | None) -> None:
            seen[:] = sorted(session.cells) if session is not None else []

        def note(cell: int | None) -> None:
            if cell is not None:
                seen[:] = [*(other for other in seen if other != cell), cell]

        desk.session_changed.connect(forget)
        desk.current_changed.connect(note)
        note(desk.current)
    return _before[desk]


def _use(desk: Desk, tool: str) -> None:
    if open_session(desk) is not None:
        desk.use(tool)


def clicks_on(desk: Desk) -> None:
    """Have clicks say what belongs to the cell."""
    _use(desk, "clicks_on")


def clicks_off(desk: Desk) -> None:
    """Have clicks say what does not belong to the cell."""
    _use(desk, "clicks_off")


def boxes(desk: Desk) -> None:
    """Have the mouse draw boxes."""
    _use(desk, "boxes")


def paint(desk: Desk) -> None:
    """Have the mouse paint the cell; pressed again, erase."""
    _use(desk, "erase" if desk.tool == "paint" else "paint")


def look(desk: Desk) -> None:
    """Have the mouse move the picture, and choose cells."""
    _use(desk, "look")


# tracking ---------------------------------------------------------------------------------------------------------


def track(desk: Desk) -> None:
    """Track what is needed; where tracking is paused, go on."""
    if open_session(desk) is None:
        return
    if desk.run.kind == "paused":
        desk.resume()
    else:
        desk.track()


def track_cell(desk: Desk) -> None:
    """Track the current cell alone."""
    if open_session(desk) is None:
        return
    if desk.current is None:
        notify.warning(NO_CELL)
    else:
        desk.track(cells=[desk.current])


def pause(desk: Desk) -> None:
    """Pause, or go on."""
    if desk.run.kind == "tracking":
        desk.pause()
    elif desk.run.kind == "paused":
        desk.resume()
    else:
        notify.info(NOTHING_RUNS)


def cancel(desk: Desk) -> None:
    """Stop tracking; what is done is kept."""
    if desk.run.kind in ("tracking", "paused"):
        desk.cancel()
    else:
        notify.info(NOTHING_RUNS)


# review -----------------------------------------------------------------------------------------------------------


def next_suspect(desk: Desk) -> None:
    """Look at the next suspect or proposed division."""
    if open_session(desk) is not None:
        queue_of(desk).next()


def previous_suspect(desk: Desk) -> None:
    """Look at the one before."""
    if open_session(desk) is not None:
        queue_of(desk).previous()


def accept(desk: Desk) -> None:
    """The suspect is right, or the division is one."""
    if open_session(desk) is not None:
        queue_of(desk).accept()


def reject(desk: Desk) -> None:
    """The suspect is wrong, or the division is none."""
    if open_session(desk) is not None:
        queue_of(desk).reject()


# always -----------------------------------------------------------------------------------------------------------


def undo(desk: Desk) -> None:
    """Take the last step back."""
    if open_session(desk) is not None:
        desk.undo()


def redo(desk: Desk) -> None:
    """Do the step again that was taken back."""
    if open_session(desk) is not None:
        desk.redo()


def show_only(desk: Desk) -> None:
    """Show the current cell alone, or all of them again."""
    if open_session(desk) is None:
        return
    labels = desk.layers.labels if desk.layers is not None else None
    desk.show_only(labels is None or not labels.show_selected_label)


def show_help(desk: Desk) -> None:
    """Show the keys."""
    from napari_sam2.widgets.help_overlay import show_help as show

    show(desk)
