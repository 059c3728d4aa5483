"""Which movie, which model, on what: the beginning of everything. Part of the main dock."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.widgets import preferences
from napari_sam2.widgets.beginning import find_movie, ready
from napari_sam2.widgets.button_state import Can, Facts
from napari_sam2.widgets.channel_list import ChannelList
from napari_sam2.widgets.device_chooser import DeviceChooser
from napari_sam2.widgets.image import Unsuitable, axes_of
from napari_sam2.widgets.listen import listen
from napari_sam2.widgets.model_chooser import ModelChooser
from napari_sam2.widgets.opening import Choice
from napari_sam2.widgets.panel import Panel

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.widgets.desk import Desk

LET_COME = 0.15
"""Seconds after which the movie is opened by itself: channels that napari splits arrive one after another."""
LARGEST_CELL = 10_000.0
"""Pixels; more than any movie's frame."""


class ImagePanel(Panel):
    """Layer, further channels, model, device, cell size, contrast; Start, and Start afresh.

    Parameters
    ----------
    desk
        The desk.
    parent
        Qt parent.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        said = preferences.read()
        self.layer = QComboBox()
        self.layer.setAccessibleName("Image layer with the movie")
        self.layer.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.layer.setMinimumContentsLength(12)
        self.layer.currentIndexChanged.connect(self._layer_chosen)
        self.channels = ChannelList()
        self.model = ModelChooser(desk, said.model)
        self.model.chosen.connect(self._model_chosen)
        self.device = DeviceChooser(desk, said.device)
        self.device.chosen.connect(self._device_chosen)
        self.size = QDoubleSpinBox()
        self.size.setAccessibleName("Typical diameter of a cell in pixels")
        self.size.setRange(0.0, LARGEST_CELL)
        self.size.setDecimals(1)
        self.size.setSuffix(" px")
        self.size.setSpecialValueText("measured")
        self.size.setKeyboardTracking(False)
        self.size.setToolTip(
            "Typical diameter of a cell: the scale that the model sees the movie at depends on it. Measured from the "
            "first clicks or boxes, unless you say it here."
        )
        self.size.valueChanged.connect(self._size_chosen)
        self.contrast = QCheckBox("Use the contrast that is shown")
        self.contrast.setToolTip(
            "The model sees what you see: the contrast limits of the layer. Otherwise percentiles of the whole movie. "
            "For an open movie: from the next 'Start afresh' on."
        )
        self.start = QPushButton("Start")
        self.start.setAccessibleName("Start: open the movie for tracking")
        self.start.setToolTip("Open the movie for tracking. A session that is there already is continued.")
        self.start.clicked.connect(self.begin)
        self.afresh = QPushButton("Start afresh")
        self.afresh.setToolTip("Begin a new session on this movie; the other one stays where it is.")
        self.afresh.clicked.connect(lambda: self.begin(fresh=True))
        self.told = QLabel()
        self.told.setWordWrap(True)
        self._question = ""
        self._build()
        self.follow((desk.viewer.layers.selection.events.active,))
        listen(self, (desk.viewer.layers.events.inserted, self._inserted))
        self._begin_soon()

    def _build(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(2)  # with its question, all of the dock is to fit a small laptop
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow("Movie", self.layer)
        self._channel_label = QLabel("Channels")
        form.addRow(self._channel_label, self.channels)
        form.addRow("Model", self.model)
        form.addRow("Device", self.device)
        form.addRow("Cell size", self.size)
        form.addRow("", self.contrast)
        buttons = QHBoxLayout()
        buttons.addWidget(self.start, 1)
        buttons.addWidget(self.afresh)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 4)
        layout.setSpacing(3)
        layout.addLayout(form)
        layout.addLayout(buttons)
        layout.addWidget(self.told)

    # what is chosen -----------------------------------------------------------------------------------------------

    @property
    def image(self) -> Image | None:
        """The chosen layer."""
        found: Image | None = self.layer.currentData()
        return found

    def choice(self, fresh: bool = False) -> Choice:
        """How the movie is to be opened."""
        return Choice(
            others=self.channels.ticked(),
            model=self.model.name,
            device=self.device.name,
            shown_contrast=self.contrast.isChecked(),
            cell_diameter=self.size.value() or None,
            fresh=fresh,
        )

    def begin(self, fresh: bool = False) -> None:
        """Open the chosen movie."""
        if self.image is not None:
            self.desk.open(self.image, self.choice(fresh))

    def begin_by_itself(self) -> None:
        """Open the movie where there is nothing to ask; otherwise say what is to be decided."""
        if not ready(self.desk):
            return
        found = find_movie(self._images(), self.desk.viewer.layers.selection.active)
        self._question = found.question
        self.refresh()
        if found.image is not None:
            self.layer.setCurrentIndex(self._images().index(found.image))
            self.refresh()
        if found.image is None or found.question:
            return
        if self.start.isEnabled():
            self.begin()
        else:
            self._question = self.start.toolTip()  # the model is not here yet
            self.refresh()

    def _inserted(self, event: Any) -> None:
        from napari.layers import Image

        if isinstance(event.value, Image):
            self._begin_soon()

    def _begin_soon(self) -> None:
        known = weakref.ref(self)

        def begin() -> None:
            panel = known()
            with suppress(RuntimeError):  # the dock was closed meanwhile: Qt has deleted it
                if panel is not None:
                    panel.begin_by_itself()

        self.desk.runner.call_later(LET_COME, f"begin-{id(self)}", begin)

    # showing ------------------------------------------------------------------------------------------------------

    def show_facts(self, facts: Facts, can: Mapping[str, Can]) -> None:
        """Bring the widgets up to date."""
        self._fill_layers()
        image, session = self.image, self.desk.session
        mine = image is not None and self.desk.sheet_of(image) is not None
        start = can["start"]
        if start.enabled and mine:
            start = Can(False, "This movie is open: click on its cells")
        elif start.enabled and not self.model.is_here:
            start = Can(False, f"{self.model.name} is not here yet: download it, or choose 'cell'")
        self.allow(self.start, start)
        self.afresh.setVisible(mine)
        self.allow(self.afresh, can["afresh"])
        self.start.setVisible(not mine)
        free = can["settings"].enabled or not mine
        for widget in (self.model, self.device, self.size, self.contrast, self.channels):
            widget.setEnabled(free)
        if mine and session is not None:
            self._show_session()
        problem = ""
        if image is not None and not mine:
            try:
                problem = axes_of(image).note
            except Unsuitable as found:
                problem = str(found)
                self.allow(self.start, Can(False, problem))
        opening = f"Opening '{facts.opening}'…" if facts.opening else ""
        if mine or image is None:
            self._question = ""
        asked = self._question or ("" if mine or image is None else self.desk.refused)
        said = opening or asked or problem or (self.desk.note if mine else "")
        self.told.setText(said)
        self.told.setVisible(bool(said))

    def _show_session(self) -> None:
        session = self.desk.session
        assert session is not None
        meta = session.meta
        self.device.show_session(meta.get("device") or "auto", session.computes_on)
        if self.model.name != meta["model"]["name"] and self.model.is_here:
            self.model.fill(str(meta["model"]["name"]))
        blocked = self.size.blockSignals(True)
        self.size.setValue(float(meta.get("cell_diameter") or 0.0))
        self.size.blockSignals(blocked)

    def _images(self) -> list[Image]:
        """The image layers of the viewer."""
        from napari.layers import Image

        return [x for x in self.desk.viewer.layers if isinstance(x, Image)]

    def _fill_layers(self) -> None:
        images = self._images()
        shown = [self.layer.itemData(i) for i in range(self.layer.count())]
        if images != shown or [x.name for x in images] != [self.layer.itemText(i) for i in range(self.layer.count())]:
            chosen = self.image
            blocked = self.layer.blockSignals(True)
            self.layer.clear()
            for image in images:
                self.layer.addItem(image.name, image)
                image.events.name.connect(self.changed)
            if chosen in images:
                self.layer.setCurrentIndex(images.index(chosen))
            elif images:
                self.layer.setCurrentIndex(len(images) - 1)
            self.layer.blockSignals(blocked)
        offered = self.channels.fill(self.image, images)
        for widget in (self.channels, self._channel_label):
            widget.setVisible(offered)

    # changing -----------------------------------------------------------------------------------------------------

    def _layer_chosen(self, _: int) -> None:
        if self.image is not None:
            self.desk.activate(self.image)
        self.changed()

    def _is_open(self) -> bool:
        return self.image is not None and self.desk.session is not None and self.desk.sheet_of(self.image) is not None

    def _model_chosen(self, name: str) -> None:
        session = self.desk.session
        if self._is_open() and session is not None and session.meta["model"]["name"] != name:
            self.desk.act("set_options", model=name)
        self.changed()

    def _device_chosen(self, device: str) -> None:
        session = self.desk.session
        if self._is_open() and session is not None and (session.meta.get("device") or "auto") != device:
            self.desk.act("set_options", device=device)

    def _size_chosen(self, value: float) -> None:
        session = self.desk.session
        if self._is_open() and session is not None and (session.meta.get("cell_diameter") or 0.0) != value:
            self.desk.act("set_options", cell_diameter=value or None)
