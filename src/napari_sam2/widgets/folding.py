"""A part of the dock that can be folded away, with a sign that can be seen in every theme."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap, QPolygonF
from superqt import QCollapsible

from napari_sam2.widgets.listen import listen
from napari_sam2.widgets.theme import RGB, theme_of

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk

SIZE = 12
"""Of the sign, in pixels."""
SHARP = 3
"""Times as many are drawn: screens are scaled."""
OPEN = ((2.0, 4.0), (10.0, 4.0), (6.0, 9.0))
FOLDED = ((4.0, 2.0), (9.0, 6.0), (4.0, 10.0))
"""Triangles that point down and to the right."""


class Folding(QCollapsible):
    """Folds and unfolds at once; the title stays.

    Parameters
    ----------
    desk
        Whose viewer has the theme.
    title
        What is folded.
    """

    def __init__(self, desk: Desk, title: str) -> None:
        super().__init__(title)
        self._viewer = desk.viewer
        self.setDuration(0)
        self._draw_signs()
        if hasattr(desk.viewer.events, "theme"):
            listen(self, (desk.viewer.events.theme, self._draw_signs))

    def _draw_signs(self, _: object = None) -> None:
        ink = theme_of(self._viewer).ink
        self.setExpandedIcon(_sign(OPEN, ink))
        self.setCollapsedIcon(_sign(FOLDED, ink))


def _sign(corners: tuple[tuple[float, float], ...], ink: RGB) -> QIcon:
    picture = QPixmap(SIZE * SHARP, SIZE * SHARP)
    picture.setDevicePixelRatio(SHARP)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(*ink))
    painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in corners]))
    painter.end()
    return QIcon(picture)
