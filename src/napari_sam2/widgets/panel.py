"""What the panels of the main dock have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QAbstractButton, QPushButton, QWidget

from napari_sam2.widgets.button_state import Can, Facts, facts_of, resolve
from napari_sam2.widgets.listen import listen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2.widgets.desk import Desk


class Panel(QWidget):
    """A part of the main dock: it is brought up to date, soon, after anything on the desk has changed.

    Parameters
    ----------
    desk
        The desk.
    parent
        Qt parent.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._tips: dict[QAbstractButton, str] = {}
        self._reasons: dict[QAbstractButton, str] = {}
        # a hundred changes in a row are shown once
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(30)
        self._soon.timeout.connect(self.refresh)

    def follow(self, signals: Iterable[Any] = ()) -> None:
        """Listen to the desk, and further signals, from now on."""
        desk = self.desk
        own = (
            desk.session_changed,
            desk.current_changed,
            desk.document_changed,
            desk.run_changed,
            desk.mode_changed,
            desk.needs_changed,
            desk.opening_changed,
        )
        layers = desk.viewer.layers.events
        further = (layers.inserted, layers.removed, layers.reordered)
        listen(self, *((signal, self.changed) for signal in (*own, *further, *signals)))
        self.refresh()

    def changed(self, *_: object) -> None:
        """Something has changed: show it soon."""
        if not self._soon.isActive():
            self._soon.start()

    def refresh(self) -> None:
        """Show what is."""
        facts = facts_of(self.desk)
        self.show_facts(facts, resolve(facts))

    def show_facts(self, facts: Facts, can: Mapping[str, Can]) -> None:
        """Bring the widgets up to date."""

    def allow(self, button: QAbstractButton, can: Can) -> None:
        """Enable a button, or disable it with the reason in its tooltip."""
        if button.toolTip() != self._reasons.get(button):
            self._tips[button] = button.toolTip()  # somebody else has set it: what the button does
        self._reasons[button] = "" if can.enabled else f"{can.why}."
        button.setEnabled(can.enabled)
        button.setToolTip(self._tips.get(button, "") if can.enabled else self._reasons[button])
        if can.enabled:
            self._reasons.pop(button)


def tool_button(text: str, tip: str, name: str, clicked: Callable[[], object], checkable: bool = False) -> QPushButton:
    """A small button with words for those who cannot see it."""
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleName(name)
    button.setCheckable(checkable)
    button.clicked.connect(lambda *_: clicked())
    return button
