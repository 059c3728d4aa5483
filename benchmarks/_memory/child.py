"""What runs in a process of its own: ``python -m benchmarks._memory.child JOB``, JSON in, one line of JSON out."""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from dataclasses import replace
from typing import Any

import numpy as np


def long_run(job: dict[str, Any]) -> dict[str, Any]:
    """Track discs through a movie; ``job`` has frames, cells, side, diameter, cache_mib, and model (None: a tiny one).

    Returns
    -------
    dict
        Peak in bytes, bytes of features kept at the end, seconds, and (frame, resident bytes) samples.
    """
    import zarr

    from benchmarks._memory.frames import BACKGROUND, BRIGHT, Discs
    from benchmarks._memory.peak import now_bytes, peak_bytes
    from benchmarks._speed.setup import TRUSTING
    from napari_sam2.tracking import CellTracker, Settings

    discs = Discs(job["frames"], job["side"], job["cells"], job["diameter"])
    model = job["model"] or tiny_network()
    settings = Settings()
    if not job["model"]:  # cells keep their size in pixels, so that the field stays small too
        settings = replace(settings, window=job["window"], target_diameter=job["diameter"], **TRUSTING)
    samples = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="napari-sam2-memory-") as folder:
        labels = zarr.create_array(store=folder, shape=discs.shape, chunks=(1, *discs.shape[1:]), dtype="int32")
        tracker = CellTracker(
            discs, model, limits=(BACKGROUND, BACKGROUND + BRIGHT), cell_diameter=job["diameter"], mode="windows",
            labels=labels, settings=settings, device=job["device"], cache_bytes=job["cache_mib"] << 20,
        )  # fmt: skip
        for cell, yx in enumerate(discs.places(0), start=1):
            tracker.add_click(cell, 0, yx)
        every = max(1, job["frames"] // 50)
        for result in tracker.track("forward"):
            if result.frame % every == 0:
                samples.append((result.frame, now_bytes()))
        kept = tracker._features.kept_bytes
    # The kernel counts pages in batches for each core, so that what was read before may lie a little above its peak.
    peak = max(peak_bytes(), *(resident for _, resident in samples))
    return {"peak": peak, "kept": kept, "seconds": time.perf_counter() - began, "samples": samples}


def small_cells(job: dict[str, Any]) -> dict[str, Any]:
    """Click and track the small cells of a saved movie; ``job`` has frames and labels (.npy files), clicks and model.

    Returns
    -------
    dict
        Peak in bytes, seconds, IoU of each cell from one click, and its IoU on the last frame tracked.
    """
    from benchmarks._memory.peak import peak_bytes
    from benchmarks._quality.clicks import Overlaps
    from napari_sam2.tracking import CellTracker

    frames = np.load(job["frames"], mmap_mode="r")
    labels = np.load(job["labels"], mmap_mode="r")
    tracker = CellTracker(frames, job["model"], device=job["device"])
    for cell, yx in job["clicks"]:
        tracker.add_click(cell, 0, yx)
    cells = [cell for cell, _ in job["clicks"]]
    began = time.perf_counter()
    clicked = Overlaps.of(tracker.segment(0), np.asarray(labels[0]))
    first_seconds = time.perf_counter() - began
    tracked, frame_seconds, count = [math.nan], math.nan, 0
    began = time.perf_counter()
    for result in tracker.track("forward", (0, len(frames))):
        if result.frame:
            overlaps = Overlaps.of(result.labels, np.asarray(labels[result.frame]))
            tracked = [overlaps.iou(cell) for cell in cells if (labels[result.frame] == cell).any()]
            count += 1
    if count:
        frame_seconds = (time.perf_counter() - began) / count
    return {
        "peak": peak_bytes(),
        "diameter": tracker.cell_diameter,
        "first_seconds": first_seconds,
        "frame_seconds": frame_seconds,
        "click_ious": [clicked.iou(cell) for cell in cells],
        "last_ious": tracked,
    }


def tiny_network() -> Any:
    """A network of the bundled model's kind with few channels and random weights, all cells present."""
    import torch

    from benchmarks._speed.setup import PRESENT_BIAS
    from napari_sam2.network import CONFIGS, Sam2
    from napari_sam2.network.config import ConvTrunkConfig

    config = replace(
        CONFIGS["cell"], name="tiny", trunk=ConvTrunkConfig((8, 16, 24, 32), (1, 1, 1, 1), 8), image_size=128, width=32,
        memory_width=16, memory_layers=1, memory_ffn=64, decoder_heads=2, decoder_ffn=64, head_hidden=32,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Sam2(config).eval()
    with torch.no_grad():
        model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.add_(PRESENT_BIAS)  # type: ignore[operator]
    return model


JOBS = {"long_run": long_run, "small_cells": small_cells}


def main() -> None:
    """Do the job that the command line names."""
    job = json.loads(sys.argv[1])
    import torch

    torch.set_num_threads(job["threads"])
    print(json.dumps(JOBS[job["job"]](job)))


if __name__ == "__main__":
    main()
