"""``napari-sam2 models``: the catalogue as a table, and downloads with a progress bar."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from napari_sam2.cli.console import err, out
from napari_sam2.weights import DownloadProgress, cache_folder, download_model, list_models

_MEGABYTE = 1_000_000


def print_models() -> None:
    """Print the catalogue."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("model", "MB", "licence", "state", ""):
        table.add_column(heading, justify="right" if heading == "MB" else "left", no_wrap=heading != "")
    for info in list_models():
        size = "" if info.bytes is None else f"{info.bytes / _MEGABYTE:.0f}"
        table.add_row(info.name, size, info.licence, info.state, escape(info.description))
    Console(highlight=False).print(table)
    err().print(f"Downloaded models are kept in {cache_folder()}", markup=False)


def download(name: str) -> None:
    """Download a model of the catalogue, drawing how far it is."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err()) as bar:
        task = bar.add_task(escape(name), total=None)

        def show(report: DownloadProgress) -> None:
            text = f"{report.name}: {report.stage}" + (f" ({report.message})" if report.message else "")
            bar.update(task, completed=report.received, total=report.total, description=escape(text))

        path = download_model(name, show)
    out().print(str(path), markup=False)
