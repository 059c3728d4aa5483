"""The review queue as a Qt table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

from napari_sam2.widgets.review_queue import Item, ReviewQueue

NOWHERE = QModelIndex()


@dataclass(frozen=True)
class Column:
    """A column: title, tip, and what is shown."""

    title: str
    tip: str
    text: Callable[[Item], str]


COLUMNS = (
    Column("Cell", "The cell to look at", lambda i: str(i.cell)),
    Column("Frame", "The frames that it is about", lambda i: i.frames),
    Column("Doubt", "How likely it is wrong; for a division, how likely it is one", lambda i: f"{i.weight:.0%}"),
    Column("Why", "What is the matter", lambda i: _why(i)),
)
WHY = len(COLUMNS) - 1


def _why(item: Item) -> str:
    text = "; ".join(item.reasons)
    return f"Divides? {text}" if item.kind == "division" else text


def describe(item: Item) -> str:
    """An item in full, for people."""
    if item.proposal is not None:
        a, b = item.proposal.daughters
        what = f"Does cell {item.cell} divide on frame {item.frame}?"
        if item.proposal.mother is None:
            what = f"Are cells {a} and {b} daughters of one cell, from frame {item.frame} on?"
    else:
        when = f"frame {item.frame}" if item.first == item.last else f"frames {item.frames}, worst on {item.frame}"
        what = f"Cell {item.cell}, {when}:"
    return what + "".join(f"\n\N{BULLET} {reason}" for reason in item.reasons)


class ReviewList(QAbstractTableModel):
    """Items of the queue, in its order.

    Parameters
    ----------
    queue
        The queue.
    parent
        Qt parent.
    """

    def __init__(self, queue: ReviewQueue, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self._items: list[Item] = queue.items

    def refresh(self) -> None:
        """Follow the queue."""
        self.beginResetModel()
        self._items = self._queue.items
        self.endResetModel()

    def item(self, row: int) -> Item | None:
        """The item in a row."""
        return self._items[row] if 0 <= row < len(self._items) else None

    def row_of(self, item: Item | None) -> int | None:
        """Row of an item; None where it is not in the list."""
        return self._items.index(item) if item is not None and item in self._items else None

    def rowCount(self, parent: QModelIndex = NOWHERE) -> int:  # noqa: N802
        return 0 if parent.isValid() else len(self._items)

    def columnCount(self, parent: QModelIndex = NOWHERE) -> int:  # noqa: N802
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, way: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        if way != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section].title
        return COLUMNS[section].tip if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        item = self.item(index.row())
        if item is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[index.column()].text(item)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return describe(item)
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() != WHY:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None
