"""``napari-sam2 export``: what a session, or a file of labels, holds, in another format."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_sam2.cli.console import Log, err, out, speaks_plainly


@speaks_plainly
def export(
    source: Annotated[
        Path,
        typer.Argument(
            help="A session (NAME.sam2cells), or labels: OME-Zarr, TIFF, a Cell Tracking Challenge folder, COCO JSON.",
            show_default=False,
        ),
    ],
    to: Annotated[
        list[str] | None,
        typer.Option("--to", help="A format, see above; several times for several.", show_default=False),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="File or folder to write. Default: beside the source, with the format's suffix.",
            show_default=False,
        ),
    ] = None,
    cells: Annotated[
        str | None, typer.Option(metavar="1,2,7", help="Only these cells. Default: all.", show_default=False)
    ] = None,
    movie: Annotated[
        Path | None,
        typer.Option(
            help="The movie, for intensities and pictures, where the source does not know it.", show_default=False
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the format, such as version=0.4, cell=7 or fps=10."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")] = False,
    log: Log = None,
) -> None:
    """Write a session's cells for other programs.

    \b
    ome-zarr      labels (napari, Fiji, OMERO)    mp4, gif      overlay movie
    tiff          ImageJ, 16-bit                  sheet         one cell through time
    ome-tiff      32-bit                          plots         area, speed, ... over time
    ctc           Cell Tracking Challenge         tracks        table for napari's Tracks layer
    geff          tracks with labels              measurements  table of everything measured
    trackmate     Fiji's TrackMate                prompts       table for napari-sam2 track
    coco          masks as run lengths

    \b
    napari-sam2 export cells.sam2cells --to ome-zarr --to measurements
    napari-sam2 export cells.sam2cells --out movie.ome.zarr/labels/cells
    napari-sam2 export cells.sam2cells --to sheet --option cell=7
    napari-sam2 export masks.tif --to ctc --out 01_RES

    What a format cannot hold is said. Ctrl-C leaves nothing behind.
    """
    from napari_sam2.export.formats import FORMATS, find_format

    if not to and target is None:
        raise ValueError(f"say what to write: --to FORMAT ({', '.join(FORMATS)}), or --out NAME with a suffix")
    if target is not None and to and len(to) > 1:
        raise ValueError("--out names one file: leave it away to write several formats beside the source")
    names = to or [find_format(target.expanduser()).name] if target is not None else to or []
    unknown = [name for name in names if name not in FORMATS]
    if unknown:
        raise ValueError(f"there is no format {unknown[0]!r}; known are {', '.join(FORMATS)}")
    options = parse_options(option or [])
    chosen = parse_cells(cells)
    with open_source(source.expanduser(), movie and movie.expanduser()) as found:
        for name in names:
            path = target or default_path(source.expanduser(), FORMATS[name].suffixes[0], found.movie_path)
            write_one(found, path, name, chosen, overwrite, options)


def write_one(
    found: Any, path: Path, name: str, cells: list[int] | None, overwrite: bool, options: dict[str, Any]
) -> None:
    """Write one format with a bar, and say what it lost and where it is."""
    from napari_sam2.export import LossWarning
    from napari_sam2.export.save import export as save

    console = err()
    with progress_bar(name) as report, warnings.catch_warnings():
        warnings.simplefilter("ignore", LossWarning)
        done = save(found, path, format=name, cells=cells, overwrite=overwrite, progress=report, **options)
    if done.lost:
        console.print(f"{done.path.name} cannot hold: {'; '.join(done.lost)}.", markup=False)
    console.print(f"{done.bytes / 1e6:.3g} MB")
    out().print(str(done.path), markup=False)


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err(), transient=True) as bar:
        task = bar.add_task(name, total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield report


@contextmanager
def open_source(path: Path, movie: Path | None) -> Iterator[Any]:
    """Open a session (to look at only) or labels."""
    from napari_sam2.export.read import open_movie
    from napari_sam2.export.read_segmentation import open_segmentation
    from napari_sam2.export.sources import as_tracked
    from napari_sam2.tracking.movie import Movie

    if (path / "session.json").is_file():
        with _open_session(path, movie) as session:
            yield as_tracked(session)
        return
    if movie is None:
        yield as_tracked(open_segmentation(path))
        return
    with open_movie(movie) as opened:
        known = {"movie": Movie(opened.data, axes=opened.axes), "movie_path": movie.absolute()}
        yield as_tracked(open_segmentation(path), **known)


def _open_session(path: Path, movie: Path | None) -> Any:
    """Open a session with the movie that is named, which has to be its own, or else without one where that is lost."""
    from napari_sam2.session import MovieNotFound, WrongMovie, open_session

    try:
        return open_session(path, movie, read_only=True)
    except (MovieNotFound, WrongMovie) as error:
        if movie is not None:
            raise ValueError(f"{error} (force is an option of open_session, in Python)") from error
        err().print(f"{error} Exporting without intensities (--movie names the movie).", markup=False)
    return open_session(path, read_only=True, without_movie=True)


def default_path(source: Path, suffix: str, movie: Path | None = None) -> Path:
    """Beside the source, under its name with the format's suffix; ``_export`` where that is the source or the movie.

    Parameters
    ----------
    source
        What is exported; dots in its name stay, but for those of suffixes that are known, so that runs of a batch do
        not write over each other.
    suffix
        Of the format; some formats that are folders have none.
    movie
        The movie that the source is about, as far as it is known.
    """
    from napari_sam2.export.formats import FORMATS
    from napari_sam2.export.read import IMAGE_SUFFIXES, TIFF_SUFFIXES

    known = {end for one in FORMATS.values() for end in one.suffixes if end}
    known |= {".sam2cells", *IMAGE_SUFFIXES, *TIFF_SUFFIXES}
    found = [end for end in known if source.name.lower().endswith(end)]
    stem = source.name[: len(source.name) - len(max(found, key=len, default=""))] or "cells"
    taken = [path.absolute() for path in (source, movie) if path is not None]
    path = source.with_name(stem + suffix)
    return source.with_name(f"{stem}_export{suffix}") if not suffix or path.absolute() in taken else path


def parse_cells(text: str | None) -> list[int] | None:
    """Read ``1,2,7``.

    Raises
    ------
    ValueError
        If it is no list of numbers.
    """
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--cells {text}: write numbers with commas, for example 1,2,7") from None


def parse_options(given: list[str]) -> dict[str, Any]:
    """Read ``NAME=VALUE``: numbers, ``true`` and ``false`` as such; ``version`` stays text.

    Raises
    ------
    ValueError
        If one has no ``=``, or has an option of its own.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"--option {text}: write NAME=VALUE, for example cell=7")
        found[name] = value
        if name == "cells":
            raise ValueError(f"--option {text}: write --cells {value}")
        if value.lower() in ("true", "false"):
            found[name] = value.lower() == "true"
        elif name != "version":
            for kind in (int, float):
                try:
                    found[name] = kind(value)
                    break
                except ValueError:
                    continue
    return found
