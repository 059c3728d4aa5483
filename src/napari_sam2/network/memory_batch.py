"""What is remembered of a batch of cells, in the shape in which the memory attention looks at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_sam2.network.positions import rope_turns, rotate

#: Gives the keys (n, L, C) of the rows of a part.
KeysOf = Callable[[slice], Tensor]


@dataclass
class MemoryBatch:
    """What is remembered of N cells; empty slots are marked invalid and never looked at.

    Parameters
    ----------
    spatial_nmchw
        (N, M, Cm, h, w) memories.
    spatial_time_nm
        (N, M) index into the temporal embedding: 6 for a conditioning frame, ``t - 1`` for the frame t steps ago.
    spatial_valid_nm
        (N, M) bool.
    spatial_origin_nm2
        (N, M, 2) row and column of each memory's first token in the field's token grid.
    query_origin_n2
        (N, 2) the same for the windows that look.
    pointers_npc
        (N, P, C) object pointers.
    pointer_time_np
        (N, P) signed distance in frames, positive for pointers of frames already passed.
    pointer_valid_np
        (N, P) bool.
    pointer_span
        Distance that the pointers' time encoding is relative to: the number of pointers looked at, less one.
    all_valid
        Promise that every slot is valid, which saves the attention mask.
    at_rest
        Promise that all windows lie where those of their memories lay, which saves turning the keys.
    slot_keys
        For each of the M slots (layers, N, h * w, C) of `MemoryAttention.memory_keys`, where they were kept; without
        gradients only. They are read, never written, so they may be views of what is kept.
    moved_k2
        (K, 2) row and slot of those memories whose windows lay elsewhere than the looking ones; None where that is not
        known, which turns all keys.
    """

    spatial_nmchw: Tensor
    spatial_time_nm: Tensor
    spatial_valid_nm: Tensor
    spatial_origin_nm2: Tensor
    query_origin_n2: Tensor
    pointers_npc: Tensor
    pointer_time_np: Tensor
    pointer_valid_np: Tensor
    pointer_span: float
    all_valid: bool = False
    at_rest: bool = False
    slot_keys: Sequence[Tensor] | None = None
    moved_k2: Tensor | None = None


class KeptKeys:
    """Keys of one layer that were projected and rotated when their memories were made, put together for some rows.

    Parameters
    ----------
    memory
        What is remembered.
    slots_nlc
        For each of the M slots the kept keys (N, h * w, C).
    pointers_npc
        (N, P', C) keys of the pointers.
    times_tlc
        (T, h * w, C) what each time adds to the keys of a memory.
    """

    def __init__(
        self, memory: MemoryBatch, slots_nlc: Sequence[Tensor], pointers_npc: Tensor, times_tlc: Tensor
    ) -> None:
        self.memory = memory
        self.slots = slots_nlc
        self.pointers = pointers_npc
        self.times = times_tlc

    def __call__(self, part: slice) -> Tensor:
        """Keys (n, M * h * w + P', C) of the rows of a part."""
        memory, pointers = self.memory, self.pointers[part]
        tokens, channels = self.times.shape[1:]
        keys = pointers.new_empty(len(pointers), len(self.slots) * tokens + pointers.shape[1], channels)
        keys[:, -pointers.shape[1] :] = pointers
        spatial = keys[:, : len(self.slots) * tokens].unflatten(1, (len(self.slots), tokens))
        times = memory.spatial_time_nm  # mostly one row for all cells
        added = self.times[times[:1] if times.stride(0) == 0 else times[part]]
        for slot, kept in enumerate(self.slots):
            torch.add(kept[part], added[:, slot], out=spatial[:, slot])
        if memory.at_rest:
            return keys
        there, here = memory.spatial_origin_nm2[part], memory.query_origin_n2[part]
        if memory.moved_k2 is None:
            spatial.copy_(rotate(spatial, turns_between(there, here[:, None], channels)[:, :, None]))
            return keys
        row, slot_of = memory.moved_k2.unbind(1)
        if len(pointers) < len(self.pointers):
            mine = (row >= part.start) & (row < part.stop)
            row, slot_of = row[mine] - part.start, slot_of[mine]
        turned = turns_between(there[row, slot_of], here[row], channels)[:, None]
        spatial[row, slot_of] = rotate(spatial[row, slot_of], turned)
        return keys


def turns_between(there: Tensor, here: Tensor, channels: int) -> Tensor:
    """Turns (..., C / 2) by the distance between the first tokens (..., 2) of two windows."""
    offset = there - here
    return rope_turns(offset[..., 0], offset[..., 1], channels)
