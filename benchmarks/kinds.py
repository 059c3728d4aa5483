"""How the model does on every kind of synthetic movie, and where it fails: ``python benchmarks/kinds.py``.

Movies of each kind, with seeds that training does not use; every cell of the first frame is clicked once at its most
interior point and followed while it is seen. A missing cell counts 0. Writes ``kinds.md`` and ``kinds.json`` to
benchmarks/results, and the worst moments as a picture for the model card (``--picture``).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

REPOSITORY = Path(__file__).resolve().parents[1]
if str(REPOSITORY) not in sys.path:  # run as a script
    sys.path.insert(0, str(REPOSITORY))

from benchmarks._book import describe  # noqa: E402
from benchmarks._quality.clicks import interior_point, iou  # noqa: E402
from benchmarks._synthetic import parser_for, write  # noqa: E402

FIRST_SEED = 70_001  # training movies are seeded by pairs of numbers, the presets by small ones
SMALLEST = 60  # px a cell must show to be clicked
RIM = 4  # px; a cell must reach further in than that
SHOWN_AREA = 250  # px of a cell away from the rim, to be shown among the worst
TILE = 160  # px, side of a tile of the picture
WORST = 6  # moments shown


@dataclass
class Moment:
    """A followed cell on a frame: what was found against what is there."""

    kind: str
    seed: int
    cell: int
    frame: int
    iou: float
    image: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.bool_]
    found: npt.NDArray[np.bool_]


def measure(kind: str, seed: int, model: str, frames: int, side: int) -> tuple[dict[str, Any], list[Moment]]:
    """Click and follow the cells of one movie.

    Returns
    -------
    numbers
        Lists of IoU on the clicked frame (``clicks``), of every later cell-frame (``follow``), and object scores of
        cells that are there (``there``) or gone (``gone``).
    moments
        Each cell's worst frame.
    """
    from napari_sam2.tracking import CellTracker
    from napari_sam2.training.synthetic import make_movie

    movie = make_movie(kind, frames=frames, size=(side, side), seed=seed)
    first = movie.labels[0]
    inner = np.unique(first[RIM:-RIM, RIM:-RIM])
    cells = [int(c) for c in inner if c and np.count_nonzero(first == c) >= SMALLEST]
    tracker = CellTracker(movie.frames, model=model)
    for cell in cells:
        tracker.add_click(cell=cell, frame=0, yx=interior_point(first == cell))
    numbers: dict[str, list[float]] = {"clicks": [], "follow": [], "there": [], "gone": []}
    worst: dict[int, Moment] = {}
    low, high = np.percentile(movie.frames, (0.5, 99.7))
    for result in tracker.track(direction="forward") if cells else ():
        truth = movie.labels[result.frame]
        picture = (np.clip((movie.frames[result.frame] - low) / max(high - low, 1), 0, 1) * 255).astype(np.uint8)
        for cell in cells:
            there, found = truth == cell, result.labels == cell
            if result.frame and cell in result.scores:
                numbers["there" if there.any() else "gone"].append(result.scores[cell])
            if not there.any():
                continue
            overlap = iou(found, there)
            numbers["follow" if result.frame else "clicks"].append(overlap)
            whole = (
                np.count_nonzero(there[RIM:-RIM, RIM:-RIM]) >= SHOWN_AREA
            )  # slivers at the rim teach nobody anything
            if whole and (cell not in worst or overlap < worst[cell].iou):
                worst[cell] = Moment(kind, seed, cell, result.frame, overlap, *_around(picture, there, found))
    return numbers, list(worst.values())


def _around(image: npt.NDArray[np.uint8], there: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]) -> Any:
    """The three images cut to TILE pixels around the cell."""
    y, x = (int(v.mean()) for v in np.nonzero(there))
    top, left = (min(max(0, at - TILE // 2), max(0, size - TILE)) for at, size in zip((y, x), image.shape, strict=True))
    return tuple(a[top : top + TILE, left : left + TILE].copy() for a in (image, there, found))


def row_of(kind: str, numbers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One line of the table from the movies of a kind."""
    joined = {key: np.array([v for n in numbers for v in n[key]]) for key in numbers[0]}
    clicks, follow, there, gone = (joined[k] for k in ("clicks", "follow", "there", "gone"))
    return {
        "kind": kind,
        "cells": len(clicks),
        "one click: median IoU": float(np.median(clicks)) if len(clicks) else None,
        "follow: mean IoU": float(follow.mean()) if len(follow) else None,
        "share right (> 0.5)": float((follow > 0.5).mean()) if len(follow) else None,
        "cell-frames gone": len(gone),
        "object score: AUC": auc(there, gone),
    }


def auc(positive: npt.NDArray[np.float64], negative: npt.NDArray[np.float64]) -> float | None:
    """Area under the curve of telling two groups apart; None where one is empty."""
    if not len(positive) or not len(negative):
        return None
    order = np.sort(negative)
    below, upto = np.searchsorted(order, positive, "left"), np.searchsorted(order, positive, "right")
    return float((below + upto).mean() / 2 / len(negative))


def draw(moments: Sequence[Moment]) -> npt.NDArray[np.uint8]:
    """The worst moments side by side: above the image, below it the truth (white) and the result (orange)."""
    from napari_sam2.cli.picture import outlines

    tiles = []
    for moment in moments:
        plain = np.repeat(moment.image[..., None], 3, 2)
        marked = plain.copy()
        marked[outlines(moment.truth.astype(np.int32))] = (255, 255, 255)
        marked[outlines(moment.found.astype(np.int32))] = (255, 150, 0)
        tile = np.full((2 * TILE + 4, TILE + 4, 3), 24, np.uint8)
        tile[: plain.shape[0], : plain.shape[1]] = plain
        tile[TILE + 4 : TILE + 4 + plain.shape[0], : plain.shape[1]] = marked
        tiles.append(tile)
    return np.concatenate(tiles, 1)


def choose(moments: Sequence[Moment], count: int) -> list[Moment]:
    """The worst moment of each kind, worst first, at most `count`."""
    found: dict[str, Moment] = {}
    for moment in sorted(moments, key=lambda m: m.iou):
        found.setdefault(moment.kind, moment)
    return list(found.values())[:count]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    ask = parser_for(__doc__, movies=3, frames=12, size=256)
    ask.add_argument("--picture", type=Path, help="where to draw the worst moments (.png)")
    given = ask.parse_args(arguments)
    rows, moments = [], []
    for kind in given.kinds:
        parts = [measure(kind, FIRST_SEED + i, given.model, given.frames, given.size) for i in range(given.movies)]
        rows.append(row_of(kind, [numbers for numbers, _ in parts]))
        moments += [moment for _, found in parts for moment in found]
        print(rows[-1], flush=True)
    shown = choose(moments, WORST)
    worst = [{"kind": m.kind, "seed": m.seed, "cell": m.cell, "frame": m.frame, "iou": m.iou} for m in shown]
    write(given.out, "kinds", arguments, {"rows": rows, "worst": worst}, page)
    if given.picture:
        from PIL import Image

        given.picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(shown)).quantize(96).save(given.picture, optimize=True)


def page(record: dict[str, Any]) -> str:
    """The table as markdown."""
    names = list(record["rows"][0])
    lines = ["# Kinds of movies", "", f"`{record['command']}`", "", describe(record), "", "\n".join(
        line.strip() for line in (__doc__ or "").splitlines()[2:5]), "",
        f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]  # fmt: skip
    for row in record["rows"]:
        lines.append("| " + " | ".join(_shown(row[name]) for name in names) + " |")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
