"""``napari-sam2 track``: from a movie and a table of prompts to saved labels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from napari_sam2.cli.console import duration, err, out
from napari_sam2.cli.prompts import add_prompts, check_prompts, check_reach, read_prompts


@dataclass(frozen=True)
class TrackOptions:
    """What was asked for on the command line."""

    movie: Path
    prompts: Path
    out: Path
    model: str = "cell"
    device: str = "auto"
    direction: str = "both"
    frames: str | None = None
    channels: tuple[int, ...] | None = None
    limits: str | None = None
    mode: str = "auto"
    cell_diameter: float | None = None
    estimate: bool = False
    overwrite: bool = False


class Result(Protocol):
    """What of a tracked frame is needed here."""

    @property
    def frame(self) -> int: ...

    @property
    def labels(self) -> npt.NDArray[Any]: ...


@dataclass(frozen=True)
class Saved:
    """What a run has done."""

    path: Path
    frames: int
    seconds: float


@dataclass(frozen=True)
class Target:
    """Where labels go, with what is written beside them."""

    path: Path
    shape: tuple[int, int, int]
    max_label: int
    overwrite: bool = False
    scale: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[int, int] = field(default_factory=dict)


def run_track(options: TrackOptions) -> None:
    """Run the command.

    What can be wrong with the files is found before the model is loaded.
    """
    from napari_sam2.export import LabelInfo, open_movie
    from napari_sam2.export.replacing import refuse_to_lose, refuse_to_overwrite
    from napari_sam2.export.write import writer_for
    from napari_sam2.tracking.movie import Movie

    console = err()
    writer_class = writer_for(options.out)
    refuse_to_lose(options.out.expanduser(), options.movie.expanduser())
    refuse_to_overwrite(options.out.expanduser(), options.overwrite)
    prompts = read_prompts(options.prompts)
    with open_movie(options.movie) as opened:
        for note in opened.notes:
            console.print(note, markup=False)
        movie = Movie(
            opened.data, axes=opened.axes, channels=options.channels, limits=parse_pair(options.limits, "--limits")
        )
        t, _, y, x = movie.shape
        writer_class.check(options.out.expanduser(), LabelInfo((t, y, x)))
        check_prompts(prompts, (t, y, x), options.prompts)
        span = parse_span(options.frames, t)
        check_reach(prompts, options.direction, span or (0, t))
        console.print(f"{movie!r}, {len({prompt.cell for prompt in prompts})} cells", markup=False)

        tracker = make_tracker(
            movie, options.model, options.device, mode=options.mode, cell_diameter=options.cell_diameter
        )
        add_prompts(tracker, prompts, options.prompts)
        cost = tracker.estimate(direction=options.direction, frames=span)
        console.print(f"Cells of about {tracker.cell_diameter:.0f} pixels: {cost}", markup=False)
        if options.estimate:
            return
        target = Target(
            options.out,
            (t, y, x),
            max(prompt.cell for prompt in prompts),
            options.overwrite,
            opened.scale,
            opened.units,
        )
        results = tracker.track(direction=options.direction, frames=span)
        saved = save_as_it_comes(results, target, span[1] - span[0] if span else t)
    console.print(
        f"{saved.frames} frames in {duration(saved.seconds)}, {duration(saved.seconds / max(saved.frames, 1))} a frame."
    )
    out().print(str(saved.path), markup=False)


def make_tracker(movie: Any, model: str, device: str, **options: Any) -> Any:
    """Load the model (and torch, which takes seconds), saying so."""
    console = err()
    with console.status(f"Loading the model {model}"):
        from napari_sam2.tracking import CellTracker

        return CellTracker(movie, model=model, device=device, **options)


def save_as_it_comes(
    results: Iterable[Result], target: Target, expected: int, seen: Callable[[Result], None] | None = None
) -> Saved:
    """Write each tracked frame to the file as soon as it is there, drawing how far it is.

    A frame may come twice (once in each direction); the last one counts. Left by an error or Ctrl-C, the frames that
    are finished stay, and the exception carries a note that says where.
    """
    from napari_sam2.export import LabelInfo, open_label_writer

    info = LabelInfo(target.shape, target.max_label, target.scale, target.units, target.parents)
    columns = (
        TextColumn("Tracking"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    started = time.perf_counter()
    done: set[int] = set()
    with open_label_writer(target.path, info, overwrite=target.overwrite) as writer:
        with Progress(*columns, console=err()) as bar:
            task = bar.add_task("", total=expected)
            for result in results:
                writer.write(result.frame, result.labels)
                done.add(result.frame)
                bar.update(task, completed=len(done))
                if seen is not None:
                    seen(result)
    return Saved(writer.path, len(done), time.perf_counter() - started)


def parse_span(text: str | None, length: int) -> tuple[int, int] | None:
    """Read ``START:STOP``; either may be left out.

    Raises
    ------
    ValueError
        If it is not of that form, or holds no frame of the movie.
    """
    if text is None:
        return None
    first, colon, last = text.partition(":")
    try:
        start = int(first) if first.strip() else 0
        stop = int(last) if last.strip() else length
    except ValueError:
        colon = ""
    if not colon:
        raise ValueError(f"--frames {text}: write START:STOP, for example 0:50 for the first fifty")
    if not 0 <= start < stop <= length:
        raise ValueError(f"--frames {text}: the movie has frames 0 to {length - 1}, so 0:{length} is all of it")
    return start, stop


def parse_pair(text: str | None, option: str) -> tuple[float, float] | None:
    """Read ``LOW,HIGH``.

    Raises
    ------
    ValueError
        If it is not two numbers.
    """
    if text is None:
        return None
    parts = text.split(",")
    try:
        low, high = (float(part) for part in parts)
    except ValueError:
        raise ValueError(f"{option} {text}: write LOW,HIGH, for example 100,4000") from None
    return low, high
