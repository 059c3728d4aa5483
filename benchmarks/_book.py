"""Measured parts, their bars, and the book they are kept in: JSON to go on from, CSV and markdown to read."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks._machine import REPOSITORY

Row = dict[str, Any]


@dataclass(frozen=True)
class Bar:
    """A number and what it has to reach.

    Parameters
    ----------
    what
        In words.
    value
        Measured; NaN where it could not be.
    limit
        What it is held against.
    at_most
        True where less is better.
    unit
        Of both numbers.
    """

    what: str
    value: float
    limit: float
    at_most: bool
    unit: str = ""

    @property
    def passed(self) -> bool:
        """Whether the bar is reached."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def __str__(self) -> str:
        sign = "<=" if self.at_most else ">="
        verdict = "pass" if self.passed else "FAIL"
        return f"{verdict}  {self.what}: {_number(self.value)} (bar: {sign} {_number(self.limit)} {self.unit})"


@dataclass
class Part:
    """What one part measured.

    Parameters
    ----------
    title
        Heading of its table.
    note
        How it was measured.
    rows
        Of its table; all keys of all rows become columns, in the order in which they first appear.
    bars
        What it is held against.
    skipped
        Why it was not measured, if it was not.
    """

    title: str
    note: str = ""
    rows: list[Row] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    skipped: str = ""


class Book:
    """Parts by name, each with the circumstances it was measured in, in ``STEM.json``.

    A part that is measured again replaces the old one; the others stay. So parts can be measured one by one, and the
    tables always show all that is known.

    Parameters
    ----------
    stem
        Path of the files without their endings.
    title
        Heading of the markdown.
    """

    def __init__(self, stem: Path, title: str) -> None:
        self.stem = stem
        self.title = title
        self.parts: dict[str, Part] = {}
        self.circumstances: dict[str, dict[str, Any]] = {}
        self._read()

    def _read(self) -> None:
        file = self._file(".json")
        if file.is_file():
            for name, known in json.loads(file.read_text(encoding="utf-8")).items():
                bars = [Bar(**{**bar, "value": _or_nan(bar["value"])}) for bar in known["part"].pop("bars")]
                self.parts[name] = Part(**known["part"], bars=bars)
                self.circumstances[name] = known["circumstances"]

    def has(self, name: str, key: str) -> bool:
        """Whether a part was measured with the same code, model and options."""
        return name in self.parts and self.circumstances[name].get("key") == key

    def put(self, name: str, part: Part, circumstances: dict[str, Any], order: Sequence[str]) -> None:
        """Keep a part and write the files anew; parts stand in the given order.

        What another process has put there in the meantime stays.
        """
        self._read()
        self.parts[name], self.circumstances[name] = part, circumstances
        names = [n for n in order if n in self.parts]
        self.parts = {n: self.parts[n] for n in names}
        self.stem.parent.mkdir(parents=True, exist_ok=True)
        content = {n: {"circumstances": self.circumstances[n], "part": asdict(self.parts[n])} for n in names}
        self._file(".json").write_text(json.dumps(_jsonable(content), indent=1, allow_nan=False) + "\n", "utf-8")
        self._file(".md").write_text(self.markdown(), encoding="utf-8")
        self._write_csv()

    @property
    def files(self) -> list[Path]:
        """The files written."""
        return [self._file(suffix) for suffix in (".csv", ".md", ".json")]

    def markdown(self) -> str:
        """Bars first, then one table a part."""
        lines = [f"# {self.title}\n"]
        bars = [bar for part in self.parts.values() for bar in part.bars]
        if bars:
            lines += ["| | measured | bar | |", "|---|---:|---:|---|"]
        for bar in bars:
            sign, verdict = "≤" if bar.at_most else "≥", "pass" if bar.passed else "**fail**"
            lines.append(f"| {bar.what} | {_number(bar.value)} {bar.unit} | {sign} {_number(bar.limit)} | {verdict} |")
        for name, part in self.parts.items():
            lines += ["", f"## {part.title}", "", describe(self.circumstances[name]), ""]
            if part.skipped:
                lines.append(f"Not measured: {part.skipped}.")
            lines += [part.note] if part.note else []
            lines += ["", *_table(part.rows)] if part.rows else []
        return "\n".join(lines) + "\n"

    def _write_csv(self) -> None:
        rows = [{"part": name, **row} for name, part in self.parts.items() for row in part.rows]
        keys = list(dict.fromkeys(key for row in rows for key in row))
        with self._file(".csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, keys, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows({k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()} for row in rows)

    def _file(self, suffix: str) -> Path:
        return self.stem.with_name(self.stem.name + suffix)


def code_hash(*folders: str) -> str:
    """Hash of the code that numbers depend on: network, tracking, and folders of the benchmarks."""
    digest = hashlib.sha256()
    for folder in ("src/napari_sam2/network", "src/napari_sam2/tracking", *(f"benchmarks/{f}" for f in folders)):
        for file in sorted((REPOSITORY / folder).rglob("*.py")):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def describe(circumstances: dict[str, Any]) -> str:
    """One line: when, with what code and model, on which machine."""
    m = circumstances["machine"]
    where = f"{m['gpu']}, {m['cpu']}" if m["gpu"] else m["cpu"]
    model = circumstances.get("model")
    words = [
        m["date"],
        f"commit {m['commit'] or '?'}",
        where,
        f"{m['threads']} threads of {m['cores']} cores",
        f"torch {m['torch']}",
    ]
    if model:
        words.append(f"model {model['name']} ({model['hash'][:16]}, {model['dtype']})")
    if "seconds" in circumstances:
        words.append(f"took {circumstances['seconds']:.0f} s")
    return ", ".join(words) + "."


def _table(rows: Sequence[Row]) -> list[str]:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    numeric = {key: all(isinstance(row.get(key, 0), (int, float)) for row in rows) for key in keys}
    lines = ["| " + " | ".join(keys) + " |", "|" + "".join("---:|" if numeric[key] else "---|" for key in keys)]
    for row in rows:
        lines.append("| " + " | ".join(_number(row[key]) if key in row else "" for key in keys) + " |")
    return lines


def _number(value: Any) -> str:
    """Three digits that count."""
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "–"
    if value == 0 or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
