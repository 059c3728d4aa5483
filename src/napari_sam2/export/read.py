"""Opening movies lazily: TIFF, zarr, folders of images."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.numbering import refuse_disorder
from napari_sam2.export.opened import OpenedMovie, arrange

TIFF_SUFFIXES = (".tif", ".tiff", ".lsm", ".btf", ".tf8", ".tf2", ".stk")
IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
_ZARR_FILES = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
KNOWN = "a TIFF, OME-TIFF or ImageJ stack, a zarr or OME-Zarr, or a folder of numbered images (png, tif, jpg)"


def open_movie(path: str | os.PathLike[str]) -> OpenedMovie:
    """Open a movie without reading its frames.

    Parameters
    ----------
    path : str or path-like
        A TIFF, OME-TIFF (also of several files) or ImageJ hyperstack; a zarr array, an OME-Zarr 0.4 or 0.5 image (its
        full-size level), version 2 or 3; a folder of numbered images, or a pattern of such images
        (``"folder/img_*_red.png"``), sorted so that 10 comes after 9; their numbers must go on without a gap.

    Returns
    -------
    OpenedMovie
        Its ``data`` is (T, Y, X) or (T, C, Y, X), whatever the order in the file.

    Raises
    ------
    FileNotFoundError
        If there is nothing there.
    ValueError
        If it is none of these formats, is damaged, has more axes than time, channel, y and x, or if the numbers of
        images leave open which frames there are.
    """
    path = Path(path).expanduser()
    if not path.exists():
        if any(sign in path.name for sign in "*?["):
            return _open_images(path, sorted(path.parent.glob(path.name), key=natural_key))
        raise FileNotFoundError(f"{path} does not exist")
    if path.is_dir():
        if any((path / name).is_file() for name in _ZARR_FILES):
            from napari_sam2.export.read_zarr import open_zarr

            return open_zarr(path)
        return _open_folder(path)
    if path.suffix.lower() in TIFF_SUFFIXES:
        from napari_sam2.export.read_tiff import open_tiff

        return open_tiff(path)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _open_images(path, [path])
    raise ValueError(
        f"{path.name} is not {KNOWN}. Other formats: open it in napari with its own reader and use the layer, "
        "or save it as OME-TIFF or OME-Zarr first"
    )


def natural_key(path: Path) -> list[tuple[int, int | str]]:
    """Sort key by which ``t10`` comes after ``t9``."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part)) if part.isdigit() else (1, part.lower()) for part in parts]


class ImageFiles:
    """The images of a list of files as one lazy array: (T, Y, X), or (T, Y, X, C) where they are in colour."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files
        first = read_image(files[0])
        if first.ndim not in (2, 3) or (first.ndim == 3 and first.shape[-1] > 4):
            raise ValueError(
                f"{files[0]} has shape {first.shape}: each file of a folder must hold one image, (Y, X) or (Y, X, C)"
            )
        self.shape = (len(files), *first.shape)
        self.dtype = first.dtype

    def __getitem__(self, index: tuple[Any, ...]) -> npt.NDArray[Any]:
        t, *rest = index
        image = read_image(self.files[t])
        if image.shape != self.shape[1:] or image.dtype != self.dtype:
            raise ValueError(
                f"{self.files[t]} is {image.shape} {image.dtype}, the first image of the folder is {self.shape[1:]} "
                f"{self.dtype}: all frames of a movie must be alike"
            )
        return image[tuple(rest)]


def read_image(path: Path) -> npt.NDArray[Any]:
    """Read one image file.

    Raises
    ------
    ValueError
        If it cannot be read as an image.
    """
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            import tifffile

            with tifffile.TiffFile(path) as tif:
                image = np.asarray(tif.series[0].asarray())
                planar = tif.series[0].axes in ("SYX", "CYX")
            return np.moveaxis(image, 0, -1) if planar else image
        from PIL import Image

        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB") if picture.mode in ("P", "CMYK", "YCbCr") else picture)
    except FileNotFoundError:
        raise
    except Exception as error:  # noqa: BLE001  the decoders raise anything from struct.error to SyntaxError
        raise ValueError(f"{path} cannot be read as an image ({error}): is it complete?") from error


def _open_folder(folder: Path) -> OpenedMovie:
    files = [
        file
        for file in folder.iterdir()
        if file.is_file() and file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    ]
    if not files:
        raise ValueError(f"{folder} holds no images: expected {KNOWN}")
    return _open_images(folder, sorted(files, key=natural_key))


def _open_images(path: Path, files: list[Path]) -> OpenedMovie:
    if not files:
        raise FileNotFoundError(f"no file matches {path}")
    patterns: dict[str, int] = {}
    for file in files:
        pattern = re.sub(r"\d+", "*", file.name)
        patterns[pattern] = patterns.get(pattern, 0) + 1
    if len(patterns) > 1:
        listed = ", ".join(f"{pattern} ({count})" for pattern, count in list(patterns.items())[:5])
        folder = path if path.is_dir() else path.parent
        raise ValueError(
            f"{folder} holds images of different names: {listed}. Say which ones are the movie, for example "
            f'"{folder / next(iter(patterns))}"'
        )
    refuse_disorder(path, files)
    images = ImageFiles(files)
    data, notes = arrange(images, "TYX" if len(images.shape) == 3 else "TYXC", path)
    return OpenedMovie(data, path, notes=notes)
