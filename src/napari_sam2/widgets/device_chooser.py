"""Choosing what to compute on, and what is really in use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.runner import Job

LET_OPEN = 1.0
"""Seconds before devices are looked for."""


class DeviceChooser(QWidget):
    """List of devices; those of this computer are added when they are known.

    Parameters
    ----------
    desk
        The desk.
    device
        The one that is chosen at first.
    parent
        Qt parent.

    Attributes
    ----------
    chosen : Signal of str
        The user has chosen another.
    """

    chosen = Signal(str)

    def __init__(self, desk: Desk, device: str = "auto", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.box = QComboBox()
        self.box.setAccessibleName("Device")
        self.box.addItem("auto", "auto")
        if device != "auto":
            self.box.addItem(device, device)
            self.box.setCurrentIndex(1)
        self.box.activated.connect(lambda _: self.chosen.emit(self.name))
        self.in_use = QLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.box)
        layout.addWidget(self.in_use, 1)
        # importing torch beside the main thread holds up the other imports of the dock: first let it open
        desk.runner.call_later(LET_OPEN, f"devices-{id(self)}", self._find)

    @property
    def name(self) -> str:
        """The chosen device."""
        return str(self.box.currentData())

    def show_session(self, device: str, computes_on: str | None) -> None:
        """Show what a session is to compute on, and what it does compute on; None before it is known."""
        at = self.box.findData(device)
        if at >= 0:
            self.box.setCurrentIndex(at)
        self.in_use.setText(f"in use: {computes_on}" if computes_on else "")

    def _find(self) -> None:
        """Look for devices in the background: torch takes seconds to import."""

        def steps(job: Job) -> Iterator[list[str]]:
            from napari_sam2.weights import available_devices

            yield available_devices()

        self._desk.runner.start(steps, self._found, lambda job: None)

    def _found(self, found: list[str]) -> None:
        try:
            for name in found:
                if self.box.findData(name) < 0:
                    self.box.addItem(name, name)
        except RuntimeError:  # the dock was closed meanwhile: Qt has deleted it
            return
