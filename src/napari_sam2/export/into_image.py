"""Labels inside an OME-Zarr image that is there: ``IMAGE.ome.zarr/labels/NAME``. The image's pixels are not touched."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from napari_sam2.export.write import LabelInfo
from napari_sam2.export.write_zarr import Layout, Level, Version, ZarrLabelWriter

LABELS = "labels"


def image_of(path: Path) -> Path | None:
    """The image that a path ``IMAGE/labels/NAME`` lies in; None where the path is another.

    Raises
    ------
    ValueError
        If an image is meant, by its name, and none is there.
    """
    if path.parent.name != LABELS:
        return None
    image = path.parent.parent
    if any((image / name).is_file() for name in ("zarr.json", ".zgroup")):
        return image
    if image.suffix.lower() == ".zarr":
        raise ValueError(f"there is no OME-Zarr image {image} that labels could be added to")
    return None


class ImageLabelWriter(ZarrLabelWriter):
    """Writes labels into an OME-Zarr image, in that image's version, and names them there when they are finished.

    Parameters
    ----------
    path
        ``IMAGE/labels/NAME``.
    info, overwrite
        As for `LabelWriter`.

    Raises
    ------
    ValueError
        If the path lies in no OME-Zarr image, or in one of another size than the labels.
    """

    def __init__(self, path: str | os.PathLike[str], info: LabelInfo, *, overwrite: bool = False) -> None:
        path = Path(path).expanduser()
        super().__init__(path, info, overwrite=overwrite, layout=_layout_at(path, info), source="../../")

    @classmethod
    def check(cls, path: Path, info: LabelInfo) -> None:
        _layout_at(path, info)

    def finish(self) -> Path:
        path = super().finish()
        image = path.parent.parent
        try:
            register(image, path.name)
        except (OSError, ValueError) as error:
            raise OSError(f"{path} is complete, but could not be named among the labels of {image}: {error}") from error
        return path


def _layout_at(path: Path, info: LabelInfo) -> Layout:
    image = image_of(path)
    if image is None:
        raise ValueError(f"{path} lies in no OME-Zarr image: labels of one are IMAGE.ome.zarr/{LABELS}/NAME")
    return layout_in(image, info)


def layout_in(image: Path, info: LabelInfo) -> Layout:
    """The layout that labels must have to lie over an image: its version, axes (but channels), levels and scales.

    Raises
    ------
    ValueError
        If the folder is no OME-Zarr image, or another size than the labels.
    """
    import zarr

    group = zarr.open_group(image, mode="r")
    attributes = dict(group.attrs)
    inner = attributes.get("ome")
    metadata = inner if isinstance(inner, dict) else attributes
    version: Version = "0.5" if isinstance(inner, dict) else "0.4"
    try:
        multiscale = metadata["multiscales"][0]
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in multiscale["axes"]]
        names = "".join(axis["name"] for axis in axes)
        arrays = [(dataset, group[dataset["path"]]) for dataset in multiscale["datasets"]]
        lengths = dict(zip(names, arrays[0][1].shape, strict=True))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"{image} is no OME-Zarr image that labels could be added to ({error!r})") from error
    found = (lengths.get("t", 1), lengths.get("y"), lengths.get("x"))
    if found != info.shape or lengths.get("z", 1) != 1 or set(names) - set("tczyx"):
        raise ValueError(
            f"the labels are {info.shape} (T, Y, X), the image {image} has the axes {names} with lengths "
            f"{tuple(lengths.values())}: labels lie only over an image of the same frames and size, with one plane z"
        )
    kept = [i for i, name in enumerate(names) if name != "c"]

    def trimmed(transformations: Any) -> list[dict[str, Any]]:
        out = []
        for transformation in transformations or []:
            kind = transformation.get("type")
            values = transformation.get(kind)
            if isinstance(values, list) and len(values) == len(names):
                out.append({"type": kind, kind: [values[i] for i in kept]})
        return out

    y, x = names.index("y"), names.index("x")
    levels = [
        Level(
            str(number),
            (int(array.shape[y]), int(array.shape[x])),
            trimmed(dataset.get("coordinateTransformations")) or [{"type": "scale", "scale": [1.0] * len(kept)}],
        )
        for number, (dataset, array) in enumerate(arrays)
    ]
    extra = trimmed(multiscale.get("coordinateTransformations"))
    return Layout([axes[i] for i in kept], levels, version, {"coordinateTransformations": extra} if extra else {})


def register(image: Path, name: str) -> None:
    """Name new labels in the image's list of labels."""
    import zarr

    root = zarr.open_group(image, mode="r")
    old = root.metadata.zarr_format == 2
    group = zarr.open_group(image / LABELS, mode="a", zarr_format=2 if old else 3)
    attributes = dict(group.attrs)
    if old:
        listed = [*attributes.get("labels", [])]
        group.attrs["labels"] = [*listed, name] if name not in listed else listed
    else:
        ome = dict(attributes.get("ome") or {"version": "0.5"})
        listed = [*ome.get("labels", [])]
        group.attrs["ome"] = {**ome, "labels": [*listed, name] if name not in listed else listed}
    if root.metadata.consolidated_metadata is not None:  # a list of members that would not know the new one
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zarr's word that consolidation is not in its specification yet
            zarr.consolidate_metadata(image)
