"""Clips: the unit that training draws from movies, real or synthetic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

LOW_PERCENTILE = 0.5
"""Intensity percentile that becomes 0 when a clip is scaled."""
HIGH_PERCENTILE = 99.8
"""Intensity percentile that becomes 1 when a clip is scaled."""
_MAX_PERCENTILE_SAMPLES = 1 << 16


@dataclass(frozen=True)
class Clip:
    """A few consecutive frames with their truth.

    Parameters
    ----------
    frames : ndarray, (T, H, W) float32
        Intensities in 0..1 after one scaling for the whole clip.
    labels : ndarray, (T, H, W) int32
        0 is background. An id means the same cell in every frame; it may vanish and come back.
    parents : dict of int to int
        Daughter id to mother id.
    kind : str
        What sort of movie this is, such as ``"nuclei"`` or ``"phase"``.
    """

    frames: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    parents: dict[int, int] = field(default_factory=dict)
    kind: str = ""

    def __post_init__(self) -> None:
        if self.frames.ndim != 3 or self.frames.shape != self.labels.shape:
            raise ValueError(
                f"frames {self.frames.shape} and labels {self.labels.shape} must both be (T, H, W): "
                "pass one channel, and labels of the same frames"
            )


class ClipSource(Protocol):
    """Anything that training can draw clips from."""

    def sample(self, rng: np.random.Generator, size: int, length: int) -> Clip:
        """Return a clip of ``length`` frames, ``size`` by ``size`` pixels."""
        ...


def scale_intensity(
    frames: npt.NDArray[np.generic], low: float = LOW_PERCENTILE, high: float = HIGH_PERCENTILE
) -> npt.NDArray[np.float32]:
    """Scale all frames by one pair of limits to 0..1.

    Parameters
    ----------
    frames : ndarray, (T, H, W), any real dtype
    low, high : float
        Percentiles (0..100) of the whole clip that become 0 and 1; what lies outside is clipped.

    Returns
    -------
    ndarray, (T, H, W) float32
    """
    flat = frames.reshape(-1)
    # A regular subsample is enough for percentiles, and many times faster than a full sort.
    step = max(1, flat.size // _MAX_PERCENTILE_SAMPLES)
    bottom, top = np.percentile(flat[::step].astype(np.float64), (low, high))
    scaled = (frames.astype(np.float32) - np.float32(bottom)) * np.float32(1.0 / max(float(top - bottom), 1e-6))
    return np.clip(scaled, 0.0, 1.0, out=scaled)
