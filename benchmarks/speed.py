"""How fast the tracking is, in one command.

    python benchmarks/speed.py --model cell [--parts reference,click] [--device cpu] [--quick]

Parts: reference (beside transformers), scaling (1 to 500 cells), click (click to preview), floor (share of the
arithmetic floor), versus (windows against exact mode), gpu (skipped where there is none; with --quick it is rehearsed
on the CPU then). Each part stands for itself:
what is compared within it is measured in turns in the same run. The users' model is loaded by name and computes as it
does for them, in bfloat16 where the processor has it. A part replaces what was known of it, the others stay; --resume
measures only what was not measured with this code, model and options.

Tables, plot and JSON go to benchmarks/results. Give the machine to it alone: other work makes the numbers worthless.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Threads that spin while they wait slow down everything else on the machine; read when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

REPOSITORY = Path(__file__).resolve().parents[1]
if str(REPOSITORY) not in sys.path:  # run as a script
    sys.path.insert(0, str(REPOSITORY))

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks._book import Part
    from benchmarks._speed.setup import Setup

PARTS = ("click", "scaling", "floor", "versus", "reference", "gpu")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="cell", help="name or checkpoint of the users' model [%(default)s]")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of %(default)s")
    parser.add_argument("--device", default="cpu", help="of all parts but gpu, which takes cuda [%(default)s]")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads [all cores]")
    parser.add_argument("--repeats", type=int, default=0, help="frames measured [3; of slow contenders 1]")
    parser.add_argument("--few", default="", help="cells that slow contenders are measured at, such as 1,2 [2,4]")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--resume", action="store_true", help="leave out parts that are known already")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks" / "results")
    parser.add_argument("--name", help="of the tables and the plot [speed, or speed-quick]")
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

    import torch

    from benchmarks._speed.setup import Setup

    torch.set_num_threads(options.threads or os.cpu_count() or 1)
    sizes: dict[str, Any] = {"model": options.model, "device": options.device}
    if options.repeats:
        sizes["repeats"] = options.repeats
        sizes["slow_repeats"] = min(options.repeats, Setup.slow_repeats)
    if options.few:
        sizes["few_cells"] = tuple(int(cells) for cells in options.few.split(","))
    setup = Setup.quick(**sizes) if options.quick else Setup(**sizes)
    stem = options.out / (options.name or ("speed-quick" if options.quick else "speed"))
    command = f"python benchmarks/speed.py {shlex.join(arguments)}"
    measure(setup, [part for part in PARTS if part in parts], stem, command, options.resume, bars=not options.quick)


def measure(
    setup: Setup, parts: Sequence[str], stem: Path, command: str, resume: bool = False, bars: bool = True
) -> None:
    """Measure parts one after the other; each is on disk before the next begins. Bars are for the full sizes."""
    import torch
    from rich.console import Console

    from benchmarks._book import Book, Part, code_hash
    from benchmarks._machine import machine
    from benchmarks._speed.plot import plot
    from napari_sam2.weights import weights_hash

    console = Console(stderr=True)
    book = Book(stem, "Speed")
    model = {
        "name": setup.model_name,
        "hash": weights_hash(setup.probe.model),
        "dtype": setup.precision,
    }
    key = f"{code_hash('_speed')} {model['hash']} {setup} {torch.get_num_threads()}"
    for name in parts:
        if resume and book.has(name, key):
            console.print(f"{name}: known already")
            continue
        where = machine()  # before, since the code may change while a long part runs
        began = time.perf_counter()
        circumstances: dict[str, Any] = {"command": command, "machine": where, "model": model}
        found = _functions()[name](setup)
        for part in [found] if isinstance(found, Part) else found:  # slow ones say what is known so far
            spent = time.perf_counter() - began
            if not bars:
                part.bars = []
            book.put(name, part, circumstances | {"seconds": spent, "key": "unfinished"}, PARTS)
        book.put(name, part, circumstances | {"seconds": spent, "key": key}, PARTS)
        console.print(f"{name}: {part.skipped or f'{spent:.0f} s'}")
        for bar in part.bars:
            console.print(f"  {bar}", highlight=False)
    picture = stem.with_name(stem.name + ".png")
    plot(book, picture)
    print(book.markdown())
    for file in (*book.files, picture):
        console.print(f"  {file}", highlight=False)


def _functions() -> dict[str, Callable[[Setup], Part | Iterator[Part]]]:
    from benchmarks._speed.click import click
    from benchmarks._speed.reference import reference, versus
    from benchmarks._speed.scaling import floor, gpu, scaling

    return {
        "click": click, "scaling": scaling, "floor": floor, "versus": versus, "reference": reference, "gpu": gpu
    }  # fmt: skip


if __name__ == "__main__":
    main()
