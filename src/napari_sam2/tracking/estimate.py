"""What a run will cost, before it is begun: measured on this machine with this model, not looked up in a table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_sam2.tracking.anchors import Anchors
from napari_sam2.tracking.plan import Segment
from napari_sam2.tracking.regions import Region

#: Cells that are tracked for the measurement; the rest is proportion.
SAMPLED_CELLS = 8
#: Bytes of intermediate results for each byte of memories looked at; measured with the bundled model.
WORKING_FACTOR = 3.0


@dataclass(frozen=True)
class Estimate:
    """Cost of a run.

    Parameters
    ----------
    seconds
        Time it will take.
    device_bytes
        Memory on the device at its peak: weights, memory bank, features, and one batch in work.
    label_bytes
        Size of the label image, in memory or on disk.
    frames
        Frames that masks will be computed on.
    cell_frames
        Masks that will be computed.
    """

    seconds: float
    device_bytes: int
    label_bytes: int
    frames: int
    cell_frames: int

    def __str__(self) -> str:
        minutes, seconds = divmod(round(self.seconds), 60)
        hours, minutes = divmod(minutes, 60)
        spent = f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
        return (
            f"about {spent} for {self.cell_frames:,} masks on {self.frames:,} frames; "
            f"{self.device_bytes / 2**20:,.0f} MiB of memory, {self.label_bytes / 2**20:,.0f} MiB of labels"
        )


def estimate(groups: Sequence[tuple[Anchors, Sequence[Segment]]], frames: int) -> Estimate:
    """Estimate a run by tracking a few of its cells for one frame.

    Parameters
    ----------
    groups
        For each field scale its prompted frames and segments.
    frames
        Length of the movie.
    """
    seconds, device_bytes, cell_frames = 0.0, 0, 0
    visited: set[tuple[int, int]] = set()
    for anchors, segments in groups:
        if not segments:
            continue
        engine, geometry = anchors.engine, anchors.geometry
        starts = anchors.get([(s.cell, s.start) for s in segments])
        regions = engine.features.cover(geometry, np.concatenate([anchor.masks.origins for anchor in starts]))
        cell_time, frame_time = _measure(anchors, segments, regions)
        lengths = [len(s.frames) for s in segments]
        shared = {(s.step, t) for s in segments for t in (s.start, *s.frames)}
        seconds += sum(lengths) * cell_time + len(shared) * frame_time
        cell_frames += sum(lengths)
        visited |= shared
        live = max(sum(s.step == step for s in segments) for step in (1, -1))
        bank = engine.bank(geometry, 1, max(len(s.conditioning) for s in segments)).nbytes
        frame_bytes = engine.features.bytes_of(regions)
        kept = min(engine.features.budget, frame_bytes * len(shared))
        device_bytes += live * bank + max(kept, frame_bytes)
        device_bytes += int(min(live, engine.chunk) * bank * WORKING_FACTOR)
    model = groups[0][0].engine.model if groups else None
    if model is not None:
        device_bytes += 2 * sum(p.numel() * p.element_size() for p in model.parameters())
    movie = groups[0][0].engine.features.movie if groups else None
    label_bytes = 0 if movie is None else 4 * frames * movie.height * movie.width
    return Estimate(seconds, device_bytes, label_bytes, len({t for _, t in visited}), cell_frames)


def _measure(anchors: Anchors, segments: Sequence[Segment], regions: Sequence[Region]) -> tuple[float, float]:
    """Seconds for one cell on one frame with full memory, and for encoding what is needed of a frame."""
    engine, geometry = anchors.engine, anchors.geometry
    frame = segments[0].start
    here = [s for s in segments if s.start == frame][:SAMPLED_CELLS]
    known = anchors.get([(s.cell, frame) for s in here])
    rows = np.arange(len(here))
    bank = engine.bank(geometry, len(here), 1)
    step = here[0].step
    for row, anchor in enumerate(known):
        masks = anchor.masks
        bank.condition(row, 0, frame, anchor.memory, masks.origins[0], masks.pointers_nc[0], anchor.keys)
        for back in range(1, bank.recent_frames + 1):
            at = np.array([row])
            keys = None if anchor.keys is None else anchor.keys[:, None]
            bank.remember(at, frame - step * back, anchor.memory[None], masks.origins, masks.pointers_nc, keys)
    origins = np.concatenate([anchor.masks.origins for anchor in known])
    cell_time = np.inf
    for _ in range(2):  # the first call of a shape pays for choosing kernels
        began = time.perf_counter()
        masks, _ = engine.from_memory(geometry, frame, step, bank, rows, origins)
        engine.keys(engine.memories(geometry, frame, masks, prompted=False))
        cell_time = min(cell_time, (time.perf_counter() - began) / len(here))
    return cell_time, engine.features.time_of(geometry, frame, regions)
