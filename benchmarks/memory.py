"""How much memory tracking takes, in one command.

    python benchmarks/memory.py --model cell [--parts length,small] [--quick]

Parts: length (200 frames against 5,000), small (2048², 300 cells of 12 px). Each runs in processes of its own, so that
a peak is its own. A part replaces what was known of it, the other stays; --resume measures only what was not measured
with this code, model and options. Tables and JSON go to benchmarks/results.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

REPOSITORY = Path(__file__).resolve().parents[1]
if str(REPOSITORY) not in sys.path:  # run as a script
    sys.path.insert(0, str(REPOSITORY))

if TYPE_CHECKING:
    from benchmarks._memory.parts import Sizes

PARTS = ("length", "small")
QUICK: dict[str, Any] = {
    "lengths": (20, 60), "cells": 6, "side": 128, "cache_mib": 2, "small_side": 256, "small_cells": 8, "small_frames": 2
}  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="cell", help="name or checkpoint [%(default)s]")
    parser.add_argument("--length-model", help="the same for the part length [a tiny network with random weights]")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of %(default)s")
    parser.add_argument("--frames", type=int, default=0, help="of the long movie [5000]")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads [all cores]")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--resume", action="store_true", help="leave out parts that are known already")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks" / "results")
    parser.add_argument("--name", help="of the tables [memory, or memory-quick]")
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

    from benchmarks._memory.parts import Sizes

    chosen: dict[str, Any] = {
        "model": _absolute(options.model), "length_model": _absolute(options.length_model),
        "device": options.device, "threads": options.threads or os.cpu_count() or 1,
    }  # fmt: skip
    sizes = Sizes(**(chosen | (QUICK if options.quick else {})))
    if options.frames:
        sizes = Sizes(**{**vars(sizes), "lengths": (sizes.lengths[0], options.frames)})
    stem = options.out / (options.name or ("memory-quick" if options.quick else "memory"))
    command = f"python benchmarks/memory.py {shlex.join(arguments)}"
    measure(sizes, [part for part in PARTS if part in parts], stem, command, options.resume, bars=not options.quick)


def measure(
    sizes: Sizes, parts: Sequence[str], stem: Path, command: str, resume: bool = False, bars: bool = True
) -> None:
    """Measure parts one after the other; each is on disk before the next begins."""
    from rich.console import Console

    from benchmarks._book import Book, code_hash
    from benchmarks._machine import machine
    from benchmarks._memory.parts import length, small
    from napari_sam2.weights import weights_hash

    console = Console(stderr=True)
    book = Book(stem, "Memory")
    for name, function in (("length", length), ("small", small)):
        if name not in parts:
            continue
        used = sizes.model if name == "small" else sizes.length_model
        model = None if used is None else {"name": Path(used).stem, "hash": weights_hash(used), "dtype": "default"}
        key = f"{code_hash('_memory')} {model} {sizes}"
        if resume and book.has(name, key):
            console.print(f"{name}: known already")
            continue
        where = machine() | {"threads": sizes.threads}  # before, since the code may change while a long part runs
        began = time.perf_counter()
        part = function(sizes)
        spent = time.perf_counter() - began
        if not bars:
            part.bars = []
        circumstances = {"command": command, "machine": where, "model": model, "seconds": spent, "key": key}
        book.put(name, part, circumstances, PARTS)
        console.print(f"{name}: {spent:.0f} s")
        for bar in part.bars:
            console.print(f"  {bar}", highlight=False)
    print(book.markdown())
    for file in book.files:
        console.print(f"  {file}", highlight=False)


def _absolute(model: str | None) -> str | None:
    """Processes of their own run elsewhere: a file is named in full."""
    return str(Path(model).resolve()) if model and Path(model).exists() else model


if __name__ == "__main__":
    main()
