"""The strip with its heading, buttons and legend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_sam2.session.table import REVIEWS, ROW, STATES
from napari_sam2.widgets.listen import listen
from napari_sam2.widgets.strip import StripView
from napari_sam2.widgets.strip_picture import Grid, Line, paint
from napari_sam2.widgets.theme import Theme, theme_of
from napari_sam2.widgets.time_draw import as_image, colour

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk

SAMPLE = 40
"""Width of a sample in the legend, in points."""
SAMPLE_HEIGHT = 14


def samples() -> list[tuple[str, Line]]:
    """What the legend explains, each drawn as the strip draws it: text, and five frames."""
    out = []
    for text, changes in (
        ("score 0.95", {"score": 0.95}),
        ("score 0.3", {"score": 0.3}),
        ("prompted", {"prompted": True}),
        ("locked", {"locked": 1}),
        ("checked", {"review": REVIEWS.index("checked")}),
        ("suspect", {"review": REVIEWS.index("suspect")}),
        ("stale", {"stale": True}),
        ("not found", {"area": 0, "state": STATES.index("hidden")}),
        ("divides", {"end": STATES.index("divided")}),
        ("leaves", {"end": STATES.index("left")}),
        ("dies", {"end": STATES.index("dead")}),
    ):
        rows = np.zeros(5, ROW)
        rows["area"], rows["score"], rows["made"], rows["state"] = 9, 0.95, 2, 1
        flags = {name: np.zeros(5, bool) for name in ("prompted", "stale")}
        for name, value in changes.items():
            if name in flags:
                flags[name][2 if name == "prompted" else slice(None)] = value
            elif name == "end":
                rows["state"][2], rows["area"][3:] = value, 0
                rows["made"][3:] = 0
            else:
                rows[name] = value
        alive = np.ones(5, bool)
        alive[3:] = "end" not in changes
        out.append((text, Line(rows, flags["prompted"], flags["stale"], alive, False)))
    return out


class Legend(QWidget):
    """What the signs of the strip mean.

    Parameters
    ----------
    theme
        Its colours.
    parent
        Qt parent.
    """

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._samples = samples()
        self.setAccessibleName("Legend")
        self.setAccessibleDescription(
            "Bars are as high as the model is sure. " + ", ".join(text for text, _ in self._samples) + " have signs."
        )
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self._theme = theme
        self.update()

    def _cell(self) -> tuple[int, int]:
        measure = self.fontMetrics()
        wide = SAMPLE + 8 + max(measure.horizontalAdvance(text) for text, _ in self._samples) + 8
        return wide, max(SAMPLE_HEIGHT, measure.height()) + 3

    def hasHeightForWidth(self) -> bool:  # noqa: N802
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        wide, high = self._cell()
        return -(-len(self._samples) // max(1, width // wide)) * high

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(300, self.heightForWidth(300))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        wide, high = self._cell()
        columns = max(1, self.width() // wide)
        ratio = self.devicePixelRatioF()
        unit = max(1, round(ratio))
        grid = Grid(round(SAMPLE * ratio), round((SAMPLE_HEIGHT + 1) * ratio), 0.0, round(SAMPLE * ratio) / 5, unit)
        for i, (text, line) in enumerate(self._samples):
            x, y = (i % columns) * wide, (i // columns) * high
            image: QImage = as_image(paint([line], grid, self._theme), ratio)
            painter.drawImage(QPointF(x, y + (high - SAMPLE_HEIGHT) / 2), image)
            painter.setPen(colour(self._theme.ink))
            box = QRectF(x + SAMPLE + 8, y, wide - SAMPLE - 8, high)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), text)
        painter.end()


class StripPanel(QWidget):
    """The strip, with a legend that can be opened.

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
        self.view = StripView(desk)
        self.legend = Legend(theme_of(desk.viewer))
        self.legend.setVisible(False)
        self.legend_button = _tool("Legend", "What the signs mean")
        self.legend_button.setCheckable(True)
        self.legend_button.toggled.connect(self.legend.setVisible)
        self.all_button = _tool("Whole movie", "Show all frames (0); Ctrl+wheel, + and - make frames wider or narrower")
        self.all_button.clicked.connect(lambda _=False: self.view.fit())
        self.lower = _tool("\N{MINUS SIGN}", "Lower rows (Ctrl+-)")
        self.lower.setAccessibleName("Lower rows")
        self.lower.clicked.connect(lambda _=False: self.view.step_row(-1))
        self.higher = _tool("+", "Higher rows (Ctrl++)")
        self.higher.setAccessibleName("Higher rows")
        self.higher.clicked.connect(lambda _=False: self.view.step_row(1))
        top = QHBoxLayout()
        top.addWidget(QLabel("Cells by frames"), 1)
        for button in (self.lower, self.higher, self.all_button, self.legend_button):
            top.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(top)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.legend)
        listen(self, (desk.viewer.events.theme, self._on_theme))

    def _on_theme(self, _: object = None) -> None:
        self.legend.set_theme(theme_of(self._desk.viewer))


def _tool(text: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    return button
