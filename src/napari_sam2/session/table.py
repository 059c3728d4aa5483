"""What is known of every cell on every frame: scores, area, place, shape, state, lock, and what it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_sam2.session.shapes import Shapes
from napari_sam2.session.zarr_files import ChunkedArray

#: Life of a cell on a frame.
STATES = ("none", "present", "hidden", "left", "dead", "divided")
#: What a person has said about it.
REVIEWS = ("unchecked", "checked", "suspect")

ROW_1 = np.dtype(
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
"""One cell on one frame in layout version 1."""
ROW = np.dtype(
    [
        *[(name, ROW_1[name]) for name in ROW_1.names or ()],
        ("second", "<f2"),  # share of its pixels in its second largest part; NaN: not measured yet
        ("touching", "<f2"),  # share of its border that lies against other cells; NaN: not measured yet
    ]
)
"""One cell on one frame. All zero: nothing is known, the cell was never there."""
SHAPE = ("second", "touching")
"""Columns that pixels alone decide, those of neighbours too. They follow an action on whole tracks when the frames are
written, and are not part of what undo brings back: they are measured again."""

GIVEN = 1
"""`made` of pixels that were neither tracked nor prompted: taken over from a segmentation."""
CHUNK_ROWS = 16
"""Cells in one file of the table on disk."""
FIRST_CAPACITY = 16

Rows = npt.NDArray[np.void]


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
LAYOUT_1, LAYOUT_2 = 0, 1
"""How records are packed: as `ROW_1`, as `ROW`."""


def pack_change(rows: Sequence[int], first: int, before: Rows, after: Rows) -> bytes:
    """Bytes of a change of (cells, frames) records: four int32 head numbers, the rows, the records before and after."""
    head = np.array([len(rows), first, before.shape[1], LAYOUT_2, *rows], HEAD)
    return head.tobytes() + before.tobytes() + after.tobytes()


def unpack_change(data: bytes) -> tuple[list[int], int, Rows, Rows]:
    """Undo `pack_change`; reads what version 1 packed too."""
    count, first, length, layout = np.frombuffer(data, HEAD, 4).tolist()
    if layout not in (LAYOUT_1, LAYOUT_2):
        raise ValueError(f"records of an unknown layout {layout}")
    packed = ROW_1 if layout == LAYOUT_1 else ROW
    rows = np.frombuffer(data, HEAD, count, 16).tolist()
    start, size = 16 + 4 * count, count * length
    before = np.frombuffer(data, packed, size, start).reshape(count, length)
    after = np.frombuffer(data, packed, size, start + size * packed.itemsize).reshape(count, length)
    return (
        (rows, first, _brought_up(before), _brought_up(after)) if layout == LAYOUT_1 else (rows, first, before, after)
    )


def _brought_up(block: Rows) -> Rows:
    """Records of version 1 as they are now; shapes were not measured then."""
    out = np.zeros(block.shape, ROW)
    for name in ROW_1.names or ():
        out[name] = block[name]
    forget_shapes(out, block["area"] > 0)
    return out


def forget_shapes(block: Rows, where: npt.NDArray[np.bool_]) -> None:
    """Note that shapes are to be measured again, in place."""
    for name in SHAPE:
        block[name][where] = np.nan


def put_shapes(column: Rows, found: Shapes) -> None:
    """Write measurements (N,) into the records (N,) of the same cells on one frame, in place."""
    for name in ("area", "y", "x", *SHAPE):
        column[name] = getattr(found, name)


def differing(column: Rows, found: Shapes) -> npt.NDArray[np.bool_]:
    """Which records (N,) of cells on a frame have other shapes than were measured, or none."""
    return np.logical_or(*[column[name] != getattr(found, name).astype(np.float16) for name in SHAPE])


def code(names: Iterable[str], name: str, what: str) -> int:
    """Number of a state; ValueError naming the ones there are."""
    known = list(names)
    if name not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}; got {name!r}")
    return known.index(name)
