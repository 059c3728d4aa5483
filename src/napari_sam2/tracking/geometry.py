"""Frame pixels, model pixels and tokens: the one place where they are converted.

A frame is resampled by `Geometry.scale` into a field of model pixels; 16 model pixels make a token. Pixel centres are
at whole numbers in both systems, so ``model = (frame + 0.5) * scale - 0.5``. A field has whole tokens, an even number
of them (the trunk halves twice more), and at least a window's. Where windows are used, the frame is stretched to that
by a few per cent; only small fields, and those of the published networks, are padded at their bottom and right. Padding
is black, and at a black border cells that leave are lost too early: that is not the edge of a picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_sam2.network.config import TOKEN_STRIDE

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Fields are padded to a multiple of this many tokens: stride 32 of the trunk.
TOKEN_MULTIPLE = 2
#: A frame is stretched by at most this share along either side so that its field needs no padding.
STRETCH = 0.07
#: Resampling beyond these factors gains nothing and costs memory.
MIN_SCALE, MAX_SCALE = 1 / 16, 4.0


@dataclass(frozen=True)
class Geometry:
    """The field of model pixels that a frame becomes.

    Parameters
    ----------
    frame_shape
        (Y, X) in pixels.
    model_shape
        (Y, X) of the resampled frame in model pixels, without padding.
    tokens
        (rows, columns) of the padded field's token grid.
    window
        Side of a cell's window in tokens, or None where a window is the whole field.
    """

    frame_shape: tuple[int, int]
    model_shape: tuple[int, int]
    tokens: tuple[int, int]
    window: int | None

    @classmethod
    def windowed(cls, frame_shape: tuple[int, int], scale: float, window: int) -> Geometry:
        """Field for windows of `window` tokens, at about `scale` model pixels a pixel (kept within sane bounds)."""
        scale = min(max(scale, MIN_SCALE), MAX_SCALE)
        height, width = (_fitting(n * scale, window) for n in frame_shape)
        return cls(frame_shape, (height, width), (_tokens(height, window), _tokens(width, window)), window)

    @classmethod
    def whole(cls, frame_shape: tuple[int, int], image_size: int) -> Geometry:
        """Field whose longer side is `image_size`, seen whole by every cell; the aspect ratio is kept."""
        scale = image_size / max(frame_shape)
        height, width = (max(1, round(n * scale)) for n in frame_shape)
        return cls(frame_shape, (height, width), (_tokens(height, 1), _tokens(width, 1)), None)

    @property
    def scale(self) -> tuple[float, float]:
        """Model pixels a frame pixel, (y, x); the two differ by rounding to whole tokens, a few per cent."""
        return self.model_shape[0] / self.frame_shape[0], self.model_shape[1] / self.frame_shape[1]

    @property
    def mean_scale(self) -> float:
        """Geometric mean of the two scales."""
        return math.sqrt(self.scale[0] * self.scale[1])

    @property
    def padded_shape(self) -> tuple[int, int]:
        """(Y, X) of the padded field in model pixels."""
        return self.tokens[0] * TOKEN_STRIDE, self.tokens[1] * TOKEN_STRIDE

    @property
    def window_tokens(self) -> tuple[int, int]:
        """(rows, columns) of a window."""
        return self.tokens if self.window is None else (self.window, self.window)

    def to_model(self, yx: npt.ArrayLike) -> FloatArray:
        """Frame pixels (..., 2) to model pixels."""
        return (np.asarray(yx, float) + 0.5) * self.scale - 0.5

    def to_frame(self, yx: npt.ArrayLike) -> FloatArray:
        """Model pixels (..., 2) to frame pixels."""
        return (np.asarray(yx, float) + 0.5) / self.scale - 0.5

    def place_windows(self, centres_yx: npt.ArrayLike) -> IntArray:
        """Put a window around each centre, on whole tokens and inside the field.

        Parameters
        ----------
        centres_yx
            (N, 2) in model pixels; may lie outside the field.

        Returns
        -------
        ndarray
            (N, 2) row and column of each window's first token.
        """
        centres = np.asarray(centres_yx, float).reshape(-1, 2)
        size = np.array(self.window_tokens)
        origin = np.round((centres + 0.5) / TOKEN_STRIDE - size / 2).astype(np.int64)
        return np.clip(origin, 0, np.array(self.tokens) - size)

    def keep_windows(self, origins: npt.ArrayLike, centres_yx: npt.ArrayLike, slack: float) -> IntArray:
        """Move windows only where a centre has left the middle of its window by more than `slack` tokens.

        A window that rests costs nothing to remember; one that follows every pixel changes its tokens all the time.
        """
        origins = np.asarray(origins, np.int64).reshape(-1, 2)
        placed = self.place_windows(centres_yx)
        centres = (np.asarray(centres_yx, float).reshape(-1, 2) + 0.5) / TOKEN_STRIDE
        off = np.abs(centres - (origins + np.array(self.window_tokens) / 2))
        return np.where((off > slack).any(1, keepdims=True), placed, origins)


def _fitting(wanted: float, window: int) -> int:
    """Model pixels that are whole tokens, where those near what is wanted hold a window; else what is wanted."""
    step = TOKEN_MULTIPLE * TOKEN_STRIDE
    whole = round(wanted / step) * step
    fits = whole >= window * TOKEN_STRIDE and abs(whole - wanted) <= STRETCH * wanted
    return whole if fits else max(1, round(wanted))


def _tokens(model_pixels: int, at_least: int) -> int:
    tokens = max(math.ceil(model_pixels / TOKEN_STRIDE), at_least)
    return math.ceil(tokens / TOKEN_MULTIPLE) * TOKEN_MULTIPLE
