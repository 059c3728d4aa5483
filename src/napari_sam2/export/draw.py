"""Drawing cells on frames: outlines, numbers, tails, a scale bar. numpy and pillow, no window."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.measure import measure_places
from napari_sam2.export.tracked import SHORT_UNITS, Tracked
from napari_sam2.export.write_zarr import colour_of

Picture = npt.NDArray[np.uint8]
"""(Y, X, 3) red, green, blue."""

SHOWN_SIDE = 1024
"""Pixels; larger frames are thinned out, and frames of less than half are enlarged, to about this longer side."""
TAIL = 10
"""Frames that a tail reaches back."""
_BAR_SHARE = 0.2
"""Longest share of the width that a scale bar takes."""
_SECONDS_OF = {"millisecond": 1e-3, "second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}


@dataclass(frozen=True)
class Look:
    """What is drawn.

    Parameters
    ----------
    ids, tails, scale_bar, time
        Whether each is.
    tail
        Frames that a tail reaches back.
    fill
        Opacity of the cells' areas, 0..1; outlines are always drawn.
    side
        Longer side in pixels that frames are brought near, by a whole factor.
    """

    ids: bool = True
    tails: bool = True
    scale_bar: bool = True
    time: bool = True
    tail: int = TAIL
    fill: float = 0.0
    side: int = SHOWN_SIDE


class Overlay:
    """Draws frames one after another; tails need the order of time.

    Parameters
    ----------
    tracked
        What to draw; black where there is no movie.
    look
        How.
    """

    def __init__(self, tracked: Tracked, look: Look | None = None) -> None:
        self.tracked = tracked
        self.look = look or Look()
        _, height, width = tracked.shape
        longest = max(height, width)
        self.thin = max(1, math.ceil(longest / self.look.side))
        self.zoom = max(1, self.look.side // longest)
        self.shape = (len(range(0, height, self.thin)) * self.zoom, len(range(0, width, self.thin)) * self.zoom)
        self._trails: dict[int, deque[tuple[int, float, float]]] = {}

    def frame(self, t: int) -> Picture:
        """Draw a frame."""
        from PIL import Image, ImageDraw

        labels = self.tracked.frame(t)
        image = paint_cells(self.background(t), self._resize(labels), self.look.fill, 2 if self.zoom > 1 else 1)
        places = measure_places(labels)
        here = {int(c): (float(y), float(x)) for c, y, x in zip(places.ids, places.y, places.x, strict=True)}
        for cell, (y, x) in here.items():
            self._trails.setdefault(cell, deque(maxlen=self.look.tail + 1)).append((t, y, x))
        picture = Image.fromarray(image)
        draw = ImageDraw.Draw(picture)
        if self.look.tails:
            for cell in here:
                recent = [self._at(y, x) for at, y, x in self._trails[cell] if at >= t - self.look.tail]
                if len(recent) > 1:
                    draw.line(recent, fill=tuple(colour_of(cell)[:3]), width=2)
        if self.look.ids:
            for cell, (y, x) in here.items():
                at = self._at(y, x)
                draw.text(at, str(cell), fill=(255, 255, 255), font_size=14, anchor="mm", stroke_width=1, stroke_fill=0)
        if self.look.scale_bar:
            draw_scale_bar(draw, self.shape, self.tracked, self.zoom / self.thin)
        if self.look.time:
            draw.text(
                (8, 6), caption(self.tracked, t), fill=(255, 255, 255), font_size=16, stroke_width=1, stroke_fill=0
            )
        return np.asarray(picture)

    def background(self, t: int) -> Picture:
        """The movie's frame in grey or colour."""
        if self.tracked.movie is None:
            return np.zeros((*self.shape, 3), np.uint8)
        return self._resize(np.round(self.tracked.movie.frame(t) * 255).astype(np.uint8))

    def _resize(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        thinned = image[:: self.thin, :: self.thin]
        return thinned if self.zoom == 1 else np.repeat(np.repeat(thinned, self.zoom, 0), self.zoom, 1)

    def _at(self, y: float, x: float) -> tuple[float, float]:
        """(x, y) in the picture of a place in the frame."""
        return ((x / self.thin + 0.5) * self.zoom, (y / self.thin + 0.5) * self.zoom)


def paint_cells(
    background: npt.NDArray[np.generic], labels: npt.NDArray[np.generic], fill: float = 0.0, thickness: int = 1
) -> Picture:
    """Draw outlines in each cell's colour, and its area so opaque."""
    image = np.array(background, np.uint8)
    inside = np.flatnonzero(labels)
    ids = labels.reshape(-1)[inside]
    names, slot = np.unique(ids, return_inverse=True)
    colours = np.array([colour_of(int(name))[:3] for name in names], np.float64).reshape(-1, 3)
    edge = outlines(labels, thickness).reshape(-1)[inside]
    flat = image.reshape(-1, 3)
    opacity = np.where(edge, 1.0, fill)[:, None]
    shown = (edge | (fill > 0)).nonzero()[0]
    mixed = flat[inside[shown]] * (1 - opacity[shown]) + colours[slot.reshape(-1)[shown]] * opacity[shown]
    flat[inside[shown]] = np.round(mixed).astype(np.uint8)
    return image


def outlines(labels: npt.NDArray[np.generic], thickness: int = 1) -> npt.NDArray[np.bool_]:
    """The pixels of cells no further than so many from something else; the frame's border is nothing else."""
    edge = np.zeros(labels.shape, bool)
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    for _ in range(thickness - 1):
        wider = edge.copy()
        wider[1:] |= edge[:-1]
        wider[:-1] |= edge[1:]
        wider[:, 1:] |= edge[:, :-1]
        wider[:, :-1] |= edge[:, 1:]
        edge = wider
    return edge & (labels != 0)


def draw_scale_bar(draw: object, shape: Sequence[int], tracked: Tracked, pixels: float) -> None:
    """Draw a bar of a round length at the lower right; nothing where the scale is not known.

    Parameters
    ----------
    draw
        pillow's.
    shape
        (Y, X) of the picture.
    tracked
        Has the scale.
    pixels
        Pixels of the picture for one of the frame.
    """
    step, unit = tracked.scale.get("X"), tracked.units.get("X")
    if not step or unit is None:
        return
    length = round_length(shape[1] * _BAR_SHARE / pixels * step)
    size = round(length / step * pixels)
    x1, y1 = shape[1] - 12, shape[0] - 12
    draw.rectangle((x1 - size, y1 - 4, x1, y1), fill=(255, 255, 255))  # type: ignore[attr-defined]
    draw.text(  # type: ignore[attr-defined]
        (x1 - size / 2, y1 - 8),
        f"{length:g} {SHORT_UNITS.get(unit, unit)}",
        fill=(255, 255, 255),
        font_size=14,
        anchor="ms",
        stroke_width=1,
        stroke_fill=0,
    )


def round_length(at_most: float) -> float:
    """The longest of 1, 2, 5, 10, 20, ... (and of their tenths) that is no longer than this."""
    power = 10.0 ** math.floor(math.log10(at_most))
    return next(factor * power for factor in (5.0, 2.0, 1.0) if factor * power <= at_most * (1 + 1e-9))


def caption(tracked: Tracked, t: int) -> str:
    """Frame number, and time where it is known."""
    step, unit = tracked.scale.get("T"), tracked.units.get("T", "")
    if not step or unit not in _SECONDS_OF:
        return f"frame {t}"
    seconds = t * step * _SECONDS_OF[unit]
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"frame {t}   {hours:.0f}:{minutes:02.0f}:{rest:02.0f}"
