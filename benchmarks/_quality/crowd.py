"""Synthetic crowds with truth, made on the spot: what real movies with whole-cell truth have too little of.

Cells touch, pass each other and differ little, so that identities are easily switched. They have seeds of their own,
which no training has seen, but they come from the generator that the bundled model was trained with: they compare
settings with each other, and say nothing of how good the tracking is on real movies.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

#: What `make_movie` is asked for, by the name of the data set.
CROWDS: dict[str, dict[str, object]] = {
    "synthetic-nuclei": {"kind": "nuclei", "cells": 120, "diameter": 30.0, "seed": 90_001},
    "synthetic-phase": {"kind": "phase", "cells": 90, "diameter": 34.0, "seed": 90_002},
}
FRAMES, SIZE = 40, (448, 448)
#: The movie goes on unbroken: what is measured is who is who, not who was lost to a black frame.
CALM = {"vanish_rate": 0.0, "black_rate": 0.0, "jump_rate": 0.0}


def make_crowd(name: str, folder: Path) -> Path:
    """Write a crowd in the layout of the Cell Tracking Challenge, unless it is there; returns its folder.

    Raises
    ------
    KeyError
        If there is no crowd of this name.
    """
    import tifffile

    from napari_sam2.training.synthetic import make_movie

    recipe = dict(CROWDS[name])
    target = folder / name
    done = target / "01_GT" / "TRA" / "man_track.txt"
    if done.is_file():
        return target
    movie = make_movie(str(recipe.pop("kind")), frames=FRAMES, size=SIZE, **recipe, **CALM)  # type: ignore[arg-type]
    for part in (target / "01", done.parent, target / "01_GT" / "SEG"):
        part.mkdir(parents=True, exist_ok=True)
    lines = []
    for t, (frame, labels) in enumerate(zip(movie.frames, movie.labels, strict=True)):
        tifffile.imwrite(target / "01" / f"t{t:03}.tif", frame)
        tifffile.imwrite(done.parent / f"man_track{t:03}.tif", labels.astype(np.uint16))
        tifffile.imwrite(target / "01_GT" / "SEG" / f"man_seg{t:03}.tif", labels.astype(np.uint16))
    for cell in np.unique(movie.labels[movie.labels > 0]).tolist():
        seen = np.flatnonzero((movie.labels == cell).any((1, 2)))
        lines.append(f"{cell} {seen[0]} {seen[-1]} {movie.parents.get(cell, 0)}\n")
    done.write_text("".join(lines), encoding="ascii")  # last, so that a crowd which was broken off is made again
    return target
