"""A real movie, clicked as a user would, tracked in a session, and compared with its truth: review, divisions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from benchmarks._data import CtcMovie, evaluation_movies
from napari_sam2.session import Session, new_session

WRONG_IOU = 0.5
"""A mask that overlaps with its truth less than this is wrong."""


def find(name: str) -> CtcMovie:
    """An evaluation movie by name; SystemExit with the names there are."""
    movies = evaluation_movies()
    if name not in movies:
        raise SystemExit(f"no movie {name}; there are {', '.join(movies) or 'none (set NAPARI_SAM2_SHARED)'}")
    return movies[name]


def truth_of(movie: CtcMovie, frames: int) -> npt.NDArray[np.int32]:
    """(T, Y, X) whole cells with ids that persist: the segmentation truth where ids agree with the tracks'."""
    return np.stack([movie.segmentation_truth(t).astype(np.int32) for t in range(frames)])


def inside(mask: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """The place (y, x) deepest inside a mask: where a user clicks."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), mask.shape)
    return float(y), float(x)


@contextmanager
def clicked(movie: CtcMovie, truth: npt.NDArray[np.int32], last: bool, model: str) -> Iterator[Session]:
    """A session in which each cell was clicked once: on the last frame, or (``last=False``) where it first appears."""
    frames = len(truth)
    with TemporaryDirectory() as folder:
        raw = np.stack([movie.frames()[t] for t in range(frames)])
        with new_session(raw, Path(folder) / "truth.sam2cells", model=model) as session:
            for label in np.unique(truth[-1] if last else truth):
                if label:
                    seen = np.flatnonzero((truth == label).any((1, 2)))
                    frame = int(seen[-1] if last else seen[0])
                    session.add_click(int(label), frame, inside(truth[frame] == label))
            yield session


def wrong(labels: npt.NDArray[np.int32], truth: npt.NDArray[np.int32], cell: int) -> npt.NDArray[np.bool_]:
    """Frames (T,) on which a cell's mask is not the true one: too little overlap, missing, or out of place."""
    out = np.zeros(len(truth), bool)
    for t in range(len(truth)):
        mine, theirs = labels[t] == cell, truth[t] == cell
        union = int((mine | theirs).sum())
        out[t] = union > 0 and int((mine & theirs).sum()) / union < WRONG_IOU
    return out
