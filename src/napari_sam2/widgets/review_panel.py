"""Reviewing: what deserves a look, one after the other, and all cells by frames in a strip."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QModelIndex, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.widgets import keys
from napari_sam2.widgets.division_form import DivisionForm
from napari_sam2.widgets.listen import listen
from napari_sam2.widgets.review_list import COLUMNS, ReviewList, describe
from napari_sam2.widgets.review_queue import queue_of
from napari_sam2.widgets.strip_panel import StripPanel

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.run_state import RunState


class ReviewPanel(QWidget):
    """List of suspects and proposed divisions with what can be said of them, above the strip of cells by frames.

    Nothing is computed before it is shown for the first time.

    Parameters
    ----------
    desk
        The desk.
    parent
        Qt parent.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.queue = queue_of(desk)
        self.model = ReviewList(self.queue, self)
        self._following = self._running = False
        self.list = self._make_list()
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.told.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.told.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.count = QLabel()
        queue = self.queue
        self.previous = _button("Previous", "Look at the one before", queue.previous, "previous_suspect")
        self.next = _button("Next", "Look at the next one, and zoom in", queue.next, "next_suspect")
        self.right = _button("Right", "It is right: no suspect any more; then the next", queue.accept, "accept")
        self.lock = _button(
            "Right, lock", "It is right, and must not change; then the next", lambda: queue.accept(lock=True)
        )
        wrong = "Mark it, to be corrected later. To correct it now, click on the cell in the image, or paint"
        self.wrong = _button("Wrong", wrong, queue.reject, "reject")
        self.accept = _button("Accept", "It divides: make the division; then the next", queue.accept, "accept")
        self.reject = _button("Reject", "It does not divide: never propose it again", queue.reject, "reject")
        self.correct = _button("Correct…", "It divides, but on another frame, or into other cells", self._open_form)
        self.correct.setCheckable(True)
        self.form = DivisionForm(desk)
        self.form.setVisible(False)
        self.form.done.connect(self._divide)
        self.choices = QStackedWidget()
        self.choices.addWidget(_row(self.right, self.lock, self.wrong))
        self.choices.addWidget(_row(self.accept, self.correct, self.reject))
        self.strip = StripPanel(desk)
        self._lay_out()
        listen(
            self,
            (self.queue.changed, self._on_items),
            (self.queue.moved, self._on_moved),
            (self.queue.busy_changed, self._tell),
            (desk.session_changed, self._tell),
            (desk.run_changed, self._on_run),
        )
        self._on_items()

    def _make_list(self) -> QTableView:
        view = QTableView()
        view.setModel(self.model)
        view.setAccessibleName("To review")
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setTabKeyNavigation(False)
        view.setShowGrid(False)
        view.setWordWrap(False)
        header, measure = view.horizontalHeader(), view.fontMetrics()
        header.setStretchLastSection(True)
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        for i, widest in enumerate(("00000", "0000\N{EN DASH}0000", "100 %")):
            titled = measure.horizontalAdvance(COLUMNS[i].title) + 18
            header.resizeSection(i, max(titled, measure.horizontalAdvance(widest) + 14))
        view.verticalHeader().setVisible(False)
        view.verticalHeader().setDefaultSectionSize(max(20, measure.height() + 6))
        view.selectionModel().currentRowChanged.connect(self._on_row)
        view.clicked.connect(self._on_row)
        return view

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.count, 1)
        top.addWidget(self.previous)
        top.addWidget(self.next)
        upper = QWidget()
        layout = QVBoxLayout(upper)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.told)
        layout.addWidget(self.choices)
        layout.addWidget(self.form)
        self.choices.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.addWidget(upper)
        splitter.addWidget(self.strip)
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 2)
        splitter.setChildrenCollapsible(False)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 4, 0, 0)
        whole.addWidget(splitter)

    # following the queue ------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        super().showEvent(event)
        self.queue.want()

    def _on_items(self) -> None:
        self._following = True
        try:
            self.model.refresh()
        finally:
            self._following = False
        self._on_moved()

    def _on_moved(self) -> None:
        row = self.model.row_of(self.queue.at)
        self._following = True
        try:
            if row is None:
                self.list.clearSelection()
            elif row != self.list.currentIndex().row() or not self.list.selectionModel().hasSelection():
                self.list.setCurrentIndex(self.model.index(row, 0))
        finally:
            self._following = False
        self._tell()

    def _on_row(self, index: QModelIndex, _: object = None) -> None:
        item = self.model.item(index.row())
        if not self._following and item is not None and item != self.queue.at:
            self.queue.go(item)

    def _on_run(self, state: RunState) -> None:
        if state.busy != self._running:  # it is told of every frame
            self._running = state.busy
            self._tell()

    # what is shown ------------------------------------------------------------------------------------------------

    def _tell(self, _: object = None) -> None:
        item, number = self.queue.at, self.model.rowCount()
        here = item is not None and self.model.row_of(item) is not None
        words = f"{number} to review" if number else "Nothing to review"
        if self._desk.session is None:
            words = "No session"
        elif self._desk.run.busy:
            words = f"{number} to review so far" if number else "Nothing to review so far"
        elif self.queue.busy:
            words = f"{number} to review, looking…" if number else "Looking…"
        self.count.setText(words)
        self.told.setText(describe(item) if item is not None and here else self._hint(number))
        division = item is not None and item.kind == "division"
        self.choices.setCurrentIndex(1 if division else 0)
        for button in (self.right, self.lock, self.wrong, self.accept, self.reject, self.correct):
            _enable(button, here, "Go to a suspect first: press Next")
        for button in (self.previous, self.next):
            _enable(button, number > 0, "There is nothing to review")
        if not division or not here:
            self.correct.setChecked(False)
            self.form.setVisible(False)
        elif item is not None:
            self.form.show_item(item)

    def _hint(self, number: int) -> str:
        if self._desk.session is None:
            return "Choose an image and start: masks that look doubtful are listed here."
        return "Press Next to look at the first." if number else ""

    def _open_form(self) -> None:
        self.form.setVisible(self.correct.isChecked())
        if self.form.isVisible():
            self.form.frame.setFocus()
        # there is less room for the list now
        QTimer.singleShot(0, self._show_row)

    def _show_row(self) -> None:
        if self.list.currentIndex().isValid():
            self.list.scrollTo(self.list.currentIndex())

    def _divide(self, mother: int, frame: int, first: int, second: int) -> None:
        self.queue.correct(mother, frame, (first, second))


def _button(text: str, tip: str, do: Callable[[], object], action: str = "") -> QPushButton:
    """A button; with the name of an action of the key table its tooltip says the key."""
    button = QPushButton(text)
    button.setProperty("tip", tip)
    button.setProperty("key_action", action)
    button.clicked.connect(lambda _=False: do())
    return button


def _enable(button: QPushButton, on: bool, why_not: str) -> None:
    """A button that cannot act says why."""
    button.setEnabled(on)
    tip, action = str(button.property("tip")), str(button.property("key_action"))
    button.setToolTip((keys.tooltip(action, tip) if action else tip) if on else why_not)


def _row(*buttons: QPushButton) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for button in buttons:
        layout.addWidget(button)
    return row
