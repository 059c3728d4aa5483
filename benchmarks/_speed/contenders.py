"""Everything that is timed against something else: iterators that track one frame a step, in a steady state.

A tracker gets slower for its first frames, until every memory slot is in use. That takes 7 frames for memories and 16
for pointers, so the memories of the prompted frame are put into all slots instead; what they hold does not change the
time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, TypeVar
from unittest.mock import patch

import numpy as np
import torch

from benchmarks._speed.movies import Field
from napari_sam2.network import Sam2, normalise
from napari_sam2.tracking import CellTracker, Settings
from napari_sam2.tracking.memory import MemoryBank

Mode = Literal["windows", "exact"]
K = TypeVar("K")


@contextmanager
def full_memories() -> Iterator[None]:
    """Make every memory bank full as soon as a prompted frame is put into it; for tracking forward."""
    condition = MemoryBank.condition

    def fill(
        self: MemoryBank, row: int, slot: int, frame: int, memory: Any, origin: Any, pointer: Any, keys: Any = None
    ) -> None:
        condition(self, row, slot, frame, memory, origin, pointer, keys)
        for back in reversed(range(max(self.recent.shape[1], self.pointers.shape[1]))):  # the newest overwrites
            own = None if keys is None else keys[:, None]
            self.remember(np.array([row]), frame - back, memory[None], np.asarray(origin)[None], pointer[None], own)

    with patch.object(MemoryBank, "condition", fill):
        yield


def make_tracker(
    model: str | Sam2, field: Field, cells: int, mode: Mode, settings: Settings | None = None, device: str = "auto"
) -> CellTracker:
    """Make a tracker with one click on each of some cells.

    A model that is named comes as users get it, in the precision that suits the device; a network stays as it is.
    """
    tracker = CellTracker(
        field.movie(), model, mode=mode, settings=settings, cell_diameter=field.diameter, limits=field.limits,
        device=device,
    )  # fmt: skip
    for cell, yx in field.some(cells).items():
        tracker.add_click(cell, 0, yx)
    return tracker


def ours(
    model: str | Sam2, field: Field, cells: int, mode: Mode, settings: Settings | None = None, device: str = "auto"
) -> Iterator[object]:
    """Track with this project, through its public calls; the prompted frame comes first."""
    return make_tracker(model, field, cells, mode, settings, device).track("forward")


def transformers_model(model: Sam2) -> Any:
    """transformers' `Sam2VideoModel` with the weights of a network of ours."""
    from transformers import Sam2VideoConfig, Sam2VideoModel

    from napari_sam2.weights.transformers_config import config_to_transformers
    from napari_sam2.weights.transformers_layout import to_transformers

    config = Sam2VideoConfig(**config_to_transformers(model.config))
    theirs = Sam2VideoModel(config)
    theirs.load_state_dict(to_transformers(model.state_dict()), strict=True)
    return theirs.to(device=model.device, dtype=model.dtype).eval()


def theirs(model: Any, field: Field, cells: int, image_size: int) -> Iterator[object]:
    """Track with transformers: its session, its loop over objects. Resizing frames and masks is not in the time."""
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    device = model.device
    image = torch.from_numpy(field.frames[0].astype(np.float32) / field.limits[1]).clamp(0, 1)[None, None]
    image = torch.nn.functional.interpolate(image, size=(image_size, image_size), mode="bilinear")
    pixels = normalise(image.expand(-1, 3, -1, -1))[0].to(device, model.dtype)
    session = Sam2VideoInferenceSession(
        video=pixels[None].expand(len(field.movie()), -1, -1, -1),
        video_height=image_size,
        video_width=image_size,
        inference_device=device,
        inference_state_device=device,
        video_storage_device=device,
        dtype=model.dtype,
    )
    scale = image_size / field.frames.shape[1]
    for cell, (y, x) in field.some(cells).items():
        at = session.obj_id_to_idx(cell)
        where = torch.tensor([[[[x * scale, y * scale]]]], dtype=torch.float32)
        session.add_point_inputs(at, 0, {"point_coords": where, "point_labels": torch.ones(1, 1, 1, dtype=torch.int)})
    session.obj_with_new_inputs = list(session.obj_ids)
    with torch.inference_mode():  # never across a yield, or it holds for the caller too
        out = model(session, frame_idx=0)
    yield out
    start = model.config.max_object_pointers_in_encoder
    for known in session.output_dict_per_obj.values():
        for frame in range(1, start):
            known["non_cond_frame_outputs"][frame] = known["cond_frame_outputs"][0]
    for frame in range(start, len(field.movie())):
        with torch.inference_mode():
            out = model(session, frame_idx=frame)
        yield out


def seconds_of(call: Callable[[], object], device: torch.device | str = "cpu") -> float:
    """Seconds that a call takes, with everything that it left to do on the device."""
    synchronise(device)
    began = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - began


def synchronise(device: torch.device | str) -> None:
    """Wait until the device has done all it was asked for."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def race(
    contenders: Mapping[K, Iterator[object]],
    turns: int,
    *,
    frames: Mapping[K, int] | None = None,
    warm: int = 0,
    device: torch.device | str = "cpu",
) -> dict[K, list[float]]:
    """Seconds a frame of contenders that take turns, so that whatever else the machine does hits all alike.

    Parameters
    ----------
    contenders
        Iterators; their first step, the prompted frame, is not timed.
    turns
        How often each has its turn.
    frames
        Frames in a turn where it is not one: quick contenders may take more.
    warm
        Frames before the first turn.
    device
        Where they run.
    """
    for contender in contenders.values():
        for _ in range(1 + warm):
            next(contender)
    times: dict[K, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name, contender in contenders.items():
            for _ in range((frames or {}).get(name, 1)):
                times[name].append(seconds_of(partial(next, contender), device))
    return times
