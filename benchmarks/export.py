"""How long exports take, how large they get, and how much memory they need.

::

    python -m benchmarks.export [--frames 500] [--size 1024] [--cells 200] [--formats ome-zarr ctc ...]

The labels are discs on wandering paths, made frame by frame, so that no movie is in memory but what an export keeps.
Each format runs in a process of its own; its peak is that of the process less what importing took. Tables go to
benchmarks/results.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results"
FORMATS = (
    "ome-zarr",
    "tiff",
    "ome-tiff",
    "ctc",
    "geff",
    "trackmate",
    "tracks",
    "measurements",
    "coco",
    "mp4",
)


class Discs:
    """Labels (T, Y, X) of discs that wander; a frame is painted when it is asked for."""

    dtype = np.dtype(np.int32)

    def __init__(self, frames: int, size: int, cells: int, seed: int = 0) -> None:
        self.shape = (frames, size, size)
        rng = np.random.default_rng(seed)
        self.radius = max(3, round(size / np.sqrt(cells) / 4))
        steps = rng.normal(0, 1.5, (frames, cells, 2))
        start = rng.uniform(self.radius, size - self.radius, (cells, 2))
        self.places = np.clip(start + np.cumsum(steps, 0), self.radius, size - 1 - self.radius)
        reach = np.arange(-self.radius, self.radius + 1)
        self.stamp = reach[:, None] ** 2 + reach[None] ** 2 <= self.radius**2

    def __getitem__(self, t: int) -> npt.NDArray[np.int32]:
        image = np.zeros(self.shape[1:], np.int32)
        for cell, (y, x) in enumerate(self.places[t].round().astype(int), 1):
            part = image[y - self.radius : y + self.radius + 1, x - self.radius : x + self.radius + 1]
            part[self.stamp[: part.shape[0], : part.shape[1]]] = cell
        return image


class Noise:
    """A movie (T, Y, X) of noise, one frame of which is kept and moved about."""

    dtype = np.dtype(np.uint16)

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.ndim = 3
        self._frame = np.random.default_rng(1).integers(100, 4000, shape[1:]).astype(np.uint16)

    def __getitem__(self, index: Any) -> npt.NDArray[np.uint16]:
        t, *rest = index if isinstance(index, tuple) else (index,)
        return np.roll(self._frame, int(t), 0)[tuple(rest)]


@dataclass(frozen=True)
class Measured:
    """What exporting took."""

    format: str
    seconds: float
    making_seconds: float
    megabytes: float
    peak_megabytes: float


def measure(known: str, frames: int, size: int, cells: int) -> Measured:
    """Export once, in this process."""
    from napari_sam2.export import FORMATS as ALL
    from napari_sam2.export import LossWarning, export
    from napari_sam2.export.tracked import RECORD, CellInfo, Tracked
    from napari_sam2.tracking.movie import Movie

    labels = Discs(frames, size, cells)
    table = {cell: np.full(frames, np.array((0.9, 0.8, 1, 0, False), RECORD)) for cell in range(1, cells + 1)}
    infos = {cell: CellInfo() for cell in range(1, cells + 1)}
    tracked = Tracked(
        labels,
        {"T": 5.0, "Y": 0.65, "X": 0.65},
        {"T": "minute", "Y": "micrometer", "X": "micrometer"},
        infos,
        table,
        movie=Movie(Noise(labels.shape)) if known in ("mp4", "measurements") else None,
    )
    ALL[known].write()
    started = time.perf_counter()
    for t in range(0, frames, 10):
        labels[t]
    making = (time.perf_counter() - started) * 10
    before = peak()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", LossWarning)
        started = time.perf_counter()
        done = export(tracked, Path(folder) / f"cells{ALL[known].suffixes[0]}", format=known)
        seconds = time.perf_counter() - started
        return Measured(known, seconds, making, done.bytes / 1e6, peak() - before)


def peak() -> float:
    """Most memory of this process so far, MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most / 1e3


def table_of(rows: list[Measured], frames: int, size: int, cells: int, where: dict[str, Any]) -> str:
    """The results in Markdown."""
    raw = frames * size * size * 2 / 1e6
    making = np.mean([row.making_seconds for row in rows])
    machine = f"{where['cpu']}, {where['cores']} cores, one thread, Python {where['python']}, numpy {where['numpy']}"
    lines = [
        f"# Export: {frames} frames of {size} x {size} pixels, {cells} cells",
        "",
        f"{machine}, {where['date']}, commit {where['commit']}. {where['note']}".strip(),
        f"Labels as 16-bit numbers are {raw:.0f} MB. Painting the synthetic labels takes {making:.1f} s of",
        "the time for each pass over all frames (formats with masks make two). Memory is the process's peak above what",
        "it had before.",
        "",
        "| format | seconds | ms a frame | size, MB | peak memory, MB |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        per_frame = row.seconds / frames * 1000
        lines.append(
            f"| {row.format} | {row.seconds:.1f} | {per_frame:.0f} | {row.megabytes:.1f} | {row.peak_megabytes:.0f} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export")
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--formats", nargs="*", default=list(FORMATS))
    parser.add_argument("--note", default="", help="a sentence about the machine for the table, such as what else ran")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.one:
        print(json.dumps(asdict(measure(given.one, given.frames, given.size, given.cells))))
        return
    rows = []
    for known in given.formats:
        command = [sys.executable, "-m", "benchmarks.export", "--one", known]
        command += [f"--{name}={getattr(given, name)}" for name in ("frames", "size", "cells")]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{known}: {done.stderr[-1000:]}")
        rows.append(Measured(**json.loads(done.stdout.splitlines()[-1])))
        print(rows[-1], flush=True)
    from benchmarks._machine import machine

    where = {**machine(), "note": given.note}
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "export.md").write_text(table_of(rows, given.frames, given.size, given.cells, where), encoding="utf-8")
    content = {"machine": where, "frames": given.frames, "size": given.size, "cells": given.cells}
    text = json.dumps({**content, "formats": [asdict(row) for row in rows]}, indent=1)
    (given.out / "export.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
