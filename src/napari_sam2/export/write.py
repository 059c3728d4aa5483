"""Writing labels frame by frame, in any order of frames, into whichever format the name asks for.

All writers share one life: they are made (which refuses to overwrite), take frames, and are finished. Until then they
write beside the target, under a name with ``unfinished`` in it that opens like the real thing; finishing renames it. A
run that is killed leaves that file, with every frame that was done.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.replacing import refuse_to_overwrite, remove_output

Labels = npt.NDArray[np.integer[Any]]

UNFINISHED = "unfinished"
_COMPOUND = (".ome.zarr", ".ome.tif", ".ome.tiff", ".ome.btf")
_BINCOUNT_LIMIT = 1 << 24
"""Below this id, counting every value is faster than sorting the pixels."""
KNOWN = (
    "NAME.ome.zarr (OME-Zarr labels), IMAGE.ome.zarr/labels/NAME (in an image that is there), NAME.tif (TIFF), or a "
    "NAME without a dot (Cell Tracking Challenge folder)"
)


@dataclass(frozen=True)
class LabelInfo:
    """What a writer must know before the first frame.

    Parameters
    ----------
    shape : (T, Y, X)
    max_label : int
        The largest id that will be written; decides between 16 and 32 bit. By default that of 16 bit.
    scale, units : dict
        Of the axes T, Y and X, as `OpenedMovie` has them.
    parents : dict of int to int
        Daughter to mother.
    """

    shape: tuple[int, int, int]
    max_label: int = 65535
    scale: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[int, int] = field(default_factory=dict)

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint16 where the ids fit, else uint32."""
        return np.dtype(np.uint16 if self.max_label <= np.iinfo(np.uint16).max else np.uint32)


class LabelWriter(ABC):
    """Writes label images one frame at a time; a frame may come again, the last one counts.

    Frames that never come are background. Use it in a ``with`` block: leaving it normally finishes the file, leaving
    it by an error keeps the unfinished one.
    """

    def __init__(self, path: str | os.PathLike[str], info: LabelInfo, *, overwrite: bool = False) -> None:
        self.path = Path(path).expanduser()
        self.info = info
        self.overwrite = overwrite
        self.ids_of_frame: dict[int, list[int]] = {}
        stem, suffix = split_name(self.path)
        self.unfinished = self.path.with_name(f"{stem}.{UNFINISHED}{suffix}")
        refuse_to_overwrite(self.path, overwrite)
        if self.unfinished.exists():
            if not overwrite:
                raise FileExistsError(
                    f"{self.unfinished} is there, left by a run that was cut off: its finished frames can be opened. "
                    "Move or remove it, or overwrite"
                )
            remove_output(self.unfinished)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._prepare()

    @classmethod
    def check(cls, path: Path, info: LabelInfo) -> None:
        """Raise ValueError where labels of this shape cannot be written there, before anything is made."""
        return None

    def write(self, frame: int, labels: npt.NDArray[Any]) -> None:
        """Write the (Y, X) label image of a frame.

        Raises
        ------
        IndexError
            If there is no such frame.
        ValueError
            If the shape is not that of a frame, or an id is negative or too large for the type of the file.
        """
        count, *frame_shape = self.info.shape
        if not 0 <= frame < count:
            raise IndexError(f"there is no frame {frame}: the labels have frames 0 to {count - 1}")
        labels = np.asarray(labels)
        if labels.shape != tuple(frame_shape) or labels.dtype.kind not in "iub":
            raise ValueError(
                f"labels of a frame are integers of shape {tuple(frame_shape)}, got {labels.dtype} {labels.shape}"
            )
        if labels.dtype.kind == "b":
            labels = labels.astype(np.uint8)
        ids = present_ids(labels)
        if ids and (ids[0] < 0 or ids[-1] > np.iinfo(self.info.dtype).max):
            raise ValueError(f"frame {frame} holds ids from {ids[0]} to {ids[-1]}: {self.info.dtype} cannot hold them")
        self._write(frame, labels.astype(self.info.dtype, copy=False))
        self.ids_of_frame[frame] = ids

    def finish(self) -> Path:
        """Complete the file and give it its name.

        Raises
        ------
        FileExistsError
            If somebody else has put a file there meanwhile. The unfinished file stays.
        """
        self._finish()
        refuse_to_overwrite(self.path, self.overwrite)
        if self.path.is_dir() or self.unfinished.is_dir():
            remove_output(self.path)
        self.unfinished.replace(self.path)
        return self.path

    def frames_of_id(self) -> dict[int, list[int]]:
        """The frames in which each id was written, in order."""
        found: dict[int, list[int]] = {}
        for frame in sorted(self.ids_of_frame):
            for label in self.ids_of_frame[frame]:
                found.setdefault(label, []).append(frame)
        return dict(sorted(found.items()))

    def __enter__(self) -> LabelWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._leave(error)
            return
        try:
            self.finish()
        except BaseException as failure:
            self._leave(failure)
            raise

    def _leave(self, error: BaseException) -> None:
        note = self.abandon()
        if note:
            error.add_note(note)

    def abandon(self) -> str:
        """Let go of the unfinished file, and say where it is; without a single frame it is removed.

        Returns
        -------
        str
            A sentence for the user; empty if nothing is left.
        """
        self.close()
        if not self.unfinished.exists():  # it has its name already
            return ""
        if not self.ids_of_frame:
            remove_output(self.unfinished)
            return ""
        count = len(self.ids_of_frame)
        return f"{count} finished frame{'s are' if count > 1 else ' is'} in {self.unfinished}"

    def close(self) -> None:
        """Let go of the unfinished file, which keeps what was written."""
        return None

    @abstractmethod
    def _prepare(self) -> None:
        """Make the unfinished file or folder."""

    @abstractmethod
    def _write(self, frame: int, labels: Labels) -> None:
        """Write a checked frame."""

    def _finish(self) -> None:
        """Add what is known only at the end; then let go of the file."""
        self.close()


def open_label_writer(path: str | os.PathLike[str], info: LabelInfo, *, overwrite: bool = False) -> LabelWriter:
    """Make the writer that the name asks for.

    Parameters
    ----------
    path : str or path-like
        ``.ome.zarr`` or ``.zarr``: OME-Zarr 0.5 labels. ``IMAGE.ome.zarr/labels/NAME``: labels in an OME-Zarr image
        that is there. ``.tif`` or ``.tiff``: TIFF. No suffix elsewhere: a Cell Tracking Challenge result folder.
    info : LabelInfo
    overwrite : bool
        Replace what is there. A folder is replaced only if it is of the same kind as what would be written.

    Raises
    ------
    ValueError
        If the name asks for no known format.
    FileExistsError
        If something is there already.
    """
    return writer_for(path)(path, info, overwrite=overwrite)


def writer_for(path: str | os.PathLike[str]) -> type[LabelWriter]:
    """Return the class of writer that the name asks for.

    Raises
    ------
    ValueError
        If the name asks for no known format.
    """
    from napari_sam2.export.into_image import ImageLabelWriter, image_of

    path = Path(path).expanduser()
    suffix = split_name(path)[1].lower()
    if suffix in (".ome.zarr", ".zarr", "") and image_of(path) is not None:
        return ImageLabelWriter
    if suffix in (".ome.zarr", ".zarr"):
        from napari_sam2.export.write_zarr import ZarrLabelWriter

        return ZarrLabelWriter
    if suffix in (".tif", ".tiff", ".ome.tif", ".ome.tiff", ".btf", ".ome.btf"):
        from napari_sam2.export.write_tiff import TiffLabelWriter

        return TiffLabelWriter
    if suffix == "":
        from napari_sam2.export.write_ctc import CtcLabelWriter

        return CtcLabelWriter
    raise ValueError(f"{path.name}: labels cannot be written as {suffix}. Known are {KNOWN}")


def save_labels(
    labels: Any,
    path: str | os.PathLike[str],
    *,
    frames: Iterable[int] | None = None,
    scale: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    parents: Mapping[int, int] | None = None,
    max_label: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Save a whole (T, Y, X) array-like of labels, reading one frame at a time.

    Parameters
    ----------
    labels : array-like, (T, Y, X) integer
    path : str or path-like
        As for `open_label_writer`.
    frames : iterable of int, optional
        Write only these; the others are background.
    scale, units, parents, overwrite
        As for `LabelInfo` and `open_label_writer`.
    max_label : int, optional
        The largest id; found by looking at all frames first when it is not given.

    Returns
    -------
    Path
        Where it was saved.
    """
    t, y, x = (int(length) for length in labels.shape)
    chosen = list(range(t)) if frames is None else sorted(set(frames))
    writer_class = writer_for(path)
    refuse_to_overwrite(Path(path).expanduser(), overwrite)
    if max_label is None:
        max_label = max((int(np.asarray(labels[frame]).max(initial=0)) for frame in chosen), default=0)
    info = LabelInfo((t, y, x), max_label, dict(scale or {}), dict(units or {}), dict(parents or {}))
    with writer_class(path, info, overwrite=overwrite) as writer:
        for frame in chosen:
            writer.write(frame, np.asarray(labels[frame]))
    return writer.path


def split_name(path: Path) -> tuple[str, str]:
    """Split a file's name into stem and suffix, taking ``.ome.zarr`` and its like as one suffix."""
    lower = path.name.lower()
    for suffix in _COMPOUND:
        if lower.endswith(suffix) and len(lower) > len(suffix):
            return path.name[: -len(suffix)], path.name[-len(suffix) :]
    return path.stem, path.suffix


def present_ids(labels: npt.NDArray[Any]) -> list[int]:
    """The ids in a label image, sorted, without the background."""
    if labels.size and labels.min() >= 0 and labels.max() < _BINCOUNT_LIMIT:
        present = np.flatnonzero(np.bincount(labels.ravel()))
    else:
        present = np.unique(labels)
    return [int(label) for label in present if label != 0]
