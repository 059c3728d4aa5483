"""The synthetic presets as napari layers, with the scale that such cells would have under a microscope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_sam2.training.synthetic import SyntheticMovie

LayerData = tuple[Any, dict[str, Any], str]

FRAMES = 30
SIZE = (384, 384)
"""Frames and (Y, X) px of a sample: enough for divisions, and made in seconds."""
LIMITS = (0.1, 99.9)
"""Percentiles of the whole movie that are shown as black and white."""
_LOOKED_AT = 500_000  # pixels that the percentiles are taken from


@dataclass(frozen=True)
class Calibration:
    """What a pixel and a frame would be.

    Parameters
    ----------
    micrometers
        Side of a pixel.
    minutes
        Between two frames.
    """

    micrometers: float
    minutes: float


CALIBRATION: dict[str, Calibration] = {
    "nuclei": Calibration(0.35, 5.0),  # 34 px across: 12 µm
    "membranes": Calibration(0.3, 10.0),  # 50 px: 15 µm
    "phase": Calibration(0.5, 5.0),  # 58 px: 29 µm
    "rods": Calibration(0.08, 2.0),  # 24 px: 1 by 4 µm
}
"""The usual size of such cells over their diameter in pixels: a choice, for a synthetic movie."""

SYNTHETIC = tuple(CALIBRATION)
"""Names of the synthetic samples: those of `training.synthetic.PRESETS`."""


def synthetic_layers(
    name: str, *, truth: bool = False, frames: int = FRAMES, size: tuple[int, int] = SIZE, seed: int | None = None
) -> list[LayerData]:
    """Make a synthetic sample movie; the same arguments give the same layers.

    Parameters
    ----------
    name : str
        One of :data:`SYNTHETIC`.
    truth : bool
        Add the true cells as a Labels layer. Its metadata says who is whose daughter.
    frames : int
    size : tuple of int
        (Y, X) px.
    seed : int, optional
        For another movie of the same sort.

    Returns
    -------
    list of (data, attributes, kind)
        An image, (T, Y, X) uint16, and with `truth` labels, (T, Y, X) int32. Both are calibrated in minutes and
        micrometers.

    Raises
    ------
    KeyError
        For an unknown name.
    """
    from napari_sam2.training.synthetic import PRESETS, make_preset

    movie = make_preset(name, frames=frames, size=size, seed=seed)
    title = PRESETS[name].title
    made = {"kind": movie.kind, "seed": movie.seed, "description": PRESETS[name].description}
    image = {
        **_calibrated(name),
        "name": title,
        "contrast_limits": _limits(movie.frames),
        "metadata": {"napari-sam2": made},
    }
    layers: list[LayerData] = [(movie.frames, image, "image")]
    if truth:
        layers.append((movie.labels, _truth_attributes(name, title, movie, made), "labels"))
    return layers


def _truth_attributes(name: str, title: str, movie: SyntheticMovie, made: dict[str, Any]) -> dict[str, Any]:
    return {
        **_calibrated(name),
        "name": f"{title}: truth",
        "metadata": {"napari-sam2": {**made, "parents": dict(movie.parents)}},
    }


def _calibrated(name: str) -> dict[str, Any]:
    step = CALIBRATION[name]
    return {
        "scale": (step.minutes, step.micrometers, step.micrometers),
        "units": ("minute", "micrometer", "micrometer"),
        "axis_labels": ("t", "y", "x"),
    }


def _limits(frames: npt.NDArray[np.uint16]) -> tuple[float, float]:
    step = max(1, frames.size // _LOOKED_AT)
    low, high = np.percentile(frames.ravel()[::step], LIMITS)
    return float(low), float(max(high, low + 1))
