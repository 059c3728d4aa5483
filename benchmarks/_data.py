"""Reading movies in the layout of the Cell Tracking Challenge, lazily: frames, labels, parents.

``NAME/01/tTTT.tif`` are the frames, ``NAME/01_GT/SEG/man_segTTT.tif`` the segmentation truth (some frames only),
``NAME/01_GT/TRA/man_trackTTT.tif`` the tracking truth (every frame; markers, not always whole cells) and
``NAME/01_GT/TRA/man_track.txt`` one line "L B E P" for each track (http://celltrackingchallenge.net).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SHARED_VARIABLE = "NAPARI_SAM2_SHARED"


@dataclass(frozen=True)
class Track:
    """One line of man_track.txt: a label from its first to its last frame; parent 0 for none."""

    label: int
    first: int
    last: int
    parent: int


class Frames:
    """TIFF files, one for each frame, as a lazy array (T, Y, X) that reads one frame at a time."""

    def __init__(self, files: list[Path]) -> None:
        if not files:
            raise ValueError("no frames")
        first = _read(files[0])
        self.files = files
        self.shape = (len(files), *first.shape)
        self.dtype = first.dtype
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(first, slice):
            return np.stack([_read(file)[tuple(rest)] for file in self.files[first]])
        return _read(self.files[first])[tuple(rest)]

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return (_read(file) for file in self.files)


@dataclass(frozen=True)
class CtcMovie:
    """One sequence of a Cell Tracking Challenge data set.

    Parameters
    ----------
    folder : Path
        The data set.
    sequence : str
        ``"01"`` or ``"02"``.
    """

    folder: Path
    sequence: str = "01"

    @property
    def name(self) -> str:
        return f"{self.folder.name}/{self.sequence}"

    @property
    def truth_folder(self) -> Path:
        return self.folder / f"{self.sequence}_GT"

    def frames(self) -> Frames:
        """The movie, (T, Y, X)."""
        return Frames(_numbered(self.folder / self.sequence, "t"))

    def tracking_truth(self) -> Frames:
        """(T, Y, X), ids that persist in time; where there are only markers, not the whole cells."""
        return Frames(_numbered(self.truth_folder / "TRA", "man_track"))

    def segmented_frames(self) -> list[int]:
        """The frames that have a segmentation truth."""
        return [_number(file) for file in _numbered(self.truth_folder / "SEG", "man_seg")]

    def segmentation_truth(self, frame: int) -> npt.NDArray[Any]:
        """(Y, X) with whole cells; its ids need not be those of the tracks."""
        for file in _numbered(self.truth_folder / "SEG", "man_seg"):
            if _number(file) == frame:
                return _read(file)
        raise ValueError(f"{self.name} has no segmentation of frame {frame}")

    def tracks(self) -> dict[int, Track]:
        """The table of tracks, by label; empty if there is none."""
        file = self.truth_folder / "TRA" / "man_track.txt"
        if not file.is_file():
            return {}
        rows = (tuple(map(int, line.split())) for line in file.read_text().splitlines() if line.strip())
        return {row[0]: Track(*row) for row in rows}

    def parents(self) -> dict[int, int]:
        """Daughter to mother."""
        return {track.label: track.parent for track in self.tracks().values() if track.parent}


def find_shared() -> Path | None:
    """The folder of real movies: NAPARI_SAM2_SHARED, or ``shared`` beside the repository; None where there is none."""
    named = os.environ.get(SHARED_VARIABLE)
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    return folder if (folder / "data").is_dir() else None


def evaluation_movies(shared: Path | None = None) -> dict[str, CtcMovie]:
    """The movies that are for measuring only, by name; empty where there are none."""
    shared = shared or find_shared()
    if shared is None:
        return {}
    movies = {}
    for truth in sorted((shared / "data" / "eval").glob("*/*_GT")):
        movie = CtcMovie(truth.parent, truth.name.removesuffix("_GT"))
        movies[movie.name] = movie
    return movies


def _read(file: Path) -> npt.NDArray[Any]:
    import tifffile

    return np.asarray(tifffile.imread(file))


def _number(file: Path) -> int:
    return int(re.findall(r"\d+", file.stem)[-1])


def _numbered(folder: Path, prefix: str) -> list[Path]:
    files = [file for file in folder.glob(f"{prefix}*.tif") if file.stem.removeprefix(prefix).isdigit()]
    if not files:
        raise FileNotFoundError(f"{folder} holds no {prefix}NNN.tif")
    return sorted(files, key=_number)
