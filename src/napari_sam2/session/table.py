"""What is known of every cell on every frame: scores, area, place, state, lock, and what its pixels were made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_sam2.session.zarr_files import ChunkedArray

#: Life of a cell on a frame.
STATES = ("none", "present", "hidden", "left", "dead", "divided")
#: What a person has said about it.
REVIEWS = ("unchecked", "checked", "suspect")

ROW = np.dtype(
    [
        ("score", "<f4"),  # object score, 0..1
        ("iou", "<f4"),  # predicted IoU, 0..1
        ("y", "<f4"),  # centroid, pixels
        ("x", "<f4"),
        ("area", "<i4"),  # pixels
        ("state", "u1"),  # index into STATES
        ("review", "u1"),  # index into REVIEWS
        ("locked", "u1"),  # 1: must not change
        ("doubt", "u1"),  # 1: tracking itself did not trust this mask, and did not remember it
        ("made", "<u8"),  # digest of the prompts its pixels come from (`stale`); 0: never tracked
    ]
)
"""One cell on one frame. All zero: nothing is known, the cell was never there."""

GIVEN = 1
"""`made` of pixels that were neither tracked nor prompted: taken over from a segmentation."""
CHUNK_ROWS = 16
"""Cells in one file of the table on disk."""
FIRST_CAPACITY = 16

Rows = npt.NDArray[np.void]
Floats = npt.NDArray[np.float64]


class Table:
    """Rows (one a cell) of `ROW` records (one a frame).

    Parameters
    ----------
    folder
        Of its zarr arrays, one a column, each (cells, frames).
    frames
        Length of the movie.
    """

    def __init__(self, folder: Path, frames: int) -> None:
        self.folder = folder
        self.frames = frames
        self.data: Rows = np.zeros((FIRST_CAPACITY, frames), ROW)
        self._dirty: set[int] = set()
        self._written = 0

    def ensure(self, row: int) -> None:
        """Make room for a row."""
        capacity = len(self.data)
        if row >= capacity:
            more = max(capacity, row + 1 - capacity)
            more += -(capacity + more) % CHUNK_ROWS
            self.data = np.concatenate([self.data, np.zeros((more, self.frames), ROW)])

    def row(self, row: int) -> Rows:
        """The (T,) records of a cell; a view: read only, change through `put`."""
        return self.data[row]

    def block(self, rows: Sequence[int], first: int, stop: int) -> Rows:
        """Copy of the (cells, frames) records of some cells on a range of frames."""
        return self.data[list(rows), first:stop].copy()

    def put(self, rows: Sequence[int], first: int, block: Rows) -> None:
        """Write records (cells, frames) of some cells from a frame on."""
        if len(rows):
            self.ensure(max(rows))
            self.data[list(rows), first : first + block.shape[1]] = block
            self._dirty.update(row // CHUNK_ROWS for row in rows)

    # on disk ------------------------------------------------------------------------------------------------------

    def _columns(self) -> dict[str, ChunkedArray]:
        shape = (len(self.data), self.frames)
        return {
            name: ChunkedArray(self.folder / name, shape, ROW[name], CHUNK_ROWS, ("cell", "t"))
            for name in ROW.names or ()
        }

    def save(self) -> None:
        """Write what has changed since the last time."""
        columns = self._columns()
        if len(self.data) != self._written:
            meanings = {"state": list(STATES), "review": list(REVIEWS)}
            for name, column in columns.items():
                column.create({"meanings": meanings[name]} if name in meanings else {})
            self._written = len(self.data)
        for chunk in sorted(self._dirty):
            part = self.data[chunk * CHUNK_ROWS : (chunk + 1) * CHUNK_ROWS]
            for name, column in columns.items():
                column.write(chunk, part[name])
            self._dirty.discard(chunk)

    def load(self, rows: int) -> None:
        """Read the first `rows` rows."""
        capacity = max(FIRST_CAPACITY, -(-rows // CHUNK_ROWS) * CHUNK_ROWS)
        self.data = np.zeros((capacity, self.frames), ROW)
        for name, column in self._columns().items():
            for chunk in range(-(-rows // CHUNK_ROWS)):
                self.data[name][chunk * CHUNK_ROWS : (chunk + 1) * CHUNK_ROWS] = column.read(chunk)

    def mark_all(self) -> None:
        """Have everything written the next time."""
        self._dirty.update(range(len(self.data) // CHUNK_ROWS))


HEAD = np.dtype("<i4")


def pack_change(rows: Sequence[int], first: int, before: Rows, after: Rows) -> bytes:
    """Bytes of a change of (cells, frames) records: four int32 head numbers, the rows, the records before and after."""
    head = np.array([len(rows), first, before.shape[1], 0, *rows], HEAD)
    return head.tobytes() + before.tobytes() + after.tobytes()


def unpack_change(data: bytes) -> tuple[list[int], int, Rows, Rows]:
    """Undo `pack_change`."""
    count, first, length, _ = np.frombuffer(data, HEAD, 4).tolist()
    rows = np.frombuffer(data, HEAD, count, 16).tolist()
    start, size = 16 + 4 * count, count * length
    before = np.frombuffer(data, ROW, size, start).reshape(count, length)
    after = np.frombuffer(data, ROW, size, start + size * ROW.itemsize).reshape(count, length)
    return rows, first, before, after


def code(names: Iterable[str], name: str, what: str) -> int:
    """Number of a state; ValueError naming the ones there are."""
    known = list(names)
    if name not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}; got {name!r}")
    return known.index(name)


def measure(image: npt.NDArray[np.int32], cells: Iterable[int]) -> dict[int, tuple[int, float, float]]:
    """Area and centroid (y, x) in pixels of some cells of a label image (Y, X); area 0 at (0, 0) for absent ones."""
    wanted = sorted(set(cells))
    area, y, x = measure_all(image, wanted)
    return dict(zip(wanted, zip(area.tolist(), y.tolist(), x.tolist(), strict=True), strict=True))


def measure_all(image: npt.NDArray[np.int32], cells: Sequence[int]) -> tuple[Floats, Floats, Floats]:
    """Areas and centroids, (N,) each, of cells in ascending order; see `measure`."""
    wanted = np.asarray(cells, np.int64)
    n = len(wanted)
    if not n:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    at = np.flatnonzero(image)
    ids = image.reshape(-1)[at]
    low, high = int(wanted[0]), int(wanted[-1])
    if n == 1:
        at = at[ids == low]
        slot = np.zeros(len(at), np.int64)
    elif int(ids.max(initial=high)) < 1 << 20:
        slot_of = np.full(max(high, int(ids.max(initial=0))) + 1, n, np.int64)
        slot_of[wanted] = np.arange(n)
        slot = slot_of[ids]
    else:
        slot = np.minimum(np.searchsorted(wanted, ids), n - 1)
        slot = np.where(wanted[slot] == ids, slot, n)
    y = at // image.shape[1]
    x = at - y * image.shape[1]
    count = np.bincount(slot, minlength=n + 1)[:n].astype(float)
    some = np.maximum(count, 1)
    sums = [np.bincount(slot, v, minlength=n + 1)[:n] / some for v in (y, x)]
    return count, sums[0], sums[1]
