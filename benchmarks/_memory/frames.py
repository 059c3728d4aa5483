"""A movie of any length that takes no memory: discs on their ways, drawn when a frame is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BACKGROUND, BRIGHT, NOISE = 400, 3000, 60
#: Frames of noise that are used in turn: drawing noise costs more than all the rest.
NOISES = 4


class Discs:
    """Discs that swing around their places on a grid, as a lazy array (T, Y, X) of uint16.

    Parameters
    ----------
    length
        Frames.
    side
        Pixels along each side.
    cells
        Number of discs.
    diameter
        Of a disc in pixels.
    """

    def __init__(self, length: int, side: int, cells: int, diameter: float) -> None:
        self.shape = (length, side, side)
        self.dtype = np.dtype(np.uint16)
        self.ndim = 3
        self.diameter = diameter
        rng = np.random.default_rng(0)
        across = int(np.ceil(np.sqrt(cells)))
        pitch = side / across
        grid = np.stack(np.meshgrid(np.arange(across), np.arange(across), indexing="ij"), -1).reshape(-1, 2)[:cells]
        self.homes = (grid + 0.5) * pitch
        self.reach = max(0.0, (pitch - diameter) / 2 - 1)
        self.phases = rng.uniform(0, 2 * np.pi, (cells, 2))
        self.paces = rng.uniform(0.05, 0.15, (cells, 2))
        self.noise = rng.normal(BACKGROUND, NOISE, (NOISES, side, side)).clip(0).astype(np.uint16)

    def __len__(self) -> int:
        return self.shape[0]

    def places(self, frame: int) -> npt.NDArray[np.float64]:
        """Centres (N, 2) of the discs, (y, x)."""
        return self.homes + self.reach * np.sin(self.phases + self.paces * frame)

    def __getitem__(self, key: Any) -> npt.NDArray[np.uint16]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(first, slice):
            return np.stack([self[(t, *rest)] for t in range(*first.indices(len(self)))])
        picture = self.noise[int(first) % NOISES].copy()
        half = int(np.ceil(self.diameter / 2))
        window = np.arange(-half, half + 1)
        for y, x in self.places(int(first)):
            rows, columns = window + round(y), window + round(x)
            disc = (rows[:, None] - y) ** 2 + (columns[None] - x) ** 2 <= (self.diameter / 2) ** 2
            inside = np.ix_((rows >= 0) & (rows < self.shape[1]), (columns >= 0) & (columns < self.shape[2]))
            rows, columns = rows.clip(0, self.shape[1] - 1), columns.clip(0, self.shape[2] - 1)
            at = (rows[inside[0][:, 0]][:, None], columns[inside[1][0]][None])
            picture[at] += (disc[inside] * BRIGHT).astype(np.uint16)
        return picture[tuple(rest)]
