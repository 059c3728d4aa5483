"""The tracking runs that the reference outputs were made with, repeated through `CellTracker`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from napari_sam2.network import Sam2
from napari_sam2.tracking import REFERENCE, CellTracker

#: Groups of arrays in the files of the small network, one tracking run each.
RUNS = (
    "one_click",
    "box_and_two_clicks_both_directions",
    "mask_then_correction_default",
    "mask_then_correction_as_conditioning",
)
#: Radius in pixels of the drawn disc.
DISC = 12.8


def run_like_the_reference(model: Sam2, frames: np.ndarray, points_xy: np.ndarray, run: str) -> CellTracker:
    """Track as one of the runs did.

    Parameters
    ----------
    model
        The network.
    frames
        (T, Y, X, 3) uint8.
    points_xy
        (3, 2) the three places (x, y) that the prompts are made of.
    run
        One of `RUNS`.
    """
    settings = replace(REFERENCE, corrections_condition=not run.endswith("default"))
    movie = np.moveaxis(frames, -1, 1)
    tracker = CellTracker(movie, model, limits=[(0, 255)] * 3, mode="reference", settings=settings)
    points = [(float(y), float(x)) for x, y in points_xy]
    if run == "one_click":
        tracker.add_click(1, 0, points[0])
        _exhaust(tracker, "forward", len(frames))
    elif run == "box_and_two_clicks_both_directions":
        y, x = points[0]
        tracker.add_box(1, 0, ((y - 15.36, x - 12.8), (y + 12.8, x + 16.64)))
        tracker.add_clicks(2, 3, points[1:], [True, False])
        _exhaust(tracker, "forward", len(frames))
        _exhaust(tracker, "backward", 4)
    else:
        yy, xx = np.indices(frames.shape[1:3])
        tracker.add_mask(7, 0, (yy - points[1][0]) ** 2 + (xx - points[1][1]) ** 2 < DISC**2)
        _exhaust(tracker, "forward", len(frames))
        tracker.add_click(7, 5, points[1])
        tracker.add_click(7, 5, points[2], foreground=False)
        _exhaust(tracker, "forward", len(frames), 5)
    return tracker


def _exhaust(tracker: CellTracker, direction: str, stop: int, first: int = 0) -> None:
    for _ in tracker.track(direction, (first, stop)):  # type: ignore[arg-type]
        pass


#: How each recorded quantity is read off the state that reference mode keeps of a cell on a frame.
READ: dict[str, Callable] = {
    "low_res_logits": lambda state: state.masks.logits_nhw[0],
    "object_score_logit": lambda state: state.masks.object_logits_n,
    "obj_ptr": lambda state: state.masks.pointers_nc[0],
    "memory": lambda state: state.memory,
    "is_conditioning": lambda state: torch.tensor(state.conditioning),
}


def found(tracker: CellTracker, key: str) -> np.ndarray:
    """The tracker's own value for an array of the files, ``run/obj7/frame05/memory`` (``_every4th`` thins it)."""
    _, cell, frame, quantity = key.split("/")
    quantity, _, thinned = quantity.partition("_every")
    run = tracker._reference
    assert run is not None
    value = READ[quantity](run.state[int(cell.removeprefix("obj")), int(frame.removeprefix("frame"))]).numpy()
    return thin(value, thinned)


def thin(value: np.ndarray, thinned: str) -> np.ndarray:
    """Take every n-th element of both spatial axes, ``thinned`` being ``""`` or such as ``"4th"``."""
    step = int(thinned.removesuffix("th")) if thinned else 1
    return value[..., ::step, ::step] if step > 1 else value
