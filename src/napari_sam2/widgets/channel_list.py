"""The further layers that are channels of a movie: those of its size, each with a tick. Part of the image panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QWidget

from napari_sam2.widgets.image import Unsuitable, axes_of

if TYPE_CHECKING:
    from napari.layers import Image

ROWS = 2
"""That are shown without scrolling."""
ROOM = 6
"""Pixels that a row with its tick is higher than its letters."""
USER = Qt.ItemDataRole.UserRole


class ChannelList(QListWidget):
    """Layers that fit a movie as its channels.

    Parameters
    ----------
    parent
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Further channels of the movie")
        self.setToolTip(
            "Up to two more layers of the same size that the model should see as well; for an open movie from the next "
            "'Start afresh' on"
        )

    def ticked(self) -> tuple[Any, ...]:
        """The layers that the user wants."""
        rows = [self.item(i) for i in range(self.count())]
        return tuple(r.data(USER) for r in rows if r is not None and r.checkState() == Qt.CheckState.Checked)

    def fill(self, image: Image | None, images: Sequence[Image]) -> bool:
        """Offer those layers of the viewer that fit the movie; returns whether there are any."""
        fitting = _fitting(image, images)
        if [self.item(i).data(USER) for i in range(self.count())] != fitting:
            self.clear()
            for one in fitting:
                row = QListWidgetItem(one.name)
                row.setData(USER, one)
                row.setFlags(row.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                row.setCheckState(Qt.CheckState.Unchecked)
                self.addItem(row)
            rows = max(min(len(fitting), ROWS), 1)
            tick = self.fontMetrics().height() + ROOM
            self.setFixedHeight(rows * max(self.sizeHintForRow(0), tick) + 2 * self.frameWidth())
        return bool(fitting)


def _fitting(image: Image | None, images: Sequence[Image]) -> list[Image]:
    if image is None or image.rgb:
        return []
    try:
        axes = axes_of(image)
    except Unsuitable:
        return []
    return [] if "C" in axes.letters else [x for x in images if x is not image and not x.rgb and _same(x, axes)]


def _same(image: Any, axes: Any) -> bool:
    try:
        found = axes_of(image)
    except Unsuitable:
        return False
    return bool(found.shape == axes.shape and found.letters == axes.letters)
