"""What the command palette and the menus call: the actions of the key table, and opening a session.

napari hands each function the viewer. The functions of the table are made here, one for each action, under its id.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import napari
import napari.viewer

from napari_sam2.widgets import bindings, keys
from napari_sam2.widgets.desk import desk_of
from napari_sam2.widgets.reopening import reopen


def open_session(viewer: napari.viewer.Viewer) -> None:
    """Ask for the folder of a session, and open it with its movie."""
    from qtpy.QtWidgets import QApplication, QFileDialog

    window = QApplication.activeWindow()
    name = QFileDialog.getExistingDirectory(window, "Open a session: a folder NAME.sam2cells")
    if name:
        reopen(desk_of(viewer), Path(name))


def _command(action: str) -> Callable[[napari.viewer.Viewer], None]:
    def run(viewer: napari.viewer.Viewer) -> None:
        bindings.run(desk_of(viewer), action)

    run.__name__ = run.__qualname__ = action
    run.__doc__ = keys.ACTIONS[action].text
    return run


globals().update({action: _command(action) for action in keys.ACTIONS})
