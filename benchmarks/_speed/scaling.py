"""Parts `scaling`, `floor` and `gpu`: time by number of cells and by part, and against the arithmetic that it needs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from statistics import median

import torch

from benchmarks._book import Bar, Part, Row
from benchmarks._speed.arithmetic import Counter, matmul_rate
from benchmarks._speed.contenders import full_memories, make_tracker, race, seconds_of
from benchmarks._speed.movies import make_field
from benchmarks._speed.reference import DIAMETER
from benchmarks._speed.setup import Setup, random_settings
from benchmarks._speed.watch import PARTS, Clock, watch
from napari_sam2.network import Sam2
from napari_sam2.tracking import CellTracker
from napari_sam2.tracking.graphs import Replayer

#: So many cells of this size fill two fifths of a field of 1024².
CROWDED = 26.0
LINEAR_TO, MANY, FEWER = 100, 500, 50
MANY_OVER_FEWER = 8.0
OVER_FLOOR = 1.5
GPU_FRAMES_A_SECOND = 60.0
GPU_OVER_FLOOR = 5.0
#: Frames before anything is timed on a GPU: calls are recorded when their shapes have come twice.
WARM_FRAMES = 6
#: Frames timed against the floor, for each repeat asked for.
FLOOR_FRAMES = 5
#: Seconds of matrix products before and after each of them.
RATE_SECONDS = 0.3
FLOOR_NOTE = (
    "Floor: the multiplications and additions that the network needs for the frame, at the rate of a large matrix "
    "product with the same number type and threads: the best product in the moments before and after the frame, since "
    "a shared machine is not always equally fast; medians over the frames. Attention counts keys of each memory once "
    "and values as narrow as memories are; nothing that is padded or done twice counts. Reading and resampling the "
    "frame, norms, activations and painting count nothing, though they take time. The field is one page, so that there "
    "are no halos. Parts are timed in one more frame with clocks inside, in which batches that are computed side by "
    "side otherwise come one after the other and count for their share; cut includes reading and resampling the frame."
)


def scaling(setup: Setup) -> Part:
    """Seconds a frame by number of cells in one field, and where they go."""
    field = make_field(max(setup.scaling_cells), CROWDED, setup.side)
    rows: list[Row] = []
    total: dict[int, float] = {}
    with full_memories():
        trackers = {n: make_tracker(setup.model, field, n, "windows", device=setup.device) for n in setup.scaling_cells}
        runs = {n: tracker.track("forward") for n, tracker in trackers.items()}
        # Pages of one frame would serve all trackers if they shared them; each has its own, so each encodes its own.
        times = race(runs, setup.repeats, warm=1, device=setup.device)
        for n, tracker in trackers.items():
            total[n] = median(times[n])
            parts = _split(tracker, runs[n], setup.device)
            shown = {part: seconds for part, seconds in parts.items() if part in PARTS or part == "rest"}
            fields = len({tracker._scales.anchors(cell).geometry for cell, _, _ in tracker.prompts})
            row: Row = {"cells": n, "s per frame": total[n], "ms per cell": 1000 * total[n] / n, "fields": fields}
            rows.append(row | shown)
    bars = []
    small, large = min(total), max(n for n in total if n <= LINEAR_TO)
    if large > small:
        growth = (total[large] / total[small]) / (large / small)
        bars.append(Bar(f"time of {large} cells / time of {small}, as a share of linear", growth, 1.0, True))
    if MANY in total and FEWER in total:
        ratio = total[MANY] / total[FEWER]
        bars.append(Bar(f"time of {MANY} cells / time of {FEWER}", ratio, MANY_OVER_FEWER, True, "×"))
    note = (
        f"{setup.model_name} in windows, {setup.precision}, one field of {setup.side}² px with {len(field.clicks)} "
        f"nuclei of {field.diameter:.0f} px, all memories in use. Fields: scales that the tracker took for cells of "
        "different size, each encoded by itself. Parts in seconds, of one more frame with clocks inside."
    )
    return Part("Time by number of cells", note, rows, bars)


def floor(setup: Setup) -> Part:
    """The users' model against its own arithmetic."""
    field = make_field(setup.floor_cells, DIAMETER, setup.side)
    with full_memories():
        tracker = make_tracker(setup.model, field, setup.floor_cells, "windows", device=setup.device)
        rows, ratio, _ = _against_floor(setup, tracker)
    what = f"{setup.floor_cells} cells, {setup.model_name}: time / arithmetic floor"
    return Part("Share of the arithmetic floor", FLOOR_NOTE, rows, [Bar(what, ratio, OVER_FLOOR, True, "×")])


def gpu(setup: Setup) -> Part:
    """Frames a second and share of the floor on a GPU, for the published architecture and the users' model."""
    title, there = "GPU", torch.cuda.is_available()
    if not there and not setup.rehearse:
        return Part(title, skipped="there is no CUDA device here")
    if there:
        setup = setup.on(setup.device if setup.device.startswith("cuda") else "cuda")
    where = torch.cuda.get_device_name() if there else "a CPU, where these numbers mean nothing"
    field = make_field(setup.floor_cells, DIAMETER, setup.side)
    rows: list[Row] = []
    bars: list[Bar] = []
    names: list[tuple[str, str | Sam2, bool]] = [
        (setup.architecture.name, setup.published, True), (setup.model_name, setup.model, False)
    ]  # fmt: skip
    with full_memories():
        for name, model, random in names:
            settings = random_settings("windows") if random else None
            for replayed in (True, False):
                tracker = make_tracker(model, field, setup.floor_cells, "windows", settings, setup.device)
                calls = tracker._features.calls
                if not replayed:
                    calls.replayer = Replayer(None)
                how = "replayed" if calls.replayer.active else "one by one"
                more, ratio, seconds = _against_floor(setup, tracker, 3 * setup.repeats, warm=WARM_FRAMES)
                known = {"model": name, "cells": setup.floor_cells, "calls": how}
                # What is replayed is one piece: its parts are those of the calls one by one.
                rows += [known | row for row in more if not replayed or row["part"] == "frame"]
                if random and replayed:
                    what = f"{setup.floor_cells} cells, {name} on {where}"
                    bars.append(Bar(f"{what}: frames a second", 1 / seconds, GPU_FRAMES_A_SECOND, False))
                    bars.append(Bar(f"{what}: time / arithmetic floor", ratio, GPU_OVER_FLOOR, True, "×"))
    note = (
        f"On {where}. {FLOOR_NOTE} Calls replayed: as CUDA graphs, which users get. Operations are counted one by one."
    )
    return Part(title, note, rows, bars)


def _against_floor(
    setup: Setup, tracker: CellTracker, repeats: int = 0, warm: int = 1
) -> tuple[list[Row], float, float]:
    """Rows by part, time over floor, and seconds a frame."""
    model, device = tracker.network, tracker.network.device
    run = tracker.track("forward")
    for _ in range(1 + warm):
        next(run)
    times: list[float] = []
    rates = [matmul_rate(setup.matmul, model.dtype, device, RATE_SECONDS)]
    for _ in range(repeats or FLOOR_FRAMES * setup.repeats):
        times.append(seconds_of(lambda: next(run), device))
        rates.append(matmul_rate(setup.matmul, model.dtype, device, RATE_SECONDS))
    beside = [(one + other) / 2 for one, other in pairwise(rates)]
    seconds, rate = median(times), median(beside)
    work = median(t * r for t, r in zip(times, beside, strict=True))  # operations that the machine had time for
    parts = _split(tracker, run, device)
    counter = Counter(model.config)
    tracker._features.calls.replayer = Replayer(None)  # what is replayed cannot be counted
    with watch(tracker, counter):
        next(run)
    total = sum(counter.flops.values())
    rows: list[Row] = [
        {
            "part": "frame",
            "ms": 1000 * seconds,
            "GFLOP": total / 1e9,
            "floor ms": 1000 * total / rate,
            "time / floor": work / total,
            "GFLOP/s of matmul": rate / 1e9,
            "type": str(model.dtype).removeprefix("torch."),
        }
    ]
    for part, spent in parts.items():
        row: Row = {"part": part, "ms": 1000 * spent}
        if counter.flops.get(part):
            row |= {"GFLOP": counter.flops[part] / 1e9, "floor ms": 1000 * counter.flops[part] / rate}
            row["time / floor"] = spent * rate / counter.flops[part]
        rows.append(row)
    return rows, work / total, seconds


def _split(tracker: CellTracker, run: Iterator[object], device: torch.device | str) -> dict[str, float]:
    """Seconds of one more frame by part; what no part accounts for is the rest."""
    clock = Clock(device)
    with watch(tracker, clock):
        whole = seconds_of(lambda: next(run), device)
    return clock.seconds | {"rest": whole - clock.spent}
