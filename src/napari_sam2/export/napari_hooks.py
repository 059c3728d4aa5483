"""What napari calls when a layer is saved or a file is opened (``napari.yaml``). Plain data in and out: no napari here.

napari hands a writer (path, data, attributes) and takes the paths that were written; a reader is asked with a path
whether it can read it, and gives layers as (data, attributes, kind).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.export.read_segmentation import CTC_NAMES, open_segmentation
from napari_sam2.export.read_tracks import Tracks, read_tracks
from napari_sam2.export.sources import from_array
from napari_sam2.export.tracked import Tracked

LayerData = tuple[Any, dict[str, Any], str]
_UNITS = {"µm": "micrometer", "um": "micrometer", "s": "second", "min": "minute", "h": "hour", "nm": "nanometer"}


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save a Labels layer: OME-Zarr, TIFF, or whatever the suffix says.

    Raises
    ------
    ValueError
        If it has other axes than (T, Y, X) or (Y, X), or the format cannot hold it.
    """
    from napari_sam2.export.save import export

    return [str(export(_of_layer(data, attributes), path, overwrite=True).path)]


def write_tracks(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save a Tracks layer: GEFF, TrackMate XML or CSV.

    Raises
    ------
    ValueError
        If it has other axes than (track, T, Y, X).
    """
    from napari_sam2.export.save_tracks import save_tracks

    return [str(save_tracks(tracks_of_layer(data, attributes), path, name=str(attributes.get("name", "tracks"))))]


def tracks_of_layer(data: Any, attributes: Mapping[str, Any]) -> Tracks:
    """The points of a Tracks layer, in pixels; a third spatial axis of one plane is left out."""
    table = np.asarray(data, np.float64)
    if table.ndim != 2 or table.shape[1] not in (4, 5):
        raise ValueError(f"tracks have the columns track, T, (Z,) Y, X; this layer has the shape {table.shape}")
    if table.shape[1] == 5 and len(np.unique(table[:, 2])) > 1:
        raise ValueError("the tracks are three-dimensional: only tracks in one plane can be saved here")
    rows = [(int(row[0]), int(round(row[1])), float(row[-2]), float(row[-1])) for row in table]
    shift = int(any(row[0] == 0 for row in rows))
    parents = {
        int(child) + shift: int(np.ravel(mothers)[0]) + shift
        for child, mothers in (attributes.get("graph") or {}).items()
        if np.ravel(mothers).size
    }
    scale, units = _calibration(attributes, table.shape[1] - 1)
    return Tracks.of(((row[0] + shift, *row[1:]) for row in rows), parents=parents, scale=scale, units=units)


def _of_layer(data: Any, attributes: Mapping[str, Any]) -> Tracked:
    if isinstance(data, Sequence) and not hasattr(data, "shape"):
        data = data[0]  # of a multiscale layer, the full size
    shape = tuple(int(n) for n in data.shape)
    if len(shape) == 4 and 1 in shape[:2]:
        data = data[:, 0] if shape[1] == 1 else data[0]
    elif len(shape) not in (2, 3):
        raise ValueError(f"labels of a 2D movie have the axes (T, Y, X), this layer has the shape {shape}")
    scale, units = _calibration(attributes, len(shape))
    return from_array(data, scale=scale, units=units, name=str(attributes.get("name", "labels")))


def _calibration(attributes: Mapping[str, Any], ndim: int) -> tuple[dict[str, float], dict[str, str]]:
    """Scale and units of T, Y and X: the first and the last two axes of a layer."""
    steps = [float(step) for step in attributes.get("scale", ())]
    names = [str(unit) for unit in attributes.get("units") or ()]
    at = {"Y": ndim - 2, "X": ndim - 1, **({"T": 0} if ndim > 2 else {})}
    units = {}
    for axis, i in at.items():
        name = _UNITS.get(names[i], names[i]) if i < len(names) else "pixel"
        if name not in ("pixel", "dimensionless", ""):
            units[axis] = name
    scale = {axis: steps[i] for axis, i in at.items() if i < len(steps) and (steps[i] != 1 or axis in units)}
    return scale, units


def get_reader(path: str | Sequence[str]) -> Callable[[str], list[LayerData]] | None:
    """A reader of GEFF, TrackMate XML, tracks CSV, and Cell Tracking Challenge folders; None for everything else."""
    if not isinstance(path, str | os.PathLike):
        return None
    given = Path(path)
    if given.is_dir():
        if given.suffix.lower() == ".geff" or (given / "nodes").is_dir():
            return read_layers
        return read_layers if _ctc_masks(given) else None
    if given.suffix.lower() == ".xml":
        with open(given, "rb") as file:
            return read_layers if b"<TrackMate" in file.read(4096) else None
    return read_layers if given.name.lower().endswith(".tracks.csv") else None


def read_layers(path: str) -> list[LayerData]:
    """Read labels and tracks of a file as layers."""
    given = Path(path)
    name = re.split(r"\.", given.name)[0]
    layers: list[LayerData] = []
    if given.is_dir():
        try:
            found = open_segmentation(given)
        except ValueError:
            if _ctc_masks(given):
                raise
        else:
            layers.append((_stack(found), _attributes(name, found.scale, found.units, 3), "labels"))
    if not _ctc_masks(given):
        tracks = read_tracks(given)
        graph = {daughter: [mother] for daughter, mother in tracks.parents.items()}
        data = np.column_stack((tracks.cell, tracks.frame, tracks.y, tracks.x))
        attributes = _attributes(f"{name} tracks", tracks.scale, tracks.units, 3)
        layers.append((data, {**attributes, "graph": graph}, "tracks"))
    return layers


def _ctc_masks(folder: Path) -> bool:
    return folder.is_dir() and any(
        re.fullmatch(rf"{prefix}\d+\.tif", file.name)
        for prefix, _ in CTC_NAMES
        for file in folder.glob(f"{prefix}*.tif")
    )


def _stack(found: Tracked) -> Any:
    """Labels for a layer: lazy through dask where it is there, which comes with napari."""
    try:
        import dask.array
    except ImportError:
        return np.stack([found.frame(t) for t in range(found.shape[0])])
    chunks = ((1,) * found.shape[0], *((n,) for n in found.shape[1:]))

    def read(block_info: Any = None) -> Any:
        return found.frame(block_info[None]["chunk-location"][0])[None]

    return dask.array.map_blocks(read, chunks=chunks, dtype=np.int32, meta=np.empty((0, 0, 0), np.int32))


def _attributes(name: str, scale: Mapping[str, float], units: Mapping[str, str], ndim: int) -> dict[str, Any]:
    axes = "TYX"[-ndim:]
    found: dict[str, Any] = {"name": name, "scale": [float(scale.get(axis, 1.0)) for axis in axes]}
    if units:
        found["units"] = [units.get(axis, "pixel") for axis in axes]
    return found
