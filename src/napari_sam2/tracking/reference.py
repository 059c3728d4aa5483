"""The published tracker's own way of remembering, for comparing with it.

Here every prompted frame conditions every other, all cells run over all wanted frames, what was tracked before stays
readable, and a correction starts from the memory-conditioned prediction. State is kept for every frame, so this is for
short movies and for tests only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from napari_sam2.tracking.engine import Engine
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.masks import Masks, join_masks
from napari_sam2.tracking.plan import Direction
from napari_sam2.tracking.prompts import FramePrompts, PromptBook
from napari_sam2.tracking.results import Found, FrameResult, LabelImage, merge

#: Prompted frames for which there is room at first; the bank grows when a cell has more.
CONDITIONING_SLOTS = 8


@dataclass
class CellState:
    """What the reference keeps of one cell on one frame."""

    masks: Masks
    memory: Tensor
    step: int
    conditioning: bool


class ReferenceRun:
    """Tracks as the published code does, with all prompted frames as conditioning frames.

    Parameters
    ----------
    engine
        With `Settings.reference`.
    geometry
        Of the whole frame.
    book
        The prompts; a frame is segmented when `update` first sees its prompts.
    """

    def __init__(self, engine: Engine, geometry: Geometry, book: PromptBook) -> None:
        self.engine = engine
        self.geometry = geometry
        self.book = book
        self.state: dict[tuple[int, int], CellState] = {}
        self._seen: dict[tuple[int, int], FramePrompts] = {}
        self._rows: dict[int, int] = {}
        self._slots: dict[int, dict[int, int]] = {}
        self._bank = engine.bank(geometry, 0, CONDITIONING_SLOTS)

    def update(self) -> None:
        """Segment the frames whose prompts are new, in the light of what was tracked there before."""
        for cell, frame, prompts in self.book:
            if self._seen.get((cell, frame)) != prompts:
                self._row(cell)
                self._prompt(cell, frame, prompts)
                self._seen[cell, frame] = prompts

    def track(self, frames: tuple[int, int], step: int) -> Iterator[tuple[int, list[int], Masks]]:
        """Run all cells over all frames of a range; yields the frame, the cells and their masks."""
        self.update()
        cells = self.book.cells()
        for frame in range(*frames) if step > 0 else range(frames[1] - 1, frames[0] - 1, -1):
            running = [c for c in cells if not self._is_prompted(c, frame)]
            if running:
                rows = np.array([self._row(c) for c in running])
                origins = np.zeros((len(rows), 2), np.int64)
                masks, _ = self.engine.from_memory(self.geometry, frame, step, self._bank, rows, origins)
                memories = self.engine.memories(self.geometry, frame, masks, prompted=False)
                self._bank.remember(rows, frame, memories, origins, masks.pointers_nc)
                for i, cell in enumerate(running):
                    self.state[cell, frame] = CellState(masks.row(i), memories[i], step, False)
            yield frame, cells, join_masks([self.state[c, frame].masks for c in cells])

    def results(
        self,
        direction: Direction,
        frames: tuple[int, int],
        read: Callable[[int], LabelImage],
        locked: Callable[[int], frozenset[int]],
    ) -> Iterator[FrameResult]:
        """Run in one direction, or in both one after the other, and merge the masks into the frames' present labels."""
        for step in {"forward": (1,), "backward": (-1,), "both": (1, -1)}[direction]:
            for frame, cells, masks in self.track(frames, step):
                said = {cell: self.book[cell, frame] for cell in cells if (cell, frame) in self.book}
                found = Found(self.geometry, cells, masks, said)
                yield merge(frame, [found], read(frame), locked(frame), clean=False)

    def _is_prompted(self, cell: int, frame: int) -> bool:
        """Whether a frame is taken as it is; the published default tracks over a correction again."""
        state = self.state.get((cell, frame))
        return state is not None and state.conditioning

    def _row(self, cell: int) -> int:
        if cell not in self._rows:
            self._rows[cell] = len(self._rows)
            self._grow()
        return self._rows[cell]

    def _slot(self, cell: int, frame: int) -> int:
        """Conditioning slot of a prompted frame: its own for good, whatever is prompted before or after it."""
        slots = self._slots.setdefault(cell, {})
        slot = slots.setdefault(frame, len(slots))
        if slot >= self._bank.fixed_frame.shape[1]:
            self._grow()
        return slot

    def _grow(self) -> None:
        """Make room for all cells and for all conditioning frames that there are by now."""
        known, slots = self._bank, self._bank.fixed_frame.shape[1]
        while slots < max(map(len, self._slots.values()), default=0):
            slots *= 2
        self._bank = self.engine.bank(self.geometry, len(self._rows), slots)
        for row in range(len(known.fixed_frame)):
            self._bank.restore(row, known.kept(row), self.engine.keys)

    def _prompt(self, cell: int, frame: int, prompts: FramePrompts) -> None:
        row, origin = self._rows[cell], np.zeros((1, 2), np.int64)
        tracked = self.state.get((cell, frame))
        if tracked is None or tracked.conditioning:
            masks = self.engine.from_prompts(self.geometry, frame, [prompts])
            step = 1
        else:
            step = tracked.step
            _, conditioned = self.engine.from_memory(self.geometry, frame, step, self._bank, np.array([row]), origin)
            masks = self.engine.from_prompts(self.geometry, frame, [prompts], tracked.masks, conditioned)
        memory = self.engine.memories(self.geometry, frame, masks, prompted=True)[0]
        correction = tracked is not None and not tracked.conditioning
        conditioning = self.engine.settings.corrections_condition or not correction
        if conditioning:
            slot = self._slot(cell, frame)
            self._bank.condition(row, slot, frame, memory, origin[0], masks.pointers_nc[0])
            self._bank.skip(np.array([row]), frame)
        else:
            self._bank.remember(np.array([row]), frame, memory[None], origin, masks.pointers_nc)
        self.state[cell, frame] = CellState(masks, memory, step, conditioning)
