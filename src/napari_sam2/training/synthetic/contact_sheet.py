"""A picture of all kinds of synthetic movies: one row a kind, each pair of tiles a movie without and with its truth.

``python -m napari_sam2.training.synthetic.contact_sheet SHEET.png`` writes it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from ..clip import scale_intensity
from .movie import make_movie
from .recipe import KINDS

_OUTLINE = np.array([255, 200, 0], np.uint8)
_GAP = 2  # px between tiles
_FRAMES = 3  # the last one is shown: by then daughters and debris have moved


def outlines(labels: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Pixels (Y, X) bool of cells that have another label to the right or below."""
    edge = np.zeros(labels.shape, bool)
    edge[:-1] |= labels[:-1] != labels[1:]
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    return edge


def sheet(
    kinds: Sequence[str] = KINDS, movies: int = 4, tile: int = 224, seed: int = 0, truth: bool = True
) -> npt.NDArray[np.uint8]:
    """Draw the sheet.

    Parameters
    ----------
    kinds : sequence of str
        One row each.
    movies : int
        Movies in a row.
    tile : int
        Side of a tile in px.
    seed : int
        Seed of the first movie of a row; the next ones count up.
    truth : bool
        Show each tile a second time with the outlines of the cells.

    Returns
    -------
    ndarray, (rows, columns, 3) uint8
    """
    per_movie = 2 if truth else 1
    step = tile + _GAP
    canvas = np.full((len(kinds) * step - _GAP, movies * per_movie * step - _GAP, 3), 255, np.uint8)
    for row, kind in enumerate(kinds):
        for column in range(movies):
            movie = make_movie(kind, frames=_FRAMES, size=(tile, tile), seed=seed + column, black_rate=0.0)
            grey = (scale_intensity(movie.frames)[-1] * 255).astype(np.uint8)
            plain = np.repeat(grey[..., None], 3, axis=2)
            marked = plain.copy()
            marked[outlines(movie.labels[-1])] = _OUTLINE
            for n, picture in enumerate((plain, marked)[:per_movie]):
                left = (column * per_movie + n) * step
                canvas[row * step : row * step + tile, left : left + tile] = picture
    captioned = Image.fromarray(canvas)
    draw = ImageDraw.Draw(captioned)
    for row, kind in enumerate(kinds):
        box = draw.textbbox((4, row * step + 4), kind)
        draw.rectangle((box[0] - 3, box[1] - 2, box[2] + 3, box[3] + 2), fill=(0, 0, 0))
        draw.text((4, row * step + 4), kind, fill=(255, 255, 255))
    return np.asarray(captioned)


def write_sheet(path: str | Path, picture: npt.NDArray[np.uint8], colours: int = 0) -> Path:
    """Write an (Y, X, 3) uint8 picture; the suffix says in which format. A few `colours` make a small file; 0: all."""
    image = Image.fromarray(picture)
    if colours:
        image = image.quantize(colours, dither=Image.Dither.NONE)
    image.save(path, optimize=True)
    return Path(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a contact sheet from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--movies", type=int, default=4)
    parser.add_argument("--tile", type=int, default=224)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--colours", type=int, default=0, help="at most so many, for a small file; 0: all")
    parser.add_argument("--no-truth", action="store_true")
    chosen = parser.parse_args(arguments)
    picture = sheet(chosen.kinds, chosen.movies, chosen.tile, chosen.seed, not chosen.no_truth)
    write_sheet(chosen.path, picture, chosen.colours)


if __name__ == "__main__":
    main()
