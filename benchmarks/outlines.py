"""How well corrected outlines are kept on the frames that follow: ``python benchmarks/outlines.py``.

Synthetic movies with seeds that training does not use. Every other cell is drawn as somebody else would draw it
(`napari_sam2.training.conventions`), alike on all frames. Each cell is clicked once on the first frame and corrected
there up to twice, as long as its IoU with what is wanted is under 0.85; then all are followed. With and without
``Settings.outlines``. Writes ``outlines.md`` and ``outlines.json`` to benchmarks/results.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
if str(REPOSITORY) not in sys.path:  # run as a script
    sys.path.insert(0, str(REPOSITORY))

from benchmarks._book import describe  # noqa: E402
from benchmarks._quality.clicks import correction, interior_point, iou  # noqa: E402
from benchmarks._synthetic import parser_for, write  # noqa: E402

FIRST_SEED = 92_001  # training movies are seeded by pairs of numbers, the presets by small ones
SMALLEST = 120  # px a cell must show to be clicked
RIM = 4  # px; a cell must reach further in than that
MOST_CELLS = 14
CORRECTIONS, CONTENT = 2, 0.85
REDRAWN, CORRECTED, CLICKED = "drawn otherwise", "as it is, corrected", "as it is, one click"


def measure(kind: str, seed: int, model: str, frames: int, side: int, outlines: bool) -> dict[str, list[list[float]]]:
    """Correct and follow the cells of one movie: by group, each cell's IoU by frame (NaN where it is not seen)."""
    from napari_sam2.tracking import CellTracker, Settings
    from napari_sam2.training.conventions import redraw
    from napari_sam2.training.synthetic import make_movie

    movie, rng = make_movie(kind, frames=frames, size=(side, side), seed=seed), np.random.default_rng(seed)
    first = movie.labels[0]
    inner = [int(c) for c in np.unique(first[RIM:-RIM, RIM:-RIM]) if c]
    cells = [c for c in inner if np.count_nonzero(first == c) >= SMALLEST][:MOST_CELLS]
    wanted, groups = {}, {}
    for i, cell in enumerate(cells):
        drawn = None if i % 2 else redraw(movie.frames.astype(np.float32), movie.labels, cell, rng)
        wanted[cell] = (movie.labels if drawn is None else drawn) == cell
        groups[cell] = CLICKED if drawn is None else REDRAWN
    tracker = CellTracker(movie.frames, model=model, settings=replace(Settings(), outlines=outlines))
    for cell in cells:
        tracker.add_click(cell, 0, interior_point(wanted[cell][0]))
    for _ in range(CORRECTIONS if cells else 0):
        found = tracker.segment(0)
        for cell in cells:
            if iou(found == cell, wanted[cell][0]) < CONTENT:
                tracker.add_click(cell, 0, *correction(found == cell, wanted[cell][0]))
                groups[cell] = CORRECTED if groups[cell] == CLICKED else groups[cell]
    overlap = {cell: [float("nan")] * frames for cell in cells}
    for result in tracker.track(direction="forward") if cells else ():
        for cell in cells:
            there = wanted[cell][result.frame]
            if there.any():
                overlap[cell][result.frame] = iou(result.labels == cell, there)
    return {group: [overlap[c] for c in cells if groups[c] == group] for group in (REDRAWN, CORRECTED, CLICKED)}


def rows_of(parts: Sequence[dict[str, list[list[float]]]], outlines: bool) -> list[dict[str, Any]]:
    """One line for each group of cells."""
    rows = []
    for group in (REDRAWN, CORRECTED, CLICKED):
        ious = np.array([cell for part in parts for cell in part[group]])
        if len(ious):
            last = ious[:, -3:]
            row = {"cells": group, "outlines": "kept" if outlines else "not kept", "number": len(ious)}
            means = {
                "first frame": ious[:, 0],
                "next frame": ious[:, 1],
                "all that follow": ious[:, 1:],
                "last 3": last,
            }
            rows.append(row | {name: float(np.nanmean(values)) for name, values in means.items()})
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    given = parser_for(__doc__, movies=2, frames=9, size=320).parse_args(arguments)
    rows: list[dict[str, Any]] = []
    for kept in (True, False):
        movies = [(kind, FIRST_SEED + i) for kind in given.kinds for i in range(given.movies)]
        rows += rows_of([measure(*movie, given.model, given.frames, given.size, kept) for movie in movies], kept)
    rows.sort(key=lambda row: (REDRAWN, CORRECTED, CLICKED).index(row["cells"]))
    write(given.out, "outlines", arguments, {"rows": rows}, page)


def page(record: dict[str, Any]) -> str:
    """The table as markdown."""
    names = list(record["rows"][0])
    what = "\n".join(line.strip() for line in (__doc__ or "").splitlines()[2:6])
    lines = ["# Corrected outlines on the frames that follow", "", f"`{record['command']}`", "", describe(record), ""]
    lines += [f"{what} Mean IoU.", "", f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += ["| " + " | ".join(_shown(row[name]) for name in names) + " |" for row in record["rows"]]
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
