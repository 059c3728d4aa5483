"""The lineage tree of a cell, in time, and the tracks in the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QMenu, QPushButton, QVBoxLayout, QWidget

from napari_sam2.widgets import keys
from napari_sam2.widgets.cell_checks import nearest_frame
from napari_sam2.widgets.cell_menu import fill_menu
from napari_sam2.widgets.lineage import Branch, branches, kin, side_by_side
from napari_sam2.widgets.listen import listen
from napari_sam2.widgets.theme import mix
from napari_sam2.widgets.time_draw import colour, draw_numbers
from napari_sam2.widgets.time_view import TimeView
from napari_sam2.widgets.tracks import tracks_of

if TYPE_CHECKING:
    from napari_sam2.session import Session
    from napari_sam2.widgets.desk import Desk

FAMILY, DIVIDING, ALL = "This cell's family", "All that divide", "All cells"
ROW = 24
"""Height of a row at first, in points: a line and a number above it."""
THICK = 5
"""Of a branch, in points."""
END_SIGNS = {"left": "left", "dead": "dead", "hidden": "lost"}


class LineageView(TimeView):
    """Tree in time: a line for each cell, from its first frame to its last, and forks where cells divide.

    Parameters
    ----------
    desk
        The desk.
    parent
        Qt parent.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        self._scope = FAMILY
        self._tree: dict[int, Branch] = {}
        super().__init__(desk, parent)
        self.place.row = ROW
        self.setAccessibleName("Lineage")
        self.refresh()

    @property
    def branches(self) -> list[Branch]:
        """What is drawn, from top to bottom."""
        return [self._tree[cell] for cell in self.place.cells]

    def show_scope(self, scope: str) -> None:
        """Show the family of the current cell, all families with divisions, or all cells."""
        self._scope = scope
        self.refresh()

    def order(self, session: Session) -> list[int]:
        """Mothers between their daughters."""
        parents = {cell: record.parent for cell, record in dict(session.cells).items()}
        if self._scope == FAMILY:
            current = self._desk.current
            wanted = kin(parents, current) if current in parents and current is not None else set()
        elif self._scope == DIVIDING:
            wanted = {c for pair in parents.items() if pair[1] is not None for c in pair if c is not None}
        else:
            wanted = set(parents)
        self._tree = branches(session, sorted(wanted & set(parents)))
        return side_by_side({cell: parents[cell] for cell in self._tree})

    def margin(self) -> int:
        """The numbers stand on the branches."""
        return 8

    def empty_text(self, session: Session | None) -> str:
        if session is None or not session.cells:
            return super().empty_text(session)
        if self._scope == FAMILY:
            return "Choose a cell: click on it in the image, or in the table"
        return f"No divisions yet: go to where a cell divides, choose it, and press {keys.key_of('divide')}"

    def _on_current(self, cell: int | None) -> None:
        if self._scope == FAMILY and not self.place.has(cell):
            self.refresh()
        super()._on_current(cell)

    def go(self, cell: int | None, frame: int | None, zoom: bool = False) -> None:
        """Go to a cell; on the frame nearest to this one that shows it."""
        session = self._desk.session
        if session is not None and cell is not None and cell in session.cells and frame is not None:
            super().go(cell, nearest_frame(session, cell, frame), zoom)

    # drawing ------------------------------------------------------------------------------------------------------

    def draw(self, painter: QPainter, session: Session) -> None:
        """Draw forks, branches, and numbers."""
        draw_numbers(painter, self.place, self._theme)
        painter.save()
        place = self.place
        painter.setClipRect(QRectF(0, place.top, place.left + place.width, place.height))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for branch in self.branches:
            self._fork(painter, branch)
        for branch in self.branches:
            self._branch(painter, branch)
        painter.restore()

    def _line(self, branch: Branch) -> float:
        """Height of a branch's line: low in its row, below its number."""
        return self.place.y_of(branch.cell) + self.place.row - THICK

    def _fork(self, painter: QPainter, branch: Branch) -> None:
        mother = self._tree.get(branch.parent) if branch.parent is not None else None
        if mother is None or mother.stop is None or branch.first is None:
            return
        x0, x1 = self.place.x_of(mother.stop), self.place.x_of(branch.first)
        y0, y1 = self._line(mother), self._line(branch)
        pen = QPen(colour(self._theme.ink), 2)
        if branch.first > mother.stop:  # neither is there for some frames
            pen.setStyle(Qt.PenStyle.DotLine)
        painter.setPen(pen)
        painter.drawLine(QPointF(x0, y0), QPointF(x0, y1))
        painter.drawLine(QPointF(x0, y1), QPointF(x1, y1))

    def _branch(self, painter: QPainter, branch: Branch) -> None:
        place, theme = self.place, self._theme
        y = self._line(branch)
        if branch.first is None or branch.stop is None:
            self._label(painter, branch, place.left, y, f"{branch.title} (not tracked)")
            return
        r, g, b, _ = (float(v) for v in self._desk.colour(branch.cell))
        for first, stop in branch.runs:
            box = QRectF(place.x_of(first), y - THICK / 2, max(2.0, (stop - first) * place.scale), THICK)
            painter.setPen(QPen(colour(theme.ink), 1))  # colours of cells may be close to the paper's
            painter.setBrush(QColor.fromRgbF(r, g, b))
            painter.drawRect(box)
        painter.setPen(QPen(colour(theme.ink), 1, Qt.PenStyle.DashLine))
        for (_, stop), (first, _) in zip(branch.runs, branch.runs[1:], strict=False):
            painter.drawLine(QPointF(place.x_of(stop), y), QPointF(place.x_of(first), y))
        title = branch.title
        if branch.ending in END_SIGNS:
            title += f" ({END_SIGNS[branch.ending]})"
        self._label(painter, branch, place.x_of(branch.first), y, title)

    def _label(self, painter: QPainter, branch: Branch, x: float, y: float, text: str) -> None:
        place, theme = self.place, self._theme
        measure = painter.fontMetrics()
        if place.row < measure.height() + THICK:
            return
        x = min(max(x, place.left), place.left + place.width - measure.horizontalAdvance(text) - 4)
        box = QRectF(x, y - THICK / 2 - measure.height(), measure.horizontalAdvance(text) + 4, measure.height())
        if branch.cell == self._desk.current:
            painter.fillRect(box, colour(mix(theme.paper, theme.accent, 0.6)))
        painter.setPen(colour(theme.ink))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)


class LineagePanel(QWidget):
    """Lineage of the current cell, with what can be done about it.

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
        self.view = LineageView(desk)
        self.scope = QComboBox()
        self.scope.addItems([FAMILY, DIVIDING, ALL])
        self.scope.setAccessibleName("Cells in the lineage")
        self.scope.currentTextChanged.connect(self.view.show_scope)
        self.menu = QMenu(self)
        self.menu.setToolTipsVisible(True)
        self.menu.aboutToShow.connect(self._fill_menu)
        self.actions_button = QPushButton("Actions")
        self.actions_button.setToolTip("What can be done with the current cell; also by right click")
        self.actions_button.setMenu(self.menu)
        self.tracks = QCheckBox("Tracks in the viewer")
        self.tracks.setToolTip("A Tracks layer with the paths and divisions of all cells, which follows every change")
        self.binding = tracks_of(desk)
        self.tracks.setChecked(self.binding.shown)
        self.tracks.toggled.connect(self.binding.show)
        self.told = QLabel()
        self.told.setWordWrap(True)

        top = QHBoxLayout()
        top.setContentsMargins(0, 0, 0, 0)
        top.addWidget(self.scope, 1)
        top.addWidget(self.actions_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.told)
        layout.addWidget(self.tracks)
        listen(
            self,
            (desk.session_changed, self._tell),
            (desk.current_changed, self._tell),
            (desk.document_changed, self._tell),
            (self.binding.shown_changed, self._on_tracks),
        )
        self._tell()

    def _on_tracks(self, shown: bool) -> None:
        blocked = self.tracks.blockSignals(True)
        self.tracks.setChecked(shown)
        self.tracks.blockSignals(blocked)

    def _fill_menu(self) -> None:
        self.menu.clear()
        fill_menu(self.menu, self._desk, self.view.chosen())

    def _tell(self, _: object = None) -> None:
        session, current = self._desk.session, self._desk.current
        for part in (self.scope, self.actions_button, self.tracks):
            part.setEnabled(session is not None)
        record = None if session is None or current is None else session.cells.get(current)
        if session is None or record is None or current is None:
            self.told.setText("")
            return
        born = [c for c, other in dict(session.cells).items() if other.parent == current]
        parts = [f"Cell {current}"]
        parts.append("has no mother" if record.parent is None else f"is a daughter of cell {record.parent}")
        parts.append(f"and divides into {' and '.join(map(str, sorted(born)))}." if born else "and does not divide.")
        self.told.setText(" ".join(parts))
