"""Opening segmentations that are there already: labels of other programs, and what this one has exported.

Whatever is wrong with a file is said with its name, the frame and what would mend it; frames are looked at as they are
read, not before.
"""

from __future__ import annotations

import os
import re
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.opened import OpenedMovie
from napari_sam2.export.read import open_movie, read_image
from napari_sam2.export.read_ctc import read_track_table
from napari_sam2.export.tracked import RECORD, CellInfo, ReadsFrames, Tracked, checked
from napari_sam2.export.write_zarr import TABLE

CTC_NAMES = (("mask", "res_track.txt"), ("man_track", "man_track.txt"), ("man_seg", None))
"""Masks in a folder of the Cell Tracking Challenge, and the table of tracks beside them."""


def open_segmentation(source: Any) -> Tracked:
    """Open labels, with everything that the file knows of their cells.

    Parameters
    ----------
    source
        An array (T, Y, X) or (Y, X) of whole numbers; a `Tracked`; or a path: TIFF stack, OME-TIFF, zarr array,
        OME-Zarr labels (or an OME-Zarr image that has labels), a folder of the Cell Tracking Challenge (results or
        truth), a folder of numbered label images, GEFF with labels inside, COCO JSON.

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    ValueError
        If it holds no labels. Frames are checked when they are read.
    """
    if isinstance(source, Tracked):
        return source
    if hasattr(source, "shape"):
        shape = tuple(int(n) for n in source.shape)
        if len(shape) == 2:
            return Tracked(Checked(np.asarray(source)[None], "the labels"))
        if len(shape) != 3:
            raise ValueError(f"labels have the axes (T, Y, X), this array is {shape}: choose one channel or plane")
        return Tracked(Checked(source, "the labels"))
    path = Path(source).expanduser()
    if not path.exists() and not any(sign in path.name for sign in "*?["):
        raise FileNotFoundError(f"{path} does not exist")
    if path.suffix.lower() == ".json":
        from napari_sam2.export.read_coco import open_coco

        return open_coco(path)
    if path.is_dir():
        for prefix, table in CTC_NAMES:
            files = [f for f in path.glob(f"{prefix}*.tif") if re.fullmatch(r"\d+", f.stem.removeprefix(prefix))]
            if files:
                return _open_ctc(path, prefix, files, table)
        if (path / ".zgroup").is_file() or (path / "zarr.json").is_file():
            return _open_zarr(path)
    return _of_movie(open_movie(path), path)


class Checked:
    """Labels whose frames are looked at as they are read: (T, Y, X), frames int32."""

    dtype = np.dtype(np.int32)

    def __init__(self, labels: ReadsFrames, where: str, opened: OpenedMovie | None = None) -> None:
        self._labels, self._where = labels, where
        if opened is not None:
            weakref.finalize(self, opened.close)
        self.shape = tuple(int(n) for n in labels.shape)

    def __getitem__(self, key: Any) -> npt.NDArray[np.int32]:
        t, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(t, slice):
            frames = [self[i] for i in range(*t.indices(self.shape[0]))]
            return np.stack(frames)[(slice(None), *rest)] if frames else np.zeros((0, *self.shape[1:]), np.int32)
        t = int(t) + (self.shape[0] if t < 0 else 0)
        if not 0 <= t < self.shape[0]:
            raise IndexError(f"{self._where} has frames 0 to {self.shape[0] - 1}, not {t}")
        where = f"{self._where}, frame {t}"
        try:
            frame = np.asarray(self._labels[t])
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        except (OSError, RuntimeError, KeyError, TypeError) as error:  # what decoders say of broken chunks and strips
            raise ValueError(f"{where} cannot be read ({error}): the file is damaged, export it anew") from error
        return checked(frame, where, self.shape[1:])[tuple(rest)]

    def __len__(self) -> int:
        return self.shape[0]


class LabelFiles:
    """A file for each frame; frames without one are background."""

    def __init__(self, files: dict[int, Path], frames: int) -> None:
        self.files = files
        first = read_image(files[min(files)])
        checked(first, str(files[min(files)]))
        self._first = files[min(files)]
        self.shape = (frames, *first.shape)

    def __getitem__(self, t: int) -> npt.NDArray[Any]:
        if t not in self.files:
            return np.zeros(self.shape[1:], np.int32)
        image = read_image(self.files[t])
        if image.shape != self.shape[1:]:
            raise ValueError(
                f"{self.files[t].name} is {image.shape}, {self._first.name} is {self.shape[1:]}: frames have one size"
            )
        return image


def _of_movie(opened: OpenedMovie, path: Path) -> Tracked:
    try:
        return _labels_of(opened, path)
    except ValueError:
        opened.close()
        raise


def _labels_of(opened: OpenedMovie, path: Path) -> Tracked:
    if opened.axes != "TYX":
        channels = opened.data.shape[1]
        raise ValueError(
            f"{path} holds {channels} channels {opened.data.shape}: it is a colour picture or a movie. Labels are one "
            "channel of whole numbers: save that alone"
        )
    if opened.data.dtype.kind not in "iubf":
        raise ValueError(f"{path} holds {opened.data.dtype}: labels are whole numbers")
    name = re.split(r"\.", path.name)[0]
    return Tracked(Checked(opened.data, str(path), opened), opened.scale, opened.units, name=name)


def _open_ctc(folder: Path, prefix: str, files: list[Path], table: str | None) -> Tracked:
    of_frame = {int(f.stem.removeprefix(prefix)): f for f in files}
    frames = max(of_frame) + 1
    missing = sorted(set(range(frames)) - set(of_frame))
    if missing and table is not None:  # a segmentation truth may have some frames only
        digits = len(files[0].stem) - len(prefix)
        names = [f"{prefix}{t:0{digits}d}.tif" for t in missing[:5]]
        raise ValueError(
            f"{folder}: frames {_listed(missing)} are missing ({', '.join(names)}): put them there, all zero where "
            "there is no cell"
        )
    cells: dict[int, CellInfo] = {}
    if table is not None and (folder / table).is_file():
        cells = {label: CellInfo(parent or None) for label, _, _, parent in read_track_table(folder / table)}
    return Tracked(Checked(LabelFiles(of_frame, frames), str(folder)), cells=cells, name=folder.name)


def _open_zarr(path: Path) -> Tracked:
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
        attributes = dict(group.attrs)
    except Exception:  # noqa: BLE001  an array, or damaged: the other reader says what
        return _of_movie(open_movie(path), path)
    if "geff" in attributes:
        return _open_zarr(_labels_of_geff(path, attributes["geff"]))
    metadata = attributes["ome"] if isinstance(attributes.get("ome"), dict) else attributes
    if "multiscales" in metadata and "image-label" not in metadata:
        inside = _names_of_labels(path)
        if len(inside) == 1:
            return _open_zarr(path / "labels" / inside[0])
        if inside:
            raise ValueError(
                f"{path} has several labels: name one, {' or '.join(str(path / 'labels' / n) for n in inside)}"
            )
    if "labels" in metadata and "multiscales" not in metadata:
        names = [str(name) for name in metadata["labels"]]
        if len(names) != 1:
            raise ValueError(f"{path} lists {len(names)} labels: name one ({', '.join(names) or 'there is none'})")
        return _open_zarr(path / names[0])
    opened = open_movie(path)
    found = _of_movie(opened, path)
    label = metadata.get("image-label") or {}
    cells = {}
    for row in label.get("properties") or []:
        parent = row.get("parent")
        texts = {key: str(row.get(key, "")) for key in ("name", "category", "notes")}
        cells[int(row["label-value"])] = CellInfo(int(parent) if parent else None, **texts)
    table: dict[int, Any] = {}
    if TABLE in group:
        table, cells = _table(group[TABLE], found.shape[0], cells)
    return Tracked(found.labels, found.scale, found.units, cells, table, name=found.name)


def _table(group: Any, frames: int, cells: dict[int, CellInfo]) -> tuple[dict[int, Any], dict[int, CellInfo]]:
    ids = [int(cell) for cell in group["id"][:]]
    for cell, info in dict(group.attrs.get("cells") or {}).items():
        cells[int(cell)] = CellInfo(**info)
    if RECORD.names is None or any(name not in group for name in RECORD.names):
        return {}, cells
    rows = np.zeros((len(ids), frames), RECORD)
    for name in RECORD.names:
        rows[name] = group[name][:]
    return dict(zip(ids, rows, strict=True)), cells


def _names_of_labels(image: Path) -> list[str]:
    import zarr

    try:
        attributes = dict(zarr.open_group(image / "labels", mode="r").attrs)
    except Exception:  # noqa: BLE001  no labels
        return []
    metadata = attributes["ome"] if isinstance(attributes.get("ome"), dict) else attributes
    return [str(name) for name in metadata.get("labels", [])]


def _labels_of_geff(path: Path, metadata: dict[str, Any]) -> Path:
    for related in metadata.get("related_objects") or []:
        if related.get("type") == "labels":
            found = Path(os.path.normpath(path / str(related.get("path"))))
            if found.exists():
                return found
            raise ValueError(
                f"{path} points to labels at {found}, which are not there: put them back, or give them directly"
            )
    raise ValueError(f"{path} is a graph without labels: read it as tracks (points), not as a segmentation")


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:5])) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
