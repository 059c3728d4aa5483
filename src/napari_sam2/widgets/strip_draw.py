"""Draws the strip: the picture in one go from numpy, then numbers, names and the cursor over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFontMetrics, QImage, QPainter

from napari_sam2.widgets.strip_picture import Grid, Line, paint
from napari_sam2.widgets.summary import Summary
from napari_sam2.widgets.theme import Theme
from napari_sam2.widgets.time_draw import as_image, colour, draw_numbers
from napari_sam2.widgets.time_layout import Layout

if TYPE_CHECKING:
    from napari_sam2.session import Session

LEAST_FOR_NUMBERS = 9
"""Height of rows under which only some cells are numbered."""


class StripPainter:
    """Draws a strip, and keeps the picture until something in it has changed."""

    def __init__(self) -> None:
        self._kept: tuple[Any, QImage] | None = None

    def forget(self) -> None:
        """Something in the picture has changed."""
        self._kept = None

    def draw(
        self,
        painter: QPainter,
        layout: Layout,
        theme: Theme,
        session: Session,
        summaries: Mapping[int, Summary],
        swatch: Callable[[int], Any],
        ratio: float,
    ) -> None:
        """Draw picture, numbers and names.

        Parameters
        ----------
        painter
            On the viewport, in points.
        layout, theme
            Geometry and colours.
        session, summaries
            What is shown.
        swatch
            Gives a cell's colour, (r, g, b, a) in 0..1.
        ratio
            Pixels in a point.
        """
        first, stop = layout.rows_shown()
        key = (first, stop, layout.start, layout.scale, layout.width, layout.row, ratio, theme)
        if self._kept is None or self._kept[0] != key:
            self._kept = key, make_image(session, summaries, layout, theme, first, stop, ratio)
        painter.save()
        painter.setClipRect(QRectF(layout.left, layout.top, layout.width, layout.height))
        painter.drawImage(QPointF(layout.left, layout.top + first * layout.row - layout.scrolled), self._kept[1])
        painter.restore()
        draw_numbers(painter, layout, theme)
        self._names(painter, layout, theme, swatch, first, stop)

    def _names(
        self, painter: QPainter, layout: Layout, theme: Theme, swatch: Callable[[int], Any], first: int, stop: int
    ) -> None:
        painter.save()
        painter.setClipRect(QRectF(0, layout.top, layout.left, layout.height))
        measure = QFontMetrics(painter.font())
        every = 1 if layout.row >= LEAST_FOR_NUMBERS else -(-measure.height() // layout.row)
        if layout.row < measure.height():
            font = painter.font()
            font.setPixelSize(max(8, layout.row)) if every == 1 else None
            painter.setFont(font)
        for row in range(first, stop):
            cell = layout.cells[row]
            y = layout.y_of(cell)
            r, g, b, _ = (float(v) for v in swatch(cell))
            painter.fillRect(QRectF(layout.left - 9, y, 6, layout.row - 1), QColor.fromRgbF(r, g, b))
            if row % every == 0:
                painter.setPen(colour(theme.ink))
                box = QRectF(0, y - (every - 1) / 2, layout.left - 12, max(layout.row, measure.height()) - 1)
                box.moveTop(y + (layout.row - 1 - box.height()) / 2)
                painter.drawText(box, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), str(cell))
        painter.restore()


def make_image(
    session: Session,
    summaries: Mapping[int, Summary],
    layout: Layout,
    theme: Theme,
    first: int,
    stop: int,
    ratio: float,
) -> QImage:
    """The picture of some rows, in device pixels."""
    unit = max(1, round(ratio))
    row = max(2, round(layout.row * ratio))
    grid = Grid(max(1, round(layout.width * ratio)), row, layout.start, layout.scale * ratio, unit)
    lines = [line_of(session, summaries.get(cell), cell) for cell in layout.cells[first:stop]]
    # rows are whole pixels: at broken ratios the picture is fitted to its place in points
    return as_image(paint([line for line in lines if line is not None], grid, theme), row / layout.row)


def line_of(session: Session, summary: Summary | None, cell: int) -> Line | None:
    """What the picture shows of a cell; None where it has been deleted."""
    document = session.document
    record = document.cells.get(cell)
    if record is None:
        return None
    frames = document.frames
    prompted, stale, alive = (np.zeros(frames, bool) for _ in range(3))
    prompted[list(document.prompts_of(cell))] = True
    if summary is not None:
        stale[summary.stale] = True
    alive[slice(*record.life(frames))] = True
    return Line(document.table.row(record.row), prompted, stale, alive, bool(summary and summary.daughters))
