"""Someone else's layers as what a session starts from: labels, points, shapes. No Qt in here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session import Refused

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.export.as_prompts import Which
    from napari_sam2.session import Session
    from napari_sam2.widgets.image import Axes

ID_COLUMNS = ("cell", "track_id", "track", "label", "index", "id")
"""Features of points and shapes that say which of them are one cell."""


class OneFrame:
    """A label image as the labels of one frame of a movie.

    Parameters
    ----------
    image
        (Y, X).
    frame
        Which frame it is.
    frames
        Length of the movie.
    """

    def __init__(self, image: npt.NDArray[Any], frame: int, frames: int) -> None:
        self._image, self._frame = image, frame
        self.shape, self.dtype = (frames, *image.shape), image.dtype
        self.ndim = 3

    def __getitem__(self, t: Any) -> npt.NDArray[Any]:
        return self._image if t == self._frame else np.zeros_like(self._image)


def labels_of(layer: Any, axes: Axes, frame: int) -> tuple[Any, list[int] | None]:
    """Return the labels of a layer as (T, Y, X), and which frames they are of (None: all)."""
    data = layer.data[0] if layer.multiscale else layer.data
    shape = tuple(int(n) for n in data.shape)
    while len(shape) > 3 and 1 in shape[:-2]:
        at = shape.index(1)
        data = np.asarray(data)[(slice(None),) * at + (0,)]
        shape = tuple(data.shape)
    if len(shape) == 3 and shape[0] == 1 and axes.frames > 1:
        data, shape = data[0], shape[1:]
    if len(shape) == 2:
        return OneFrame(np.asarray(data), frame, axes.frames), [frame]
    if len(shape) != 3:
        raise Refused(f"'{layer.name}' has axes of lengths {shape}: labels of a movie are (T, Y, X)")
    return data, None


def take_labels(
    session: Session, layer: Any, axes: Axes, frame: int, prompts: Which = "first", link: bool = False
) -> dict[int, int]:
    """Take the cells of a Labels layer over, with their masks.

    Parameters
    ----------
    session
        The session.
    layer
        The layer: (T, Y, X), or (Y, X) for the frame that is shown.
    axes
        Of the image layer.
    frame
        The frame that is shown.
    prompts
        Which masks are to be tracked from: the ``"first"`` of a cell, or ``"all"``.
    link
        The frames were segmented one by one: find out which are the same cell.

    Returns
    -------
    dict
        From the layer's numbers to the cells.
    """
    from napari_sam2.export.as_prompts import add_segmentation

    labels, frames = labels_of(layer, axes, frame)
    return add_segmentation(session, labels, frames=frames, prompts=prompts, link=link)


def take_points(session: Session, layer: Any, image: Image, axes: Axes, frame: int) -> list[int]:
    """Take points over as clicks; those with one number in a feature such as ``track_id`` are one cell."""
    numbers = _numbers(layer, len(layer.data))
    cells: dict[int, int] = {}
    for row, point in enumerate(np.asarray(layer.data, float)):
        t, y, x = _to_movie(layer, image, axes, point, frame)
        _check_inside(session, layer, y, x)
        cell = cells.setdefault(numbers[row], session.new_id())
        session.add_click(cell, t, (y, x))
    if not cells:
        raise Refused(f"'{layer.name}' is empty: there is nothing to take over")
    return list(cells.values())


def take_shapes(session: Session, layer: Any, image: Image, axes: Axes, frame: int) -> list[int]:
    """Take shapes over: rectangles and ellipses as boxes, polygons as masks."""
    numbers = _numbers(layer, len(layer.data))
    cells: dict[int, int] = {}
    for row, (vertices, kind) in enumerate(zip(layer.data, layer.shape_type, strict=True)):
        places = [_to_movie(layer, image, axes, v, frame) for v in np.asarray(vertices, float)]
        t, yx = places[0][0], np.array([p[1:] for p in places])
        if kind in ("line", "path"):
            continue
        cell = cells.setdefault(numbers[row], session.new_id())
        if kind in ("rectangle", "ellipse"):
            session.add_box(cell, t, (tuple(yx.min(0)), tuple(yx.max(0))))
        else:
            from skimage.draw import polygon2mask

            session.add_mask(cell, t, polygon2mask(session.document.frame_shape, yx))
    if not cells:
        raise Refused(f"'{layer.name}' has no rectangle, ellipse or polygon: there is nothing to take over")
    return list(cells.values())


def _to_movie(layer: Any, image: Image, axes: Axes, point: Any, frame: int) -> tuple[int, float, float]:
    """Frame, y and x of a point of another layer; a layer without time counts for the frame that is shown."""
    world = np.asarray(layer.data_to_world(point), float)
    ndim = len(axes.letters)
    full = np.array(image.data_to_world(axes.place(frame, 0.0, 0.0)), float)
    full[-min(len(world), ndim) :] = world[-ndim:]
    place = np.asarray(image.world_to_data(full), float)
    stray = axes.beyond(place)
    if stray is not None:
        raise Refused(f"a point of '{layer.name}' lies outside the movie, on {stray}. Move or delete it")
    return axes.frame_of(place), float(place[-2]), float(place[-1])


def _check_inside(session: Session, layer: Any, y: float, x: float) -> None:
    height, width = session.document.frame_shape
    if not (-0.5 <= y <= height - 0.5 and -0.5 <= x <= width - 0.5):
        raise Refused(
            f"a point of '{layer.name}' lies outside the movie, at y = {y:.1f}, x = {x:.1f}: move or delete it"
        )


def _numbers(layer: Any, count: int) -> list[int]:
    for name in ID_COLUMNS:
        if name in layer.features and layer.features[name].dtype.kind in "iu":
            return [int(v) for v in layer.features[name]]
    return list(range(count))
