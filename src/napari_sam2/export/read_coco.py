"""Opening COCO JSON with masks as run lengths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export import rle
from napari_sam2.export.tracked import CellInfo, Tracked


class _CocoFrames:
    """Masks of a COCO file, decoded frame by frame."""

    def __init__(self, path: Path, annotations: dict[int, list[dict[str, Any]]], shape: tuple[int, int, int]) -> None:
        self._path, self._annotations, self.shape = path, annotations, shape

    def __getitem__(self, t: int) -> npt.NDArray[np.int32]:
        image = np.zeros(self.shape[1:], np.int32)
        for annotation in self._annotations.get(t, ()):
            given = annotation["segmentation"]
            if not isinstance(given, dict):
                raise ValueError("a mask is given as polygons: convert it to run lengths (RLE) first")
            mask = rle.decode_object(given)
            if mask.shape != image.shape:
                raise ValueError(f"a mask is {mask.shape}, the frame {image.shape}")
            image[mask] = int(annotation.get("track_id", annotation["id"]))
        return image


def open_coco(path: Path) -> Tracked:
    """Open the masks of a COCO file; ``track_id`` says which are of one cell.

    Raises
    ------
    ValueError
        If it is incomplete, or its images differ in size.
    """
    from napari_sam2.export.read_segmentation import Checked

    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        images = sorted(data["images"], key=lambda image: (image.get("frame", image["id"]), image["id"]))
        frame_of = {image["id"]: t for t, image in enumerate(images)}
        sizes = {(int(image["height"]), int(image["width"])) for image in images}
        annotations: dict[int, list[dict[str, Any]]] = {}
        for annotation in data["annotations"]:
            annotations.setdefault(frame_of[annotation["image_id"]], []).append(annotation)
        own = data.get("info", {}).get("napari-sam2", {}) if isinstance(data.get("info"), dict) else {}
        cells = {int(cell): CellInfo(**info) for cell, info in own.get("cells", {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no COCO JSON with images and annotations ({error!r}): is it complete?") from error
    if len(sizes) != 1:
        raise ValueError(f"{path}: its {len(images)} images have {len(sizes)} sizes, the frames of a movie have one")
    labels = _CocoFrames(path, annotations, (len(images), *sizes.pop()))
    return Tracked(
        Checked(labels, str(path)), own.get("scale", {}), own.get("units", {}), cells, name=path.name.split(".")[0]
    )
