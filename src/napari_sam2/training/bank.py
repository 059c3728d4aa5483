"""A bank of movies, each made once and used for many clips: generating is dear, cutting another view is cheap."""

from __future__ import annotations

import numpy as np

from napari_sam2.training.clip import Clip, ClipSource
from napari_sam2.training.sources import MAX_SKIP, finish, take_view

MOVIE_SIZE = 384  # px
MOVIE_LENGTH = 10  # frames
ZOOMS = (0.85, 1.4)


class MovieBank:
    """A `ClipSource` over a fixed number of movies of another source.

    Movie i depends only on the seed and i, so that every worker, and a resumed run, sees the same bank.

    Parameters
    ----------
    source : ClipSource
        Slow source of whole movies.
    count : int
        Movies in the bank; each is made when it is first drawn and then kept as uint8 and uint16.
    seed : int
    size, length : int
        Of the movies, px and frames.
    """

    def __init__(
        self, source: ClipSource, count: int, seed: int, size: int = MOVIE_SIZE, length: int = MOVIE_LENGTH
    ) -> None:
        self._source = source
        self._count = count
        self._seed = seed
        self._size = size
        self._length = length
        self._movies: dict[int, tuple[np.ndarray, np.ndarray, dict[int, int], str]] = {}

    def sample(self, rng: np.random.Generator, size: int, length: int) -> Clip:
        """Return frames of one movie, with a step between them, from a random view with varied intensity."""
        frames, labels, parents, kind = self._movie(int(rng.integers(self._count)))
        total = len(frames)
        if length > total:
            raise ValueError(f"the bank's movies have {total} frames, a clip of {length} was asked for")
        widest = max(1, min(MAX_SKIP, (total - 1) // max(1, length - 1)))
        skip = int(rng.integers(1, widest + 1))
        start = int(rng.integers(total - skip * (length - 1)))
        part = slice(start, start + skip * (length - 1) + 1, skip)
        zoom = max(float(rng.uniform(*ZOOMS)), size / self._size)
        views, masks = take_view(frames[part], labels[part], rng, size, zoom)
        clip = finish(views, masks, rng, kind)
        return Clip(clip.frames, clip.labels, parents, kind)

    def _movie(self, index: int) -> tuple[np.ndarray, np.ndarray, dict[int, int], str]:
        if index not in self._movies:
            clip = self._source.sample(np.random.default_rng([self._seed, index]), self._size, self._length)
            frames = np.rint(clip.frames * 255).astype(np.uint8)
            self._movies[index] = (frames, clip.labels.astype(np.uint16), clip.parents, clip.kind)
        return self._movies[index]
