"""Cells, Review and Lineage as docks of their own, for whoever has room for them beside the main dock."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, ClassVar

from qtpy.QtCore import QEvent
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam2.widgets.desk import Desk, desk_of
from napari_sam2.widgets.dock_keys import DockKeys

if TYPE_CHECKING:
    import napari


class PartDock(QWidget):
    """One part of the main dock by itself; it shows the same desk.

    Parameters
    ----------
    viewer
        The napari viewer.
    parent
        Qt parent.
    """

    PART: ClassVar[tuple[str, str]] = ("", "")
    """Module and name of the part."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk: Desk = desk_of(viewer)
        module, name = self.PART
        self.part: QWidget = getattr(importlib.import_module(f"napari_sam2.widgets.{module}"), name)(self.desk)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.addWidget(self.part)
        self.keys = DockKeys(self.desk, self)
        self._placed = False

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802  Qt's name
        """Have the desk end with the window, also where the main dock is not open."""
        super().showEvent(event)
        from napari_sam2.widgets.main_dock import main_window_of, watch_window

        window = main_window_of(self)
        if window is not None:
            watch_window(window, self.desk)

    def event(self, event: QEvent | None) -> bool:
        """Give the keys back when the dock is closed: napari takes the widget out, without a close event."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._placed = True
            elif self._placed:
                self.keys.detach()
        return bool(super().event(event))


class CellsDock(PartDock):
    """The table of cells."""

    PART = ("cells_table", "CellsTable")


class ReviewDock(PartDock):
    """Suspects, proposed divisions, and the strip of cells by frames."""

    PART = ("review_panel", "ReviewPanel")


class LineageDock(PartDock):
    """The tree of the current cell's family."""

    PART = ("lineage_panel", "LineagePanel")
