"""Fields full of cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks._quality.clicks import interior_point

#: Most cells that the generator puts into one picture.
MOST_CELLS = 400
#: Cells that are lost at the border, or to crowding.
SPARE = 1.15
#: Frames that are made; a longer movie goes through them to and fro.
FRAMES = 4
#: Length of the movies: long enough for every object pointer that a network can look at.
LENGTH = 40


@dataclass(frozen=True)
class Field:
    """A short movie of a field, and where its cells are clicked.

    Parameters
    ----------
    frames
        (T, Y, X) uint16.
    labels
        (T, Y, X) int32 truth.
    diameter
        Typical diameter of the cells in pixels.
    clicks
        (y, x) on the first frame by cell, in an order in which the first few are spread over the field.
    """

    frames: npt.NDArray[np.uint16]
    labels: npt.NDArray[np.int32]
    diameter: float
    clicks: dict[int, tuple[float, float]]

    @property
    def limits(self) -> tuple[float, float]:
        """Intensities that become black and white."""
        return float(self.frames.min()), float(np.percentile(self.frames[0], 99.8))

    def movie(self) -> Bouncing:
        """The movie to track."""
        return Bouncing(self.frames)

    def some(self, cells: int) -> dict[int, tuple[float, float]]:
        """Clicks of the first few cells.

        Raises
        ------
        ValueError
            If there are not so many.
        """
        if cells > len(self.clicks):
            raise ValueError(f"the field has {len(self.clicks)} cells, {cells} are wanted")
        return dict(list(self.clicks.items())[:cells])


class Bouncing:
    """A few frames that are shown to and fro, as a long array (T, Y, X)."""

    def __init__(self, frames: npt.NDArray[np.uint16], length: int = LENGTH) -> None:
        self.frames = frames
        self.shape = (length, *frames.shape[1:])
        self.dtype = frames.dtype
        self.ndim = 3

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> npt.NDArray[np.uint16]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(first, slice):
            return np.stack([self[(t, *rest)] for t in range(*first.indices(len(self)))])
        period = max(1, 2 * (len(self.frames) - 1))
        at = int(first) % period
        return self.frames[min(at, period - at)][tuple(rest)]


@cache
def make_field(cells: int, diameter: float, side: int, seed: int = 0) -> Field:
    """Make a square field with at least so many nuclei."""
    from napari_sam2.training.synthetic import make_movie

    parts = 1
    while cells * SPARE / parts**2 > MOST_CELLS:
        parts += 1
    size = side // parts
    each = min(MOST_CELLS, int(cells * SPARE / parts**2) + 2)
    frames = np.zeros((FRAMES, side, side), np.uint16)
    labels = np.zeros((FRAMES, side, side), np.int32)
    calm = {"vanish_rate": 0.0, "death_rate": 0.0, "division_rate": 0.0, "black_rate": 0.0, "jump_rate": 0.0}
    for i, (row, column) in enumerate(np.ndindex(parts, parts)):
        movie = make_movie(
            "nuclei", frames=FRAMES, size=(size, size), cells=each, diameter=diameter, seed=seed + i, **calm
        )
        at = (slice(None), slice(row * size, (row + 1) * size), slice(column * size, (column + 1) * size))
        frames[at] = movie.frames
        labels[at] = np.where(movie.labels > 0, movie.labels + labels.max(), 0)
    return Field(frames, labels, diameter, _clicks(labels[0], seed))


def _clicks(labels: npt.NDArray[np.int32], seed: int) -> dict[int, tuple[float, float]]:
    from scipy import ndimage

    found = {}
    for cell, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        y, x = interior_point(np.pad(labels[box] == cell, 1))
        found[cell] = (y - 1 + box[0].start, x - 1 + box[1].start)
    order = np.random.default_rng(seed).permutation(sorted(found))
    return {int(cell): found[int(cell)] for cell in order}
