"""The layers of a session: labels, clicks and boxes beside the image, made when needed and bound both ways. No Qt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.widgets import notify
from napari_sam2.widgets.painting import take_painted
from napari_sam2.widgets.prompt_layers import ON, Boxes, Clicks
from napari_sam2.widgets.shown_labels import ShownLabels

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Points, Shapes, Tracks

    from napari_sam2.session import Session
    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.image import Axes

TRANSFORM = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
POINT_SIZES = (0, 22)
"""Least and greatest size of a click on the screen, in pixels. napari draws a point of size 0 at the origin where a
frame has none: a least size would make that a dot in the corner."""


@dataclass
class BoundLayers:
    """The napari layers of a session; None for those that are not in the viewer."""

    image: Image | None = None
    labels: Labels | None = None
    points: Points | None = None
    boxes: Shapes | None = None
    tracks: Tracks | None = None


class Binding:
    """Keeps the layers and the session of one movie as one.

    Parameters
    ----------
    desk
        The desk.
    image
        The image layer.
    axes
        Its axes.
    session
        The session.
    """

    def __init__(self, desk: Desk, image: Image, axes: Axes, session: Session) -> None:
        self.desk, self.axes, self.session = desk, axes, session
        self.layers = BoundLayers(image=image)
        self.shown = ShownLabels(session.labels, axes)
        self.clicks: Clicks | None = None
        self.boxes: Boxes | None = None
        self.modifiers: frozenset[str] = frozenset()
        self._taking = False
        for name in TRANSFORM:
            getattr(image.events, name).connect(self._follow_image)
        session.changed.connect(self._changed)

    # making layers ------------------------------------------------------------------------------------------------

    def show_labels(self) -> Labels:
        """The Labels layer, made if it is not there."""
        if self.layers.labels is None:
            from napari.layers import Labels

            layer = Labels(self.shown, name=f"{self._name} cells", opacity=0.5, **self._transform())
            layer.n_edit_dimensions = 2
            layer.brush_size = max(3, round(max(self.axes.shape[-2:]) / 80))
            self._add(layer, above=self.layers.image)
            self.layers.labels = layer
            self.mark_current()
            layer.events.paint.connect(self._painted)
            layer.events.selected_label.connect(self._label_selected)
            layer.events.data.connect(self._labels_replaced)
            layer.bind_key("Control-Z", lambda _: self.desk.undo(), overwrite=True)
            layer.bind_key("Control-Shift-Z", lambda _: self.desk.redo(), overwrite=True)
            layer.mouse_drag_callbacks.append(self._pick)
        return self.layers.labels

    def show_points(self) -> Points:
        """The Points layer of clicks, made if it is not there."""
        if self.layers.points is None:
            from napari.layers import Points

            layer = Points(
                np.empty((0, len(self.axes.letters))),
                ndim=len(self.axes.letters),
                name=f"{self._name} clicks",
                size=max(2.0, max(self.axes.shape[-2:]) / 25),
                symbol="cross",
                face_color=ON[0],
                border_width=0,
                canvas_size_limits=POINT_SIZES,
                **self._transform(),
            )
            self._add(layer)
            self.layers.points = layer
            self.clicks = Clicks(layer, self.axes, self.session, self.desk.colour)
            self.clicks.write(self.desk.current, self.desk.where(), force=True)
            layer.events.data.connect(self._points_changed)
            layer.mouse_drag_callbacks.append(self._pressed)
        return self.layers.points

    def show_boxes(self) -> Shapes:
        """The Shapes layer of boxes, made if it is not there."""
        if self.layers.boxes is None:
            from napari.layers import Shapes

            layer = Shapes(
                ndim=len(self.axes.letters),
                name=f"{self._name} boxes",
                face_color="transparent",
                edge_color="white",
                **self._transform(),
            )
            self._add(layer)
            self.layers.boxes = layer
            self.boxes = Boxes(layer, self.axes, self.session, self.desk.colour)
            layer.current_edge_width = self.boxes.width()
            self.boxes.write(self.desk.current, self.desk.where(), force=True)
            layer.events.data.connect(self._boxes_changed)
            layer.mouse_drag_callbacks.append(self._pressed)
        return self.layers.boxes

    @property
    def _name(self) -> str:
        return self.layers.image.name if self.layers.image is not None else self.session.path.stem

    def _transform(self) -> dict[str, Any]:
        image = self.layers.image
        return {} if image is None else {name: getattr(image, name) for name in TRANSFORM}

    def _add(self, layer: Any, above: Any = None) -> None:
        layers = self.desk.viewer.layers
        chosen = layers.selection.active
        at = layers.index(above) + 1 if above is not None and above in layers else len(layers)
        layers.insert(at, layer)
        if chosen is not None and chosen in layers:
            layers.selection.active = chosen

    # what became of layers ----------------------------------------------------------------------------------------

    def forget(self, layer: Any) -> bool:
        """Note that a layer was removed from the viewer; returns whether it was one of these."""
        for name in ("labels", "points", "boxes", "tracks"):
            if getattr(self.layers, name) is layer:
                setattr(self.layers, name, None)
                if name == "points":
                    self.clicks = None
                if name == "boxes":
                    self.boxes = None
                return True
        return False

    def mine(self) -> list[Any]:
        """The layers that this made, in the order of the viewer."""
        made = [self.layers.labels, self.layers.points, self.layers.boxes]
        return [layer for layer in made if layer is not None]

    def close(self, remove: bool = True) -> None:
        """Let go of the session and the image; the layers leave the viewer."""
        self.session.changed.disconnect(self._changed)
        if self.layers.image is not None:
            for name in TRANSFORM:
                getattr(self.layers.image.events, name).disconnect(self._follow_image)
        if not remove:
            return
        for layer in self.mine():
            self.forget(layer)
            if layer in self.desk.viewer.layers:
                self.desk.viewer.layers.remove(layer)
                # vispy crashes in Mesa's OpenGL where two layers go between two drawings, and others come
                self.desk.runner.draw()

    # from the session to the layers -------------------------------------------------------------------------------

    def write_prompts(self, force: bool = False) -> None:
        """Bring clicks and boxes up to date."""
        if self._taking:  # what the user has drawn is not the session's yet: it would go, and come again
            return
        for bound in (self.clicks, self.boxes):
            if bound is not None:
                bound.write(self.desk.current, self.desk.where(), force)

    def mark_current(self) -> None:
        """Have painting be of the current cell, and its clicks stand out."""
        labels = self.layers.labels
        if labels is not None:
            wanted = self.desk.current if self.desk.current is not None else self.session.new_id()
            if labels.selected_label != wanted:
                with labels.events.selected_label.blocker(self._label_selected):
                    labels.selected_label = wanted
        self.write_prompts(force=True)

    def refresh_labels(self) -> None:
        """Show the labels of the present frame as they are now."""
        if self.layers.labels is not None:
            self.layers.labels.refresh(thumbnail=False, highlight=False, extent=False)

    def _changed(self, event: Any) -> None:
        self.desk.heard(self, event)

    def _follow_image(self, event: Any) -> None:
        for layer in self.mine():
            setattr(layer, event.type, getattr(self.layers.image, event.type))

    # from the layers to the session -------------------------------------------------------------------------------

    def _pressed(self, layer: Any, event: Any) -> None:
        self.modifiers = frozenset(str(getattr(m, "name", m)) for m in event.modifiers)

    def _pick(self, layer: Any, event: Any) -> None:
        """Clicking on a mask makes that cell current, while the labels are only looked at."""
        if layer.mode == "pan_zoom":
            value = layer.get_value(event.position, view_direction=event.view_direction,
                                    dims_displayed=event.dims_displayed, world=True)  # fmt: skip
            if value and int(value) in self.session.cells:
                self.desk.select(int(value))

    def _label_selected(self, event: Any = None) -> None:
        layer = self.layers.labels
        if layer is not None and layer.selected_label > 0 and layer.selected_label != self.desk.current:
            self.desk.select(int(layer.selected_label))

    def _labels_replaced(self, event: Any = None) -> None:
        """Somebody else has put other labels into the layer: it is the session's, and shows what that has."""
        layer = self.layers.labels
        if layer is not None and layer.data is not self.shown:
            self.desk.runner.call_soon(self._restore_labels)

    def _restore_labels(self) -> None:
        layer = self.layers.labels
        if layer is not None and layer.data is not self.shown:
            layer.data = self.shown
            notify.warning(
                f"'{layer.name}' shows the session's cells, so its data was not replaced. Add the labels as a layer of "
                "their own, and use Take over."
            )

    def _painted(self, event: Any = None) -> None:
        # the event can come before the pixels
        self.desk.runner.call_soon(self.take_painted)

    def take_painted(self) -> None:
        """Have what was painted in the Labels layer become prompts."""
        if take_painted(self.desk, self.session, self.shown):
            self.refresh_labels()

    def _points_changed(self, event: Any) -> None:
        clicks, action = self.clicks, str(event.action)
        if clicks is None or clicks.is_quiet or action not in ("added", "changed", "removed"):
            return
        layer = clicks.layer
        with self._taken(), self.desk.together():
            if action == "removed":
                self.desk.remove_prompts(clicks.removed())
            else:
                for row in clicks.rows_of(event.data_indices):
                    frame, (y, x) = self.axes.frame_of(layer.data[row]), layer.data[row][-2:]
                    if action == "added":
                        off = str(layer.current_symbol) == "hbar"
                        self.desk.click(frame, (float(y), float(x)), not off, self.modifiers)
                    else:
                        self.desk.move_prompt(clicks.key_at(row), frame, (float(y), float(x)))

    def _boxes_changed(self, event: Any) -> None:
        boxes, action = self.boxes, str(event.action)
        if boxes is None or boxes.is_quiet or action not in ("added", "changed", "removed"):
            return
        with self._taken(), self.desk.together():
            if action == "removed":
                self.desk.remove_prompts(boxes.removed())
            else:
                for row in boxes.rows_of(event.data_indices):
                    frame, corners = boxes.corners(row)
                    if action == "added":
                        self.desk.box(frame, corners, self.modifiers)
                    else:
                        self.desk.move_prompt(boxes.key_at(row), frame, corners)

    @contextmanager
    def _taken(self) -> Iterator[None]:
        """Take what the user did to a layer; then the layers are written again, as the session has it."""
        self._taking = True
        try:
            yield
        finally:
            self._taking = False
            self.modifiers = frozenset()
            self.desk.runner.call_soon(self.write_prompts, True)
