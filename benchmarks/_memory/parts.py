"""Parts `length` and `small`: memory by the length of a movie, and a large field of small cells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._book import Bar, Part, Row
from benchmarks._machine import REPOSITORY

LONG_OVER_SHORT = 1.05
SMALL_BYTES = 4e9
SMALL_IOU = 0.7
GIB = 2.0**30


@dataclass(frozen=True)
class Sizes:
    """How much is measured; the defaults are those of the full run.

    Parameters
    ----------
    model
        Name or path of the users' model.
    device, threads
        Where.
    lengths
        Frames of the short and the long movie.
    cells, side, diameter, window
        Discs of the long movies, their field in pixels, and tokens of a window (with the tiny network only).
    length_model
        Model for the long movies; None takes a tiny network with random weights.
    cache_mib
        Budget for features of frames seen before; has to be full long before the end of the short movie, or the long
        one takes more for it.
    small_side, small_cells, small_diameter, small_frames
        The field of small cells.
    """

    model: str = "cell"
    device: str = "cpu"
    threads: int = 1
    lengths: tuple[int, int] = (200, 5000)
    cells: int = 50
    side: int = 192
    diameter: float = 12.0
    window: int = 2
    length_model: str | None = None
    cache_mib: int = 2
    small_side: int = 2048
    small_cells: int = 300
    small_diameter: float = 12.0
    small_frames: int = 3


def length(sizes: Sizes) -> Part:
    """Peak memory of a short and a long movie."""
    job = {
        "job": "long_run", "cells": sizes.cells, "side": sizes.side, "diameter": sizes.diameter,
        "window": sizes.window, "model": sizes.length_model, "cache_mib": sizes.cache_mib,
    }  # fmt: skip
    found = {frames: _child(sizes, job | {"frames": frames}) for frames in sizes.lengths}
    rows: list[Row] = [
        {
            "frames": frames,
            "cells": sizes.cells,
            "peak MiB": out["peak"] / 2**20,
            "MiB at a quarter": _at(out, 0.25) / 2**20,
            "at half": _at(out, 0.5) / 2**20,
            "at the end": _at(out, 1.0) / 2**20,
            "features kept, MiB": out["kept"] / 2**20,
            "s per frame": out["seconds"] / frames,
        }
        for frames, out in found.items()
    ]
    short, long = sizes.lengths
    ratio = found[long]["peak"] / found[short]["peak"]
    small_one = (
        f"a network of the bundled model's kind with few channels, random weights and {sizes.window}-token windows"
    )
    note = (
        f"{sizes.cells} discs of {sizes.diameter:.0f} px in {sizes.side}² px, drawn when a frame is read; labels in a "
        "zarr on disk; each length in a process of its own; peak is the kernel's count (VmHWM). Network: "
        f"{sizes.length_model or small_one}. Its size changes what a frame takes, not whether anything grows with the "
        "number of frames, and thousands of frames with the bundled model take hours. Features of frames seen before "
        f"may take {sizes.cache_mib} MiB here, which the short movie has to fill too (the last but one column says "
        "whether it did); with the tracker's default of 1 GiB a short movie of a small field stays below what a long "
        "one may take. What the process holds beyond what it uses, between blocks that were freed, settles later than "
        "the features do."
    )
    what = f"peak memory of {long} frames / of {short}"
    return Part("Length of the movie", note, rows, [Bar(what, ratio, LONG_OVER_SHORT, True, "×")])


def small(sizes: Sizes) -> Part:
    """Memory and quality on a large field of small cells."""
    from scipy import ndimage

    from benchmarks._quality.clicks import interior_point
    from napari_sam2.training.synthetic import make_movie

    calm = {"vanish_rate": 0.0, "death_rate": 0.0, "division_rate": 0.0, "black_rate": 0.0, "jump_rate": 0.0}
    movie = make_movie(
        "nuclei", frames=sizes.small_frames, size=(sizes.small_side, sizes.small_side),
        cells=int(sizes.small_cells * 1.1) + 1, diameter=sizes.small_diameter, seed=2, **calm,
    )  # fmt: skip
    clicks: list[tuple[int, tuple[float, float]]] = []
    for cell, box in enumerate(ndimage.find_objects(movie.labels[0]), start=1):
        if box is not None and len(clicks) < sizes.small_cells:
            y, x = interior_point(movie.labels[0][box] == cell)
            clicks.append((cell, (y + box[0].start, x + box[1].start)))
    with tempfile.TemporaryDirectory(prefix="napari-sam2-memory-") as folder:
        files = {name: str(Path(folder) / f"{name}.npy") for name in ("frames", "labels")}
        np.save(files["frames"], movie.frames)
        np.save(files["labels"], movie.labels)
        out = _child(sizes, files | {"job": "small_cells", "model": sizes.model, "clicks": clicks})
    ious = np.array(out["click_ious"])
    rows: list[Row] = [
        {
            "cells": len(clicks),
            "peak GiB": out["peak"] / GIB,
            "median one-click IoU": float(np.median(ious)),
            "share over 0.5": float((ious > 0.5).mean()),
            f"median IoU {sizes.small_frames - 1} frames on": float(np.median(out["last_ious"])),
            "diameter found, px": out["diameter"],
            "s for all clicks": out["first_seconds"],
            "s per frame": out["frame_seconds"],
        }
    ]
    what = f"{sizes.small_side}² px, {len(clicks)} cells of {sizes.small_diameter:.0f} px"
    bars = [
        Bar(f"{what}: peak memory", out["peak"] / 1e9, SMALL_BYTES / 1e9, True, "GB"),
        Bar(f"{what}: median one-click IoU", float(np.median(ious)), SMALL_IOU, False),
    ]
    note = (
        "Synthetic nuclei, one click in the middle of each, all segmented together, then tracked for "
        f"{sizes.small_frames - 1} frames; the tracker finds the cells' size by itself and has its default settings. "
        "The peak is that of the whole process, with Python and torch."
    )
    return Part("Large field of small cells", note, rows, bars)


def _child(sizes: Sizes, job: dict[str, Any]) -> dict[str, Any]:
    job = job | {"threads": sizes.threads, "device": sizes.device}
    command = [sys.executable, "-m", "benchmarks._memory.child", json.dumps(job)]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(sizes.threads)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the measured process failed:\n{done.stderr}")
    out: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return out


def _at(out: dict[str, Any], share: float) -> float:
    samples = out["samples"]
    return float(samples[min(len(samples) - 1, int(share * len(samples)))][1])
