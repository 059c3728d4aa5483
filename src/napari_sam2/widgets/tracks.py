"""A Tracks layer with the paths of all cells, and their divisions as its graph, which follows every change."""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal
from qtpy.QtCore import QObject, QTimer

from napari_sam2.widgets import notify
from napari_sam2.widgets.bound import TRANSFORM
from napari_sam2.widgets.listen import listen

if TYPE_CHECKING:
    from napari.layers import Image, Tracks

    from napari_sam2.session import Session
    from napari_sam2.session.events import Changed
    from napari_sam2.widgets.bound import Binding
    from napari_sam2.widgets.desk import Desk

SOON = 0.3
"""Seconds in which changes are gathered."""
REST = 10.0
"""Times as long as the last update took until the next: drawing long tracks takes napari a while."""


MOST_AXES = 4
"""napari's Tracks layers have time, Y, X, and one axis more at most."""


def track_data(session: Session, letters: str = "TYX") -> tuple[npt.NDArray[np.float64], dict[int, list[int]]]:
    """Paths and divisions of a session, as napari's Tracks layer takes them; from the table, without label images.

    Parameters
    ----------
    session
        The session.
    letters
        Axes of the image layer, as `image.Axes` has them; T first.

    Returns
    -------
    data : float array (N, 1 + axes)
        Cell, frame, ..., y, x (pixels) of every cell on every frame that shows it, by cell and frame.
    graph : dict
        From a daughter to her mother, where both are in `data`.
    """
    document = session.document
    parts, there = [], set()
    for cell, record in sorted(dict(document.cells).items()):
        rows = document.table.row(record.row)
        at = np.flatnonzero(rows["area"])
        if at.size:
            there.add(cell)
            part = np.zeros((at.size, 1 + len(letters)))
            part[:, 0], part[:, 1], part[:, -2], part[:, -1] = cell, at, rows["y"][at], rows["x"][at]
            parts.append(part)
    data = np.concatenate(parts) if parts else np.zeros((0, 1 + len(letters)))
    graph = {
        cell: [record.parent]
        for cell, record in sorted(dict(document.cells).items())
        if record.parent in there and cell in there and record.parent is not None
    }
    return data, graph


def why_no_tracks(letters: str) -> str | None:
    """Why a movie with these axes has no Tracks layer; None where it can have one."""
    if "T" not in letters:
        return "A single image has no tracks."
    if letters[0] != "T" or len(letters) > MOST_AXES:
        return "napari shows tracks only where time is the first axis, and one axis at most comes between it and Y, X."
    return None


class TracksBinding(QObject):
    """Binds a Tracks layer to the active session of a desk.

    Parameters
    ----------
    desk
        The desk.

    Attributes
    ----------
    shown_changed : Signal of bool
        The layer has come or gone.
    """

    shown_changed = Signal(bool)

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk_ref = weakref.ref(desk)  # kept by the desk, not the other way round
        self._layer: Tracks | None = None
        self._image: Image | None = None
        self._wanted = False
        self._pause = SOON
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.refresh)
        listen(
            self,
            (desk.session_changed, self._on_session),
            (desk.document_changed, self._on_change),
            (desk.viewer.layers.events.removed, self._on_removed),
        )

    @property
    def layer(self) -> Tracks | None:
        """The layer; None while there is nothing to show."""
        return self._layer

    @property
    def shown(self) -> bool:
        """Whether tracks are wanted."""
        return self._wanted

    def show(self, on: bool = True) -> None:
        """Show the tracks, or take the layer out."""
        desk = self._desk_ref()
        binding = None if desk is None else desk.binding
        why = None if binding is None else why_no_tracks(binding.axes.letters)
        if on and why is not None:
            notify.info(why)
            self.shown_changed.emit(False)
            return
        if on == self._wanted:
            return
        self._wanted = on
        if on:
            self.refresh()
        else:
            self._remove()
        self.shown_changed.emit(on)

    def refresh(self) -> None:
        """Bring the layer up to date now."""
        desk = self._desk_ref()
        if desk is None or not self._wanted:
            return
        began = time.monotonic()
        binding = desk.binding
        possible = binding is not None and why_no_tracks(binding.axes.letters) is None
        if binding is None or not possible:
            self._remove()
            return
        data, graph = track_data(binding.session, binding.axes.letters)
        if not len(data):
            self._remove()
        elif self._layer is None:
            self._add(desk, binding, data, graph)
        else:
            set_tracks(self._layer, data, graph)
        self._pause = max(SOON, REST * (time.monotonic() - began))

    def _add(self, desk: Desk, binding: Binding, data: npt.NDArray[np.float64], graph: dict[int, list[int]]) -> None:
        image = binding.layers.image
        placed = {} if image is None else {name: getattr(image, name) for name in TRANSFORM}
        active = desk.viewer.layers.selection.active
        layer = desk.viewer.add_tracks(
            data,
            graph=graph,
            name="Cell tracks" if image is None else f"{image.name} tracks",
            tail_length=10,
            head_length=0,
            tail_width=3,
            colormaps_dict={"track_id": CellColours(desk)},
            **placed,
        )
        self._layer = binding.layers.tracks = layer
        if image is not None:
            self._image = image
            for name in TRANSFORM:
                getattr(image.events, name).connect(self._follow_image)
        if active is not None:
            desk.viewer.layers.selection.active = active  # clicks go on meaning what they meant

    def _follow_image(self, event: Any) -> None:
        if self._layer is not None:
            setattr(self._layer, event.type, getattr(event.source, event.type))

    def _let_go(self) -> Tracks | None:
        """Forget the layer; returns it."""
        layer, self._layer = self._layer, None
        image, self._image = self._image, None
        if image is not None:
            for name in TRANSFORM:
                getattr(image.events, name).disconnect(self._follow_image)
        return layer

    def _remove(self) -> None:
        desk, layer = self._desk_ref(), self._let_go()
        if desk is not None and layer is not None and layer in desk.viewer.layers:
            desk.viewer.layers.remove(layer)

    def _on_removed(self, event: Any) -> None:
        """The user has taken the layer out."""
        if self._layer is not None and event.value is self._layer:
            self._let_go()
            self._wanted = False
            self.shown_changed.emit(False)

    def _on_session(self, _: object) -> None:
        self._remove()
        self.refresh()

    def _on_change(self, changed: Changed) -> None:
        if self._wanted and not self._timer.isActive():
            self._timer.start(int(self._pause * 1000))


class CellColours:
    """Gives tracks the colours of their cells; napari asks it as it asks a colormap."""

    name = "cells"

    def __init__(self, desk: Desk) -> None:
        self._desk_ref = weakref.ref(desk)

    def map(self, values: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """(N, 4) colours of N numbers of cells."""
        cells, which = np.unique(np.asarray(values), return_inverse=True)
        desk = self._desk_ref()
        colours = np.array([(1, 1, 1, 1) if desk is None else tuple(desk.colour(int(c))) for c in cells], np.float32)
        return colours.reshape(-1, 4)[which.reshape(-1)]


def set_tracks(layer: Tracks, data: npt.NDArray[np.float64], graph: dict[int, list[int]]) -> None:
    """Replace paths and graph of a layer, and nothing else of what the user has set."""
    chosen = layer.color_by
    layer.color_by = "track_id"  # napari forgets all other features with the data, and warns
    layer.data = data
    layer.graph = graph
    if chosen in layer.properties_to_color_by:
        layer.color_by = chosen


_bindings: weakref.WeakKeyDictionary[Any, TracksBinding] = weakref.WeakKeyDictionary()


def tracks_of(desk: Desk) -> TracksBinding:
    """The one binding of a desk; made when first asked for."""
    if desk not in _bindings:
        _bindings[desk] = TracksBinding(desk)
    return _bindings[desk]
