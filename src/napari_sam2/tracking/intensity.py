"""One pair of intensity limits for a whole movie, and the scaling by it.

Never frame by frame: a scaling of its own for every frame makes the input flicker, and what the network remembers of a
cell no longer matches what it sees.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Limits = tuple[float, float]
"""(low, high): the intensities that become 0 and 1."""

LOW_PERCENTILE = 0.5
"""Percentile that becomes 0; the same as where the bundled model was trained."""
HIGH_PERCENTILE = 99.8
"""Percentile that becomes 1; the same as where the bundled model was trained."""
STANDS_OUT = 5.0
"""Standard deviations of the ground beyond which a pixel belongs to something that lies on it."""
CUT_OFF_SHARE = 0.05
"""Share of pixels from which on equal lowest ones are a ground that was cut off, and others above it are its noise."""
CLIPPED_SHARE = 33.0
"""Per cent of what stands out that may be clipped."""
MAX_SAMPLES_PER_FRAME = 1 << 17
"""Pixels of one frame that go into the percentiles, on a regular grid; small cells must not fall through it."""
_FLOAT32_WIDTH = 1e-3
"""Limits closer than this are scaled in float64 (width in grey levels)."""
_FLOAT32_SIZE = 1e9
"""Limits beyond this are scaled in float64."""


class Samples(NamedTuple):
    """Pixels of one (Y, X) plane on a regular grid.

    Attributes
    ----------
    values : ndarray, (N,)
        float64.
    smooth : ndarray, (N,)
        Medians of rows of three, and of three of those: without hot and dead pixels, which are no cells. float64.
    """

    values: npt.NDArray[np.float64]
    smooth: npt.NDArray[np.float64]


def take_samples(plane: npt.NDArray[np.generic], limit: int = MAX_SAMPLES_PER_FRAME) -> Samples:
    """Take a regular grid of at most about ``limit`` pixels of a (Y, X) plane."""
    step = max(1, math.ceil(math.sqrt(plane.size / limit)))
    height, width = plane.shape
    rows, columns = np.arange(0, height, step), np.arange(0, width, step)

    def at(dy: int, dx: int) -> npt.NDArray[np.float64]:
        near = np.ix_(np.clip(rows + dy, 0, height - 1), np.clip(columns + dx, 0, width - 1))
        return np.asarray(plane[near], np.float64)

    medians = [_middle(at(dy, -1), at(dy, 0), at(dy, 1)) for dy in (-1, 0, 1)]
    return Samples(at(0, 0).ravel(), _middle(*medians).ravel())


def estimate_limits(samples: Iterable[Samples], dtype: np.dtype[np.generic]) -> Limits:
    """Find the limits of one channel from a few of its frames.

    Percentiles of all pixels, wide enough for what stands out from the ground: where cells cover less than the share
    that a percentile cuts off, they would all be clipped, and their edges with them.

    Parameters
    ----------
    samples : iterable of Samples
        Of a few frames spread over the movie.
    dtype : numpy.dtype
        The movie's type: booleans are always scaled by (0, 1).

    Returns
    -------
    (low, high) : tuple of float
        Finite, and low < high whatever the frames hold. NaN and infinities are ignored. Where the percentiles
        coincide (a few bright pixels on nothing), the extremes of the samples; where those coincide too (a constant
        image), a width of one grey level.
    """
    if dtype.kind == "b":
        return 0.0, 1.0
    taken = list(samples)
    values, smooth = (_finite([s[i] for s in taken]) for i in range(2))
    if values.size == 0:
        return 0.0, 1.0
    # halved, since the difference of two very large numbers that percentile interpolates over must not overflow
    low, high = (2.0 * np.percentile(values / 2.0, (LOW_PERCENTILE, HIGH_PERCENTILE))).tolist()
    below, above = _what_stands_out(smooth)
    low, high = min(low, below), max(high, above)
    if not low < high:
        low, high = float(values.min()), float(values.max())
    return ensure_width(low, high)


def _what_stands_out(smooth: npt.NDArray[np.float64]) -> Limits:
    """Limits for what is darker and what is brighter than the ground; infinities (inf, -inf) where nothing is."""
    below, above = math.inf, -math.inf
    if smooth.size == 0:
        return below, above
    half = smooth / 2.0  # see `estimate_limits`
    ground = float(np.median(half))
    for side in (-1.0, 1.0):
        away = side * (half - ground)
        beyond = away[away > STANDS_OUT * _spread(away)]
        if beyond.size:
            reach = 2.0 * (ground + side * float(np.percentile(beyond, 100.0 - CLIPPED_SHARE)))
            below, above = (min(below, reach), above) if side < 0 else (below, max(above, reach))
    return below, above


def _spread(away: npt.NDArray[np.float64]) -> float:
    """Standard deviation of the ground, from distances to its middle of which the positive ones may be of cells too.

    So it is taken from the negative ones; but where a camera or a subtraction cut those off, from the positive ones, if
    there are so many that they are noise.
    """
    noise = -away[away < 0]
    if np.count_nonzero(away == away.min()) > CUT_OFF_SHARE * away.size:
        noise = away[away > 0]
        if noise.size <= CUT_OFF_SHARE * away.size:
            return 0.0
    return 1.4826 * float(np.median(noise)) if noise.size else 0.0


def _finite(parts: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    values = np.concatenate(parts) if parts else np.empty(0)
    return values[np.isfinite(values)]


def _middle(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], c: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The median of three, pixel by pixel; NaN where one is."""
    middle: npt.NDArray[np.float64] = np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
    return middle


def ensure_width(low: float, high: float) -> Limits:
    """Return the limits, made one grey level wide (or what the number can resolve) where they coincide."""
    if low < high:
        return low, high
    step = max(1.0, 2.0 * math.ulp(low))
    if not math.isfinite(low + step):
        return low - step, low
    return low, low + step


def parse_limits(limits: Sequence[float] | Sequence[Sequence[float]], channels: int) -> tuple[Limits, ...]:
    """Check limits given by the user: one pair for all channels, or a pair for each.

    Raises
    ------
    ValueError
        If they are not pairs of finite numbers with low < high, or not as many as there are channels.
    """
    hint = "limits are (low, high) for all channels, or one such pair for each of the chosen channels"
    try:
        pairs = np.asarray(limits, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{hint}; got {limits!r}") from error
    if pairs.shape == (2,):
        pairs = np.repeat(pairs[None], channels, axis=0)
    if pairs.shape != (channels, 2):
        raise ValueError(f"{hint}; got {limits!r} for {channels} channel{'s' * (channels != 1)}")
    if not np.isfinite(pairs).all() or not (pairs[:, 0] < pairs[:, 1]).all():
        raise ValueError(f"the low limit must be below the high one, both finite; got {limits!r}")
    return tuple((float(low), float(high)) for low, high in pairs)


def scale(plane: npt.NDArray[np.generic], limits: Limits) -> npt.NDArray[np.float32]:
    """Scale a (Y, X) plane of any real type to float32 in 0..1; NaN and infinities become 0, the low limit."""
    low, high = limits
    if not math.isfinite(high - low):  # wider than the largest float64: everything at half size
        return scale(plane.astype(np.float64) / 2.0, (low / 2.0, high / 2.0))
    # float32 holds 8- and 16-bit integers exactly; anything wider could lose its small differences on a large offset
    small = plane.dtype.kind == "b" or (plane.dtype.kind in "iu" and plane.dtype.itemsize <= 2)
    single = small and high - low > _FLOAT32_WIDTH and max(abs(low), abs(high)) < _FLOAT32_SIZE
    values: npt.NDArray[np.floating[Any]] = plane.astype(np.float32 if single else np.float64)
    if plane.dtype.kind == "f":
        values[~np.isfinite(values)] = low
    # clipped before the subtraction, which then cannot overflow
    values = np.clip(values, low, high, out=values)
    np.subtract(values, low, out=values)
    np.divide(values, high - low, out=values)
    return np.clip(values, 0.0, 1.0, out=values).astype(np.float32, copy=False)
