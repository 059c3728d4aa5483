"""The verbs of `cell_actions` as menus and keys of a widget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QMenu, QWidget

from napari_sam2.widgets.cell_actions import ACTIONS, CHECKS, STATES, CellAction, Chosen
from napari_sam2.widgets.notify import warning

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk


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
    key = QKeySequence(action.key).toString(QKeySequence.SequenceFormat.NativeText)
    item = menu.addAction(action.label(chosen) + (f"\t{key}" if key else ""))
    item.setObjectName(action.name)
    why = action.refusal(desk, chosen)
    item.setEnabled(why is None)
    item.setToolTip(why or action.tip)
    item.triggered.connect(lambda _=False: run(action, desk, chosen))


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


def _run_chosen(action: CellAction, desk: Desk, chosen: Callable[[], Chosen]) -> None:
    run(action, desk, chosen())


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
        self._does: dict[str, Callable[[], object]] = {}
        for action in ACTIONS:
            if action.key:
                key = QKeySequence(action.key).toString()
                self._does[key] = partial(_run_chosen, action, desk, chosen)
        self._does.update({QKeySequence(key).toString(): do for key, do in (others or {}).items()})
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() not in (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride):
            return False
        do = self._does.get(key_of(event))
        if do is None:
            return False
        event.accept()
        if event.type() == QEvent.Type.KeyPress:
            do()
        return True
