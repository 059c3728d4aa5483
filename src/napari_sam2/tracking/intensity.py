"""One pair of intensity limits for a whole movie, and the scaling by it.

Never frame by frame: a scaling of its own for every frame makes the input flicker, and what the network remembers of a
cell no longer matches what it sees.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Limits = tuple[float, float]
"""(low, high): the intensities that become 0 and 1."""

LOW_PERCENTILE = 0.5
"""Percentile that becomes 0; the same as where the bundled model was trained."""
HIGH_PERCENTILE = 99.8
"""Percentile that becomes 1; the same as where the bundled model was trained."""
MAX_SAMPLES_PER_FRAME = 1 << 18
"""Pixels of one frame that go into the percentiles: a 512 x 512 grid is many times more than they need."""
_FLOAT32_WIDTH = 1e-3
"""Limits closer than this are scaled in float64 (width in grey levels)."""
_FLOAT32_SIZE = 1e9
"""Limits beyond this are scaled in float64."""


def subsample(plane: npt.NDArray[np.generic], limit: int = MAX_SAMPLES_PER_FRAME) -> npt.NDArray[np.generic]:
    """Take a regular grid of at most about ``limit`` pixels of a (Y, X) plane."""
    step = max(1, math.ceil(math.sqrt(plane.size / limit)))
    return plane[::step, ::step]


def estimate_limits(planes: Iterable[npt.NDArray[np.generic]], dtype: np.dtype[np.generic]) -> Limits:
    """Find the limits of one channel from a few of its frames.

    Parameters
    ----------
    planes : iterable of ndarray, (Y, X)
        A few frames spread over the movie.
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
    samples = [np.ravel(subsample(plane)).astype(np.float64) for plane in planes]
    values = np.concatenate(samples) if samples else np.empty(0)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    # halved, since the difference of two very large numbers that percentile interpolates over must not overflow
    low, high = (2.0 * np.percentile(values / 2.0, (LOW_PERCENTILE, HIGH_PERCENTILE))).tolist()
    if not low < high:
        low, high = float(values.min()), float(values.max())
    return ensure_width(low, high)


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
