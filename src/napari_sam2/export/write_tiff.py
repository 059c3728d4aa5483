"""Labels as one TIFF stack, for ImageJ where it can read them.

The file has its full size and all its pages from the start, and is not compressed: so frames can come in any order,
and what a killed run leaves behind opens. OME-Zarr is the format to choose where size matters.
"""

from __future__ import annotations

import errno
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.write import LabelInfo, Labels, LabelWriter, split_name

MAX_CLASSIC_BYTES = 4 * 2**30 - 2**25
"""Offsets of a classic TIFF are 32-bit; some room is left for its tags."""


class TiffLabelWriter(LabelWriter):
    """Writes an ImageJ hyperstack (uint16, under 4 GiB), else an OME-TIFF (BigTIFF where needed).

    ImageJ knows no 32-bit integers, and no BigTIFF. A name in ``.ome.tif`` always gives OME-TIFF.
    """

    def _prepare(self) -> None:
        import tifffile

        dtype = self.info.dtype
        size = int(np.prod(self.info.shape, dtype=np.int64)) * dtype.itemsize
        large = size > MAX_CLASSIC_BYTES
        named_ome = ".ome" in split_name(self.path)[1].lower()
        options = ome_options(self.info) if large or named_ome or dtype != np.uint16 else imagej_options(self.info)
        # tifffile decides on the format by the name unless it is told, and must not by the one of the unfinished file
        self._pixels: npt.NDArray[Any] | None = tifffile.memmap(
            self.unfinished, shape=self.info.shape, dtype=dtype, bigtiff=large, photometric="minisblack", **options
        )
        self._make_sure_of_room()

    def _make_sure_of_room(self) -> None:
        """Have the disk set the file aside: one with holes is mapped gladly, and full disks are a bus error then."""
        if not hasattr(os, "posix_fallocate"):
            return
        try:
            with open(self.unfinished, "r+b") as file:
                os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system that cannot do so
                return
            self.close()
            self.unfinished.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def _write(self, frame: int, labels: Labels) -> None:
        assert self._pixels is not None
        self._pixels.reshape(self.info.shape)[frame] = labels

    def close(self) -> None:
        if isinstance(self._pixels, np.memmap):
            self._pixels.flush()
        self._pixels = None  # Windows renames no file that is mapped


def imagej_options(info: LabelInfo) -> dict[str, Any]:
    """What tifffile must be told to write an ImageJ hyperstack, calibrated in space and time."""
    metadata: dict[str, Any] = {"axes": "TYX"}
    options: dict[str, Any] = {"imagej": True, "metadata": metadata}
    scale, units = info.scale, info.units
    if "T" in scale:
        metadata["finterval"] = scale["T"]
        metadata["tunit"] = {"second": "sec"}.get(units.get("T", "second"), units.get("T"))
    if "Y" in scale and "X" in scale:
        options["resolution"] = (1.0 / scale["X"], 1.0 / scale["Y"])
        metadata["unit"] = {"micrometer": "um", "nanometer": "nm", "millimeter": "mm"}.get(
            units.get("X", ""), units.get("X", "pixel")
        )
    return options


def ome_options(info: LabelInfo) -> dict[str, Any]:
    """What tifffile must be told to write OME-TIFF, calibrated in space and time."""
    metadata: dict[str, Any] = {"axes": "TYX"}
    for axis, name, default in (
        ("T", "TimeIncrement", "second"),
        ("Y", "PhysicalSizeY", "micrometer"),
        ("X", "PhysicalSizeX", "micrometer"),
    ):
        unit = info.units.get(axis, default)
        if axis in info.scale and unit in _OME_UNITS:  # a size in a unit that OME does not know would be wrong
            metadata[name] = info.scale[axis]
            metadata[f"{name}Unit"] = _OME_UNITS[unit]
    return {"ome": True, "metadata": metadata}


_OME_UNITS = {
    "nanometer": "nm",
    "micrometer": "µm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "millisecond": "ms",
    "second": "s",
    "minute": "min",
    "hour": "h",
    "day": "d",
}
