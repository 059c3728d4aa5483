"""OME-Zarr labels: 0.5 (zarr version 3), or 0.4 (version 2) for programs that know no other.

https://ngff.openmicroscopy.org/0.5/ (sections multiscales and image-label). A frame is one file a level: in 0.5 a shard
of tiles, which viewers read one by one; large frames have smaller levels besides.
"""

from __future__ import annotations

import colorsys
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_sam2.export.write import LabelInfo, Labels, LabelWriter

Version = Literal["0.4", "0.5"]
OME_ZARR_VERSION: Version = "0.5"
TILE = 1024
"""Side of a chunk; the whole frame where it is smaller."""
SMALLEST_LEVEL = 512
"""Levels are halved until their longer side is no more than this many pixels."""
TABLE = "cells"
"""Group, beside the levels, of what is known of each cell on each frame; not part of OME-Zarr."""
_GOLDEN_ANGLE = 0.618033988749895
"""Steps of this share of the colour circle keep neighbouring ids far apart."""
_TYPE_OF_AXIS = {"t": "time", "z": "space", "y": "space", "x": "space"}


@dataclass(frozen=True)
class Level:
    """A level of the pyramid: (Y, X), and its coordinate transformations."""

    path: str
    shape: tuple[int, int]
    transformations: list[dict[str, Any]]


@dataclass(frozen=True)
class Layout:
    """How labels are laid out in the store.

    Parameters
    ----------
    axes
        As in the metadata. Besides t, y and x there may be a z of length 1.
    levels
        Largest first.
    extra
        Further metadata of the multiscale, such as transformations of all levels.
    """

    axes: list[dict[str, str]]
    levels: list[Level]
    version: Version = OME_ZARR_VERSION
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> str:
        return "".join(axis["name"] for axis in self.axes)


def own_layout(info: LabelInfo, version: Version = OME_ZARR_VERSION) -> Layout:
    """The layout of labels that stand alone."""
    axes: list[dict[str, str]] = []
    for name in "tyx":
        axis = {"name": name, "type": _TYPE_OF_AXIS[name]}
        if name.upper() in info.units:
            axis["unit"] = info.units[name.upper()]
        axes.append(axis)
    _, height, width = info.shape
    levels: list[Level] = []
    step = 1
    while True:
        shape = (-(-height // step), -(-width // step))
        factors = {"T": 1, "Y": step, "X": step}
        scale = [float(info.scale.get(axis, 1.0)) * factor for axis, factor in factors.items()]
        levels.append(Level(str(len(levels)), shape, [{"type": "scale", "scale": scale}]))
        if max(shape) <= SMALLEST_LEVEL:
            return Layout(axes, levels, version)
        step *= 2


class ZarrLabelWriter(LabelWriter):
    """Writes an OME-Zarr label image: ids with first and last frame, parent, colour and whatever else is given.

    Parameters
    ----------
    path, info, overwrite
        As for `LabelWriter`.
    version
        Of OME-Zarr.
    layout
        Where it has to follow an image's; by default that of `own_layout`.
    source
        Path of the image that the labels belong to, relative to the labels.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        info: LabelInfo,
        *,
        overwrite: bool = False,
        version: Version = OME_ZARR_VERSION,
        layout: Layout | None = None,
        source: str | None = None,
    ) -> None:
        if version not in ("0.4", "0.5"):
            raise ValueError(f"OME-Zarr is written in version 0.5 or 0.4, not {version!r}")
        self.layout = layout or own_layout(info, version)
        self.source = source
        self.properties: dict[int, dict[str, Any]] = {}
        """More about a cell, by id."""
        super().__init__(path, info, overwrite=overwrite)

    @property
    def _old(self) -> bool:
        return self.layout.version == "0.4"

    def _prepare(self) -> None:
        import zarr

        self._group = zarr.open_group(self.unfinished, mode="w-", zarr_format=2 if self._old else 3)
        self._arrays = [self._make(level) for level in self.layout.levels]
        self._describe({})

    def _make(self, level: Level) -> Any:
        side = [min(n, TILE) for n in level.shape]
        whole = [-(-n // s) * s for n, s in zip(level.shape, side, strict=True)]
        lengths = {"t": self.info.shape[0], "z": 1, "y": level.shape[0], "x": level.shape[1]}
        tiles = {"t": 1, "z": 1, "y": side[0], "x": side[1]}
        shards = {"t": 1, "z": 1, "y": whole[0], "x": whole[1]}
        names = self.layout.names
        options: dict[str, Any] = {}
        if self._old:
            from numcodecs import Blosc

            options["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
            options["compressors"] = Blosc(
                "zstd", clevel=3
            )  # plain Zstandard is unknown to many programs for version 2
        else:
            options["dimension_names"] = list(names)
            if whole != side:
                options["shards"] = tuple(shards[name] for name in names)
        return self._group.create_array(
            level.path,
            shape=tuple(lengths[name] for name in names),
            chunks=tuple(tiles[name] for name in names),
            dtype=self.info.dtype,
            fill_value=0,
            **options,
        )

    def _describe(self, label: dict[str, Any]) -> None:
        multiscale = {
            "name": self.path.name,
            "axes": self.layout.axes,
            "datasets": [
                {"path": level.path, "coordinateTransformations": level.transformations} for level in self.layout.levels
            ],
            **self.layout.extra,
        }
        if self.source is not None:
            label = {**label, "source": {"image": self.source}}
        if self._old:
            self._group.attrs["multiscales"] = [{"version": "0.4", **multiscale}]
            self._group.attrs["image-label"] = {"version": "0.4", **label}
        else:
            self._group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale], "image-label": label}

    def _write(self, frame: int, labels: Labels) -> None:
        index = tuple(frame if name == "t" else (0 if name == "z" else slice(None)) for name in self.layout.names)
        for level, array in zip(self.layout.levels, self._arrays, strict=True):
            array[index] = shrink(labels, level.shape)

    def add_table(self, columns: Mapping[str, npt.NDArray[Any]], attributes: Mapping[str, Any]) -> None:
        """Write what is known of each cell on each frame: arrays (cells,) or (cells, T), in the group `TABLE`."""
        group = self._group.create_group(TABLE, attributes=dict(attributes))
        for name, values in columns.items():
            group.create_array(name, data=values, chunks=tuple(max(1, min(n, 1 << 16)) for n in values.shape))

    def _finish(self) -> None:
        properties: list[dict[str, Any]] = []
        for label, frames in self.frames_of_id().items():
            row: dict[str, Any] = {"label-value": label, "first-frame": frames[0], "last-frame": frames[-1]}
            if label in self.info.parents:
                row["parent"] = self.info.parents[label]
            properties.append({**row, **self.properties.get(label, {})})
        if properties:
            colours = [{"label-value": row["label-value"], "rgba": colour_of(row["label-value"])} for row in properties]
            self._describe({"colors": colours, "properties": properties})
        super()._finish()


def shrink(labels: Labels, shape: tuple[int, int]) -> Labels:
    """Take every so many-th pixel of labels (Y, X): ids cannot be averaged."""
    if labels.shape == shape:
        return labels
    rows, columns = (np.arange(n) * full // n for n, full in zip(shape, labels.shape, strict=True))
    return labels[rows[:, None], columns]


def colour_of(label: int) -> list[int]:
    """A colour for an id: (red, green, blue, opacity), 0..255; always the same, unlike that of the ids beside it."""
    hue = (label * _GOLDEN_ANGLE) % 1.0
    value = 1.0 if label % 2 else 0.8
    return [*(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.75, value)), 255]
