"""What changed in a label image, as horizontal runs of pixels: start, length, number before, number after."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LabelImage = npt.NDArray[np.int32]
Runs = npt.NDArray[np.int32]
"""(4, R): flat index of the first pixel, length, label before, label after."""


def difference(before: LabelImage, after: LabelImage) -> Runs:
    """Runs that turn one label image (Y, X) into another."""
    old, new = before.reshape(-1), after.reshape(-1)
    at = np.flatnonzero(old != new)
    if not at.size:
        return np.zeros((4, 0), np.int32)
    old, new = old[at], new[at]
    breaks = np.flatnonzero((np.diff(at) != 1) | (np.diff(old) != 0) | (np.diff(new) != 0)) + 1
    first = np.concatenate(([0], breaks))
    lengths = np.diff(np.append(first, len(at)))
    return np.stack([at[first], lengths, old[first], new[first]]).astype(np.int32)


def apply(image: LabelImage, runs: Runs, forward: bool) -> None:
    """Set the pixels of the runs, in place, to what they are after the change, or to what they were before it."""
    starts, lengths = runs[0].astype(np.int64), runs[1].astype(np.int64)
    if not lengths.size:
        return
    offset = np.cumsum(lengths) - lengths
    at = np.repeat(starts - offset, lengths) + np.arange(int(lengths.sum()))
    image.reshape(-1)[at] = np.repeat(runs[3] if forward else runs[2], lengths)


def cells_in(runs: Runs) -> set[int]:
    """Cells that lost or won pixels."""
    return set(np.unique(runs[2:]).tolist()) - {0}


def to_bytes(runs: Runs) -> bytes:
    """Little-endian bytes of (4, R) int32."""
    return np.ascontiguousarray(runs, "<i4").tobytes()


def from_bytes(data: bytes) -> Runs:
    """Undo `to_bytes`."""
    return np.frombuffer(data, "<i4").reshape(4, -1).astype(np.int32)
