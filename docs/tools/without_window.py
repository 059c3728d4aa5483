"""Pictures that need no window: the kinds of synthetic movies, and what ``napari-sam2 demo`` draws."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from tools.album import Album


def take_all(album: Album) -> None:
    """Make those that are wanted."""
    if album.wants("kinds"):
        album.put("kinds", kinds())
    if album.wants("demo"):
        demo(album)


def kinds() -> np.ndarray:
    """The ready synthetic movies, a row each: the first, a middle and the last frame, and the truth of the last."""
    from napari_sam2.training.clip import scale_intensity
    from napari_sam2.training.synthetic import PRESETS, make_preset
    from napari_sam2.training.synthetic.contact_sheet import outlines

    rows = []
    for name in PRESETS:
        movie = make_preset(name, frames=13, size=(160, 160))
        grey = (scale_intensity(movie.frames) * 255).astype(np.uint8)
        tiles = [np.repeat(grey[t][..., None], 3, axis=2) for t in (0, 6, 12, 12)]
        tiles[-1][outlines(movie.labels[12])] = (255, 200, 0)
        rows.append(np.hstack([np.pad(tile, ((0, 4), (0, 4), (0, 0)), constant_values=255) for tile in tiles]))
    return np.vstack(rows)[:-4, :-4]


def demo(album: Album) -> None:
    """The picture that the demo leaves."""
    from PIL import Image

    from napari_sam2.cli.demo import PICTURE, DemoOptions, run_demo

    with tempfile.TemporaryDirectory() as folder:
        before = os.getcwd()
        try:
            run_demo(DemoOptions(out=Path(folder) / "demo"))
        finally:
            os.chdir(before)
        image = Image.open(Path(folder) / "demo" / PICTURE)
        image.thumbnail((840, 840))
        album.put("demo", image)
