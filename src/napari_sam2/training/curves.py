"""The log of a run as CSV, and its curves as a picture."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

SMOOTHING = 0.97
HEAD = ("step", "name", "value")


def append_row(path: Path, row: dict[str, float]) -> None:
    """Append a row of named numbers as ``step,name,value`` lines; names may change during a run."""
    new = not path.exists() or path.stat().st_size == 0
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(HEAD)
        step = int(row["step"])
        for name, value in row.items():
            if name != "step":
                writer.writerow((step, name, f"{value:.6g}"))


def read_log(path: Path, until: int | None = None) -> dict[str, list[tuple[int, float]]]:
    """Read such a log: points (step, value) by name, steps before `until`."""
    out: dict[str, list[tuple[int, float]]] = {}
    for step, name, value in _rows(path):
        if until is None or step < until:
            out.setdefault(name, []).append((step, float(value)))
    return out


def trim_log(path: Path, until: int) -> None:
    """Drop rows of steps after `until`, which a resumed run will do again; the log is replaced whole or not at all."""
    if not path.exists():
        return
    rows = [row for row in _rows(path) if row[0] <= until]
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", newline="") as file:
            csv.writer(file).writerows([HEAD, *rows])
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def draw_curves(path: Path, picture: Path) -> None:
    """Draw losses and validation over steps; needs matplotlib and does nothing without it."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return
    log = read_log(path)
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for name in ("loss", "first_mask", "corrected_mask", "follow_mask", "dense"):
        points = log.get(name, [])
        if points:
            left.plot([s for s, _ in points], _smooth([v for _, v in points]), label=name)
    for name in ("one_click", "follow_1", "follow_end", "score"):
        points = log.get(f"val/{name}", [])
        if points:
            right.plot([s for s, _ in points], [v for _, v in points], marker=".", label=name)
    left.set(xlabel="step", ylabel="loss", yscale="log")
    right.set(xlabel="step", ylabel="held-out IoU, share right", ylim=(0, 1))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.has_data():
            axes.legend()
    figure.savefig(picture, dpi=110)


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Rows that are whole: a full disk or a lost machine may have left half of one, or nothing at all."""
    with path.open(newline="", errors="replace") as file:
        for row in csv.reader(file):
            try:
                step, name, value = row
                float(value)
                yield int(step), name, value
            except ValueError:
                continue


def _smooth(values: list[float]) -> list[float]:
    out, level = [], values[0]
    for value in values:
        level = SMOOTHING * level + (1 - SMOOTHING) * value
        out.append(level)
    return out
