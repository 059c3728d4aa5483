"""Opening TIFF, OME-TIFF and ImageJ stacks without reading their pages."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from napari_sam2.export.opened import OpenedMovie, arrange
from napari_sam2.export.safe_xml import parse_xml

#: What files write for a unit -> its name in OME-Zarr and napari.
UNIT_NAMES = {
    "µm": "micrometer",
    "μm": "micrometer",
    "um": "micrometer",
    "micron": "micrometer",
    "microns": "micrometer",
    "micrometer": "micrometer",
    "\\u00b5m": "micrometer",
    "nm": "nanometer",
    "nanometer": "nanometer",
    "mm": "millimeter",
    "millimeter": "millimeter",
    "cm": "centimeter",
    "s": "second",
    "sec": "second",
    "second": "second",
    "seconds": "second",
    "ms": "millisecond",
    "min": "minute",
    "minute": "minute",
    "minutes": "minute",
    "h": "hour",
    "hour": "hour",
    "d": "day",
}


def open_tiff(path: Path) -> OpenedMovie:
    """Open the first image series of a TIFF file; of a pyramid, its full-size level.

    Raises
    ------
    ValueError
        If the file is no TIFF, or damaged, or has more axes than a movie.
    """
    import tifffile
    import zarr

    try:
        tif = tifffile.TiffFile(path)
    except (tifffile.TiffFileError, OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as TIFF ({error}): is it complete?") from error
    try:
        series = tif.series[0]
        alike = all(other.shape == series.shape and other.dtype == series.dtype for other in tif.series)
        if len(tif.series) > 1 and alike and series.axes == "YX":
            # pages written one by one by a program that describes each of them
            data, notes = arrange(_SeriesStack(tif), "TYX", path)
            store = None
        else:
            store = series.aszarr(level=0)
            data, notes = arrange(zarr.open_array(store, mode="r"), series.axes, path)
            if len(tif.series) > 1:
                first = f"the first, {series.axes} {series.shape}, is used"
                notes = (*notes, f"{path.name} holds {len(tif.series)} images: {first}.")
        scale, units = _imagej_scale(tif) if tif.is_imagej else _ome_scale(tif)
    except (IndexError, tifffile.TiffFileError) as error:
        tif.close()
        raise ValueError(f"{path} holds no image ({error}): is it complete?") from error
    except BaseException:
        tif.close()
        raise

    def close() -> None:
        if store is not None:
            store.close()
        tif.close()

    return OpenedMovie(data, path, scale, units, notes, close)


class _SeriesStack:
    """The images of a TIFF file, all of one size, as one lazy array (T, Y, X)."""

    def __init__(self, tif: Any) -> None:
        self._tif = tif
        self.shape = (len(tif.series), *tif.series[0].shape)
        self.dtype = tif.series[0].dtype

    def __getitem__(self, index: tuple[Any, ...]) -> Any:
        t, *rest = index
        return self._tif.series[t].asarray()[tuple(rest)]


def _clean(values: dict[str, tuple[Any, str | None]]) -> tuple[dict[str, float], dict[str, str]]:
    """Keep the sizes that are positive numbers, and the units that are known."""
    scale: dict[str, float] = {}
    units: dict[str, str] = {}
    for axis, (value, unit) in values.items():
        try:
            number = float(value)
        except (TypeError, ValueError, ZeroDivisionError):
            continue
        if not (math.isfinite(number) and number > 0):
            continue
        scale[axis] = number
        name = UNIT_NAMES.get((unit or "").strip().lower())
        if name is not None:
            units[axis] = name
    return scale, units


def _imagej_scale(tif: Any) -> tuple[dict[str, float], dict[str, str]]:
    metadata = tif.imagej_metadata or {}
    unit = metadata.get("unit")
    found: dict[str, tuple[Any, str | None]] = {"T": (metadata.get("finterval"), metadata.get("tunit", "s"))}
    if unit and unit.lower() not in ("inch", "pixel"):
        for axis, name in (("Y", "YResolution"), ("X", "XResolution")):
            tag = tif.pages[0].tags.get(name)
            if tag is not None and tag.value[0]:
                found[axis] = (tag.value[1] / tag.value[0], unit)  # stored as pixels per unit
    return _clean(found)


def _ome_scale(tif: Any) -> tuple[dict[str, float], dict[str, str]]:
    if not tif.is_ome or not tif.ome_metadata:
        return {}, {}
    try:
        root = parse_xml(tif.ome_metadata, "the OME metadata")
    except ValueError:
        return {}, {}
    pixels = next((element for element in root.iter() if element.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return {}, {}
    get = pixels.attrib.get
    return _clean(
        {
            "Y": (get("PhysicalSizeY"), get("PhysicalSizeYUnit", "µm")),
            "X": (get("PhysicalSizeX"), get("PhysicalSizeXUnit", "µm")),
            "T": (get("TimeIncrement"), get("TimeIncrementUnit", "s")),
        }
    )
