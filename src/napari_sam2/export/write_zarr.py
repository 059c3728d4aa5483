"""OME-Zarr 0.5 labels (zarr version 3), one chunk a frame."""

from __future__ import annotations

import colorsys
from typing import Any

from napari_sam2.export.write import Labels, LabelWriter

OME_ZARR_VERSION = "0.5"
MAX_CHUNK_SIDE = 4096
"""Pixels; a chunk of a larger frame would not fit the 2 GiB that compressors take."""
_GOLDEN_ANGLE = 0.618033988749895
"""Steps of this share of the colour circle keep neighbouring ids far apart."""
_AXES = (("t", "time"), ("y", "space"), ("x", "space"))


class ZarrLabelWriter(LabelWriter):
    """Writes an OME-Zarr label image: level 0 only, ids with first and last frame, parent and colour.

    https://ngff.openmicroscopy.org/0.5/ (sections multiscales and image-label).
    """

    def _prepare(self) -> None:
        import zarr

        t, y, x = self.info.shape
        self._group = zarr.open_group(self.unfinished, mode="w-", zarr_format=3)
        self._array = self._group.create_array(
            "0",
            shape=(t, y, x),
            chunks=(1, min(y, MAX_CHUNK_SIDE), min(x, MAX_CHUNK_SIDE)),
            dtype=self.info.dtype,
            fill_value=0,
            dimension_names=[name for name, _ in _AXES],
        )
        self._group.attrs["ome"] = {
            "version": OME_ZARR_VERSION,
            "multiscales": [self._multiscale()],
            "image-label": {},
        }

    def _multiscale(self) -> dict[str, Any]:
        axes: list[dict[str, str]] = []
        for name, kind in _AXES:
            axis = {"name": name, "type": kind}
            if name.upper() in self.info.units:
                axis["unit"] = self.info.units[name.upper()]
            axes.append(axis)
        steps = [float(self.info.scale.get(name.upper(), 1.0)) for name, _ in _AXES]
        return {
            "name": self.path.name,
            "axes": axes,
            "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": steps}]}],
        }

    def _write(self, frame: int, labels: Labels) -> None:
        self._array[frame] = labels

    def _finish(self) -> None:
        properties: list[dict[str, int]] = []
        for label, frames in self.frames_of_id().items():
            row = {"label-value": label, "first-frame": frames[0], "last-frame": frames[-1]}
            if label in self.info.parents:
                row["parent"] = self.info.parents[label]
            properties.append(row)
        if properties:
            colours = [{"label-value": row["label-value"], "rgba": colour_of(row["label-value"])} for row in properties]
            ome = dict(self._group.attrs["ome"])
            self._group.attrs["ome"] = {**ome, "image-label": {"colors": colours, "properties": properties}}
        super()._finish()


def colour_of(label: int) -> list[int]:
    """A colour for an id: (red, green, blue, opacity), 0..255; always the same, unlike that of the ids beside it."""
    hue = (label * _GOLDEN_ANGLE) % 1.0
    value = 1.0 if label % 2 else 0.8
    return [*(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.75, value)), 255]
