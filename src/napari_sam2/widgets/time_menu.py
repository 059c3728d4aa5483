"""The context menu of views of cells over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QMenu

from napari_sam2.widgets.cell_menu import fill_menu

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.time_view import TimeView


def open_menu(view: TimeView, desk: Desk, at: QPoint) -> None:
    """Open the menu: how the view shows time and rows, and what can be done to its current cell.

    Parameters
    ----------
    view
        The view.
    desk
        Its desk.
    at
        Where, on the screen.
    """
    menu = QMenu(view)
    menu.setToolTipsVisible(True)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    for text, do in (
        ("Show the whole movie\t0", view.fit),
        ("Higher rows\tCtrl++", lambda: view.step_row(1)),
        ("Lower rows\tCtrl+-", lambda: view.step_row(-1)),
    ):
        menu.addAction(text).triggered.connect(lambda _=False, do=do: do())
    menu.addSeparator()
    fill_menu(menu, desk, view.chosen())
    menu.popup(at)
