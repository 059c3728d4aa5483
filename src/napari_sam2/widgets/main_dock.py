"""The dock "SAM 2 Cell Tracker": choose a movie, click on cells, track, correct, save."""

from __future__ import annotations

import importlib
import importlib.util
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QMessageBox,
    QScrollArea,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_sam2.widgets import preferences
from napari_sam2.widgets.activity import Activity
from napari_sam2.widgets.desk import Desk, desk_of
from napari_sam2.widgets.dock_keys import DockKeys
from napari_sam2.widgets.fitting import Fitting
from napari_sam2.widgets.folding import Folding
from napari_sam2.widgets.image_panel import ImagePanel
from napari_sam2.widgets.listen import listen, window_goes
from napari_sam2.widgets.place import name_of
from napari_sam2.widgets.prompts_panel import PromptsPanel
from napari_sam2.widgets.track_panel import TrackPanel

if TYPE_CHECKING:
    import napari

TABS = (
    ("Cells", "cells_table", "CellsTable"),
    ("Review", "review_panel", "ReviewPanel"),
    ("Lineage", "lineage_panel", "LineagePanel"),
    ("Save", "save_panel", "SavePanel"),
)
LEAST_TABS = 110
"""Least height of the tabs in pixels."""
LET_LAY_OUT = 0.05
"""Seconds after which the dock has got its width."""
NARROW = 330
"""Least width of the dock in pixels: everything is readable in it."""


class MainDock(QWidget):
    """The main dock; its parts follow the viewer's desk.

    Parameters
    ----------
    viewer
        The napari viewer.
    parent
        Qt parent.
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        preferences.apply(preferences.read())
        self.desk: Desk = desk_of(viewer)
        self.setObjectName("napari-sam2-main")
        self.image = ImagePanel(self.desk)
        self.prompts = PromptsPanel(self.desk)
        self.track = TrackPanel(self.desk)
        self.tabs = _Tabs()
        self.tabs.setDocumentMode(True)
        self.tabs.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        for title, module, name in TABS:
            part = _part(module, name)
            if part is not None:
                self.tabs.addTab(part(self.desk), title)
        self.saved = QElidingLabel()
        self.saved.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.folding = Folding(self.desk, "Image and model")
        self._build()
        self.desk.confirm = _asking(self)
        self.activity = Activity(self.desk, self)
        self.keys = DockKeys(self.desk, self)
        listen(self, (self.desk.session_changed, self._session_changed), (self.desk.ended, self.leave))
        self._session_changed()
        self._placed = False
        self._fitting = Fitting(viewer)

    def _build(self) -> None:
        self.folding.addWidget(self.image)
        self.folding.expand(animate=False)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(2, 2, 2, 2)
        column.setSpacing(2)
        column.addWidget(self.folding)
        column.addWidget(_line())
        column.addWidget(self.prompts)
        column.addWidget(_line())
        column.addWidget(self.track)
        column.addWidget(self.tabs, 1)
        self.scroll = QScrollArea()
        self.scroll.setWidgetResizable(True)
        self.scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scroll.setWidget(inner)
        bar = self.scroll.verticalScrollBar()
        self.setMinimumWidth(max(NARROW, inner.minimumSizeHint().width() + (bar.sizeHint().width() if bar else 0)))
        self.saved.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.scroll, 1)
        last = QHBoxLayout()
        last.setContentsMargins(4, 0, 10, 0)  # margins of its own are not taken off when it is elided
        last.addWidget(self.saved)
        layout.addLayout(last)

    # following the desk -------------------------------------------------------------------------------------------

    def _session_changed(self, *_: object) -> None:
        session = self.desk.session
        if session is None:
            self.folding.setText("Image and model")
            self.folding.expand(animate=False)
            self.saved.setText("")
            self.saved.setToolTip("")
            return
        image = self.desk.layers.image if self.desk.layers is not None else None
        name = image.name if image is not None else session.path.stem
        self.folding.setText(f"Image and model: {name}, {session.meta['model']['name']}")
        self.folding.collapse(animate=False)
        if session.document.read_only:
            self.saved.setText(f"For looking only: {name_of(session.path)}")
            self.saved.setToolTip(f"Nothing is changed in\n{session.path}")
        else:
            self.saved.setText(f"Saved by itself in {name_of(session.path)}")
            self.saved.setToolTip(f"Every step is saved at once, in\n{session.path}")

    # the window ---------------------------------------------------------------------------------------------------

    def showEvent(self, event: Any) -> None:  # noqa: N802 -- Qt's name
        """Watch the window that this is in: with it the desk ends."""
        super().showEvent(event)
        self._watch()
        self.desk.runner.call_later(LET_LAY_OUT, f"fitting-{id(self)}", self._fitting.fit)

    def event(self, event: QEvent | None) -> bool:
        """See this being closed: napari hides a dock and takes its widget out, without a close event."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._placed = True
            elif self._placed:
                self.leave()
        return bool(super().event(event))

    def leave(self) -> None:
        """Take back what is outside of this widget: keys, and the progress bar. The sessions stay open."""
        self.activity.leave()
        self.keys.detach()

    def _watch(self) -> None:
        window = main_window_of(self)
        if window is not None:
            watch_window(window, self.desk)


def _asking(dock: QWidget) -> Callable[[str], bool]:
    """What asks the user; without a dock the answer is no."""
    known = weakref.ref(dock)

    def ask(text: str) -> bool:
        parent = known()
        if parent is None:
            return False
        box = QMessageBox.StandardButton
        return bool(QMessageBox.question(parent, "SAM 2 Cell Tracker", text, box.Yes | box.No, box.No) == box.Yes)

    return ask


def main_window_of(widget: QWidget) -> QWidget | None:
    """The main window that a docked, or floating, widget belongs to."""
    from qtpy.QtWidgets import QMainWindow

    found: QObject | None = widget
    while found is not None and not isinstance(found, QMainWindow):
        found = found.parent()
    return found


def watch_window(window: QWidget, desk: Desk) -> None:
    """Close a desk when its window is closed, or the program ends: its threads stop and its sessions are let go of."""
    if window.property("napari-sam2-watched"):
        return
    window.setProperty("napari-sam2-watched", True)
    watcher = _Watcher(desk, window)
    window.installEventFilter(watcher)
    known = weakref.ref(desk)  # a connection would keep the desk, and with it the viewer, for ever

    def end(*_: object) -> None:
        alive = known()
        if alive is not None:
            with window_goes():
                alive.close()

    window.destroyed.connect(end)
    application = QApplication.instance()
    if application is not None:
        application.aboutToQuit.connect(end)


class _Watcher(QObject):
    """Sees a window being closed. The window may refuse to: it is looked at again when the event is over."""

    def __init__(self, desk: Desk, window: QWidget) -> None:
        super().__init__(window)
        self._desk = weakref.ref(desk)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 -- Qt's name
        if event is not None and event.type() == QEvent.Type.Hide and isinstance(watched, QWidget):
            desk = self._desk()
            if desk is not None and not desk.closed:
                desk.runner.call_later(0.2, "window", lambda: self._look(watched))
        return False

    def _look(self, window: QWidget) -> None:
        desk = self._desk()
        if desk is not None and not window.isVisible() and not window.isMinimized():
            desk.close()


class _Tabs(QTabWidget):
    """Tabs that shrink further than the largest of their pages would: those scroll by themselves."""

    def minimumSizeHint(self) -> QSize:  # noqa: N802 -- Qt's name
        return QSize(min(super().minimumSizeHint().width(), NARROW), LEAST_TABS)

    def sizeHint(self) -> QSize:  # noqa: N802 -- Qt's name
        return QSize(NARROW, LEAST_TABS)


def _part(module: str, name: str) -> Any:
    found = importlib.util.find_spec(f"napari_sam2.widgets.{module}")
    return None if found is None else getattr(importlib.import_module(f"napari_sam2.widgets.{module}"), name)


def _line() -> QWidget:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFrameShadow(QFrame.Shadow.Sunken)
    return line


__all__ = ["MainDock", "main_window_of", "watch_window"]
