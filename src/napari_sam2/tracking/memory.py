"""What is remembered of each cell: preallocated, bounded, batched.

Every cell has a few slots for conditioning (prompted) frames and two rings, of recent spatial memories and of object
pointers. A frame's place in a ring is its number modulo the ring's length, so nothing is moved and nothing grows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_sam2.network import MemoryBatch, Sam2Config

IntArray = npt.NDArray[np.int64]
EMPTY = -(10**9)
KEPT = ("fixed", "fixed_pointers", "recent", "pointers")
KEPT_NOTES = ("fixed_frame", "fixed_origin", "recent_frame", "recent_origin", "pointer_frame")
Kept = dict[str, Any]
"""What is remembered of one cell, by name; a slot of each along the first axis."""


class MemoryBank:
    """Memories of N cells.

    Parameters
    ----------
    config
        Of the network.
    cells
        Number of rows.
    window
        (rows, columns) of a memory in tokens.
    frames
        Length of the movie.
    conditioning
        Slots for prompted frames.
    history
        Frames that stay readable; None keeps as many as the network can look at.
    device, dtype
        Where and how memories are kept.
    keep_keys
        Keep the projected keys of memories too: more memory, less work on every later frame.
    recent
        Recent memories that are looked at; None takes all that the network has times for.
    """

    def __init__(
        self,
        config: Sam2Config,
        cells: int,
        window: tuple[int, int],
        frames: int,
        conditioning: int,
        history: int | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        keep_keys: bool = False,
        recent: int | None = None,
    ) -> None:
        self.config = config
        self.max_pointers = min(config.max_pointers, frames) if config.pointer_span is None else config.max_pointers
        self.pointer_span = config.pointer_span or max(1.0, self.max_pointers - 1.0)
        self.recent_frames = config.recent_frames if recent is None else min(recent, config.recent_frames)
        ring = max(1, self.recent_frames) if history is None else history
        pointer_ring = config.max_pointers if history is None else history
        shape = (*window, config.memory_width)  # channels last, as they are looked at
        self.fixed = torch.zeros((cells, conditioning, *shape), device=device, dtype=dtype).permute(0, 1, 4, 2, 3)
        self.fixed_pointers = torch.zeros((cells, conditioning, config.width), device=device, dtype=dtype)
        self.recent = torch.zeros((cells, ring, *shape), device=device, dtype=dtype).permute(0, 1, 4, 2, 3)
        self.pointers = torch.zeros((cells, pointer_ring, config.width), device=device, dtype=dtype)
        tokens = window[0] * window[1]
        layers = config.memory_layers if keep_keys else 0
        self.fixed_keys = torch.zeros((layers, cells, conditioning, tokens, config.width), device=device, dtype=dtype)
        self.recent_keys = torch.zeros((layers, cells, ring, tokens, config.width), device=device, dtype=dtype)
        # Bookkeeping stays on the host, where asking costs no synchronisation.
        self.fixed_frame = np.full((cells, conditioning), EMPTY)
        self.fixed_origin = np.zeros((cells, conditioning, 2), np.int64)
        self.recent_frame = np.full((cells, ring), EMPTY)
        self.recent_origin = np.zeros((cells, ring, 2), np.int64)
        self.pointer_frame = np.full((cells, pointer_ring), EMPTY)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        held = (self.fixed, self.fixed_pointers, self.recent, self.pointers, self.fixed_keys, self.recent_keys)
        return sum(t.numel() * t.element_size() for t in held)

    def copy_from(self, other: MemoryBank) -> None:
        """Take over the rows of a smaller bank."""
        n = len(other.fixed)
        for name in KEPT:
            getattr(self, name)[:n] = getattr(other, name)
        for name in KEPT_NOTES:
            getattr(self, name)[:n] = getattr(other, name)

    def condition(
        self,
        row: int,
        slot: int,
        frame: int,
        memory: Tensor,
        origin: IntArray,
        pointer: Tensor,
        keys: Tensor | None = None,
    ) -> None:
        """Put a prompted frame into a conditioning slot of one cell; `keys` is (layers, h * w, C)."""
        if keys is not None:
            self.fixed_keys[:, row, slot] = keys.to(self.fixed.dtype)
        self.fixed[row, slot] = memory.to(self.fixed.dtype)
        self.fixed_pointers[row, slot] = pointer.to(self.fixed.dtype)
        self.fixed_frame[row, slot] = frame
        self.fixed_origin[row, slot] = origin

    def restart(self, row: int) -> None:
        """Forget everything about a cell."""
        for frames in (self.fixed_frame, self.recent_frame, self.pointer_frame):
            frames[row] = EMPTY

    def kept(self, row: int) -> Kept:
        """A copy of all that is remembered of one cell, without the keys, which follow from it."""
        names = (*KEPT, *KEPT_NOTES)
        return {name: _copy(getattr(self, name)[row]) for name in names}

    def restore(self, row: int, kept: Kept, keys_of: Callable[[Tensor], Tensor | None]) -> None:
        """Remember of one cell what was kept.

        Parameters
        ----------
        row
            Its row.
        kept
            From `kept` of a bank of the same network.
        keys_of
            Gives keys (layers, N, h * w, C) of memories (N, Cm, h, w).
        """
        self.restart(row)
        for name, values in kept.items():
            own = getattr(self, name)[row]
            slots = min(len(own), len(values))  # a bank has as many for prompted frames as the most prompted cell needs
            own[:slots] = values[:slots]
        for name, frames in (("fixed", self.fixed_frame), ("recent", self.recent_frame)):
            filled = np.flatnonzero(frames[row] != EMPTY)
            keys = keys_of(getattr(self, name)[row, filled]) if len(filled) and len(self.recent_keys) else None
            if keys is not None:
                getattr(self, f"{name}_keys")[:, row, filled] = keys.to(self.recent.dtype)

    def remember(
        self,
        rows: IntArray,
        frame: int,
        memories: Tensor,
        origins: IntArray,
        pointers: Tensor,
        keys: Tensor | None = None,
    ) -> None:
        """Write the memories (N, Cm, h, w), pointers (N, C) and keys (layers, N, h * w, C) of a frame."""
        at = _rows(rows, self.recent.device)
        if keys is not None:
            self.recent_keys[:, at, frame % self.recent.shape[1]] = keys.to(self.recent.dtype)
        self.recent[at, frame % self.recent.shape[1]] = memories.to(self.recent.dtype)
        self.recent_frame[rows, frame % self.recent.shape[1]] = frame
        self.recent_origin[rows, frame % self.recent.shape[1]] = origins
        self.pointers[at, frame % self.pointers.shape[1]] = pointers.to(self.pointers.dtype)
        self.pointer_frame[rows, frame % self.pointers.shape[1]] = frame

    def skip(self, rows: IntArray, frame: int) -> None:
        """Leave no memory of a frame (what was in its place before is gone all the same)."""
        self.recent_frame[rows, frame % self.recent.shape[1]] = EMPTY
        self.pointer_frame[rows, frame % self.pointers.shape[1]] = EMPTY

    def look(self, rows: IntArray, frame: int, step: int, origins: IntArray) -> MemoryBatch | None:
        """Gather what cells may look at on a frame.

        Parameters
        ----------
        rows
            (N,) rows of the cells.
        frame
            The frame to be tracked.
        step
            +1 forward in time, -1 backward.
        origins
            (N, 2) where the cells' windows lie on this frame.

        Returns
        -------
        MemoryBatch or None
            None where none of the cells has any memory.
        """
        fixed_ok = self.fixed_frame[rows] != EMPTY
        recents = np.array([frame - step * d for d in range(1, self.recent_frames + 1)], np.int64)
        recent_slots = recents % self.recent.shape[1]
        recent_ok = self.recent_frame[np.ix_(rows, recent_slots)] == recents
        behind = fixed_ok & ((frame - self.fixed_frame[rows]) * step >= 0)
        passed = np.array([frame - step * d for d in range(1, self.max_pointers)], np.int64)
        pointer_slots = passed % self.pointers.shape[1]
        pointer_ok = self.pointer_frame[np.ix_(rows, pointer_slots)] == passed
        if not (fixed_ok.any() or recent_ok.any()):
            return None

        # Slots that are empty for every cell of the batch are left out.
        fixed_at, recent_at = np.flatnonzero(fixed_ok.any(0)), np.flatnonzero(recent_ok.any(0))
        behind_at, passed_at = np.flatnonzero(behind.any(0)), np.flatnonzero(pointer_ok.any(0))
        device = self.recent.device
        slots = [(self.fixed, at) for at in fixed_at.tolist()]
        slots += [(self.recent, at) for at in recent_slots[recent_at].tolist()]
        tokens, some = self.recent.permute(0, 1, 3, 4, 2), _rows(rows, device)
        spatial = tokens.new_empty(len(rows), len(slots), *tokens.shape[2:]).permute(0, 1, 4, 2, 3)
        for i, (kept, at) in enumerate(slots):
            spatial[:, i] = kept[some, at]
        pointers = torch.cat(
            (_take(self.fixed_pointers, rows, behind_at), _take(self.pointers, rows, pointer_slots[passed_at])), dim=1
        )
        time = np.concatenate((np.full(len(fixed_at), self.config.memory_frames - 1), recent_at))
        origin = np.concatenate(
            (self.fixed_origin[rows][:, fixed_at], self.recent_origin[rows][:, recent_slots[recent_at]]), axis=1
        )
        valid = np.concatenate((fixed_ok[:, fixed_at], recent_ok[:, recent_at]), axis=1)
        pointer_valid = np.concatenate((behind[:, behind_at], pointer_ok[:, passed_at]), axis=1)
        distance = np.concatenate(
            (
                (frame - self.fixed_frame[rows][:, behind_at]) * step,
                np.broadcast_to(passed_at + 1, (len(rows), len(passed_at))),
            ),
            axis=1,
        )
        distance = np.where(pointer_valid, distance, 0)
        keys = None
        if len(self.recent_keys):
            parts = ((self.fixed_keys, fixed_at), (self.recent_keys, recent_slots[recent_at]))
            keys = [kept[:, some, at] for kept, of_kind in parts for at in of_kind.tolist()]
        moved = (origin != origins[:, None]).any(2) & valid

        def tensor(array: npt.NDArray[np.generic]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        return MemoryBatch(
            spatial_nmchw=spatial,
            spatial_time_nm=tensor(time).expand(len(rows), -1),
            spatial_valid_nm=tensor(valid),
            spatial_origin_nm2=tensor(origin),
            query_origin_n2=tensor(origins),
            pointers_npc=pointers,
            pointer_time_np=tensor(distance.astype(np.float32)),
            pointer_valid_np=tensor(pointer_valid),
            pointer_span=self.pointer_span,
            all_valid=bool(valid.all() and pointer_valid.all()),
            at_rest=not moved.any(),
            slot_keys=keys,
            moved_k2=tensor(np.argwhere(moved)),
        )


def _take(data: Tensor, rows: IntArray, slots: IntArray) -> Tensor:
    at, slot = torch.from_numpy(rows).to(data.device), torch.from_numpy(slots).to(data.device)
    return data[at[:, None], slot[None, :]]


def _rows(rows: IntArray, device: torch.device) -> slice | Tensor:
    """Rows as an index that copies nothing where they follow each other."""
    if np.array_equal(rows, np.arange(rows[0], rows[0] + len(rows))):
        return slice(int(rows[0]), int(rows[0]) + len(rows))
    return torch.from_numpy(rows).to(device)


def _copy(values: Any) -> Any:
    return values.clone() if isinstance(values, Tensor) else values.copy()
