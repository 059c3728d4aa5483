"""The key table in a dock: the same keys work where a button or a table has the focus, also in a floating dock.

Qt asks whoever has the focus before it looks at shortcuts, so letters typed into a field stay letters.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QWidget

from napari_sam2.widgets import bindings, keys, preferences
from napari_sam2.widgets.listen import listen, when_destroyed

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk

TYPING_MS = 1500
"""Rest after a change in the preferences before keys are bound anew: they change with every letter that is typed."""

QT_NAMES = {
    "Delete": "Del",
    "Insert": "Ins",
    "Escape": "Esc",
    "PageUp": "PgUp",
    "PageDown": "PgDown",
    "Enter": "Return",
}
"""napari's names of keys -> Qt's."""


def as_qt(key: str) -> QKeySequence:
    """A key of the table as Qt takes it."""
    *modifiers, last = key.split("+")
    return QKeySequence("+".join([*modifiers, QT_NAMES.get(last, last)]))


class DockKeys(QObject):
    """Keys of a desk in one dock; they are bound on the viewer, too, while any dock of the desk is open.

    Parameters
    ----------
    desk
        What the keys act on.
    dock
        The keys work where it, or anything in it, has the focus.
    """

    def __init__(self, desk: Desk, dock: QWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self._desk = desk
        self._shortcuts: list[QShortcut] = []
        self._bindings = bindings.bindings_of(desk)
        self._stop_hearing = listen(self, (self._bindings.changed, self._make))
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(TYPING_MS)
        self._soon.timeout.connect(self._bindings.bind)
        self._end_listening = preferences.on_change(self._soon.start)
        when_destroyed(self, self._end_listening)
        self._attached = True
        self._bindings.hold(dock)

    def detach(self) -> None:
        """Take the keys back: the dock is closed. Does nothing the second time."""
        if not self._attached:
            return
        self._attached = False
        self._end_listening()
        self._stop_hearing()
        self._bindings.release(self._dock)
        self._soon.stop()
        self._drop()

    def _make(self) -> None:
        self._drop()
        wanted = [(key, action) for action, key in self._bindings.bound.items() if key]
        taken = {key for key, _ in wanted}
        if wanted:
            wanted += [(key, a.id) for a in keys.ACTIONS.values() for key in a.also if key not in taken]
        for key, action in wanted:
            shortcut = QShortcut(as_qt(key), self._dock)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.setAutoRepeat(False)
            shortcut.activated.connect(partial(bindings.run, self._desk, action))
            self._shortcuts.append(shortcut)

    def _drop(self) -> None:
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts = []


def attach(desk: Desk, dock: QWidget) -> DockKeys:
    """Have the keys of a desk work in a dock; ``detach()`` of what is returned takes them back."""
    return DockKeys(desk, dock)
