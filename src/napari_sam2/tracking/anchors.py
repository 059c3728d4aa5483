"""Prompted frames of cells, segmented and ready to be remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_sam2.tracking.engine import Engine
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.masks import Masks
from napari_sam2.tracking.outline import level_of
from napari_sam2.tracking.prompts import FramePrompts, PromptBook


@dataclass
class Anchor:
    """A prompted frame of one cell.

    Parameters
    ----------
    prompts
        What was said.
    masks
        The mask it gave, a batch of one.
    memory
        (Cm, h, w).
    keys
        (layers, h * w, C) of the memory, where the bank keeps keys.
    centre
        (y, x) of the mask in model pixels.
    level
        Level of the logits at which frames tracked from here are cut (`outline.level_of`); None while nobody has asked.
    """

    prompts: FramePrompts
    masks: Masks
    memory: Tensor
    keys: Tensor | None
    centre: npt.NDArray[np.float64]
    level: float | None = None


class Anchors:
    """Masks and memories of prompted frames, computed once for as long as the prompts stay as they are.

    Parameters
    ----------
    engine, geometry
        What computes them.
    book
        The prompts.
    """

    def __init__(self, engine: Engine, geometry: Geometry, book: PromptBook) -> None:
        self.engine = engine
        self.geometry = geometry
        self.book = book
        self._known: dict[tuple[int, int], Anchor] = {}

    def get(self, wanted: Sequence[tuple[int, int]]) -> list[Anchor]:
        """Return the anchors of (cell, frame) pairs; missing ones are computed in batches of a frame's cells."""
        self._forget()
        missing: dict[int, list[int]] = {}
        for cell, frame in dict.fromkeys(wanted):
            if (cell, frame) not in self._known:
                missing.setdefault(frame, []).append(cell)
        for frame, cells in missing.items():
            self._compute(frame, cells)
        return [self._known[key] for key in wanted]

    def levels(self, wanted: Sequence[tuple[int, int]]) -> list[float]:
        """Return the levels at which frames tracked from (cell, frame) pairs are cut: 0 where no outline was told."""
        anchors = dict(zip(wanted, self.get(wanted), strict=True))
        missing: dict[int, list[Anchor]] = {}
        for (_, frame), anchor in anchors.items():
            if anchor.level is None and anchor.prompts.outlined and self.engine.settings.outlines:
                missing.setdefault(frame, []).append(anchor)
        for frame, some in missing.items():
            size = max(1, self.engine.chunk)  # cells that are imported by the thousand have a bank of few at a time
            for part in (some[at : at + size] for at in range(0, len(some), size)):
                found = level_of(self._tracked(frame, part), torch.cat([anchor.masks.logits_nhw for anchor in part]))
                for anchor, level in zip(part, found.tolist(), strict=True):
                    anchor.level = level
        return [anchors[key].level or 0.0 for key in wanted]

    def _tracked(self, frame: int, anchors: Sequence[Anchor]) -> Tensor:
        """Logits (N, 4h, 4w) of anchors of a frame, tracked on it from nothing but their own memories."""
        bank, rows = self.engine.bank(self.geometry, len(anchors), 1), np.arange(len(anchors))
        for row, anchor in enumerate(anchors):
            masks = anchor.masks
            bank.condition(row, 0, frame, anchor.memory, masks.origins[0], masks.pointers_nc[0], anchor.keys)
        origins = np.concatenate([anchor.masks.origins for anchor in anchors])
        return self.engine.from_memory(self.geometry, frame, 1, bank, rows, origins)[0].logits_nhw

    def _forget(self) -> None:
        """Drop what was computed from prompts that are no longer said: it lies on the device."""
        gone = [key for key, anchor in self._known.items() if self.book[key] != anchor.prompts]
        for key in gone:
            del self._known[key]

    def _compute(self, frame: int, cells: list[int]) -> None:
        prompts = [self.book[cell, frame] for cell in cells]
        masks = self.engine.from_prompts(self.geometry, frame, prompts)
        memories = self.engine.memories(self.geometry, frame, masks, prompted=True)
        keys = self.engine.keys(memories)
        fallback = self.geometry.to_model([p.anchor() for p in prompts])
        centres = masks.centres(fallback)
        for i, cell in enumerate(cells):
            own = None if keys is None else keys[:, i]
            self._known[cell, frame] = Anchor(prompts[i], masks.row(i), memories[i], own, centres[i])
