"""What is exported: labels with what is known of their cells, the same whether it comes from a session or a tracker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_sam2.export.write import present_ids
from napari_sam2.tracking.movie import Movie
from napari_sam2.tracking.prompts import FramePrompts

#: Life of a cell on a frame; the numbers are those of the session's table.
STATES = ("none", "present", "hidden", "left", "dead", "divided")
#: What a person has said about a mask.
REVIEWS = ("unchecked", "checked", "suspect")

SHORT_UNITS = {
    "micrometer": "um",
    "nanometer": "nm",
    "millimeter": "mm",
    "second": "s",
    "millisecond": "ms",
    "minute": "min",
    "hour": "h",
    "day": "d",
}
"""Units in headers and pictures, without letters that spreadsheets garble and fonts lack."""
RECORD = np.dtype([("score", "f4"), ("iou", "f4"), ("state", "u1"), ("review", "u1"), ("locked", "?")])
"""What is known of a cell on a frame besides its pixels; NaN where there is no score."""

Records = npt.NDArray[np.void]
MAX_ID = int(np.iinfo(np.int32).max)


class ReadsFrames(Protocol):
    """A (T, Y, X) array-like, read one frame at a time."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, key: Any) -> Any: ...


@dataclass(frozen=True)
class CellInfo:
    """What is known of a cell as a whole.

    Parameters
    ----------
    parent
        Its mother, or None.
    name, category, notes
        What a person wrote about it.
    """

    parent: int | None = None
    name: str = ""
    category: str = ""
    notes: str = ""


@dataclass(frozen=True)
class Prompted:
    """What was said about a cell on a frame."""

    cell: int
    frame: int
    prompts: FramePrompts


@dataclass(frozen=True)
class Tracked:
    """Labels, and what is known of their cells.

    Parameters
    ----------
    labels
        (T, Y, X) whole numbers, 0 background; a frame is read when it is needed.
    scale, units
        Size of a step along T, Y and X where it is known, such as ``{"Y": 0.65}`` and ``{"Y": "micrometer"}``.
    cells
        By id. An id of the labels that is missing here is a cell of which nothing more is known.
    table
        (T,) records of `RECORD` for each cell where there are any.
    prompts
        What was said.
    movie
        The intensities; None where they are not at hand.
    name
        For titles.
    movie_path
        File or folder of the movie where it is known: it is never written over.
    """

    labels: ReadsFrames
    scale: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    cells: Mapping[int, CellInfo] = field(default_factory=dict)
    table: Mapping[int, Records] = field(default_factory=dict)
    prompts: tuple[Prompted, ...] = ()
    movie: Movie | None = None
    name: str = "cells"
    movie_path: Path | None = None

    def __post_init__(self) -> None:
        if len(self.labels.shape) != 3:
            raise ValueError(f"labels have the axes (T, Y, X), these have the shape {tuple(self.labels.shape)}")
        if self.movie is not None and (self.movie.n_frames, *self.movie.frame_shape) != self.shape:
            frames, (height, width) = self.movie.n_frames, self.movie.frame_shape
            raise ValueError(
                f"the movie has {frames} frames of {height} x {width} pixels, the labels {self.shape[0]} of "
                f"{self.shape[1]} x {self.shape[2]}: give the movie that they belong to"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, Y, X)."""
        t, y, x = (int(n) for n in self.labels.shape)
        return t, y, x

    @property
    def parents(self) -> dict[int, int]:
        """Daughter to mother."""
        return {cell: info.parent for cell, info in self.cells.items() if info.parent}

    def frame(self, t: int) -> npt.NDArray[np.int32]:
        """Labels of a frame, (Y, X) int32.

        Raises
        ------
        ValueError
            If they are no whole numbers from 0 to what 32 bit hold.
        """
        return checked(np.asarray(self.labels[t]), f"frame {t}", self.shape[1:])

    def record(self, cell: int, frame: int) -> Any:
        """What is known of a cell on a frame; None where nothing is."""
        rows = self.table.get(cell)
        return None if rows is None else rows[frame]

    def max_id(self, frames: Iterable[int]) -> int:
        """The largest id in these frames, by looking."""
        return max((int(self.frame(t).max(initial=0)) for t in frames), default=0)

    def only(self, cells: Iterable[int]) -> Tracked:
        """The same with some of the cells alone.

        Raises
        ------
        ValueError
            If one is not among them, or none is wanted.
        """
        wanted = sorted({int(cell) for cell in cells})
        if not wanted:
            raise ValueError("no cell was chosen: name at least one, or leave the choice away for all")
        unknown = set(wanted) - set(self.cells)
        if unknown:  # labels may hold cells of which nothing more is known
            unknown -= {i for t in range(self.shape[0]) for i in ids_in(self.frame(t))}
        if unknown:
            raise ValueError(f"there is no cell {', '.join(map(str, sorted(unknown)))}")
        kept = {c: self.cells.get(c, CellInfo()) for c in wanted}
        return replace(
            self,
            labels=_Only(self.labels, wanted),
            cells={c: replace(i, parent=i.parent if i.parent in kept else None) for c, i in kept.items()},
            table={c: rows for c, rows in self.table.items() if c in kept},
            prompts=tuple(p for p in self.prompts if p.cell in kept),
        )


class _Only:
    """Labels in which other cells are background."""

    def __init__(self, labels: ReadsFrames, cells: list[int]) -> None:
        self._labels, self._cells = labels, cells
        self.shape = tuple(int(n) for n in labels.shape)

    def __getitem__(self, t: int) -> npt.NDArray[np.int32]:
        image = np.array(self._labels[t])
        image[~np.isin(image, self._cells)] = 0
        return image


def checked(image: npt.NDArray[Any], where: str, shape: tuple[int, ...] | None = None) -> npt.NDArray[np.int32]:
    """Labels of one frame as (Y, X) int32.

    Raises
    ------
    ValueError
        If they are no labels; the message says what they are and how to mend it.
    """
    if image.ndim == 3 and image.shape[-1] in (3, 4) and (shape is None or image.shape[:2] == shape):
        raise ValueError(
            f"{where} is a colour picture {image.shape}, not a label image: save the label numbers themselves "
            "(16-bit TIFF or OME-Zarr), not a rendering of them"
        )
    if image.ndim != 2 or (shape is not None and image.shape != shape):
        raise ValueError(f"{where} has the shape {image.shape}, expected {shape or '(Y, X)'}")
    if image.dtype.kind == "f":
        if not np.isfinite(image).all() or (image != np.round(image)).any():
            raise ValueError(
                f"{where} holds {image.dtype} with fractions: labels are whole numbers. Is it a probability map or an "
                "interpolated image? Save the labels as integers, resized without interpolation"
            )
        image = image.astype(np.int64)
    if image.dtype.kind not in "iub":
        raise ValueError(f"{where} holds {image.dtype}: labels are whole numbers")
    if image.dtype == np.int32 or image.dtype.itemsize < 4:
        low, high = (int(image.min(initial=0)), 0) if image.dtype.kind == "i" else (0, 0)
    else:
        low, high = int(image.min(initial=0)), int(image.max(initial=0))
    if low < 0:
        raise ValueError(f"{where} holds negative numbers, down to {low}: labels are numbered from 1, background is 0")
    if high > MAX_ID:
        raise ValueError(
            f"{where} holds the id {high}, the largest possible is {MAX_ID}: renumber the labels "
            "(for example with skimage.segmentation.relabel_sequential)"
        )
    return image.astype(np.int32, copy=False)


def empty_records(frames: int) -> Records:
    """(T,) records of a cell of which nothing is known."""
    records = np.zeros(frames, RECORD)
    records["score"] = records["iou"] = np.nan
    return records


def ids_in(image: npt.NDArray[np.int32]) -> list[int]:
    """Ids in a label image, sorted, without the background."""
    return present_ids(image)
