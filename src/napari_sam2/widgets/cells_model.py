"""The table of cells as a Qt model: one row a cell, filled from the overview, sorted and filtered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from qtpy.QtGui import QColor, QIcon, QPixmap

from napari_sam2.widgets.listen import listen
from napari_sam2.widgets.overview import Overview
from napari_sam2.widgets.summary import Summary

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk

NOWHERE = QModelIndex()
SWATCH = 16
"""Pixels of a cell's colour."""


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Parameters
    ----------
    title, tip
        Of its header.
    text
        What is shown.
    order
        What it is sorted by.
    number
        Whether it is set flush right.
    """

    title: str
    tip: str
    text: Callable[[Summary], str]
    order: Callable[[Summary], Any]
    number: bool = True


def _or_none(value: float | None) -> float:
    return -1.0 if value is None else float(value)


COLUMNS = (
    Column("Cell", "Number and colour", lambda s: str(s.id), lambda s: s.id),
    Column("State", "What became of it, and what is to be done", lambda s: s.state, lambda s: s.state, False),
    Column("First", "First frame that shows it", lambda s: _text(s.first), lambda s: _or_none(s.first)),
    Column("Last", "Last frame that shows it", lambda s: _text(s.last), lambda s: _or_none(s.last)),
    Column("Frames", "Number of frames that show it", lambda s: str(s.length), lambda s: s.length),
    Column(
        "Score",
        "Mean object score, from 0 to 1: how sure the model is that the cell is there",
        lambda s: "" if s.score is None else f"{s.score:.2f}",
        lambda s: _or_none(s.score),
    ),
    Column("Mother", "The cell it is a daughter of", lambda s: _text(s.cell.parent), lambda s: s.cell.parent or 0),
    Column("Locked", "Frames on which it must not change", lambda s: s.locks, lambda s: s.locked),
    Column("Name", "F2 to change it", lambda s: s.cell.name, lambda s: s.cell.name.casefold(), False),
)
NAME = next(i for i, column in enumerate(COLUMNS) if column.title == "Name")

KINDS: dict[str, Callable[[Summary], bool]] = {
    "All cells": lambda s: True,
    "To do": lambda s: bool(s.stale.size or s.suspect or (s.untracked and s.prompted) or not s.length),
    "Stale": lambda s: bool(s.stale.size),
    "Suspect": lambda s: bool(s.suspect),
    "Not checked": lambda s: s.checked < s.length or not s.length,
    "Checked": lambda s: bool(s.length) and s.checked == s.length,
    "Locked": lambda s: bool(s.locked),
    "With gaps": lambda s: bool(s.gaps),
    "Lost": lambda s: s.ending == "hidden",
    "Divided": lambda s: s.ending == "divided",
    "Daughters": lambda s: s.cell.parent is not None,
    "Left or dead": lambda s: s.ending in ("left", "dead"),
}
"""What the table can be filtered by."""


def _text(value: int | None) -> str:
    return "" if value is None else str(value)


class CellsModel(QAbstractTableModel):
    """Rows are the cells that fit the filter, in the chosen order.

    It sorts and filters itself: a proxy of Qt asks for every value in Python, a hundred times slower.

    Parameters
    ----------
    desk
        For colours, and to rename cells.
    overview
        The summaries.
    parent
        Qt parent.
    """

    def __init__(self, desk: Desk, overview: Overview, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._overview = overview
        self._cells: list[int] = []
        self._row: dict[int, int] = {}
        self._words: list[str] = []
        self._swatches: dict[str, QIcon] = {}
        self._kind = next(iter(KINDS))
        self._column, self._backwards = 0, False
        listen(self, (overview.changed, self.refresh))
        self.refresh(overview.summaries)

    @property
    def total(self) -> int:
        """Number of cells, also those that are filtered out."""
        return len(self._overview.summaries)

    # which rows ---------------------------------------------------------------------------------------------------

    def show_only(self, text: str, kind: str) -> None:
        """Show cells of one of `KINDS` that have all words of a text in their name, category, notes or state.

        A number means that cell, its mother and its daughters.
        """
        self._words, self._kind = text.casefold().split(), kind
        self.refresh(())

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; cells that are equal there are sorted by number."""
        self._column, self._backwards = column, order == Qt.SortOrder.DescendingOrder
        self.refresh(())

    def _fits(self, summary: Summary) -> bool:
        if not KINDS[self._kind](summary):
            return False
        if not self._words:
            return True
        cell = summary.cell
        said = " ".join((cell.name, cell.category, cell.notes, summary.state)).casefold()
        relatives = {str(c) for c in (cell.id, cell.parent, *summary.daughters) if c is not None}
        return all(word in relatives if word.isdigit() else word in said for word in self._words)

    def _wanted(self) -> list[int]:
        key = COLUMNS[self._column].order
        found = [s for _, s in sorted(self._overview.summaries.items()) if self._fits(s)]
        return [s.id for s in sorted(found, key=key, reverse=self._backwards)]

    def refresh(self, cells: Iterable[int]) -> None:
        """Follow the overview where some cells have changed, come or gone."""
        wanted = self._wanted()
        if wanted != self._cells:
            self._rearrange(wanted)
        for first, last in _runs(sorted(self._row[c] for c in cells if c in self._row)):
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))

    def _rearrange(self, wanted: list[int]) -> None:
        keep = set(wanted)
        for first, last in reversed(_runs([row for row, cell in enumerate(self._cells) if cell not in keep])):
            self.beginRemoveRows(NOWHERE, first, last)
            self._set(self._cells[:first] + self._cells[last + 1 :])
            self.endRemoveRows()
        known = set(self._cells)
        left = [cell for cell in wanted if cell in known]
        if left != self._cells:
            self.layoutAboutToBeChanged.emit()
            before = self.persistentIndexList()
            cells = [self._cells[index.row()] for index in before]
            self._set(left)
            after = [self.index(self._row[cell], i.column()) for cell, i in zip(cells, before, strict=True)]
            self.changePersistentIndexList(before, after)
            self.layoutChanged.emit()
        for first, last in _runs([row for row, cell in enumerate(wanted) if cell not in known]):
            self.beginInsertRows(NOWHERE, first, last)
            self._set(self._cells[:first] + wanted[first : last + 1] + self._cells[first:])
            self.endInsertRows()

    def _set(self, cells: list[int]) -> None:
        self._cells = cells
        self._row = {cell: row for row, cell in enumerate(cells)}

    def index_of(self, cell: int) -> QModelIndex:
        """Index of a cell's first column; invalid where it is filtered out."""
        row = self._row.get(cell)
        return QModelIndex() if row is None else self.index(row, 0)

    def cell_at(self, index: QModelIndex) -> int | None:
        """The cell of an index; None for an invalid one."""
        return self._cells[index.row()] if index.isValid() else None

    def _summary(self, index: QModelIndex) -> Summary | None:
        cell = self.cell_at(index)
        return None if cell is None else self._overview.summaries.get(cell)

    # what Qt asks -------------------------------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex = NOWHERE) -> int:  # noqa: N802
        return 0 if parent.isValid() else len(self._cells)

    def columnCount(self, parent: QModelIndex = NOWHERE) -> int:  # noqa: N802
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, way: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        if way != Qt.Orientation.Horizontal:
            return None
        column = COLUMNS[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.title
        return column.tip if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        summary = self._summary(index)
        if summary is None:
            return None
        column = COLUMNS[index.column()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return column.text(summary)
        if role == Qt.ItemDataRole.ToolTipRole:
            return summary.words()
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{column.title} {column.text(summary) or 'none'}"
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if column.number else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 0:
            return self._swatch(summary.id)
        return None

    def _swatch(self, cell: int) -> QIcon:
        colour = QColor.fromRgbF(*self._desk.colour(cell)[:3])
        known = self._swatches.get(colour.name())
        if known is None:
            square = QPixmap(SWATCH, SWATCH)
            square.fill(colour)
            known = self._swatches[colour.name()] = QIcon(square)
            known.addPixmap(square, QIcon.Mode.Selected)  # Qt would tint it, and it would be another cell's colour
        return known

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == NAME else flags

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802
        summary = self._summary(index)
        if role != Qt.ItemDataRole.EditRole or index.column() != NAME or summary is None:
            return False
        name = str(value).strip()
        if name != summary.cell.name:
            self._desk.act("describe", summary.id, name=name)
        return True


def _runs(rows: list[int]) -> list[tuple[int, int]]:
    """Ascending numbers as runs without gaps: (first, last)."""
    out: list[tuple[int, int]] = []
    for row in rows:
        if out and out[-1][1] == row - 1:
            out[-1] = (out[-1][0], row)
        else:
            out.append((row, row))
    return out
