"""Own images for fine-tuning: Cell Tracking Challenge folders, or image files beside label files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_sam2.training.clip import ClipSource
from napari_sam2.training.own_labels import read_labels, refuse_masks, renumbered
from napari_sam2.training.pack import Pack, PackWriter
from napari_sam2.training.sources import MixedSource, PackSource

KIND = "own"
LABEL_SUFFIXES = ("_labels", "_masks", "_mask", "_label")
IMAGE_ENDINGS = (".tif", ".tiff")
_FRAME = re.compile(r"(\d+)$")


@dataclass(frozen=True)
class LabelledMovie:
    """Pixels and labels (T, H, W) found on disk; stills have T = 1.

    Attributes
    ----------
    name : str
    path : Path
        Of the labels: a file, or the first of several.
    frames, labels : (T, H, W)
    persistent : bool
        Whether an id is sure to mean the same cell on all frames.
    """

    name: str
    path: Path
    frames: np.ndarray
    labels: np.ndarray
    persistent: bool = True


def own_source(pack: Pack) -> ClipSource:
    """A `ClipSource` over own data, as `own_pack` read it."""
    sources: list[ClipSource] = []
    for movies in (False, True):
        # Images that nobody labelled a cell on have nothing to teach, and PackSource does not count them either.
        if any((r.shape[0] > 1) == movies and r.diameter > 0 for r in pack.records):
            sources.append(PackSource(pack, [KIND], movies=movies))
    return sources[0] if len(sources) == 1 else MixedSource(sources, [1.0] * len(sources))


def own_pack(folders: Sequence[Path]) -> Pack:
    """Read own data into a `Pack`: intensities by one pair of limits a movie, large cells brought down.

    Parameters
    ----------
    folders : sequence of Path
        Each in one of these layouts:

        - Cell Tracking Challenge: ``01/t000.tif`` with ``01_GT/SEG/man_seg000.tif`` (dense masks, as in ``01_ST``, are
          taken before the sparse ones of ``01_GT``); a cell is followed where its id stays on much the same place,
          since ids of such masks need not persist;
        - pairs: ``name.tif`` and ``name_labels.tif`` (or ``_masks``), each (H, W), or (T, H, W) for movies, where an id
          means the same cell on all frames.

    Raises
    ------
    ValueError
        If nothing usable is in a folder, sizes differ, a label file holds something else (`read_labels`), or no cell
        is labelled anywhere.
    """
    writer = PackWriter()
    for folder in folders:
        found = [*challenge_movies(folder), *file_pairs(folder)]
        if not found:
            raise ValueError(
                f"no labelled images in {folder}: expected 01/t000.tif with 01_GT/SEG/man_seg000.tif, "
                "or name.tif with name_labels.tif"
            )
        for movie in found:
            if movie.frames.shape != movie.labels.shape:
                raise ValueError(
                    f"{movie.name}: image {movie.frames.shape} and labels {movie.labels.shape} differ in size"
                )
            refuse_masks(movie.path, movie.labels, instances=not movie.persistent)
            labels = renumbered(movie.labels, movie.name)
            writer.add(movie.name, KIND, to_uint8(movie.frames), labels, False, trusted=movie.persistent)
    pack = writer.pack()
    if not any(record.diameter > 0 for record in pack.records):
        raise ValueError(f"no labelled cells in {', '.join(map(str, folders))}: the label files hold background only")
    return pack


def to_uint8(frames: np.ndarray) -> np.ndarray:
    """Scale a movie (T, H, W) of any type to uint8 by one pair of limits; NaN and infinity become 0."""
    seen = frames[:, ::2, ::2]
    if frames.dtype.kind == "f":
        seen = seen[np.isfinite(seen)]
        if not seen.size:
            return np.zeros(frames.shape, np.uint8)
    low, high = np.percentile(seen, (0.1, 99.9))
    scaled = (frames.astype(np.float32) - np.float32(low)) * np.float32(255 / max(float(high - low), 1e-6))
    return np.where(np.isfinite(scaled), np.clip(scaled, 0, 255), 0).astype(np.uint8)


def challenge_movies(folder: Path) -> list[LabelledMovie]:
    """Sequences of a folder in Cell Tracking Challenge layout: runs of frames that have masks."""
    from tifffile import imread

    movies = []
    for images in sorted(p for p in folder.iterdir() if p.is_dir() and p.name.isdigit()):
        masks = _masks_by_frame(folder, images.name)
        frames = {int(m.group(1)): p for p in sorted(images.glob("t*.tif")) if (m := _FRAME.search(p.stem))}
        for run in _runs(sorted(set(masks) & set(frames))):
            pixels = np.stack([imread(frames[t]) for t in run])
            labels = np.stack([read_labels(masks[t]) for t in run])
            movies.append(LabelledMovie(f"{folder.name}/{images.name}/{run[0]}", masks[run[0]], pixels, labels, False))
    return movies


def file_pairs(folder: Path) -> list[LabelledMovie]:
    """Image files with a label file of the same name and a suffix such as ``_labels``."""
    from tifffile import imread

    movies = []
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_ENDINGS):
        suffix = next((s for s in LABEL_SUFFIXES if path.stem.endswith(s)), None)
        if suffix is None:
            continue
        image = next(
            (p for e in IMAGE_ENDINGS if (p := folder / f"{path.stem.removesuffix(suffix)}{e}").exists()), None
        )
        if image is None:
            raise ValueError(f"{path} has no image beside it: expected {path.stem.removesuffix(suffix)}.tif")
        pixels, labels = imread(image), read_labels(path)
        if labels.ndim == 2:
            pixels, labels = pixels[None], labels[None]
        movies.append(LabelledMovie(path.stem, path, pixels, labels))
    return movies


def _masks_by_frame(folder: Path, sequence: str) -> dict[int, Path]:
    for kind in ("ST", "GT"):
        found = sorted((folder / f"{sequence}_{kind}" / "SEG").glob("man_seg*.tif"))
        if found:
            return {int(m.group(1)): p for p in found if (m := _FRAME.search(p.stem))}
    return {}


def _runs(frames: list[int]) -> list[list[int]]:
    """Split frame numbers into runs without gaps."""
    runs: list[list[int]] = []
    for t in frames:
        if runs and runs[-1][-1] == t - 1:
            runs[-1].append(t)
        else:
            runs.append([t])
    return runs


__all__ = ["LabelledMovie", "challenge_movies", "file_pairs", "own_pack", "own_source", "to_uint8"]
