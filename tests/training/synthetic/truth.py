"""Settings that switch everything off, and questions to a label image."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_sam2.training.synthetic import SyntheticMovie

STILL: dict[str, Any] = {
    "speed": 0.0, "drift": (0.0, 0.0), "spin": 0.0, "deform": 0.0, "growth": 0.0, "division_rate": 0.0,
    "death_rate": 0.0, "vanish_rate": 0.0, "enter_rate": 0.0, "stage_jitter": 0.0, "jump_rate": 0.0,
    "black_rate": 0.0, "repeat_rate": 0.0, "flicker": 0.0, "focus_wander": 0.0, "bleaching": 0.0, "clumping": 0.0,
}  # fmt: skip
CLEAN: dict[str, Any] = {
    "photons": 5000.0, "read_noise": 0.002, "background": 0.05, "vignette": 0.0, "gradient": 0.0, "haze": 0.0,
    "debris": 0.0, "floaters": 0.0, "clutter": 0.0, "blur": 0.8, "bits": 16, "gain": 0.3, "brightness_spread": 0.1,
    "repulsion": 0.8,
}  # fmt: skip


def ids_of(labels: np.ndarray) -> set[int]:
    return set(np.unique(labels).tolist()) - {0}


def lifetimes(movie: SyntheticMovie) -> dict[int, np.ndarray]:
    """Frames in which each id has pixels."""
    present: dict[int, list[int]] = {}
    for t, frame in enumerate(movie.labels):
        for cell in ids_of(frame):
            present.setdefault(cell, []).append(t)
    return {cell: np.array(frames) for cell, frames in present.items()}


def centre(mask: np.ndarray) -> np.ndarray:
    return np.array(np.nonzero(mask)).mean(axis=1)


def inner_ids(labels: np.ndarray, rim: int = 3) -> set[int]:
    """Ids that do not touch the picture's edge."""
    border = np.ones(labels.shape, bool)
    border[rim:-rim, rim:-rim] = False
    return ids_of(labels) - ids_of(labels[border])
