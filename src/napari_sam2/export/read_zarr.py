"""Opening zarr arrays and OME-Zarr images, versions 2 and 3 of zarr, 0.3 to 0.5 of OME-Zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_sam2.export.opened import OpenedMovie, arrange

_AXES_OF_NDIM = {2: "YX", 3: "TYX", 4: "TCYX"}
"""For arrays that do not name their axes."""


def open_zarr(path: Path) -> OpenedMovie:
    """Open a zarr array, or the full-size level of an OME-Zarr image.

    Raises
    ------
    ValueError
        If it holds no array that can be a movie, or its metadata are damaged.
    """
    import zarr

    try:
        node = zarr.open(path, mode="r")
    except Exception as error:  # noqa: BLE001  zarr raises a different error for every kind of damage
        raise ValueError(f"{path} cannot be read as zarr ({error}): is it complete?") from error
    if isinstance(node, zarr.Array):
        return _plain(node, path, ())
    metadata = _ome(node)
    if "multiscales" not in metadata and isinstance(node.get("0"), zarr.Group):
        inner = _ome(node["0"])  # several images in one store, as bioformats2raw writes them
        if "multiscales" in inner:
            return _image(node["0"], inner, path, (f"{path.name} holds several images: the first is used.",))
    if "multiscales" in metadata:
        return _image(node, metadata, path, ())
    arrays = sorted(name for name, _ in node.arrays())
    if arrays == [] or (len(arrays) > 1 and "0" not in arrays):
        inside = ", ".join(arrays or sorted(name for name, _ in node.groups())) or "nothing"
        raise ValueError(f"{path} is a zarr group without an image of its own: name one of its members ({inside})")
    name = "0" if "0" in arrays else arrays[0]
    return _plain(node[name], path, (f"{path.name} is a zarr group: its array {name} is used.",))


def _ome(group: Any) -> dict[str, Any]:
    """The metadata of OME-Zarr: under the key ``ome`` since 0.5, at the top before."""
    attributes = dict(group.attrs)
    inner = attributes.get("ome")
    return inner if isinstance(inner, dict) else attributes


def _plain(array: Any, path: Path, notes: tuple[str, ...]) -> OpenedMovie:
    names = getattr(array.metadata, "dimension_names", None)
    axes = "".join(str(name)[:1] for name in names).upper() if names and all(names) else ""
    if len(axes) != array.ndim or not {"Y", "X"} <= set(axes) or len(set(axes)) != len(axes):
        if array.ndim not in _AXES_OF_NDIM:
            raise ValueError(
                f"{path} has {array.ndim} axes of lengths {array.shape} without names: a movie is (T, Y, X) or "
                "(T, C, Y, X)"
            )
        axes = _AXES_OF_NDIM[array.ndim]
    data, more = arrange(array, axes, path)
    return OpenedMovie(data, path, notes=(*notes, *more))


def _image(group: Any, metadata: dict[str, Any], path: Path, notes: tuple[str, ...]) -> OpenedMovie:
    try:
        multiscale = metadata["multiscales"][0]
        level = multiscale["datasets"][0]
        array = group[level["path"]]
        described = multiscale.get("axes") or [{"name": name} for name in "tczyx"[-array.ndim :]]
        described = [{"name": axis} if isinstance(axis, str) else axis for axis in described]
        axes = "".join(axis["name"][0] for axis in described).upper()
        steps = _step_sizes(array.ndim, level, multiscale)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: its OME-Zarr metadata are damaged or incomplete ({error!r})") from error
    data, more = arrange(array, axes, path)
    scale: dict[str, float] = {}
    units: dict[str, str] = {}
    for letter, axis, step in zip(axes, described, steps, strict=True):
        if letter in "TYX" and step > 0 and (step != 1 or "unit" in axis):
            scale[letter] = step
            if "unit" in axis:
                units[letter] = str(axis["unit"])
    return OpenedMovie(data, path, scale, units, (*notes, *more))


def _step_sizes(ndim: int, *owners: dict[str, Any]) -> list[float]:
    """The product of the scales that the level and the whole image give."""
    steps = [1.0] * ndim
    for owner in owners:
        for transformation in owner.get("coordinateTransformations") or []:
            if transformation.get("type") == "scale" and len(transformation.get("scale", [])) == ndim:
                steps = [step * float(factor) for step, factor in zip(steps, transformation["scale"], strict=True)]
    return steps
