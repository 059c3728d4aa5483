"""The label image: (T, Y, X) int32, in memory while it is small, on disk when it is not."""

from __future__ import annotations

import tempfile
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

#: Larger label images than this many bytes go to a temporary zarr on disk.
IN_MEMORY_BYTES = 1 << 30


def make_labels(shape: tuple[int, int, int]) -> Any:
    """Make an empty label image (T, Y, X) int32: numpy, or a zarr array that goes with the program when it is large."""
    if 4 * shape[0] * shape[1] * shape[2] <= IN_MEMORY_BYTES:
        return np.zeros(shape, np.int32)
    import zarr

    folder = tempfile.TemporaryDirectory(prefix="napari-sam2-labels-")
    array = zarr.create_array(store=folder.name, shape=shape, chunks=(1, *shape[1:]), dtype="int32", fill_value=0)
    weakref.finalize(array, folder.cleanup)
    return array


def check_labels(labels: Any, shape: tuple[int, int, int]) -> Any:
    """Return a label image given by the user.

    Raises
    ------
    ValueError
        If its shape differs from the movie's, or its type cannot hold int32 numbers.
    """
    if tuple(labels.shape) != shape:
        raise ValueError(f"labels have shape {tuple(labels.shape)}, but the movie needs {shape} (T, Y, X)")
    if np.dtype(labels.dtype).kind not in "iu" or np.dtype(labels.dtype).itemsize < 4:
        raise ValueError(f"labels must hold whole numbers of 32 bits or more, got {labels.dtype}; use int32")
    return labels


def read_frame(labels: Any, frame: int) -> npt.NDArray[np.int32]:
    """Return a copy of one frame (Y, X) as int32."""
    return np.array(labels[frame], dtype=np.int32)
