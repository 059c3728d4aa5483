"""A real movie, clicked as a user would, tracked in a session, and compared with its truth: review, divisions."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from benchmarks._book import Book, Part
from benchmarks._data import CtcMovie, evaluation_movies
from benchmarks._machine import REPOSITORY, machine
from napari_sam2.session import Session, new_session

WRONG_IOU = 0.5
"""A mask that overlaps with its truth less than this is wrong."""
RESULTS = REPOSITORY / "benchmarks" / "results"

Labels = npt.NDArray[np.int32]


def find(name: str) -> CtcMovie:
    """An evaluation movie by name; SystemExit with the names there are."""
    movies = evaluation_movies()
    if name not in movies:
        raise SystemExit(f"no movie {name}; there are {', '.join(movies) or 'none (set NAPARI_SAM2_SHARED)'}")
    return movies[name]


def truth_of(movie: CtcMovie, frames: int) -> Labels:
    """(T, Y, X) whole cells with ids that persist: the segmentation truth where ids agree with the tracks'."""
    return np.stack([movie.segmentation_truth(t).astype(np.int32) for t in range(frames)])


def inside(mask: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """The place (y, x) deepest inside a mask: where a user clicks."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), mask.shape)
    return float(y), float(x)


def seen(truth: Labels) -> dict[int, tuple[int, int]]:
    """First and last frame of every true cell."""
    found: dict[int, tuple[int, int]] = {}
    for t, image in enumerate(truth):
        for label in np.unique(image[image > 0]).tolist():
            found[label] = (found.get(label, (t, t))[0], t)
    return found


@contextmanager
def clicked(movie: CtcMovie, truth: Labels, clicks: Mapping[int, int], model: str) -> Iterator[Session]:
    """A session in which true cells were clicked once, each on the frame that `clicks` says."""
    with TemporaryDirectory() as folder:
        raw = np.stack([movie.frames()[t] for t in range(len(truth))])
        with new_session(raw, Path(folder) / "truth.sam2cells", model=model) as session:
            for label, frame in sorted(clicks.items()):
                session.add_click(label, frame, inside(truth[frame] == label))
            yield session


def wrong(labels: Labels, truth: Labels, cell: int) -> npt.NDArray[np.bool_]:
    """Frames (T,) on which a cell's mask is not the true one: too little overlap, missing, or out of place."""
    out = np.zeros(len(truth), bool)
    for t in range(len(truth)):
        mine, theirs = labels[t] == cell, truth[t] == cell
        union = int((mine | theirs).sum())
        out[t] = union > 0 and int((mine & theirs).sum()) / union < WRONG_IOU
    return out


class Report:
    """Keeps parts in a book, with the circumstances under which each was measured.

    Parameters
    ----------
    stem
        Path of the files without endings.
    title
        Heading.
    command
        How it was called.
    order
        Of the parts.
    """

    def __init__(self, stem: Path, title: str, command: str, order: tuple[str, ...]) -> None:
        self.book = Book(stem, title)
        self.command = command
        self.order = order
        self._began = time.perf_counter()

    def put(self, name: str, part: Part, session: Session | None) -> None:
        """Keep a part that was measured since the last one; `session` says which weights it used."""
        spent, self._began = time.perf_counter() - self._began, time.perf_counter()
        model: dict[str, Any] | None = None
        if session is not None and session.meta["model"].get("hash"):
            where = session.computes_on or "default"
            model = {"name": Path(session.meta["model"]["name"]).stem, "hash": session.meta["model"]["hash"]}
            model["dtype"] = where.rpartition(", ")[2]
        circumstances = {"command": self.command, "machine": machine(), "model": model, "seconds": spent, "key": ""}
        self.book.put(name, part, circumstances, self.order)
        print(f"{part.title}: {spent:.0f} s", flush=True)
        for row in part.rows:
            print("   " + ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))
        for bar in part.bars:
            print(f"   {bar}", flush=True)
