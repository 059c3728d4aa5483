"""Keeps pictures small: few colours, compressed as far as PNG goes, and none over the limit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

LIMIT = 295_000
"""Bytes of a picture at most; the documentation's tests refuse 300 kB."""
COLOURS = (256, 160, 96, 64, 40)
"""Tried in turn until a picture is small enough."""


class Album:
    """Writes pictures.

    Parameters
    ----------
    folder
        Where to.
    only
        Names of the pictures that are wanted; all when empty.
    """

    def __init__(self, folder: Path, only: Sequence[str] = ()) -> None:
        self.folder, self.only = folder, frozenset(only)
        self.taken: dict[str, int] = {}

    @property
    def bytes(self) -> int:
        """Size of all that were written."""
        return sum(self.taken.values())

    def wants(self, name: str) -> bool:
        """Whether a picture is to be written."""
        return not self.only or name in self.only

    @property
    def complete(self) -> bool:
        """Whether all pictures that were named are there."""
        return bool(self.only) and self.only <= set(self.taken)

    def put(self, name: str, picture: npt.NDArray[np.uint8] | Any) -> None:
        """Write an array (Y, X, 3 or 4), or a pillow image, as ``NAME.png``."""
        from PIL import Image

        if not self.wants(name):
            return
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(np.asarray(picture)[..., :3])
        path = self.folder / f"{name}.png"
        for colours in COLOURS:
            few = image.convert("RGB").quantize(colours, kmeans=2, dither=Image.Dither.NONE)
            few.save(path, optimize=True)
            if path.stat().st_size <= LIMIT:
                break
        self.taken[name] = path.stat().st_size
        print(f"{name}: {image.width} x {image.height}, {colours} colours, {self.taken[name] / 1000:.0f} kB")
