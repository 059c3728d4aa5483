"""``napari-sam2 demo``: a synthetic movie, clicked, tracked, scored and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.cli.console import duration, err, out
from napari_sam2.cli.picture import draw_strip, save_picture
from napari_sam2.cli.prompts import Prompt, add_prompts, write_prompts
from napari_sam2.cli.score import Score
from napari_sam2.cli.track import Result, Target, make_tracker, save_as_it_comes

PICTURED_FRAMES = 6
SMALLEST_CLICKED = 30
"""Pixels: a cell is clicked on the first frame that shows at least that much of it, as a person would do."""

MOVIE, TRUTH, PROMPTS, LABELS, PICTURE = "movie.tif", "truth.tif", "prompts.csv", "cells.ome.zarr", "strip.png"


@dataclass(frozen=True)
class DemoOptions:
    """What was asked for on the command line."""

    out: Path
    kind: str = "nuclei"
    frames: int = 24
    size: int = 256
    seed: int | None = None
    model: str = "cell"
    device: str = "auto"
    overwrite: bool = False


def run_demo(options: DemoOptions) -> Score:
    """Run the command; the score is returned for the tests."""
    from napari_sam2.export import save_labels
    from napari_sam2.tracking.movie import Movie
    from napari_sam2.training.synthetic import PRESETS, make_preset

    if options.kind not in PRESETS:
        raise ValueError(f"there is no demo movie of kind {options.kind!r}; there are {', '.join(PRESETS)}")
    folder = options.out.expanduser()
    names = (MOVIE, TRUTH, PROMPTS, LABELS, PICTURE)
    present = [name for name in names if (folder / name).exists()]
    if present and not options.overwrite:
        raise FileExistsError(
            f"{folder} holds an earlier demo ({', '.join(present)}): name another --out, or --overwrite"
        )

    console = err()
    with console.status("Making a movie"):
        side = options.size
        made = make_preset(options.kind, frames=options.frames, size=(side, side), seed=options.seed)
    prompts = click_at_first_sight(made.labels)
    if not prompts:
        raise ValueError("this movie shows no cell that could be clicked: try another --seed or a larger --size")
    daughters = sum(prompt.cell in made.parents for prompt in prompts)
    console.print(
        f"A synthetic movie ({options.kind}, {options.frames} frames of {side} x {side}): {len(prompts)} cells, each "
        f"clicked once where it first appears, {daughters} of them daughters of a division."
    )
    movie = Movie(made.frames)
    tracker = make_tracker(movie, options.model, options.device)
    add_prompts(tracker, prompts, PROMPTS)

    # written only now, so that a missing model leaves no half of a demo
    folder.mkdir(parents=True, exist_ok=True)
    _save_movie(folder / MOVIE, made.frames)
    save_labels(made.labels, folder / TRUTH, parents=made.parents, overwrite=options.overwrite)
    write_prompts(folder / PROMPTS, prompts)
    score = Score({prompt.cell: prompt.frame for prompt in prompts})
    pictured: dict[int, npt.NDArray[Any]] = {}
    wanted = set(np.linspace(0, options.frames - 1, PICTURED_FRAMES).round().astype(int).tolist())

    def look(result: Result) -> None:
        score.add(result.frame, result.labels, made.labels[result.frame])
        if result.frame in wanted:
            pictured[result.frame] = np.array(result.labels)

    target = Target(
        folder / LABELS,
        made.labels.shape,
        int(made.labels.max()),
        options.overwrite,
        parents=made.parents,
    )
    saved = save_as_it_comes(tracker.track(direction="forward"), target, options.frames, look)
    _draw(folder / PICTURE, movie, pictured, prompts)
    _report(folder, score, len(prompts), saved.frames, saved.seconds)
    return score


def click_at_first_sight(labels: npt.NDArray[np.integer[Any]]) -> list[Prompt]:
    """One click for each cell of a (T, Y, X) truth, on the pixel deepest inside it, where it first appears.

    A cell that is never larger than a few pixels is left out.
    """
    from scipy.ndimage import distance_transform_edt

    prompts: list[Prompt] = []
    known: set[int] = set()
    for frame, plane in enumerate(labels):
        areas = np.bincount(plane.ravel())
        for cell in np.flatnonzero(areas >= SMALLEST_CLICKED).tolist():
            if cell == 0 or cell in known:
                continue
            known.add(cell)
            # padded, so that the edge of the frame counts as the edge of the cell
            depth = distance_transform_edt(np.pad(plane == cell, 1))[1:-1, 1:-1]
            y, x = np.unravel_index(int(depth.argmax()), plane.shape)
            prompts.append(Prompt(0, cell, frame, "click", (float(y), float(x))))
    return prompts


def _save_movie(path: Path, frames: npt.NDArray[np.uint16]) -> None:
    import tifffile

    tifffile.imwrite(path, frames, imagej=True, photometric="minisblack", metadata={"axes": "TYX"})


def _draw(path: Path, movie: Any, pictured: dict[int, npt.NDArray[Any]], prompts: list[Prompt]) -> None:
    shown = sorted(pictured)
    clicks = [{prompt.cell: prompt.yx for prompt in prompts if prompt.frame == t} for t in shown]
    images = [movie.frame(t) for t in shown]
    captions = [f"frame {t}" for t in shown]
    save_picture(path, draw_strip(images, [pictured[t] for t in shown], captions, clicks))


def _report(folder: Path, score: Score, cells: int, frames: int, seconds: float) -> None:
    console = out()
    followed = len(score.followed)
    console.print(
        f"Tracked {cells} cells over {frames} frames in {duration(seconds)} ({duration(seconds / frames)} a frame)"
    )
    console.print(f"Mean IoU with the truth: {score.mean_iou:.3f}")
    console.print(f"Cells still followed on their last frame: {followed} of {cells} ({followed / cells:.0%})")
    for name, what in (
        (PICTURE, "look at this first: outlines, and crosses where cells were clicked"),
        (MOVIE, "the movie"),
        (LABELS, "the tracked cells"),
        (TRUTH, "the truth"),
        (PROMPTS, "the clicks"),
    ):
        console.print(f"  {folder / name}  [dim]{what}[/]")
    console.print(
        f"The same by hand:\n  napari-sam2 track {folder / MOVIE} --prompts {folder / PROMPTS} --out my-cells.ome.zarr",
        markup=False,
    )
