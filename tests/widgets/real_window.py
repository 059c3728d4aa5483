"""Real mouse and key events on napari's canvas. The private access that takes is in here, and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier
SHIFT, CTRL, ALT = (
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.AltModifier,
)


def canvas_of(viewer: Any) -> Any:
    """The widget that shows the layers."""
    bare = getattr(viewer, "__wrapped__", viewer)
    return bare.window._qt_viewer.canvas.native


def main_window_of(viewer: Any) -> Any:
    """The main window."""
    bare = getattr(viewer, "__wrapped__", viewer)
    return bare.window._qt_window


def spin(seconds: float = 0.05, until: Callable[[], bool] = lambda: False) -> bool:
    """Let Qt work for some time, or until something has come about; returns whether it has."""
    end = time.monotonic() + seconds
    while True:
        QApplication.processEvents()
        if until():
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(0.003)


def canvas_point(viewer: Any, layer: Any, place: Sequence[float]) -> QPoint:
    """Where a place, in coordinates of a layer, is on the canvas.

    Parameters
    ----------
    viewer
        The viewer, with a window that is shown.
    layer
        The layer.
    place
        (y, x), or all coordinates of the layer.
    """
    bare = getattr(viewer, "__wrapped__", viewer)
    yx = np.zeros(layer.ndim)
    yx[-len(place) :] = place
    world = np.asarray(layer.data_to_world(yx), float)[-2:]
    canvas = bare.window._qt_viewer.canvas
    transform = canvas.view.scene.transform  # from the scene, which is in world coordinates, to the canvas
    x, y = transform.map([world[1], world[0], 0.0, 1.0])[:2]
    ratio = canvas.native.devicePixelRatioF()
    del ratio  # vispy's canvas counts in logical pixels, as Qt does
    return QPoint(round(float(x)), round(float(y)))


def _send(widget: Any, kind: QEvent.Type, at: QPoint, button: Any, buttons: Any, modifiers: Any) -> None:
    place = QPointF(at)
    event = QMouseEvent(kind, place, QPointF(widget.mapToGlobal(at)), button, buttons, modifiers)
    QApplication.sendEvent(widget, event)
    QApplication.processEvents()


def click(viewer: Any, layer: Any, place: Sequence[float], modifiers: Any = NONE) -> None:
    """Click on a place, given in coordinates of a layer."""
    widget, at = canvas_of(viewer), canvas_point(viewer, layer, place)
    _send(widget, QEvent.Type.MouseMove, at, Qt.MouseButton.NoButton, Qt.MouseButton.NoButton, modifiers)
    _send(widget, QEvent.Type.MouseButtonPress, at, LEFT, LEFT, modifiers)
    _send(widget, QEvent.Type.MouseButtonRelease, at, LEFT, Qt.MouseButton.NoButton, modifiers)
    spin(0.02)


def drag(viewer: Any, layer: Any, places: Sequence[Sequence[float]], modifiers: Any = NONE) -> None:
    """Press at the first place, move over the others, and release at the last."""
    widget = canvas_of(viewer)
    points = [canvas_point(viewer, layer, place) for place in places]
    _send(widget, QEvent.Type.MouseMove, points[0], Qt.MouseButton.NoButton, Qt.MouseButton.NoButton, modifiers)
    _send(widget, QEvent.Type.MouseButtonPress, points[0], LEFT, LEFT, modifiers)
    for start, stop in zip(points, points[1:], strict=False):
        for part in np.linspace(0, 1, 6)[1:]:
            at = QPoint(
                round(start.x() + (stop.x() - start.x()) * part), round(start.y() + (stop.y() - start.y()) * part)
            )
            _send(widget, QEvent.Type.MouseMove, at, Qt.MouseButton.NoButton, LEFT, modifiers)
            spin(0.01)
    _send(widget, QEvent.Type.MouseButtonRelease, points[-1], LEFT, Qt.MouseButton.NoButton, modifiers)
    spin(0.02)


def press(viewer: Any, key: Any, modifiers: Any = NONE) -> None:
    """Press and release a key (``Qt.Key``) with the focus on the canvas."""
    from qtpy.QtTest import QTest

    QTest.keyClick(canvas_of(viewer), key, modifiers)
    spin(0.02)


def picture(viewer: Any, path: Any) -> None:
    """Save the window as it looks."""
    spin(0.3)
    viewer.screenshot(str(path), canvas_only=False, flash=False)
