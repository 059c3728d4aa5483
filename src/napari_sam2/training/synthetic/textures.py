"""Banks of tileable noise, made once in a process from a fixed seed, from which all texture is read."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage

F32 = npt.NDArray[np.float32]

TILE = 256
"""Side of a tile in px; a power of two, since coordinates wrap by a bit mask."""
N_TILES = 6
_BANK_SEED = 20240917
_WRAP_OFFSET = 64 * TILE  # keeps coordinates positive: conversion to int truncates towards zero
_LIMIT = 3.0  # standard deviations

SCALES: dict[str, float] = {"fine": 1.0, "middle": 2.5, "coarse": 6.0, "broad": 15.0}
"""Correlation length in tile px of each bank of noise, in rising order."""
_DOT_SIZES: dict[str, float] = {"granules": 1.2, "drops": 3.0}
_DOT_SHARE = 0.017  # dots per tile px, times the squared dot size
_FINEST = 0.6  # tile px per px below which single tile px would show


def _normalise(tile: npt.NDArray[np.float64]) -> F32:
    tile = (tile - tile.mean()) / tile.std()
    return np.clip(tile, -_LIMIT, _LIMIT).astype(np.float32)


@cache
def bank(name: str) -> F32:
    """Return tiles (N_TILES, TILE, TILE) float32 of mean 0 and deviation 1.

    ``name`` is one of :data:`SCALES`, or ``"granules"`` or ``"drops"`` (sparse bright dots, small and large), or
    ``"fractal"`` (all scales at once).
    """
    rng = np.random.default_rng([_BANK_SEED, sum(map(ord, name))])
    tiles = []
    for _ in range(N_TILES):
        white = rng.standard_normal((TILE, TILE))
        if name in _DOT_SIZES:
            size = _DOT_SIZES[name]
            dots = (rng.random((TILE, TILE)) < _DOT_SHARE / size**2) * rng.gamma(2.0, 1.0, (TILE, TILE))
            tile = ndimage.gaussian_filter(dots, size, mode="wrap")
        elif name == "fractal":
            frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.fftfreq(TILE)[None])
            frequency[0, 0] = np.inf
            tile = np.real(np.fft.ifft2(np.fft.fft2(white) * frequency**-1.3))
        else:
            tile = ndimage.gaussian_filter(white, SCALES[name], mode="wrap")
        tiles.append(_normalise(tile))
    return np.stack(tiles)


def _coarser(name: str, scale: float) -> tuple[str, float]:
    """Go to a bank of larger grain, read in larger steps, where ``scale`` would show the pixels of the tile."""
    if name == "fractal":
        return name, max(scale, _FINEST)  # looks alike at all scales
    chain = _DOT_SIZES if name in _DOT_SIZES else SCALES
    names = list(chain)
    while scale < _FINEST and name != names[-1]:
        larger = names[names.index(name) + 1]
        scale *= chain[larger] / chain[name]
        name = larger
    return name, scale


def read(name: str, which: int, u: F32, v: F32, scale: float, offset: tuple[float, float]) -> F32:
    """Read a tile at cell coordinates ``u``, ``v`` (px) times ``scale`` (tile px per px), wrapping around."""
    name, scale = _coarser(name, scale)
    tile = bank(name)[which % N_TILES]
    column = (u * np.float32(scale) + np.float32(offset[0] + _WRAP_OFFSET)).astype(np.int32) & (TILE - 1)
    row = (v * np.float32(scale) + np.float32(offset[1] + _WRAP_OFFSET)).astype(np.int32) & (TILE - 1)
    return tile[row, column]


def window(name: str, which: int, shape: tuple[int, int], offset: tuple[int, int], zoom: float = 1.0) -> F32:
    """Read a (Y, X) window of a tile at a pixel offset, ``zoom`` times enlarged, wrapping around."""
    tile = bank(name)[which % N_TILES]
    rows = ((np.arange(shape[0]) + offset[0]) / zoom).astype(np.int64) & (TILE - 1)
    cols = ((np.arange(shape[1]) + offset[1]) / zoom).astype(np.int64) & (TILE - 1)
    return tile[np.ix_(rows, cols)]
