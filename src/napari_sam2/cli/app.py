"""The commands and their options. Nothing heavy is imported until one runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from napari_sam2.cli.console import Log, speaks_plainly
from napari_sam2.cli.doctor import doctor
from napari_sam2.cli.export import export
from napari_sam2.cli.samples import samples

# In help texts \b keeps typer from joining the lines of an example.
app = typer.Typer(
    name="napari-sam2",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Direction(StrEnum):
    """Which way in time cells are followed from where they were clicked."""

    forward = "forward"
    backward = "backward"
    both = "both"


class Mode(StrEnum):
    """How much of a frame a cell sees."""

    auto = "auto"
    windows = "windows"
    exact = "exact"


Model = Annotated[str, typer.Option(help="A name from `napari-sam2 models`, or a path to a checkpoint.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")]


def _version(wanted: bool) -> None:
    if wanted:
        import napari_sam2

        typer.echo(f"napari-sam2 {napari_sam2.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    log: Log = None,
) -> None:
    """Click cells in a time-lapse movie and have SAM 2 follow all of them.

    New here? [bold]napari-sam2 demo[/] makes a movie, tracks its cells and draws
    them, and prints the command that does the same by hand.
    """


@app.command()
@speaks_plainly
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("napari-sam2-demo"),
    kind: Annotated[str, typer.Option(help="nuclei, membranes, phase or rods.")] = "nuclei",
    frames: Annotated[int, typer.Option(min=2, max=500, help="Length of the movie.")] = 24,
    size: Annotated[int, typer.Option(min=128, max=2048, help="Side of a frame in pixels.")] = 256,
    seed: Annotated[int | None, typer.Option(min=0, help="Another number, another movie.", show_default=False)] = None,
    model: Model = "cell",
    device: Device = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files of an earlier demo.")] = False,
    log: Log = None,
) -> None:
    """Track a synthetic movie, and see how well it went. Needs no screen and no network.

    Each cell is clicked once, where it first appears. Written are the movie,
    the clicks, the labels, and a picture of a few frames with the outlines drawn
    on them; printed are the time it took and the score against the truth.

    \b
    napari-sam2 demo
    napari-sam2 demo --kind phase --seed 7 --out phase-demo
    """
    from napari_sam2.cli.demo import DemoOptions, run_demo

    run_demo(
        DemoOptions(
            out=out, kind=kind, frames=frames, size=size, seed=seed, model=model, device=device, overwrite=overwrite
        )
    )


@app.command()
@speaks_plainly
def track(
    movie: Annotated[
        Path,
        typer.Argument(
            help="TIFF, OME-TIFF, zarr, OME-Zarr, a folder of numbered images, or a quoted pattern of such images.",
            show_default=False,
        ),
    ],
    prompts: Annotated[Path, typer.Option(help="Table of clicks and boxes, see above.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option(
            help="NAME.ome.zarr, IMAGE.ome.zarr/labels/NAME, NAME.tif, or NAME without a dot for a Cell Tracking "
            "Challenge folder.",
            show_default=False,
        ),
    ],
    model: Model = "cell",
    device: Device = "auto",
    direction: Annotated[
        Direction, typer.Option(help="Which way in time cells are followed from their clicks.")
    ] = Direction.both,
    frames: Annotated[
        str | None, typer.Option(metavar="START:STOP", help="Only these frames, STOP excluded, as in Python.")
    ] = None,
    channel: Annotated[
        list[int] | None,
        typer.Option(
            help="Channel to look at, from 0; up to three times for red, green, blue. Default: the first three."
        ),
    ] = None,
    limits: Annotated[
        str | None,
        typer.Option(metavar="LOW,HIGH", help="Intensities that become black and white. Default: from the movie."),
    ] = None,
    mode: Annotated[
        Mode,
        typer.Option(
            help="windows: a cell sees what is around it, at its own scale. exact: the whole frame, as published."
        ),
    ] = Mode.auto,
    cell_diameter: Annotated[
        float | None, typer.Option(help="Typical diameter of a cell in pixels. Default: measured from the prompts.")
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say what the run would take in time and memory.")
    ] = False,
    overwrite: Overwrite = False,
    log: Log = None,
) -> None:
    """Follow clicked cells through a movie, and save the label images.

    The table of prompts has one line for each. Frames count from 0; y (row) and
    x (column) are pixels of the array, as napari shows them. The kinds are
    [bold]click[/] on the cell, [bold]not[/] on what is not the cell, and
    [bold]box[/] from (y, x) to (y2, x2). A cell may have prompts on several frames.

    \b
    cell,frame,kind,y,x,y2,x2
    1,0,click,120,84.5,,
    1,0,not,131,90,,
    2,0,box,80,40,130,95
    1,30,click,140,99,,

    \b
    napari-sam2 track movie.tif --prompts prompts.csv --out cells.ome.zarr
    napari-sam2 track "img_*_green.png" --prompts prompts.csv --out cells.tif

    Ctrl-C keeps the frames that are finished, and says where they are.
    """
    from napari_sam2.cli.track import TrackOptions, run_track

    run_track(
        TrackOptions(
            movie=movie,
            prompts=prompts,
            out=out,
            model=model,
            device=device,
            direction=direction.value,
            frames=frames,
            channels=tuple(channel) if channel else None,
            limits=limits,
            mode=mode.value,
            cell_diameter=cell_diameter,
            estimate=estimate,
            overwrite=overwrite,
        )
    )


app.command()(export)
app.command()(doctor)
app.add_typer(samples, name="samples")

models = typer.Typer(invoke_without_command=True)
app.add_typer(models, name="models")


@models.callback()
def models_main(context: typer.Context) -> None:
    """List the models and which of them are here, or download one.

    \b
    napari-sam2 models
    napari-sam2 models download sam2.1-tiny
    """
    if context.invoked_subcommand is None:
        models_list()


@models.command("list")
@speaks_plainly
def models_list(log: Log = None) -> None:
    """Print the models, their size and licence, and which of them are here."""
    from napari_sam2.cli.models import print_models

    print_models()


@models.command("download")
@speaks_plainly
def models_download(
    name: Annotated[str, typer.Argument(help="Such as sam2.1-tiny.", show_default=False)],
    log: Log = None,
) -> None:
    """Download a published checkpoint, and check it. A broken download is resumed where it stopped."""
    from napari_sam2.cli.models import download

    download(name)
