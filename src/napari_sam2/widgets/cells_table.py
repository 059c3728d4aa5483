"""The table of cells: find, sort, choose, and do something with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QPoint, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.widgets import keys
from napari_sam2.widgets.cell_checks import Chosen, nearest_frame
from napari_sam2.widgets.cell_menu import CellKeys, fill_menu
from napari_sam2.widgets.cells_model import COLUMNS, KINDS, NAME, CellsModel
from napari_sam2.widgets.listen import listen
from napari_sam2.widgets.overview import overview_of

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk

SELECT_ROW = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows


class CellsTable(QWidget):
    """Table of the cells of a desk's session, which follows the viewer and is followed by it.

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
        self._order: list[int] = []
        self._following = False
        self._watched: Any = None
        self.model = CellsModel(desk, overview_of(desk), self)
        self._build()
        others = {"Return": self._go, "Enter": self._go, "F2": self.rename}
        self.cell_keys = CellKeys(desk, self.view, self.chosen, others)
        listen(
            self,
            (desk.current_changed, self._follow),
            (desk.session_changed, self._on_session),
            (desk.viewer.layers.events.inserted, self._watch_labels),
        )
        self.model.rowsInserted.connect(self._on_rows)
        self.model.rowsRemoved.connect(self._on_rows)
        self._on_session(desk.session)

    # parts --------------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.text = QLineEdit()
        self.text.setPlaceholderText("Find a number, name, state…")
        self.text.setClearButtonEnabled(True)
        self.text.setAccessibleName("Find cells")
        self.text.textChanged.connect(self._filter)
        self.kind = QComboBox()
        self.kind.addItems(list(KINDS))
        self.kind.setAccessibleName("Kind of cells shown")
        self.kind.setToolTip("Show only some of the cells")
        self.kind.currentTextChanged.connect(self._filter)

        self.view = QTableView()
        self.view.setAccessibleName("Cells")
        self.view.setModel(self.model)
        self.view.setSortingEnabled(True)
        self.view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.view.setTabKeyNavigation(False)  # Tab leaves the table: it is no trap for the keyboard
        self.view.setShowGrid(False)
        self.view.setWordWrap(False)
        self.view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._open_menu)
        self.view.doubleClicked.connect(self._go)
        self.view.selectionModel().selectionChanged.connect(self._on_selection)
        self._size_columns()

        self.actions_button = QPushButton("Actions")
        self.actions_button.setToolTip("What can be done with the chosen cells; also by right click")
        self.menu = QMenu(self)
        self.menu.setToolTipsVisible(True)
        self.menu.aboutToShow.connect(self._fill_menu)
        self.actions_button.setMenu(self.menu)
        self.only = QCheckBox("Only this cell")
        keys.tell(self.only, "show_only", "Show the labels of the current cell alone")
        self.only.toggled.connect(self._show_only)
        self.count = QLabel()
        self.count.setMinimumWidth(1)

        top, bottom = QHBoxLayout(), QHBoxLayout()
        for row, parts in ((top, (self.text, self.kind)), (bottom, (self.actions_button, self.only, self.count))):
            row.setContentsMargins(0, 0, 0, 0)
            for part in parts:
                row.addWidget(part)
        top.setStretch(0, 1)
        bottom.setStretch(2, 1)
        self.count.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addWidget(self.view, 1)
        layout.addLayout(bottom)

    def _size_columns(self) -> None:
        header = self.view.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        header.setHighlightSections(False)
        measure = header.fontMetrics()
        room = measure.horizontalAdvance("0")
        for i, column in enumerate(COLUMNS):
            widest = {"Cell": "000000", "State": "not tracked", "Name": "a cell's name"}.get(column.title, "")
            header.resizeSection(
                i, max(measure.horizontalAdvance(column.title) + room, measure.horizontalAdvance(widest) + room)
            )
        rows = self.view.verticalHeader()
        rows.setVisible(False)
        rows.setDefaultSectionSize(max(20, measure.height() + 6))

    # choosing -----------------------------------------------------------------------------------------------------

    def chosen(self) -> Chosen:
        """The chosen cells in the order in which they were chosen, and the frame that is shown."""
        return Chosen(tuple(self._order), self._desk.frame)

    def _on_selection(self, new: QItemSelection, old: QItemSelection) -> None:
        rows = self.view.selectionModel().selectedRows()
        now = [cell for row in rows if (cell := self.model.cell_at(row)) is not None]
        self._order = [c for c in self._order if c in now] + [c for c in now if c not in self._order]
        self._tell()
        at = self.model.cell_at(self.view.currentIndex())
        if not self._following and at is not None and at in now and at != self._desk.current:
            self._desk.select(at)

    def _follow(self, cell: int | None) -> None:
        """Choose the viewer's current cell."""
        if cell in self._order and cell == self.model.cell_at(self.view.currentIndex()):
            return
        self._following = True
        try:
            index = QModelIndex() if cell is None else self.model.index_of(cell)
            if index.isValid():
                self.view.selectionModel().setCurrentIndex(index, SELECT_ROW)
                self.view.scrollTo(index)
            else:
                self.view.clearSelection()
        finally:
            self._following = False

    def _on_rows(self, *_: Any) -> None:
        self._tell()
        if not self._order:
            self._follow(self._desk.current)

    def _on_session(self, session: object) -> None:
        for part in (self.text, self.kind, self.view, self.actions_button, self.only):
            part.setEnabled(session is not None)
        self._watch_labels()
        self._tell()
        self._follow(self._desk.current)

    def _watch_labels(self, _: object = None) -> None:
        """Follow the layer's own switch for showing the selected label alone."""
        labels = None if self._desk.layers is None else self._desk.layers.labels
        if labels is not None and labels is not self._watched:
            self._watched = labels
            listen(self, (labels.events.show_selected_label, self._follow_only))
        self._follow_only()

    def _show_only(self, on: bool) -> None:
        self._desk.show_only(on)
        self._follow_only()  # it may have been refused

    def _follow_only(self, _: object = None) -> None:
        labels = None if self._desk.layers is None else self._desk.layers.labels
        blocked = self.only.blockSignals(True)
        self.only.setChecked(labels is not None and bool(labels.show_selected_label))
        self.only.blockSignals(blocked)

    def _filter(self, _: str = "") -> None:
        self.model.show_only(self.text.text(), self.kind.currentText())
        self._on_rows()

    def _tell(self) -> None:
        shown, total = self.model.rowCount(), self.model.total
        words = f"{total} cells" if shown == total else f"{shown} of {total}"
        if len(self._order) > 1:
            words += f", {len(self._order)} chosen"
        if not total:
            words = "No cells yet"
        self.count.setText("No session" if self._desk.session is None else words)

    # doing --------------------------------------------------------------------------------------------------------

    def _go(self, index: QModelIndex | None = None) -> None:
        cell = self.model.cell_at(self.view.currentIndex() if index is None else index)
        session = self._desk.session
        if cell is not None and session is not None and cell in session.cells:
            self._desk.look_at(cell, nearest_frame(session, cell, self._desk.frame))

    def rename(self) -> None:
        """Edit the name of the current cell in the table."""
        index = self.view.currentIndex()
        if index.isValid():
            self.view.scrollTo(index.siblingAtColumn(NAME))
            self.view.edit(index.siblingAtColumn(NAME))

    def _open_menu(self, at: QPoint) -> None:
        if self.view.indexAt(at).isValid() or self._order:
            self.menu.popup(self.view.viewport().mapToGlobal(at))

    def _fill_menu(self) -> None:
        self.menu.clear()
        for text, key, slot in (
            ("Go to it", "Return", self._go),
            ("Only this cell", keys.key_of("show_only"), self.only.toggle),
            ("Rename", "F2", self.rename),
        ):
            action = self.menu.addAction(f"{text}\t{key}")
            action.triggered.connect(lambda _=False, slot=slot: slot())
            action.setEnabled(bool(self._order))
        self.menu.addSeparator()
        fill_menu(self.menu, self._desk, self.chosen())
