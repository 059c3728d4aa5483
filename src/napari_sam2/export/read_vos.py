"""Ground truth of video object segmentation: the layouts of DAVIS and SA-V.

DAVIS 2016/2017 (https://davischallenge.org): ``Annotations/480p/NAME/00000.png``, one palette image a frame whose
numbers are the objects, and ``JPEGImages/480p/NAME/00000.jpg``. YouTube-VOS and MOSE are laid out alike.

SA-V (https://ai.meta.com/datasets/segment-anything-video): ``Annotations_6fps/NAME/OBJECT/00000.png``, one black and
white image an object and annotated frame (every fourth), and ``JPEGImages_24fps/NAME/00000.jpg``; the training part has
``NAME_manual.json`` with run lengths instead, by annotated frame and object.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export import rle
from napari_sam2.export.read import ImageFiles, natural_key

Mask = npt.NDArray[np.bool_]
SAV_STEP = 4
"""Frames of SA-V's videos between two annotated ones: 24 and 6 a second."""
_VOID = 255
"""Pixels of DAVIS that belong to nothing that is judged."""


@dataclass(frozen=True)
class Video:
    """A video with masks of its objects on some frames.

    Attributes
    ----------
    name
        Its folder.
    masks
        By object and frame: an image file, or run lengths.
    one_object_a_file
        Whether each object has image files of its own.
    pictures
        Its frames, in order; none where there are only masks.
    """

    name: str
    masks: dict[int, dict[int, Any]]
    one_object_a_file: bool
    pictures: tuple[Path, ...] = ()

    @property
    def objects(self) -> list[int]:
        return sorted(self.masks)

    @property
    def frames(self) -> list[int]:
        """Annotated frames."""
        return sorted({frame for of in self.masks.values() for frame in of})

    def frames_of(self, number: int) -> list[int]:
        """Frames on which an object is annotated, be it by an empty mask."""
        return sorted(self.masks.get(number, ()))

    def mask(self, number: int, frame: int) -> Mask | None:
        """Mask of an object on a frame, (Y, X); None where it is not annotated.

        Raises
        ------
        ValueError
            If the file is no label image.
        """
        given = self.masks.get(number, {}).get(frame)
        if given is None:
            return None
        if isinstance(given, dict):
            return rle.decode_object(given)
        labels = read_labels(given)
        return labels > 0 if self.one_object_a_file else labels == number

    def movie(self) -> ImageFiles:
        """Its frames, (T, Y, X, 3), read one by one.

        Raises
        ------
        ValueError
            If there are none.
        """
        if not self.pictures:
            raise ValueError(f"{self.name} has masks but no pictures")
        return ImageFiles(list(self.pictures))


def read_labels(path: Path) -> npt.NDArray[np.int32]:
    """Numbers in a PNG of palette, grey or black and white kind, (Y, X).

    Raises
    ------
    ValueError
        If it is a colour picture, or damaged.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            image = np.asarray(picture)  # of palette images the numbers, not the colours
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as an image ({error}): is it complete?") from error
    if image.ndim != 2:
        raise ValueError(f"{path} is a colour picture {image.shape}: masks are palette or grey images")
    return image.astype(np.int32)


def open_videos(annotations: Path, pictures: Path | None = None) -> dict[str, Video]:
    """Find all videos of a folder of annotations, in whichever layout it has.

    Parameters
    ----------
    annotations
        Folder with a folder for each video (DAVIS ``Annotations/480p``, SA-V ``Annotations_6fps``), or of SA-V's JSON.
    pictures
        Folder with a folder of frames for each video.

    Raises
    ------
    ValueError
        If there is no video in it.
    """
    found: dict[str, Video] = {}
    for folder in sorted(child for child in annotations.iterdir() if child.is_dir()):
        images = _pictures(pictures, folder.name)
        objects = sorted(
            (child for child in folder.iterdir() if child.is_dir() and child.name.isdigit()), key=natural_key
        )
        if objects:
            masks = {int(child.name): {_number(file): file for file in _images(child)} for child in objects}
            found[folder.name] = Video(folder.name, masks, True, images)
        elif files := list(_images(folder)):
            found[folder.name] = Video(folder.name, _of_davis(files), False, images)
    for file in sorted(annotations.glob("*_manual.json")):
        found[file.name.removesuffix("_manual.json")] = _of_sav_json(file, pictures)
    if not found:
        raise ValueError(
            f"{annotations} holds no video in the layout of DAVIS or SA-V: expected NAME/00000.png or "
            "NAME/000/00000.png, or NAME_manual.json"
        )
    return found


def _of_davis(files: list[Path]) -> dict[int, dict[int, Path]]:
    numbers = {int(n) for file in files for n in np.unique(read_labels(file))} - {0}
    if len(numbers) > 1:
        numbers -= {_VOID}
    return {number: {_number(file): file for file in files} for number in sorted(numbers)}


def _of_sav_json(file: Path, pictures: Path | None) -> Video:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        name = str(data.get("video_id", file.name.removesuffix("_manual.json")))
        masks: dict[int, dict[int, Any]] = {int(number): {} for number in data["masklet_id"]}
        for step, frame in enumerate(data["masklet"]):
            for number, mask in zip(data["masklet_id"], frame, strict=True):
                masks[int(number)][step * SAV_STEP] = dict(mask)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} is no annotation of SA-V ({error!r}): is it complete?") from error
    return Video(name, masks, True, _pictures(pictures, name))


def _pictures(folder: Path | None, name: str) -> tuple[Path, ...]:
    return () if folder is None or not (folder / name).is_dir() else tuple(_images(folder / name))


def _images(folder: Path) -> Iterator[Path]:
    known = (".png", ".jpg", ".jpeg")
    return iter(sorted((file for file in folder.iterdir() if file.suffix.lower() in known), key=natural_key))


def _number(file: Path) -> int:
    if not file.stem.isdigit():
        raise ValueError(f"{file}: masks are named by their frame, such as 00000.png")
    return int(file.stem)
