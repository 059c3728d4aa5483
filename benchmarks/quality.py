"""How good the tracking is on movies with truth, in one command.

    python benchmarks/quality.py FOLDER... --model cell [--model sam2.1-tiny] [--mode windows] [--quick]

Each FOLDER is a data set in the layout of the Cell Tracking Challenge, or the name of a synthetic crowd
(synthetic-nuclei, synthetic-phase). Prompts are clicks only, and settings are the
tracker's defaults: nothing is tuned to a movie, and the tracker finds the cells' size by itself.

Parts: one-click, follow, work (corrections left), ctc (SEG, DET, TRA), score (object score). Results are kept part by
part, so that a run that was stopped goes on where it was. Tables, plot and JSON go to benchmarks/results; pictures of
the movies to its folder "pictures", which is not committed, since those movies may not be passed on.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

# Threads that spin while they wait slow down everything else on the machine; read when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

REPOSITORY = Path(__file__).resolve().parents[1]
if str(REPOSITORY) not in sys.path:  # run as a script
    sys.path.insert(0, str(REPOSITORY))

from benchmarks._quality.run import PARTS  # noqa: E402

QUICK_FRAMES, QUICK_CELLS, QUICK_ROUNDS = 12, 8, 3
ALL_ROUNDS = 20


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="data set with 01, 01_GT, ...; or synthetic-nuclei, ..-phase",
    )
    parser.add_argument("--model", action="append", default=[], help="name or checkpoint; may be repeated [cell]")
    parser.add_argument("--mode", action="append", default=[], help="windows, exact, ...; may be repeated [auto]")
    parser.add_argument(
        "--variant", action="append", default=[],
        help="settings to change, such as guard=off or neighbours=on; 'default' for none; may be repeated [default]",
    )  # fmt: skip
    parser.add_argument("--sequence", action="append", default=[], help="01, 02; may be repeated [01]")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of %(default)s")
    parser.add_argument("--frames", type=int, default=0, help="only the first frames [all]")
    parser.add_argument("--cells", type=int, default=0, help="only some cells of the first frame, and their daughters")
    parser.add_argument("--rounds", type=int, default=0, help=f"most rounds of corrections [{ALL_ROUNDS}]")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK_FRAMES} frames, {QUICK_CELLS} cells, {QUICK_ROUNDS} rounds, unless given",
    )
    parser.add_argument("--no-baseline", action="store_true", help="leave out Otsu + watershed")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads [%(default)s]")
    parser.add_argument("--seed", type=int, default=0, help="of torch and numpy; nothing should depend on it")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks" / "results")
    parser.add_argument("--name", help="of the tables and the plot [quality, or quality-quick]")
    parser.add_argument("--fresh", action="store_true", help="compute everything anew")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = build_parser()
    options = parser.parse_args(arguments)
    parts = [part.strip() for part in options.parts.split(",")]
    unknown = set(parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    frames = options.frames or (QUICK_FRAMES if options.quick else 0)
    cells = options.cells or (QUICK_CELLS if options.quick else 0)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ALL_ROUNDS)
    _run(options, arguments, parts, frames, cells, rounds)


def _run(
    options: argparse.Namespace, arguments: list[str], parts: list[str], frames: int, cells: int, rounds: int
) -> None:
    import numpy as np
    import torch
    from rich.console import Console

    from benchmarks._data import CtcMovie
    from benchmarks._machine import machine
    from benchmarks._quality.cache import Cache
    from benchmarks._quality.crowd import CROWDS, make_crowd
    from benchmarks._quality.plot import plot
    from benchmarks._quality.report import write_reports
    from benchmarks._quality.run import Runner
    from benchmarks._quality.trackers import baseline_method, network_method
    from benchmarks._quality.truth import Truth

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    np.random.seed(options.seed)
    console = Console(stderr=True)
    methods = [
        network_method(model, mode, options.device, "" if variant == "default" else variant)
        for model in options.model or ["cell"]
        for mode in options.mode or ["auto"]
        for variant in options.variant or ["default"]
    ]
    if not options.no_baseline:
        methods.append(baseline_method())
    what = {"device": options.device, "cells": cells, "rounds": rounds}
    cache = Cache(options.out / ".cache", what, use=not options.fresh)
    runner = Runner(cache, options.out / "pictures", rounds, console)
    circumstances = {
        "command": f"python benchmarks/quality.py {shlex.join(arguments)}",
        "machine": machine(),
        "seed": options.seed,
        "models": {method.title: method.key for method in methods},
        "options": {**what, "frames": frames, "parts": parts},
    }
    stem = options.out / (options.name or ("quality-quick" if options.quick else "quality"))
    rows = []
    for folder in options.folders:
        if str(folder) in CROWDS:
            folder = make_crowd(str(folder), options.out / ".cache" / "crowds")
        for sequence in options.sequence or ["01"]:
            truth = Truth(CtcMovie(folder.expanduser().resolve(), sequence), frames, cells)
            for method in methods:
                rows.append(runner.run(truth, method, parts))
                files = write_reports(rows, circumstances, stem)  # what is done is there to see, even if stopped
                console.print(f"{truth.name}, {method.title}: done")
    picture = stem.with_name(stem.name + ".png")
    plot(rows, picture)
    print(files[1].read_text(encoding="utf-8"))
    for file in (*files, picture):
        console.print(f"  {file}", highlight=False)


if __name__ == "__main__":
    main()
