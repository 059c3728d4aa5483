"""Cheap geometric resampling for augmentation: crops, zooms, rotations and smooth warps with one interpolation."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def sample(
    planes_bchw: np.ndarray, rows_bhw: np.ndarray, cols_bhw: np.ndarray, mode: Literal["linear", "nearest"]
) -> np.ndarray:
    """Look planes up at fractional positions; outside is 0.

    Parameters
    ----------
    planes_bchw : (B, C, H, W) array
        Images or labels (ids below 2**24, since they pass through float32).
    rows_bhw, cols_bhw : (B, h, w) array
        Positions in px of the planes, pixel centres at whole numbers. B may be 1 or that of the planes.
    mode : {"linear", "nearest"}

    Returns
    -------
    (B, C, h, w) float32
    """
    height, width = planes_bchw.shape[-2:]
    grid = np.stack(
        (cols_bhw * (2.0 / width) + (1.0 / width - 1.0), rows_bhw * (2.0 / height) + (1.0 / height - 1.0)), axis=-1
    )
    source = torch.from_numpy(np.ascontiguousarray(planes_bchw, dtype=np.float32))
    where = torch.from_numpy(grid.astype(np.float32, copy=False))
    batch = max(source.shape[0], where.shape[0])
    source, where = source.expand(batch, -1, -1, -1), where.expand(batch, -1, -1, -1)
    kind = "bilinear" if mode == "linear" else "nearest"
    return F.grid_sample(source, where, mode=kind, padding_mode="zeros", align_corners=False).numpy()


def smooth_noise(rng: np.random.Generator, count: int, size: int, wavelength: float) -> np.ndarray:
    """Fields of smooth noise with unit amplitude.

    Parameters
    ----------
    count : int
        Number of independent fields.
    size : int
        Side in px.
    wavelength : float
        Distance in px over which a field changes.

    Returns
    -------
    (count, size, size) float32
    """
    nodes = max(2, int(np.ceil(size / wavelength)) + 1)
    coarse = torch.from_numpy(rng.standard_normal((count, 1, nodes, nodes), dtype=np.float32))
    fine: Tensor = F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
    return fine[:, 0].numpy()


def halve(image_hw: np.ndarray) -> np.ndarray:
    """Average 2x2 pixels (H, W) -> (H // 2, W // 2) float32."""
    height, width = (n // 2 * 2 for n in image_hw.shape)
    return image_hw[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3), dtype=np.float32)


def view_grid(
    rng: np.random.Generator, shape: tuple[int, int], size: int, zoom: float, turn: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of a random view into an image: place, rotation or mirror, and zoom.

    Parameters
    ----------
    shape : (H, W)
        Of the image in px.
    size : int
        Side of the view in view px.
    zoom : float
        View px per image px.
    turn : bool
        Rotate by any angle; otherwise only by quarter turns. Both mirror at random.

    Returns
    -------
    rows, cols : (1, size, size) float32
        Image px for each view px. What falls outside the image is off the field.
    """
    angle = rng.uniform(0, 2 * np.pi) if turn else rng.integers(4) * np.pi / 2
    flip = rng.choice((-1.0, 1.0))
    stretch = np.exp(rng.normal(0, 0.06))
    span = size / zoom
    centre = []
    for n in shape:
        slack = max(0.0, n - span)
        # Keep the view inside the image where it fits, and the image inside the view where it does not.
        centre.append((n - 1) / 2 + rng.uniform(-0.5, 0.5) * (slack if slack > 0 else (span - n) * 0.6))
    axis = ((np.arange(size, dtype=np.float32) - (size - 1) / 2) / zoom).astype(np.float32)
    y, x = axis[:, None] * np.float32(stretch), axis[None, :] * np.float32(flip / stretch)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    rows = np.float32(centre[0]) + cos * y - sin * x
    cols = np.float32(centre[1]) + sin * y + cos * x
    return rows[None], cols[None]
