"""What views of cells over time draw alike: numbers of frames, the cursor, and pictures made of numpy arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFontMetrics, QImage, QPainter, QPen, QPolygonF

from napari_sam2.widgets.theme import RGB, Theme, mix
from napari_sam2.widgets.time_layout import Layout


def colour(rgb: RGB) -> QColor:
    """As Qt takes it."""
    return QColor(*rgb)


def as_image(pixels: npt.NDArray[np.uint8], ratio: float) -> QImage:
    """A picture (H, W, 4) RGBA, with so many pixels in a point."""
    pixels = np.ascontiguousarray(pixels)
    high, wide = pixels.shape[:2]
    image = QImage(pixels.data, wide, high, pixels.strides[0], QImage.Format.Format_RGBX8888)
    # a copy, since numpy's memory goes with the array; in the format that Qt draws fastest
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    return image


def draw_numbers(painter: QPainter, layout: Layout, theme: Theme) -> None:
    """Number the frames above the picture."""
    measure = QFontMetrics(painter.font())
    painter.setPen(colour(theme.ink))
    for frame in layout.ticks(measure.horizontalAdvance(str(layout.frames)) + 10):
        x, text = layout.x_of(frame + 0.5), str(frame)
        wide = measure.horizontalAdvance(text)
        at = min(max(x - wide / 2, layout.left), layout.left + layout.width - wide)
        painter.drawText(QPointF(at, layout.top - 7), text)
        painter.drawLine(QPointF(x, layout.top - 3), QPointF(x, layout.top - 1))


def draw_cursor(painter: QPainter, layout: Layout, theme: Theme, cell: int | None, frame: int, focused: bool) -> None:
    """Draw the line of the shown frame, and the frame around the current cell's row."""
    painter.save()
    if layout.has(cell) and cell is not None:
        painter.setClipRect(QRectF(0, layout.top - 1, layout.left + layout.width + 1, layout.height + 1))
        pen = QPen(colour(theme.ink if focused else mix(theme.ink, theme.paper, 0.35)), 1)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        y = layout.y_of(cell)
        painter.drawRect(QRectF(0.5, y - 1.5, layout.left + layout.width - 1, layout.row + 1))
    x = layout.x_of(frame + 0.5)
    if layout.left <= x <= layout.left + layout.width:
        painter.setClipping(False)
        painter.setPen(QPen(colour(theme.paper), 4))
        painter.drawLine(QPointF(x, layout.top), QPointF(x, layout.top + layout.height))
        painter.setPen(QPen(colour(theme.ink), 2))
        painter.drawLine(QPointF(x, layout.top - 4), QPointF(x, layout.top + layout.height))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(colour(theme.ink))
        painter.setPen(Qt.PenStyle.NoPen)
        tip = layout.top
        painter.drawPolygon(QPolygonF([QPointF(x - 5, tip - 6), QPointF(x + 5, tip - 6), QPointF(x, tip)]))
    painter.restore()
