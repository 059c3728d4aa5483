"""Where the viewer looks: frames, places, one cell alone. Part of `Desk`; no Qt in here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_sam2.widgets import notify

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.sheet import Sheet

ROOM = 8.0
"""Cells that should fit side by side into the view when it goes to one of them."""
CANVAS = 600.0
"""Height of a usual canvas in screen pixels."""


class View:
    """The part of a desk that reads and moves the viewer's camera and sliders."""

    @property
    def _me(self) -> Desk:
        return cast("Desk", self)

    @property
    def frame(self) -> int:
        """Frame of the active movie that is shown; 0 without one."""
        sheet = self._me._active
        return 0 if sheet is None else self._frame_of(sheet)

    def _frame_of(self, sheet: Sheet) -> int:
        image = sheet.image
        if image is None or image not in self._me.viewer.layers:
            return 0
        return sheet.binding.axes.frame_of(image.world_to_data(self._me.viewer.dims.point))

    def beyond(self) -> str | None:
        """Why nothing can be done on the frame that the slider is at: the movie ends before; None where it does not."""
        sheet = self._me._active
        if sheet is None or sheet.image is None or sheet.image not in self._me.viewer.layers:
            return None
        found = sheet.binding.axes.beyond(sheet.image.world_to_data(self._me.viewer.dims.point))
        return None if found is None else f"The slider is at {found}. Move it to one of these first"

    def where(self) -> Any:
        """Coordinates of the image layer that are shown; rounded, for its further axes."""
        sheet = self._me._active
        if sheet is None or sheet.image is None:
            return None
        return np.round(sheet.image.world_to_data(self._me.viewer.dims.point))

    def show_frame(self, frame: int) -> None:
        """Show a frame of the active movie."""
        me = self._me
        sheet = me._active
        if sheet is None or sheet.image is None or sheet.binding.axes.time is None:
            return
        axes, image = sheet.binding.axes, sheet.image
        frame = min(max(int(frame), 0), axes.frames - 1)
        place = np.array(image.world_to_data(me.viewer.dims.point), float)
        place[axes.time] = frame
        world = image.data_to_world(place)
        dims = me.viewer.dims
        dims.set_point(axes.time + dims.ndim - len(axes.letters), float(world[axes.time]))

    def look_at(self, cell: int, frame: int, zoom: bool = True) -> None:
        """Show a cell on a frame, and make it the current one.

        Parameters
        ----------
        cell
            The cell; where it is not there on that frame, the frame it is on next to it says where to look.
        frame
            The frame.
        zoom
            Go nearer, unless the view is near already.
        """
        me = self._me
        sheet = me._active
        if sheet is None or cell not in sheet.session.cells:
            return
        self.show_frame(frame)
        me.select(cell)
        rows = sheet.session.measurements(cell)
        there = np.flatnonzero(rows["area"] > 0)
        if there.size:
            at = rows[there[np.abs(there - frame).argmin()]]
            self.centre(frame, float(at["y"]), float(at["x"]), float(np.sqrt(at["area"])) if zoom else None)
        else:
            for at_frame, said in sheet.session.prompts(cell).items():
                y, x = said.prompts.anchor()
                self.centre(frame if at_frame == frame else at_frame, y, x, None)
                break

    def centre(self, frame: int, y: float, x: float, size: float | None = None) -> None:
        """Centre the camera on a place; with a size in pixels, near enough to see something of that size."""
        sheet = self._me._active
        if sheet is None or sheet.image is None:
            return
        axes, image = sheet.binding.axes, sheet.image
        world = np.asarray(image.data_to_world(axes.place(frame, y, x, self.where())), float)
        viewer = self._me.viewer
        dims = viewer.dims
        camera = camera_of(viewer)
        shown = [axis - (dims.ndim - len(axes.letters)) for axis in dims.displayed]
        centre = list(camera.center)
        for i, axis in enumerate(shown):
            if axis >= 0:
                centre[len(centre) - len(shown) + i] = float(world[axis])
        camera.center = tuple(centre)
        if size is not None:
            unit = float(np.abs(np.asarray(image.scale)[-2:]).mean())
            wanted = CANVAS / (ROOM * max(size, 4.0) * unit)
            if camera.zoom < wanted / 2 or camera.zoom > wanted * 4:
                camera.zoom = wanted

    def show_only(self, on: bool) -> None:
        """Show the current cell alone, or all of them; alone only where there is something of it to show."""
        me = self._me
        if me.binding is None:
            return
        if on and (me.session is None or me.current not in me.session.cells):
            notify.warning("Choose a cell first: a cell that is still to be made has no mask that could be shown alone")
            return
        me.binding.show_labels().show_selected_label = on

    def _dims_moved(self, event: Any = None) -> None:
        self.dims_moved()

    def dims_moved(self, force: bool = False) -> None:
        """Find out which frame is shown, and tell."""
        me = self._me
        sheet = me._active
        frame = self.frame
        if frame != me._frame or force:
            me._frame = frame
            me.frame_changed.emit(frame)
        if sheet is None or sheet.image is None:
            return
        where = self.where()
        further = [float(where[i]) for i, c in enumerate(sheet.binding.axes.letters) if c in "CS"]
        if further != me._where:
            me._where = further
            if further and not force:
                sheet.binding.write_prompts()


def camera_of(viewer: Any) -> Any:
    """The camera, where this version of napari has it: in the scene since 0.9."""
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
