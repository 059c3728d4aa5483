"""The small part of zarr 3 that a session needs: arrays of whole chunks, each a file written in one piece.

The arrays are ordinary zarr 3 (core metadata, little endian, zstd with a checksum), so that any reader opens them.
They are written here rather than through zarr-python because every chunk has to be replaced atomically, and because a
session must open without the time that importing zarr takes. See https://zarr-specs.readthedocs.io (version 3).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numcodecs import zstd

from napari_sam2.session.errors import DamagedSession
from napari_sam2.session.storage import write_atomic, write_json

LEVEL = 1
"""zstd level: on label images the fastest one packs as well as the slower ones."""


def pack(data: Any) -> bytes:
    """Compress bytes or a C-contiguous array, with a checksum."""
    return bytes(zstd.compress(data, LEVEL, True)) if len(data) else b""


def unpack(data: bytes) -> bytes:
    """Undo `pack`; ValueError where the bytes are not what was packed."""
    if not data:
        return b""
    try:
        return bytes(zstd.decompress(data))
    except RuntimeError as error:
        raise ValueError(str(error)) from error


class ChunkedArray:
    """A zarr 3 array cut along its first axis only.

    Parameters
    ----------
    folder
        Where it lies.
    shape, dtype
        Of the array.
    rows
        Length of a chunk along the first axis.
    names
        Of the axes.
    """

    def __init__(
        self, folder: Path, shape: tuple[int, ...], dtype: npt.DTypeLike, rows: int, names: tuple[str, ...]
    ) -> None:
        self.folder = folder
        self.shape = shape
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.rows = rows
        self.names = names
        self._tail = "/".join("0" for _ in shape[1:])

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of a chunk."""
        return (self.rows, *self.shape[1:])

    def create(self, attributes: dict[str, Any] | None = None) -> None:
        """Write the metadata; chunks that are not there are zeros."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(
            self.folder / "zarr.json",
            {
                "zarr_format": 3,
                "node_type": "array",
                "shape": list(self.shape),
                "data_type": self.dtype.newbyteorder("=").name,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(self.chunks)}},
                "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
                "fill_value": 0,
                "codecs": [
                    {"name": "bytes", "configuration": {"endian": "little"}},
                    {"name": "zstd", "configuration": {"level": LEVEL, "checksum": True}},
                ],
                "dimension_names": list(self.names),
                "attributes": attributes or {},
            },
        )

    def file(self, index: int) -> Path:
        """The file of a chunk."""
        return self.folder / "c" / str(index) / self._tail

    def read(self, index: int) -> npt.NDArray[Any]:
        """Return a chunk, writable.

        Raises
        ------
        DamagedSession
            If its bytes are not what was written.
        """
        file = self.file(index)
        out = np.zeros(self.chunks, self.dtype)
        try:
            packed = file.read_bytes()
        except FileNotFoundError:
            return out
        try:
            zstd.decompress(packed, out)
        except (RuntimeError, ValueError) as error:
            raise DamagedSession(file, f"its {self.names[0]} {index * self.rows} cannot be read ({error})") from error
        return out

    def write(self, index: int, chunk: npt.NDArray[Any]) -> None:
        """Replace a chunk, atomically."""
        write_atomic(self.file(index), pack(np.ascontiguousarray(chunk, self.dtype)))
