"""``napari-sam2 samples``: the sample movies, and fetching the public ones ahead (for a computer without a network)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from napari_sam2.cli.console import Log, err, out, speaks_plainly

if TYPE_CHECKING:
    from napari_sam2.samples import RealMovie

samples = typer.Typer(invoke_without_command=True)


@samples.callback()
def samples_main(context: typer.Context) -> None:
    """List the sample movies of napari's File > Open Sample, or download a public one.

    \b
    napari-sam2 samples
    napari-sam2 samples download u373
    """
    if context.invoked_subcommand is None:
        samples_list()


@samples.command("list")
@speaks_plainly
def samples_list(log: Log = None) -> None:
    """Print the sample movies, and which of the public ones are here."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from napari_sam2.samples import REAL, SYNTHETIC
    from napari_sam2.training.synthetic import PRESETS

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("sample", "MB", "state", ""):
        table.add_column(heading, justify="right" if heading == "MB" else "left", no_wrap=heading != "")
    for name in SYNTHETIC:
        table.add_row(name, "", "made on the spot", escape(PRESETS[name].title))
    for movie in REAL.values():
        state = "downloaded" if movie.is_here() else "not downloaded"
        table.add_row(movie.name, f"{movie.bytes / 1e6:.0f}", state, escape(movie.title))
    Console(highlight=False).print(table)


@samples.command("download")
@speaks_plainly
def samples_download(
    name: Annotated[str, typer.Argument(help="Such as u373.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", help="Agree to the movie's terms without being asked.")] = False,
    log: Log = None,
) -> None:
    """Show the terms of a public movie, ask, download it, and check it."""
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from napari_sam2.samples import download_sample, find_real
    from napari_sam2.weights import DownloadProgress

    movie = find_real(name)
    agreed = movie.is_here() or _ask(movie, yes)  # asked before the bar is drawn
    with Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=err()
    ) as bar:
        task = bar.add_task(escape(movie.name), total=movie.bytes)

        def show(report: DownloadProgress) -> None:
            text = f"{movie.name}: {report.stage}" + (f" ({report.message})" if report.message else "")
            bar.update(task, completed=report.received, total=report.total, description=escape(text))

        path = download_sample(movie, lambda _: agreed, show)
    out().print(str(path), markup=False)


def _ask(movie: RealMovie, yes: bool) -> bool:
    err().print(movie.question(), markup=False)
    if yes:
        return True
    if not sys.stdin.isatty():
        err().print("Nobody is there to answer: --yes agrees.", markup=False)
        return False
    return typer.confirm("")
