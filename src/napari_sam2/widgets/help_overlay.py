"""The key table over the viewer, made from `keys.ACTIONS`; any key or click closes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QKeyEvent, QMouseEvent
from qtpy.QtWidgets import QApplication, QFrame, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_sam2.widgets import bindings, keys
from napari_sam2.widgets.theme import theme_of

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk

COLUMNS = (("Click", "Track", "Always"), ("Review", "Correct"))
"""Groups of actions, by column."""
HINTS = (
    "Mouse: a click on a mask goes back to that cell; Shift+click is for the current cell always; Alt+click is the "
    "other sign.\n"
    "napari's own: Left and Right change the frame; holding Space moves the picture.\n"
    "Keys can be changed in Preferences > SAM 2 cell tracking > Keys."
)


class HelpOverlay(QFrame):
    """All keys, by group.

    Parameters
    ----------
    bound
        Action -> key.
    problems
        Keys that could not be bound, in words.
    parent
        The window it is shown over.
    """

    def __init__(self, bound: Mapping[str, str], problems: list[str], parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("sam2_help")
        self.setAccessibleName("Keys of the cell tracker")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        columns = QHBoxLayout()
        columns.setSpacing(28)
        for groups in COLUMNS:
            columns.addLayout(_column(groups, bound))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 14, 18, 14)
        layout.addLayout(columns)
        for text in (*problems, HINTS):
            label = QLabel(text)
            label.setWordWrap(True)
            layout.addWidget(label)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  Qt's name
        """Close on any key but a bare modifier."""
        modifiers = (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_Meta)
        if event.key() not in modifiers:
            self.close()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802  Qt's name
        """Close on a click, inside or outside."""
        self.close()


def _column(groups: tuple[str, ...], bound: Mapping[str, str]) -> QGridLayout:
    grid = QGridLayout()
    grid.setHorizontalSpacing(12)
    grid.setVerticalSpacing(3)
    row = 0
    for group in groups:
        title = QLabel(f"<b>{group}</b>")
        grid.addWidget(title, row, 0, 1, 2)
        row += 1
        for action in keys.ACTIONS.values():
            if action.group != group:
                continue
            names = [key for key in (bound.get(action.id, ""), *action.also) if key]
            key = QLabel(" or ".join(names) if names else "\N{EN DASH}")
            key.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            key.setObjectName(f"sam2_key_{action.id}")
            grid.addWidget(key, row, 0)
            grid.addWidget(QLabel(action.text), row, 1)
            row += 1
    grid.setRowStretch(row, 1)
    return grid


def show_help(desk: Desk) -> HelpOverlay:
    """Show the keys of a desk in the middle of its window."""
    found = bindings.bindings_of(desk)
    dock = next(iter(found.holders), None)
    parent = dock.window() if isinstance(dock, QWidget) else QApplication.activeWindow()
    overlay = HelpOverlay(found.bound or {a: keys.key_of(a) for a in keys.ACTIONS}, found.problems, parent)
    edge = "#{:02x}{:02x}{:02x}".format(*theme_of(desk.viewer).faint)
    overlay.setStyleSheet(f"#sam2_help {{ border: 2px solid {edge}; }}")  # or it has none on a window of its colour
    overlay.adjustSize()
    if parent is not None:
        middle = parent.mapToGlobal(QPoint(parent.width() // 2, parent.height() // 2))
        overlay.move(middle - QPoint(overlay.width() // 2, overlay.height() // 2))
    overlay.show()
    overlay.setFocus()
    return overlay
