"""Label files of one's own data: what is no label image is refused here, by the file's name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

MOST_CELLS = int(np.iinfo(np.uint16).max)  # a pack keeps labels as uint16
WHOLE_FLOATS = 2.0**53  # float64 holds every whole number up to here

# One number for several places is no cell but a mask of all cells at once, or a class. Fragments of a cell are fine.
COMPARABLE = 0.1  # part of a mask that is no crumb, in shares of the largest
MOST_PARTS = 3  # ... and how many of them a cell among others may consist of
ALONE_OUTSIDE = 0.1  # share of the only cell's area that may lie outside its largest part


def read_labels(path: Path) -> np.ndarray:
    """Read a label file: whole numbers of any type (Fiji writes float32), 0 for the background.

    Raises
    ------
    ValueError
        If it holds fractions or negative numbers.
    """
    from tifffile import imread

    labels: np.ndarray = imread(path)
    if labels.ndim not in (2, 3):
        raise ValueError(f"{path}: labels of shape {labels.shape}: expected (Y, X), or (T, Y, X) for a movie")
    if labels.dtype == bool:
        labels = labels.astype(np.uint8)
    elif labels.dtype.kind == "f":
        if not (
            np.isfinite(labels).all() and (labels == np.rint(labels)).all() and np.abs(labels).max() <= WHOLE_FLOATS
        ):
            raise ValueError(
                f"{path}: labels must be whole numbers, 0 for the background and one for each cell, and it holds "
                f"others ({labels.dtype}): is it an image, or a map of probabilities?"
            )
        labels = labels.astype(np.int64)
    elif labels.dtype.kind not in "iu":
        raise ValueError(f"{path}: labels must be whole numbers, not {labels.dtype}")
    if labels.min(initial=0) < 0:
        raise ValueError(
            f"{path}: a label of {labels.min()}: labels start at 0 (the background); set what is negative to 0"
        )
    return labels


def renumbered(labels: np.ndarray, name: str) -> np.ndarray:
    """Labels (T, H, W) numbered 1, 2, ... in the order of their ids, the same on all frames; uint16.

    Ids may be as large as they like; memory goes with the pixels.

    Raises
    ------
    ValueError
        If there are more than `MOST_CELLS`.
    """
    ids = np.unique(np.concatenate([np.zeros(1, labels.dtype), *(np.unique(frame) for frame in labels)]))
    if len(ids) - 1 > MOST_CELLS:
        raise ValueError(f"{name}: {len(ids) - 1} cells in one movie, at most {MOST_CELLS} are possible: split it")
    return np.stack([np.searchsorted(ids, frame).astype(np.uint16) for frame in labels])


def refuse_masks(where: str | Path, labels: np.ndarray, instances: bool) -> None:
    """Refuse masks of all cells at once, or of classes of them.

    Parameters
    ----------
    where
        For the message.
    labels : (T, H, W)
    instances
        Whether the format says that each number is one cell: then the only one of a movie may well be in pieces.

    Raises
    ------
    ValueError
        If most numbers of a frame stand for several separate places.
    """
    small = renumbered(labels, str(where))
    alone = not instances and int(small.max(initial=0)) == 1
    for t, frame in enumerate(small):
        found = [(i, place) for i, place in enumerate(ndimage.find_objects(frame), start=1) if place is not None]
        parts = {i: _parts(frame[place] == i, alone) for i, place in found}
        scattered = [i for i, count in parts.items() if count > (1 if alone else MOST_PARTS)]
        if scattered and 2 * len(scattered) >= len(found):
            first = scattered[0]
            number = labels[t][frame == first][0]
            raise ValueError(
                f"{where}: on frame {t} the number {number} stands for {parts[first]} separate places, as in a mask of "
                "all cells at once, and would be taught as one cell: give each cell a number of its own (label the "
                "connected parts first, as with scipy.ndimage.label), or pass labels"
            )


def _parts(mask: np.ndarray, alone: bool) -> int:
    """How many separate parts a mask (H, W) has, crumbs aside."""
    numbered, count = ndimage.label(mask, np.ones((3, 3), int))  # pixels that touch at a corner are together
    if count < 2:
        return int(count)
    areas = np.bincount(numbered.ravel())[1:]
    if alone:  # nothing else tells a mask of all cells from a cell, so what lies outside counts together
        return int(count) if areas.sum() - areas.max() >= ALONE_OUTSIDE * areas.sum() else 1
    return int((areas >= COMPARABLE * areas.max()).sum())
