"""A dock narrows the canvas: the movie is fitted into what is left, unless the user has moved the camera. No Qt."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_sam2.widgets.view import camera_of

ALIKE = 0.25
"""Fits differ in zoom by up to this part: the canvas has become smaller since, for the slider of time, for one."""


class Fitting:
    """Fits the layers into the canvas, once, after a dock has been added.

    napari fits the first layer into the canvas and says nowhere whether the camera has been moved since. So it is asked
    to fit again while the canvas is as it was: where that leaves the centre as it is, and the zoom
    about, nobody has moved the camera: the wheel of the mouse moves the centre, too.

    Parameters
    ----------
    viewer
        The viewer, before the dock is in its window.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        camera = camera_of(viewer)
        before = camera.center, camera.zoom, camera.angles
        self._due = bool(len(viewer.layers))
        if self._due:
            viewer.reset_view()
            fitted = camera.center, camera.zoom, camera.angles
            if not _same(before, fitted):
                self._due = False
                camera.center, camera.zoom, camera.angles = before
        self._left = camera.center, camera.zoom, camera.angles

    def fit(self) -> None:
        """The dock has got its width: fit, unless the camera has been moved meanwhile; only the first call does."""
        camera = camera_of(self._viewer)
        if self._due and _same(self._left, (camera.center, camera.zoom, camera.angles)):
            self._viewer.reset_view()
        self._due = False


def _same(one: tuple[Any, float, Any], other: tuple[Any, float, Any]) -> bool:
    (centre, zoom, angles), (there, near, turned) = one, other
    moved = np.abs(np.asarray(centre, float) - np.asarray(there, float)).max() * zoom  # in screen pixels
    return bool(moved < 1 and abs(zoom - near) <= ALIKE * near and np.allclose(angles, turned))
