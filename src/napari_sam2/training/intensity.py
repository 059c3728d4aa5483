"""Intensity augmentation of whole clips: what microscopes, cameras and lamps do to the same cells."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_sam2.training.resample import smooth_noise

# How often each change happens.
INVERT = 0.08
BLUR = 0.25
NOISE = 0.5
UNEVEN = 0.2
BLEACH = 0.25
FLICKER = 0.15
WIDE_LIMITS = 0.15


def vary_intensity(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a clip with other contrast, noise, blur and light, scaled to 0..1 by one pair of limits.

    Parameters
    ----------
    frames : (T, H, W) float32
        Grey values of any range.

    Returns
    -------
    (T, H, W) float32 in 0..1
        Scaled by percentiles of the whole clip with jitter, as tracking scales a movie once.
    """
    length, height, width = frames.shape
    out = scale(frames, 0.1, 99.9)
    if rng.random() < INVERT:
        out = 1 - out
    if rng.random() < BLUR:
        sigma = rng.uniform(0.4, 1.6)
        out = ndimage.gaussian_filter(out, (0, sigma, sigma), truncate=2.5)
    out = out ** np.float32(np.exp(rng.normal(0, 0.35)))
    if rng.random() < UNEVEN:
        light = smooth_noise(rng, 1, max(height, width), max(height, width) * rng.uniform(0.5, 1.2))[:, :height, :width]
        out = (
            out * np.exp(light * rng.uniform(0.1, 0.5)) if rng.random() < 0.6 else out + light * rng.uniform(0.05, 0.2)
        )
    if length > 1 and rng.random() < BLEACH:
        out = out * np.exp(-np.arange(length) * rng.uniform(0.0, 0.15))[:, None, None]
    if length > 1 and rng.random() < FLICKER:
        out = out * np.exp(rng.normal(0, 0.1, length))[:, None, None]
    if rng.random() < NOISE:
        noise = rng.standard_normal(out.shape, dtype=np.float32)
        level = rng.uniform(0.0, 0.1) ** 1.3
        # Shot noise grows with the root of the signal; read noise does not.
        out = out + noise * level * (np.sqrt(np.maximum(out, 0)) if rng.random() < 0.5 else 1)
    low, high = rng.uniform(0, 1.5), rng.uniform(99.0, 99.95)
    out = scale(out.astype(np.float32, copy=False), low, high)
    if rng.random() < WIDE_LIMITS:
        # Limits set by hand, or by other frames of the movie, rarely fit this clip exactly.
        gain, offset = np.exp(rng.normal(0, 0.25)), rng.normal(0, 0.05)
        out = np.clip(out * np.float32(gain) + np.float32(offset), 0, 1)
    return out


def scale(frames: np.ndarray, low: float, high: float) -> np.ndarray:
    """Scale so that percentiles `low` and `high` of a subsample become 0 and 1, and clip."""
    bottom, top = np.percentile(frames[:, ::3, ::3], (low, high))
    out = (frames - np.float32(bottom)) * np.float32(1 / max(float(top - bottom), 1e-4))
    return np.clip(out, 0, 1, out=out)
