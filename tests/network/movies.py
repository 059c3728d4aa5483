"""Synthetic movies made by a formula, the same on every machine."""

from __future__ import annotations

import numpy as np


def blobs_movie(frames: int, size: int, seed: int) -> np.ndarray:
    """Six coloured blobs that drift, with noise: (T, size, size, 3) uint8.

    The recipe that the frames of the reference outputs at full size were made by.
    """
    r = np.random.default_rng(seed)
    blobs = []
    for _ in range(6):
        p = r.uniform(0.2, 0.8, 2) * size
        v = r.normal(0, 0.015, 2) * size
        radius = r.uniform(0.06, 0.14) * size
        blobs.append((p, v, radius, r.uniform(0.3, 1, 3)))
    y, x = np.mgrid[:size, :size].astype(np.float64)
    movie = np.zeros((frames, size, size, 3))
    for t in range(frames):
        for p, v, radius, colour in blobs:
            shape = np.exp(-((y - p[0] - v[0] * t) ** 2 + (x - p[1] - v[1] * t) ** 2) / (2 * radius**2))
            movie[t] += shape[..., None] * colour
    movie = movie / movie.max() * 220 + r.uniform(0, 20, movie.shape)
    return movie.clip(0, 255).astype(np.uint8)
