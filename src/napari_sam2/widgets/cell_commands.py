"""What keys, menus and the palette do to the current cell, and going to it: one function each, on a desk. No Qt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from napari_sam2.session.actions.divide import beside_before
from napari_sam2.widgets import notify
from napari_sam2.widgets.cell_actions import ACTIONS
from napari_sam2.widgets.cell_checks import Chosen, in_parts

if TYPE_CHECKING:
    from napari_sam2.session import Session
    from napari_sam2.widgets.desk import Desk

NO_SESSION = "Choose an image first: there is no session yet"
NO_CELL = "Choose a cell first: click on one, or make a new one"
_BY_NAME = {action.name: action for action in ACTIONS}


def open_session(desk: Desk) -> Session | None:
    """The active session; where there is none, the user is told."""
    if desk.session is None:
        notify.warning(NO_SESSION)
    return desk.session


# frames with clicks -----------------------------------------------------------------------------------------------


def prompted_frames(session: Session, cells: Iterable[int]) -> list[int]:
    """Frames on which something was said about any of these cells, in order."""
    return sorted({frame for cell in cells for frame in session.prompts(cell)})


def _go_to_prompted(desk: Desk, forward: bool) -> None:
    session = open_session(desk)
    if session is None:
        return
    current = desk.current
    mine = [current] if current is not None and current in session.cells else list(session.cells)
    frames = prompted_frames(session, mine)
    here = desk.frame
    beyond = [f for f in frames if f > here] if forward else [f for f in reversed(frames) if f < here]
    if beyond:
        desk.show_frame(beyond[0])
        return
    whose = f"cell {mine[0]}" if len(mine) == 1 else "any cell"
    notify.info(f"There are no clicks on {whose} {'after' if forward else 'before'} frame {here}")


def next_prompted(desk: Desk) -> None:
    """Go to the next frame with clicks on the current cell, or on any where there is none."""
    _go_to_prompted(desk, forward=True)


def previous_prompted(desk: Desk) -> None:
    """Go to the previous frame with clicks."""
    _go_to_prompted(desk, forward=False)


# cells ------------------------------------------------------------------------------------------------------------


def _on_cells(desk: Desk, name: str, partner: bool = False) -> None:
    """Do something with the current cell, and the one under the mouse where it takes two."""
    session = open_session(desk)
    if session is None:
        return
    if desk.current is None or desk.current not in session.cells:
        notify.warning(NO_CELL)
        return
    cells: tuple[int, ...] = (desk.current,)
    if partner:
        other = cell_under_mouse(desk)
        if other is None or other == desk.current:
            notify.warning(f"Point with the mouse at the other cell, then press the key again: this is cell {cells[0]}")
            return
        cells = (desk.current, other)
    why = _BY_NAME[name].run(desk, Chosen(cells, desk.frame))
    if why is not None:
        notify.warning(why)


def cell_under_mouse(desk: Desk) -> int | None:
    """The cell that the mouse points at on the frame that is shown; None for none."""
    labels = desk.layers.labels if desk.layers is not None else None
    if labels is None or desk.session is None:
        return None
    value = labels.get_value(desk.viewer.cursor.position, world=True)
    found = int(value) if value else 0
    return found if found in desk.session.cells else None


def lock_here(desk: Desk) -> None:
    """Lock the current cell on this frame, or unlock it."""
    _on_cells(desk, "lock_here")


def lock(desk: Desk) -> None:
    """Lock the current cell on all frames, or unlock it."""
    _on_cells(desk, "lock")


def divide(desk: Desk) -> None:
    """Have the current cell divide; the cell under the mouse, if there is another, is one daughter.

    Where the mother's own mask is in two parts, these are the daughters, and the mouse may rest on whatever was there
    beside her before. Otherwise the user is asked about such a cell.
    """
    session, mother, other = desk.session, desk.current, cell_under_mouse(desk)
    partner = other is not None and other != mother
    if partner and session is not None and mother in session.cells:
        assert mother is not None and other is not None
        partner = not (beside_before(session, mother, other, desk.frame) and in_parts(session, mother, desk.frame))
    _on_cells(desk, "divide", partner=partner)


def merge(desk: Desk) -> None:
    """Merge the cell under the mouse into the current one."""
    _on_cells(desk, "merge", partner=True)


def connect(desk: Desk) -> None:
    """Have the current cell go on as the cell under the mouse."""
    _on_cells(desk, "connect", partner=True)


def swap(desk: Desk) -> None:
    """Exchange the current cell and the one under the mouse from this frame on."""
    _on_cells(desk, "swap", partner=True)


def cut(desk: Desk) -> None:
    """Have the current cell be another one from this frame on."""
    _on_cells(desk, "cut")


def delete_on(desk: Desk) -> None:
    """Delete the current cell on this frame."""
    _on_cells(desk, "delete_on")


def delete_from(desk: Desk) -> None:
    """Delete the current cell from this frame on."""
    _on_cells(desk, "delete_from")


def delete(desk: Desk) -> None:
    """Delete the current cell."""
    _on_cells(desk, "delete")


def find_cell(desk: Desk) -> None:
    """Move the camera to the current cell; to a frame it is on, if it is not on this one."""
    session = open_session(desk)
    if session is None:
        return
    if desk.current is None or desk.current not in session.cells:
        notify.warning(NO_CELL)
        return
    area = session.measurements(desk.current)["area"]
    frames = [int(f) for f in area.nonzero()[0]] or prompted_frames(session, [desk.current])
    if not frames:
        notify.info(f"Cell {desk.current} is on no frame yet: track it first")
        return
    desk.look_at(desk.current, min(frames, key=lambda f: abs(f - desk.frame)))
