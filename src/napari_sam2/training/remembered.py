"""What a clip's cells remember of earlier frames, with the times that it shall seem to lie back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_sam2.network.config import Sam2Config
from napari_sam2.network.memory_attention import MemoryBatch

# Clips are short and movies long: a clip's frames may stand for every second or third frame (what lies between is then
# not remembered), and its prompted frame may lie far back. So all times that tracking asks for are trained.
STRETCHES, STRETCH_ODDS = (1, 2, 3), (0.6, 0.25, 0.15)
FAR_BACK_SHARE = 0.5
FAR_BACK_FRAMES = 400.0


@dataclass
class Slot:
    """One remembered frame of all followed cells."""

    memory: Tensor  # (N, Cm, n, n)
    origin: Tensor  # (N, 2)
    pointer: Tensor  # (N, C)
    frame: Tensor  # (N,)
    conditioning: Tensor  # (N,) bool
    valid: Tensor  # (N,) bool


@dataclass(frozen=True)
class Timing:
    """How a clip's frames stand in the movie it plays: frames between two of its frames, and before its second one."""

    stretch: int = 1
    before: int = 0


def draw_timing(generator: torch.Generator) -> Timing:
    """Draw how long ago the remembered frames of a clip shall seem."""
    kind = int(torch.multinomial(torch.tensor(STRETCH_ODDS), 1, generator=generator))
    far, depth = torch.rand(2, generator=generator).tolist()
    return Timing(STRETCHES[kind], int(FAR_BACK_FRAMES**depth) if far < FAR_BACK_SHARE else 0)


def memory_on(slots: Sequence[Slot], now: int, origin: Tensor, config: Sam2Config) -> MemoryBatch:
    """What may be looked at on frame `now`: all conditioning frames, the recent ones, and pointers of the past."""
    frame = torch.stack([s.frame for s in slots], 1)
    conditioning = torch.stack([s.conditioning for s in slots], 1)
    valid = torch.stack([s.valid for s in slots], 1)
    distance = now - frame
    recent = (distance >= 1) & (distance <= config.recent_frames)
    # The last temporal embedding is that of conditioning frames, whatever their distance.
    steps = (distance - 1).clamp(0, config.recent_frames - 1)
    time = torch.where(conditioning, torch.full_like(distance, config.recent_frames), steps)
    return MemoryBatch(
        spatial_nmchw=torch.stack([s.memory for s in slots], 1),
        spatial_time_nm=time,
        spatial_valid_nm=valid & (conditioning | recent),
        spatial_origin_nm2=torch.stack([s.origin for s in slots], 1),
        query_origin_n2=origin,
        pointers_npc=torch.stack([s.pointer for s in slots], 1),
        pointer_time_np=distance.float(),
        pointer_valid_np=valid & (distance >= 1),
        pointer_span=config.pointer_span or float(config.max_pointers - 1),
        all_valid=bool((valid & (conditioning | recent) & (distance >= 1)).all()),
    )
