"""The verbs of `cell_actions` as menus and keys of a widget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QLineEdit, QMenu, QWidget

from napari_sam2.widgets import keys
from napari_sam2.widgets.cell_actions import ACTIONS, CHECKS, STATES, CellAction
from napari_sam2.widgets.cell_checks import Chosen
from napari_sam2.widgets.dock_keys import as_qt
from napari_sam2.widgets.notify import warning

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk


KEY_NAMES = {"connect": "join"}
"""Verbs that have another name in the key table."""


def fill_menu(menu: QMenu, desk: Desk, chosen: Chosen) -> None:
    """Add the verbs to a menu; those that cannot be done are grey, and their tooltip says why."""
    for action in ACTIONS:
        if action.name in ("merge", "delete_on"):
            menu.addSeparator()
        _add(menu, action, desk, chosen)
        if action.name == "lock_here":
            for title, group in (("What became of it", STATES), ("Checked", CHECKS)):
                part = menu.addMenu(title)
                part.setToolTipsVisible(True)
                for one in group:
                    _add(part, one, desk, chosen)


def _add(menu: QMenu, action: CellAction, desk: Desk, chosen: Chosen) -> None:
    key = key_for(action).toString(QKeySequence.SequenceFormat.NativeText)
    item = menu.addAction(action.label(chosen) + (f"\t{key}" if key else ""))
    item.setObjectName(action.name)
    why = action.refusal(desk, chosen)
    item.setEnabled(why is None)
    item.setToolTip(why or action.tip)
    item.triggered.connect(lambda _=False: run(action, desk, chosen))


def key_for(action: CellAction) -> QKeySequence:
    """Key of an action in a view of cells: its own, or that of the key table as it is now."""
    name = KEY_NAMES.get(action.name, action.name)
    if action.key or name not in keys.ACTIONS:
        return QKeySequence(action.key)
    return as_qt(keys.key_of(name))


def run(action: CellAction, desk: Desk, chosen: Chosen) -> None:
    """Do it, or say why not."""
    why = action.run(desk, chosen)
    if why is not None:
        warning(why)


def key_of(event: Any) -> str:
    """The key of a key event, written as Qt writes it: ``"Shift+K"``, ``"Del"``."""
    names = (("ControlModifier", "Ctrl"), ("ShiftModifier", "Shift"), ("AltModifier", "Alt"), ("MetaModifier", "Meta"))
    held = [name for flag, name in names if event.modifiers() & getattr(Qt.KeyboardModifier, flag)]
    return "+".join([*held, QKeySequence(event.key()).toString()])


class CellKeys(QObject):
    """The verbs by key, and other keys, while a widget has the focus; they come before shortcuts of the window.

    Parameters
    ----------
    desk
        The desk.
    widget
        The widget; its child after this.
    chosen
        Gives the chosen cells and the frame.
    others
        Further keys, and what they do.
    """

    def __init__(
        self,
        desk: Desk,
        widget: QWidget,
        chosen: Callable[[], Chosen],
        others: Mapping[str, Callable[[], object]] | None = None,
    ) -> None:
        super().__init__(widget)
        self._desk, self._chosen = desk, chosen
        self._others = {QKeySequence(key).toString(): do for key, do in (others or {}).items()}
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() not in (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride):
            return False
        do = self._find(key_of(event))
        typing = any(field.isVisible() for field in watched.findChildren(QLineEdit))
        if do is None or typing:  # keys that a field has no use for come here, too
            return False
        event.accept()
        if event.type() == QEvent.Type.KeyPress:
            do()
        return True

    def _find(self, key: str) -> Callable[[], object] | None:
        if key in self._others:
            return self._others[key]
        # looked up anew: the user may have changed keys in the preferences
        found = [action for action in ACTIONS if key and key_for(action).toString() == key]
        return partial(run, found[0], self._desk, self._chosen()) if found else None
