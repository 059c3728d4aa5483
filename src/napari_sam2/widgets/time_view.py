"""What views of cells over time have in common: following the viewer, scrolling, zooming, keys, and going there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QPoint, QSize, Qt, QTimer
from qtpy.QtGui import QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from qtpy.QtWidgets import QAbstractScrollArea, QApplication, QFrame, QSizePolicy, QToolTip, QWidget

from napari_sam2.widgets.cell_checks import Chosen
from napari_sam2.widgets.cell_menu import CellKeys, key_of
from napari_sam2.widgets.listen import listen
from napari_sam2.widgets.overview import overview_of
from napari_sam2.widgets.strip_words import words_at
from napari_sam2.widgets.theme import theme_of
from napari_sam2.widgets.time_draw import colour, draw_cursor
from napari_sam2.widgets.time_keys import ZOOM, press
from napari_sam2.widgets.time_layout import Layout
from napari_sam2.widgets.time_menu import open_menu

if TYPE_CHECKING:
    from napari_sam2.session import Session
    from napari_sam2.widgets.desk import Desk

SOON = 80
"""Milliseconds in which changes are gathered before the picture is painted again."""

LEAST_HEIGHT = 96
"""Of a view, in points: the numbers of the frames and a few rows."""


class TimeView(QAbstractScrollArea):
    """A picture with a row for each cell and time from left to right; a click goes to that cell on that frame.

    Wheel: cells. Ctrl+wheel: wider frames. Shift+wheel, and dragging: frames. Keys: arrows, Home and End, Page Up and
    Down, + and -, 0 for the whole movie, Return to look closely.

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
        self._overview = overview_of(desk)
        self._theme = theme_of(desk.viewer)
        self.place = Layout()
        self._pressed: tuple[QPoint, float, int] | None = None
        self._dragging = False
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.DefaultContextMenu)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SOON)
        self._timer.timeout.connect(self.refresh)
        self.horizontalScrollBar().valueChanged.connect(self._on_across)
        self.verticalScrollBar().valueChanged.connect(self._on_down)
        self.cell_keys = CellKeys(desk, self, self.chosen)
        listen(
            self,
            (desk.session_changed, self._on_session),
            (desk.document_changed, self._soon),
            (self._overview.changed, self._soon),
            (desk.current_changed, self._on_current),
            (desk.frame_changed, self._on_frame),
            (desk.viewer.events.theme, self._on_theme),
        )
        self.refresh()

    # following ----------------------------------------------------------------------------------------------------

    def chosen(self) -> Chosen:
        """The current cell, and the frame that is shown."""
        current = self._desk.current
        return Chosen((current,) if current is not None and self.place.has(current) else (), self._desk.frame)

    def refresh(self) -> None:
        """Paint what is so now."""
        session = self._desk.session
        self.place.order([] if session is None else self.order(session))
        self.place.frames = 0 if session is None else session.n_frames
        self._changed()
        self._describe()

    def order(self, session: Session) -> list[int]:
        """Cells to show, from top to bottom."""
        raise NotImplementedError

    def draw(self, painter: QPainter, session: Session) -> None:
        """Draw them."""
        raise NotImplementedError

    def margin(self) -> int:
        """Width of what stands before the picture, in points."""
        raise NotImplementedError

    def empty_text(self, session: Session | None) -> str:
        """What is said where there is nothing to draw."""
        return "No cells yet: click on one in the image" if session else "No session yet: choose an image"

    def _changed(self) -> None:
        self._fit_room()
        self.viewport().update()

    def _soon(self, _: object = None) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _on_session(self, _: object) -> None:
        self.place.per_frame, self.place.start, self.place.scrolled = 0.0, 0.0, 0
        self.refresh()

    def _on_theme(self, _: object = None) -> None:
        self._theme = theme_of(self._desk.viewer)
        self.viewport().update()

    def _on_current(self, cell: int | None) -> None:
        self._show_current()
        self._describe()
        self.viewport().update()

    def _on_frame(self, frame: int) -> None:
        self.place.show_frame(frame)
        self._set_bars()
        self._describe()
        self.viewport().update()

    def _describe(self) -> None:
        """Say to screen readers what is under the cursor."""
        cell = self._desk.current
        known = cell is not None and self.place.has(cell)
        self.setAccessibleDescription(self.words(cell, self._desk.frame) if known and cell else "No cell is chosen")

    def words(self, cell: int, frame: int) -> str:
        """What is known of a cell on a frame, in words."""
        session = self._desk.session
        return "" if session is None else words_at(session, self._overview.summaries.get(cell), cell, frame)

    # geometry -----------------------------------------------------------------------------------------------------

    def _fit_room(self) -> None:
        measure, port = self.fontMetrics(), self.viewport().size()
        self.place.left = self.margin()
        self.place.top = measure.height() + 8
        self.place.width = max(20, port.width() - self.place.left - 2)
        self.place.height = max(10, port.height() - self.place.top)
        self.place.settle()
        self._set_bars()

    def _set_bars(self) -> None:
        """Bring the scroll bars to where the layout is."""
        place = self.place
        for bar, last, page, step, value in (
            (self.verticalScrollBar(), place.furthest, place.height, place.row, place.scrolled),
            (self.horizontalScrollBar(), place.frames - place.shown, place.shown, place.shown / 10, place.start),
        ):
            blocked = bar.blockSignals(True)
            bar.setRange(0, max(0, round(last)))
            bar.setPageStep(max(1, int(page)))
            bar.setSingleStep(max(1, int(step)))
            bar.setValue(round(value))
            bar.blockSignals(blocked)

    def _on_across(self, value: int) -> None:
        self.place.move_to(value)
        self.viewport().update()

    def _on_down(self, value: int) -> None:
        self.place.scrolled = value
        self.viewport().update()

    def zoom(self, factor: float, x: float | None = None) -> None:
        """Show frames wider or narrower, about x or the shown frame; 0 for the whole movie."""
        self.place.zoom(factor, self.place.x_of(self._desk.frame + 0.5) if x is None else x)
        self._set_bars()
        self.viewport().update()

    def fit(self) -> None:
        """Show the whole movie."""
        self.zoom(0.0)

    def step_row(self, step: int) -> None:
        """Make rows higher or lower."""
        self.place.step_row(step)
        self._changed()
        self._show_current()

    def _show_current(self) -> None:
        current = self._desk.current
        if current is not None and self.place.has(current):
            self.place.show_cell(current)
            self._set_bars()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(300, 8 * self.place.row + self.place.top)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(120, LEAST_HEIGHT)

    # events -------------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self.viewport())
        painter.fillRect(self.viewport().rect(), colour(self._theme.paper))
        session = self._desk.session
        if session is None or not self.place.cells:
            painter.setPen(colour(self._theme.ink))
            text = self.empty_text(session)
            area = self.viewport().rect().adjusted(8, 8, -8, -8)
            painter.drawText(area, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), text)
        else:
            self.draw(painter, session)
            draw_cursor(painter, self.place, self._theme, self._desk.current, self._desk.frame, self.hasFocus())
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._changed()
        self._show_current()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange) and hasattr(self, "place"):
            self._changed()

    def go(self, cell: int | None, frame: int | None, zoom: bool = False) -> None:
        """Go to a cell on a frame."""
        if cell is not None and frame is not None:
            self._desk.look_at(cell, frame, zoom)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._pressed = event.pos(), self.place.start, self.place.scrolled
            self._dragging = False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._pressed is None:
            return
        at, start, scrolled = self._pressed
        moved = event.pos() - at
        if self._dragging or moved.manhattanLength() >= QApplication.startDragDistance():
            self._dragging = True
            self.place.move_to(start - moved.x() / self.place.scale)
            self.place.scrolled = scrolled - moved.y()
            self.place.settle()
            self._set_bars()
            self.viewport().update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._pressed is not None and not self._dragging and event.button() == Qt.MouseButton.LeftButton:
            cell, frame = self.place.at(event.pos().x(), event.pos().y())
            if cell is not None:
                self.go(cell, self._desk.frame if frame is None else frame)
            elif frame is not None and event.pos().y() < self.place.top:
                self._desk.show_frame(frame)
        self._pressed = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.go(*self.place.at(event.pos().x(), event.pos().y()), zoom=True)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        turn = event.angleDelta()
        notches = (turn.y() or turn.x()) / 120
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom(ZOOM**notches, event.position().x())
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier or not turn.y():
            self.place.move_to(self.place.start - notches * max(1.0, self.place.shown / 10))
            self._set_bars()
            self.viewport().update()
        else:
            bar = self.verticalScrollBar()
            bar.setValue(round(bar.value() - notches * 3 * self.place.row))
        event.accept()

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            cell, frame = self.place.at(event.pos().x(), event.pos().y())
            text = "" if cell is None or frame is None else self.words(cell, frame)
            if cell is not None and frame is None and cell in self._overview.summaries:
                text = self._overview.summaries[cell].words()
            QToolTip.showText(event.globalPos(), text, self.viewport())
            return True
        return bool(super().viewportEvent(event))

    def contextMenuEvent(self, event: QEvent) -> None:  # noqa: N802
        cell, _ = self.place.at(event.pos().x(), event.pos().y())
        if cell is not None:
            self._desk.select(cell)
        open_menu(self, self._desk, event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if not press(self, self._desk, key_of(event)):
            super().keyPressEvent(event)
