"""Says by hand how a cell divides: which one, on which frame, into which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QSpinBox, QWidget

from napari_sam2.widgets.listen import listen

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.review_queue import Item

LARGEST = 2**31 - 1


class DivisionForm(QWidget):
    """Fields for a division.

    Parameters
    ----------
    desk
        The desk.
    parent
        Qt parent.

    Attributes
    ----------
    done : Signal of int, int, int, int
        Mother, first frame of the daughters, and these, as `Proposal` has them.
    """

    done = Signal(int, int, int, int)

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._item: Item | None = None
        self.mother, self.frame, self.first, self.second = (QSpinBox() for _ in range(4))
        fields = (
            (self.mother, "Mother", "The cell that divides"),
            (self.frame, "First frame", "The first frame of the daughters: that shows two cells"),
            (self.first, "Daughter", "The mother's own number where her track goes on as one of the daughters"),
            (self.second, "Daughter", "The mother's number twice where her mask is in two parts"),
        )
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for row, (box, text, tip) in enumerate(fields):
            label = QLabel(text)
            label.setBuddy(box)
            box.setRange(0 if box is self.frame else 1, LARGEST)
            box.setAccessibleName(text)
            box.setToolTip(tip)
            layout.addWidget(label, row, 0)
            layout.addWidget(box, row, 1)
        self.here = QPushButton("This frame")
        self.here.setToolTip("Take the frame that is shown")
        self.here.clicked.connect(lambda _=False: self.frame.setValue(desk.frame))
        self.button = QPushButton("Divide")
        self.button.clicked.connect(self._send)
        layout.addWidget(self.here, 1, 2)
        layout.addWidget(self.button, len(fields) - 1, 2)
        layout.setColumnStretch(0, 1)
        for box in (self.mother, self.frame, self.first, self.second):
            box.valueChanged.connect(self._check)
        listen(self, (desk.document_changed, self._check))

    def show_item(self, item: Item) -> None:
        """Fill in what is proposed."""
        if item.proposal is None or item == self._item:
            return
        self._item = item
        first, second = item.proposal.daughters
        # two tracks that share one cell's pixels: the first one is taken for the mother's
        self.mother.setValue(item.proposal.mother or first)
        self.frame.setValue(item.frame)
        self.first.setValue(first)
        self.second.setValue(second)
        self._check()

    def why_not(self) -> str | None:
        """Why it cannot be made as it stands; None where it can."""
        session = self._desk.session
        if session is None:
            return "There is no session"
        for box in (self.mother, self.first, self.second):
            if box.value() not in session.cells:
                return f"There is no cell {box.value()}"
        if not 0 < self.frame.value() < session.n_frames:
            return f"The first frame of daughters lies between 1 and {session.n_frames - 1}"
        return None

    def _check(self, _: object = None) -> None:
        why = self.why_not()
        self.button.setEnabled(why is None)
        self.button.setToolTip(why or "Make this division")

    def _send(self) -> None:
        self.done.emit(self.mother.value(), self.frame.value(), self.first.value(), self.second.value())
