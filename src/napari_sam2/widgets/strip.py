"""Cells by frames in one picture, to see where to look and to go there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QWidget

from napari_sam2.widgets.strip_draw import StripPainter
from napari_sam2.widgets.summary import families
from napari_sam2.widgets.time_view import TimeView

if TYPE_CHECKING:
    from napari_sam2.session import Session
    from napari_sam2.widgets.desk import Desk


class StripView(TimeView):
    """Strip of cells by frames: bars as high, and as blue, as the model is sure, and signs for what was done.

    Parameters
    ----------
    desk
        The desk.
    parent
        Qt parent.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        self._painter = StripPainter()
        super().__init__(desk, parent)
        self.setAccessibleName("Cells by frames")

    def order(self, session: Session) -> list[int]:
        """All cells: mothers before their daughters."""
        return families({cell: record.parent for cell, record in dict(session.cells).items()})

    def margin(self) -> int:
        """Room for the cells' numbers and colours."""
        digits = max(2, len(str(max(self.place.cells, default=0))))
        return int(self.fontMetrics().horizontalAdvance("0" * digits)) + 18

    def draw(self, painter: QPainter, session: Session) -> None:
        """Draw the picture, numbers and names."""
        self._painter.draw(
            painter,
            self.place,
            self._theme,
            session,
            self._overview.summaries,
            self._desk.colour,
            self.devicePixelRatioF(),
        )

    def _changed(self) -> None:
        self._painter.forget()
        super()._changed()
