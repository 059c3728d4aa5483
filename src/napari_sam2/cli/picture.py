"""A strip of frames with the cells' outlines drawn on them, for looking at. numpy and pillow, no window."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.write_zarr import colour_of

MIN_PANEL = 384
"""Pixels; smaller frames are enlarged to at least this side."""
MAX_PANEL = 768
"""Pixels; larger frames are thinned out to at most this side."""
PANELS_PER_ROW = 3
_GAP = 6
_BACKGROUND = 24


def draw_strip(
    frames: Sequence[npt.NDArray[np.floating[Any]]],
    labels: Sequence[npt.NDArray[Any]],
    captions: Sequence[str],
    clicks: Sequence[Mapping[int, tuple[float, float]]] | None = None,
) -> npt.NDArray[np.uint8]:
    """Draw frames side by side, in rows of three.

    Parameters
    ----------
    frames : sequence of ndarray, (Y, X, 3)
        In 0..1.
    labels : sequence of ndarray, (Y, X) integer
        Each id is outlined in a colour of its own, the same in every frame.
    captions : sequence of str
        Written into the corners.
    clicks : sequence of mapping of id to (y, x), optional
        Marked by crosses.

    Returns
    -------
    ndarray, (H, W, 3) uint8
    """
    marks = clicks or [{} for _ in frames]
    panels = [draw_panel(*each) for each in zip(frames, labels, captions, marks, strict=True)]
    height, width = panels[0].shape[:2]
    columns = min(PANELS_PER_ROW, len(panels))
    rows = math.ceil(len(panels) / columns)
    sheet = np.full((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), _BACKGROUND, np.uint8)
    for index, panel in enumerate(panels):
        top = _GAP + (index // columns) * (height + _GAP)
        left = _GAP + (index % columns) * (width + _GAP)
        sheet[top : top + height, left : left + width] = panel
    return sheet


def draw_panel(
    frame: npt.NDArray[np.floating[Any]],
    labels: npt.NDArray[Any],
    caption: str,
    clicks: Mapping[int, tuple[float, float]],
) -> npt.NDArray[np.uint8]:
    """Draw one frame, enlarged by a whole number where it is small, and thinned out where it is large."""
    thin = max(1, math.ceil(max(labels.shape) / MAX_PANEL))
    frame, labels = frame[::thin, ::thin], labels[::thin, ::thin]
    zoom = max(1, math.ceil(MIN_PANEL / max(labels.shape)))
    image = np.repeat(np.repeat(np.round(frame * 255).astype(np.uint8), zoom, 0), zoom, 1)
    large = np.repeat(np.repeat(labels, zoom, 0), zoom, 1)
    edge = outlines(large)
    for label in np.unique(large[edge]):
        image[edge & (large == label)] = colour_of(int(label))[:3]
    for label, (y, x) in clicks.items():
        _cross(image, (y / thin + 0.5) * zoom, (x / thin + 0.5) * zoom, colour_of(label)[:3])
    return _write(image, caption)


def outlines(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """The pixels of cells that touch, within two steps, something that is not the same cell."""
    edge = np.zeros(labels.shape, bool)
    for step in (1, 2):
        for axis in (0, 1):
            for sign in (step, -step):
                edge |= np.roll(labels, sign, axis) != labels
    return edge & (labels != 0)


def save_picture(path: Path, image: npt.NDArray[np.uint8]) -> None:
    """Save as PNG."""
    from PIL import Image

    Image.fromarray(image).save(path)


def _cross(image: npt.NDArray[np.uint8], y: float, x: float, colour: list[int], arm: int = 5) -> None:
    height, width = image.shape[:2]
    row, column = min(max(int(y), 0), height - 1), min(max(int(x), 0), width - 1)
    for thickness, paint in ((2, [0, 0, 0]), (1, colour)):
        t = thickness - 1
        image[max(row - t, 0) : row + t + 1, max(column - arm - t, 0) : column + arm + t + 1] = paint
        image[max(row - arm - t, 0) : row + arm + t + 1, max(column - t, 0) : column + t + 1] = paint


def _write(image: npt.NDArray[np.uint8], text: str) -> npt.NDArray[np.uint8]:
    from PIL import Image, ImageDraw

    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    box = draw.textbbox((8, 6), text, font_size=16)
    draw.rectangle((box[0] - 4, box[1] - 3, box[2] + 4, box[3] + 3), fill=(0, 0, 0))
    draw.text((8, 6), text, fill=(255, 255, 255), font_size=16)
    return np.asarray(picture)
