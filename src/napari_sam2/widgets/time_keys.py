"""Keys of views of cells over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2.widgets.cell_checks import nearest_frame

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.time_view import TimeView

ZOOM = 1.25
"""Of a key, or of one notch of the wheel."""
FAR = 10
"""Frames of a step with Ctrl."""


def press(view: TimeView, desk: Desk, key: str) -> bool:
    """Do what a key stands for; whether it stands for anything."""
    place, frame, current = view.place, desk.frame, desk.current
    session = desk.session
    if session is None or not place.cells:
        return False
    row = place.cells.index(current) if current is not None and place.has(current) else -1
    page = max(1, place.height // place.row - 1)
    ends = [] if row < 0 else [nearest_frame(session, place.cells[row], t) for t in (0, place.frames)]
    frames = {"Left": frame - 1, "Right": frame + 1, "Ctrl+Left": frame - FAR, "Ctrl+Right": frame + FAR}
    frames.update(zip(("Home", "End"), ends or (0, place.frames - 1), strict=True))
    rows = {"Up": row - 1, "Down": row + 1, "PgUp": row - page, "PgDown": row + page}
    zooms = {"+": ZOOM, "=": ZOOM, "Shift++": ZOOM, "-": 1 / ZOOM, "0": 0.0}
    if key in frames:
        desk.show_frame(min(max(frames[key], 0), place.frames - 1))
    elif key in rows:
        desk.select(place.cells[min(max(rows[key], 0), len(place.cells) - 1)])
    elif key in zooms:
        view.zoom(zooms[key])
    elif key in ("Ctrl++", "Ctrl+=", "Ctrl+-", "Ctrl+Shift++"):
        view.step_row(-1 if key == "Ctrl+-" else 1)
    elif key in ("Return", "Enter") and row >= 0:
        view.go(place.cells[row], frame, zoom=True)
    else:
        return False
    return True
