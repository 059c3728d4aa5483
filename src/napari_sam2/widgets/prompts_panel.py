"""Clicks, boxes, paint; the current cell; taking over what others have made. Part of the main dock."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.widgets import keys
from napari_sam2.widgets.button_state import Can, Facts, words_before, words_for_clicks
from napari_sam2.widgets.panel import Panel, tool_button

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk

BUTTONS = (
    ("clicks_on", "+ Cell", "Click on cells", "clicks_on"),
    ("clicks_off", "\N{MINUS SIGN} Not", "Click on what does not belong to the cell", "clicks_off"),
    ("boxes", "Box", "Drag a box around a cell", "boxes"),
    ("paint", "Paint", "Paint the cell: the stroke becomes its mask on this frame", "paint_mask"),
    ("look", "Choose", "Move around; click on a mask to choose its cell", ""),
)
"""Tool, text, tooltip, and the key's action."""
SWATCH = 14
"""Side of the current cell's colour sample, in pixels."""


class PromptsPanel(Panel):
    """Tools, the current cell, and taking over.

    Parameters
    ----------
    desk
        The desk.
    parent
        Qt parent.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.tools: dict[str, QPushButton] = {}
        group = QButtonGroup(self)
        row = QHBoxLayout()
        row.setSpacing(2)
        for tool, text, tip, action in BUTTONS:
            button = tool_button(text, tip, tip, partial(desk.use, tool), checkable=True)
            if action:
                keys.tell(button, action)
            group.addButton(button)
            row.addWidget(button, 1)
            self.tools[tool] = button
        group.setExclusive(True)
        self.cell = QLabel()
        self.swatch = QLabel()
        self.swatch.setAccessibleName("Colour of the current cell")
        self.next = QPushButton("Next cell")
        keys.tell(self.next, "next_cell")
        self.next.clicked.connect(lambda *_: self.desk.next_cell())
        self.adding = QCheckBox("Each click is a new cell")
        self.adding.setToolTip(
            "On: a click where no cell is begins a new one. Off: all clicks are about the current cell, to correct it."
        )
        self.adding.toggled.connect(self._adding_toggled)
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.others = QComboBox()
        self.others.setAccessibleName("Layer to take cells over from")
        self.others.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.others.setMinimumContentsLength(8)
        self.take = QPushButton("Take over")
        self.take.setAccessibleName("Take cells over from the layer")
        self.take.setToolTip("Begin with cells from another layer: labels of Cellpose or StarDist, points, shapes")
        self.take.setMenu(self._menu())
        self._build(row)
        self.follow((desk.viewer.layers.selection.events.active,))

    def _build(self, tools: QHBoxLayout) -> None:
        cell = QHBoxLayout()
        cell.addWidget(self.swatch)
        cell.addWidget(self.cell, 1)
        cell.addWidget(self.next)
        self._taking = QWidget()
        take = QHBoxLayout(self._taking)
        take.setContentsMargins(0, 0, 0, 0)
        take.addWidget(QLabel("From layer"))
        take.addWidget(self.others, 1)
        take.addWidget(self.take)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 4)
        layout.setSpacing(4)
        layout.addLayout(tools)
        layout.addLayout(cell)
        layout.addWidget(self.adding)
        layout.addWidget(self.hint)
        layout.addWidget(self._taking)

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        self._for_labels = [
            menu.addAction("Numbers are cells: track from the first mask of each", lambda: self._take("first", False)),
            menu.addAction("Numbers are cells: keep all masks", lambda: self._take("all", False)),
            menu.addAction("Frame by frame: find out which are the same cell", lambda: self._take("all", True)),
        ]
        self._for_others = [menu.addAction("As clicks or boxes", lambda: self._take("first", False))]
        menu.aboutToShow.connect(self._fill_menu)
        return menu

    def _fill_menu(self) -> None:
        from napari.layers import Labels

        labels = isinstance(self.others.currentData(), Labels)
        for action in self._for_labels:
            action.setVisible(labels)
        for action in self._for_others:
            action.setVisible(not labels)

    def _take(self, prompts: Any, link: bool) -> None:
        layer = self.others.currentData()
        if layer is not None:
            self.desk.take_over(layer, prompts=prompts, link=link)

    def _adding_toggled(self, on: bool) -> None:
        if on != self.desk.adding:
            self.desk.set_adding(on)

    # showing ------------------------------------------------------------------------------------------------------

    def show_facts(self, facts: Facts, can: Mapping[str, Can]) -> None:
        """Bring the widgets up to date."""
        desk = self.desk
        tool = desk.tool if facts.open else ""
        for name, button in self.tools.items():
            self.allow(button, can["prompt"] if name != "look" or not facts.open else Can())
            blocked = button.blockSignals(True)
            button.setChecked(name == tool)
            button.blockSignals(blocked)
        self.allow(self.next, can["prompt"])
        self.adding.setEnabled(can["prompt"].enabled)
        self.adding.setChecked(desk.adding)
        known = facts.current is not None
        if not facts.open:
            self.cell.setText("No cell yet")
            self.hint.setText(words_before(facts))
        else:
            self.cell.setText(f"Cell {desk.current}" if known else "New cell")
            self.hint.setText(words_for_clicks(desk.adding, desk.current, known, tool))
        self._show_colour(facts.open and desk.current is not None)
        self._fill_others()
        self.allow(self.take, can["take_over"])
        self._taking.setVisible(facts.open and facts.foreign > 0)

    def _show_colour(self, shown: bool) -> None:
        pixmap = QPixmap(SWATCH, SWATCH)
        colour = self.desk.colour(self.desk.current) if shown and self.desk.current is not None else (0.5, 0.5, 0.5, 1)
        pixmap.fill(QColor.fromRgbF(*colour[:3]))
        self.swatch.setPixmap(pixmap)

    def _fill_others(self) -> None:
        found = self.desk.foreign_layers()
        shown = [self.others.itemData(i) for i in range(self.others.count())]
        if found == shown and [x.name for x in found] == [self.others.itemText(i) for i in range(len(shown))]:
            return
        chosen = self.others.currentData()
        self.others.clear()
        for layer in found:
            self.others.addItem(QIcon(), layer.name, layer)
        if chosen in found:
            self.others.setCurrentIndex(found.index(chosen))
