"""What the benchmarks measured, as the documentation's tables need it. Reads benchmarks/results and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"

Row = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A measured part of a book of results (`benchmarks._book`): its rows, and where and with what it was run."""

    file: str
    name: str
    rows: list[Row]
    machine: Row
    model: Row

    @property
    def device(self) -> str:
        """Where it ran, for people: a GPU's name for a part that ran on it, else processor and threads."""
        if self.machine.get("gpu") and (self.name == "gpu" or "cuda" in str(self.machine.get("device", ""))):
            return str(self.machine["gpu"])
        threads = self.machine.get("threads") or self.machine.get("cores")
        return f"{self.machine['cpu']}, {threads} thread{'s' * (threads != 1)}"


def read(name: str) -> Row | None:
    """The JSON file of that name, or None where it was not measured."""
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def parts(stem: str) -> list[Part]:
    """All parts of ``STEM.json`` and ``STEM-*.json`` that were measured, trial runs left out; in the files' order."""
    found = []
    for file in sorted(RESULTS.glob(f"{stem}*.json"), key=lambda f: (len(f.stem), f.stem)):
        if file.stem != stem and not file.stem.startswith(f"{stem}-") or "quick" in file.stem:
            continue
        for name, entry in json.loads(file.read_text(encoding="utf-8")).items():
            if isinstance(entry, dict) and entry.get("part", {}).get("rows"):
                where = entry["circumstances"]
                found.append(Part(file.stem, name, entry["part"]["rows"], where["machine"], where.get("model") or {}))
    return found


def part(stem: str, name: str) -> Part | None:
    """The part of that name in ``STEM.json``."""
    return next((p for p in parts(stem) if p.file == stem and p.name == name), None)


def number(value: float | None, digits: int = 2) -> str:
    """A number as a person reads it: `digits` significant ones, and a dash where there is none."""
    if value is None or value != value:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:#.{digits}g}".rstrip(".")


def seconds(value: float) -> str:
    """A time as a person reads it."""
    return f"{number(1000 * value)} ms" if value < 1 else f"{number(value)} s"


def size(n_bytes: float) -> str:
    """A size as a person reads it."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown; an empty first heading makes the first column one of names."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
