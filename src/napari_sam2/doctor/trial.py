"""The engine tried out: one cell, clicked and followed through a movie of three frames with the bundled model."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SIDE, FRAMES, RADIUS, STEP = 160, 3, 20, 4
"""Side of a frame, frames, radius of the cell, and how far it moves each frame; px."""
GOOD_IOU = 0.5
"""A disc on black that is found less well than this means that something computes wrongly."""


@dataclass(frozen=True)
class Trial:
    """How it went.

    Parameters
    ----------
    ran
        Whether it came to its end.
    device
        What computed.
    precision
        Number type of the network that really computed.
    load_seconds, seconds
        Loading the model, and following the cell.
    iou
        Of the last frame's mask with the true disc, 0..1.
    error
        What stopped it.
    """

    ran: bool
    device: str | None = None
    precision: str | None = None
    load_seconds: float | None = None
    seconds: float | None = None
    iou: float | None = None
    error: str | None = None


def movie() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """A disc that moves to the right, (T, Y, X) uint8, and where it is, (T, Y, X) bool."""
    y, x = np.mgrid[:SIDE, :SIDE]
    truth = np.stack([(y - SIDE / 2) ** 2 + (x - SIDE / 2 - STEP * t) ** 2 <= RADIUS**2 for t in range(FRAMES)])
    noise = np.random.default_rng(0).normal(0, 8, truth.shape)
    return np.clip(40 + 140 * truth + noise, 0, 255).astype(np.uint8), truth


def try_tracking(model: str = "cell", device: str = "auto") -> Trial:
    """Follow the disc; never raises."""
    try:
        from napari_sam2.tracking import CellTracker

        frames, truth = movie()
        started = time.perf_counter()
        tracker = CellTracker(frames, model=model, device=device)
        loaded = time.perf_counter()
        tracker.add_click(cell=1, frame=0, yx=(SIDE / 2, SIDE / 2))
        found = {result.frame: np.array(result.labels) == 1 for result in tracker.track(direction="forward")}
        ended = time.perf_counter()
        parameter = next(tracker.network.parameters())
        last = FRAMES - 1
        iou = float((found[last] & truth[last]).sum() / max(1, (found[last] | truth[last]).sum()))
    except Exception as error:  # noqa: BLE001 - whatever is broken is what is wanted here
        return Trial(False, error=f"{type(error).__name__}: {error}")
    return Trial(
        True,
        device=str(parameter.device),
        precision=str(parameter.dtype).removeprefix("torch."),
        load_seconds=loaded - started,
        seconds=ended - loaded,
        iou=iou,
    )
