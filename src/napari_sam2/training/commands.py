"""The training command line."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam2.training.settings import TrainSettings

#: Options by the field they set.
PLAN_OPTIONS = ("stills", "still_cells", "clips", "clip_cells", "size", "redrawn")
SETTING_OPTIONS = (
    "config",
    "seed",
    "ramp",
    "tilt_ramp",
    "batches",
    "learning_rate",
    "warmup",
    "average",
    "synthetic",
    "bank",
    "precision",
)


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``python -m napari_sam2.training``."""
    parser = argparse.ArgumentParser(prog="python -m napari_sam2.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    pack = commands.add_parser("pack", help="pack real images and masks into one file")
    pack.add_argument("--data", type=Path, required=True, help="folder with the collections' .npz files")
    pack.add_argument("--out", type=Path, required=True, help="file to write (.npz)")
    train = commands.add_parser("train", help="train, or go on with the run in --out")
    train.add_argument("--out", type=Path, required=True, help="folder for checkpoint, log and curves")
    train.add_argument("--pack", type=Path, help="real images, made by `pack`")
    train.add_argument(
        "--own",
        type=Path,
        action="append",
        default=[],
        help="own data: a Cell Tracking Challenge folder, or name.tif with name_labels.tif; may be given again",
    )
    train.add_argument(
        "--start-from",
        action="append",
        default=[],
        help="weights to start from: a model's name, a weights file, or a run's folder; several are averaged",
    )
    train.add_argument("--device", default="cpu")
    train.add_argument("--workers", type=int, default=1, help="data workers; many on a machine with a GPU")
    train.add_argument("--threads", type=int, default=0, help="torch threads of the trainer")
    train.add_argument("--time-limit", type=float, default=0.0, help="minutes, then write a checkpoint and stop")
    train.add_argument("--steps", type=int, default=0, help="stop after this many steps in total")
    train.add_argument("--decay-steps", type=int, default=0, help="decay the learning rate from now on, then stop")
    train.add_argument("--plateau", action="store_true", help="leave a decay: the learning rate as before it")
    train.add_argument("--checkpoint-every", type=float, default=3.0, help="minutes")
    train.add_argument("--validate-every", type=int, default=250, help="steps")
    train.add_argument("--compile", action="store_true", help="torch.compile the image encoder (GPU)")
    _add_settings(train.add_argument_group("settings", "a resumed run keeps its own, except for those given again"))
    export = commands.add_parser("export", help="write the averaged weights of a run as fp16 safetensors")
    export.add_argument("--run", type=Path, required=True, help="folder of the run, or a checkpoint")
    export.add_argument("--out", type=Path, required=True, help="file to write (.safetensors)")
    export.add_argument("--mix", type=Path, help="exported weights to average with")
    export.add_argument("--share", type=float, default=0.5, help="... and their share [%(default)s]")
    return parser


def _add_settings(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--config", help="network configuration (cell)")
    group.add_argument("--seed", type=int)
    group.add_argument("--precision", choices=("bf16", "fp32"))
    group.add_argument("--batches", type=int, help="batches (steps) that move the network together")
    group.add_argument("--lr", type=float, dest="learning_rate")
    group.add_argument("--warmup", type=int, help="steps")
    group.add_argument("--average", type=float, help="decay of the averaged weights")
    group.add_argument("--stills", type=int, help="stills in a batch")
    group.add_argument("--still-cells", type=int, help="cells prompted on each")
    group.add_argument("--clips", type=int, help="clips in a batch")
    group.add_argument("--clip-cells", type=int, help="cells followed in each")
    group.add_argument("--frames", type=int, nargs=2, help="fewest and most frames of a clip")
    group.add_argument("--size", type=int, help="side of a field, model px")
    group.add_argument("--redrawn", type=float, help="share of cells drawn after another convention than the truth's")
    group.add_argument("--ramp", type=int, help="steps over which clips come in (with --start-from: 0)")
    group.add_argument("--tilt", type=float, help="how far the focal loss leaves balance in the end")
    group.add_argument("--object-score", type=float, help="weight of the object score's loss")
    group.add_argument("--tilt-ramp", type=int, nargs=2, help="steps between which it does (with --start-from: 0 0)")
    group.add_argument("--synthetic", type=float, help="share of synthetic samples")
    group.add_argument("--bank", type=int, help="synthetic movies to draw from")


def first_settings(options: argparse.Namespace) -> TrainSettings:
    """Settings of a new run, before what the command line gave.

    A network that can segment already does not begin with what one from nothing begins with: stills only, and a
    balanced focal loss, under which masks that were right grow by a third within a hundred steps.
    """
    from napari_sam2.training.settings import TrainSettings

    return TrainSettings(ramp=0, tilt_ramp=(0, 0)) if options.start_from else TrainSettings()


def merged_settings(base: TrainSettings, options: argparse.Namespace) -> TrainSettings:
    """Settings with what the command line gave replaced."""
    given: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in vars(options).items() if v is not None
    }
    plan = replace(base.plan, **{k: given[k] for k in ("frames", *PLAN_OPTIONS) if k in given})
    weights = replace(base.weights, **{k: given[k] for k in ("tilt", "object_score") if k in given})
    return replace(base, plan=plan, weights=weights, **{k: given[k] for k in SETTING_OPTIONS if k in given})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    # Before torch is imported: threads that spin while they wait starve the data worker; on two busy cores a step took
    # 5 to 10 times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    options = build_parser().parse_args(arguments)
    if options.command == "pack":
        _pack(options)
    elif options.command == "train":
        _train(options, arguments)
    else:
        _export(options)


def _pack(options: argparse.Namespace) -> None:
    from napari_sam2.training.pack import pack_directory

    writer = pack_directory(options.data)
    writer.write(options.out)
    pack = writer.pack()
    size = options.out.stat().st_size / 1e6
    print(f"{len(pack.records)} images, {size:.1f} MB, data hash {pack.digest()}")


def _train(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    from napari_sam2.training.assemble import check_plan, training_sources, validation_set
    from napari_sam2.training.checkpoint import NAME, load_checkpoint
    from napari_sam2.training.loop import RunOptions, Trainer
    from napari_sam2.training.own_data import own_pack, own_source
    from napari_sam2.training.pack import data_hash, read_pack
    from napari_sam2.training.settings import TrainSettings

    resumed = (options.out / NAME).exists()
    base = TrainSettings.from_dict(load_checkpoint(options.out)["settings"]) if resumed else first_settings(options)
    settings = merged_settings(base, options)
    check_plan(settings)
    pack = read_pack(options.pack) if options.pack else None
    own = own_pack(options.own) if options.own else None
    run = RunOptions(
        out=options.out,
        device=options.device,
        workers=options.workers,
        threads=options.threads,
        time_limit=options.time_limit,
        steps=options.steps,
        checkpoint_every=options.checkpoint_every,
        validate_every=options.validate_every,
        decay_steps=options.decay_steps,
        plateau=options.plateau,
        compile=options.compile,
        command=f"python -m napari_sam2.training {shlex.join(arguments)}",
        data_hash=data_hash(pack, own),
        pack_hash=pack.digest() if pack else "",
    )
    config, weights = None, None
    if options.start_from:
        from napari_sam2.training.starting import starting_weights

        config, weights = starting_weights(options.start_from)
    trainer = Trainer(settings, run, config, weights)
    stills, clips = training_sources(pack, trainer.settings, own_source(own) if own else None)
    trainer.run(stills, clips, validation_set(pack, trainer.settings))


def _export(options: argparse.Namespace) -> None:
    from napari_sam2.training.export_weights import export_weights

    print(export_weights(options.run, options.out, options.mix, options.share))
