"""What scripts share that measure on every kind of synthetic movie: their command line, and the record they write."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks._machine import REPOSITORY, machine

Record = dict[str, Any]


def parser_for(doc: str | None, *, movies: int, frames: int, size: int) -> argparse.ArgumentParser:
    """Make the parser of a script, with the defaults of its movies: how many of each kind, frames, and side in px."""
    from napari_sam2.training.synthetic import KINDS

    ask = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--model", default="cell")
    ask.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    ask.add_argument("--movies", type=int, default=movies, help="of each kind [%(default)s]")
    ask.add_argument("--frames", type=int, default=frames)
    ask.add_argument("--size", type=int, default=size, help="side of a movie, px [%(default)s]")
    ask.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks" / "results")
    return ask


def write(out: Path, name: str, arguments: Sequence[str], measured: Record, page: Callable[[Record], str]) -> None:
    """Write what was measured to ``NAME.json`` and, as `page` puts it, ``NAME.md``; ``NAME.py`` is the script."""
    command = f"python benchmarks/{name}.py {shlex.join(arguments)}".strip()
    record = {"command": command, "machine": machine(), **measured}
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    (out / f"{name}.md").write_text(page(record))
