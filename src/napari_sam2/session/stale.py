"""Which frames of a cell no longer fit what was said about it: exactly known, because tracking is.

A mask on a prompted frame depends on what was said there; a mask between two prompted frames on those two, on which of
them it was tracked from, and on the settings. The table keeps, for every cell and frame, a digest of just that
(``made``). A frame is stale where the digest is not one of the two that the present prompts would give.

A locked frame counts as a prompt: its pixels are the mask prompt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.session.document import Document
from napari_sam2.session.encode import digest, prompts_digest
from napari_sam2.session.table import GIVEN
from napari_sam2.tracking.prompts import FramePrompts, MaskCrop, PromptBook

if TYPE_CHECKING:
    from napari_sam2.session.change import Change

BoolFrames = npt.NDArray[np.bool_]
CONTEXT = ("cell_diameter", "limits", "mode", "settings")
"""Settings that masks depend on, besides the weights."""


@dataclass(frozen=True)
class Anchor:
    """A frame that the frames around it are tracked from: a prompted or a locked one."""

    prompts: FramePrompts
    digest: int
    locked: bool


@dataclass(frozen=True)
class Staleness:
    """Frames of one cell: (T,) bool each.

    Parameters
    ----------
    stale
        They were tracked from prompts that have changed since.
    untracked
        They were never tracked, and could be.
    """

    stale: BoolFrames
    untracked: BoolFrames


class Stale:
    """Knows what is stale in a document.

    Parameters
    ----------
    document
        The document.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self._masks: dict[int, dict[int, MaskCrop]] = {}
        self._context: tuple[list[object], int] | None = None

    def forget(self, cells: Iterable[int]) -> None:
        """The pixels of some cells may have changed."""
        for cell in cells:
            self._masks.pop(cell, None)

    def context(self) -> int:
        """A number that stands for the weights and the settings that masks depend on."""
        meta = self.document.meta
        depends = [meta["model"].get("hash") or meta["model"]["name"], *(meta.get(key) for key in CONTEXT)]
        if self._context is None or self._context[0] != depends:
            self._context = (depends, digest(*(repr(value) for value in depends)))
        return self._context[1]

    def anchors(self, cell: int) -> dict[int, Anchor]:
        """Frames that others are tracked from, in ascending order."""
        document = self.document
        record = document.cell(cell)
        first, stop = record.life(document.frames)
        row = document.table.row(record.row)
        locked = (row["locked"] > 0) & (row["area"] > 0)
        found = {
            t: self._prompted(said.prompts, record.level)
            for t, said in document.prompts_of(cell).items()
            if first <= t < stop and not locked[t]
        }
        # inside a run of locked frames nothing is tracked: its ends are enough
        edges = np.diff(np.concatenate(([0], locked.astype(np.int8), [0])))
        ends = {*np.flatnonzero(edges == 1).tolist(), *(np.flatnonzero(edges == -1) - 1).tolist()}
        for t in ends:
            prompts = FramePrompts(mask=self._mask(cell, t))
            found[t] = Anchor(prompts, prompts_digest(prompts), True)
        return dict(sorted(found.items()))

    def expected(self, cell: int, anchors: dict[int, Anchor] | None = None) -> list[tuple[int, int, tuple[int, ...]]]:
        """Frame ranges of a cell's life with the digests that their pixels may have: (first, stop, digests)."""
        anchors = self.anchors(cell) if anchors is None else anchors
        if not anchors:
            return []
        first, stop = self.document.cell(cell).life(self.document.frames)
        frames = list(anchors)
        out: list[tuple[int, int, tuple[int, ...]]] = []

        def between(start: int, other: int | None, step: int) -> int:
            pair = tuple(t for t in (start, other) if t is not None)
            return self.segment_digest(cell, pair, step, anchors)

        for before, at, after in zip([None, *frames[:-1]], frames, [*frames[1:], None], strict=True):
            if before is None and first < at:
                out.append((first, at, (between(at, None, -1),)))
            out.append((at, at + 1, (anchors[at].digest,)))
            if after is None and at + 1 < stop:
                out.append((at + 1, stop, (between(at, None, 1),)))
            elif after is not None and after > at + 1:
                out.append((at + 1, after, (between(at, after, 1), between(after, at, -1))))
        return out

    def segment_digest(self, cell: int, conditioning: tuple[int, ...], step: int, anchors: dict[int, Anchor]) -> int:
        """Digest of the frames of a segment that is tracked from ``conditioning[0]``."""
        level = self.document.cells[cell].level
        return digest(self.context(), level, step, *[(t, anchors[t].digest) for t in conditioning])

    def of(self, cell: int, anchors: dict[int, Anchor] | None = None) -> Staleness:
        """What is stale, and what was never tracked, of a cell."""
        document = self.document
        record = document.cell(cell)
        row = document.table.row(record.row)
        made, free = row["made"], row["locked"] == 0
        fits = made == 0
        could = np.zeros(document.frames, bool)
        ranges = self.expected(cell, anchors)
        for first, stop, digests in ranges:
            part = slice(first, stop)
            for one in digests:
                fits[part] |= made[part] == np.uint64(one)
            could[part] = True
        if not ranges:
            fits |= made == GIVEN
        return Staleness(free & ~fits, free & could & (made == 0))

    def accept(self, change: Change, cell: int, frames: BoolFrames | None = None) -> None:
        """Have the pixels of a cell count as made from its present prompts: an edit has put them in order.

        Parameters
        ----------
        change
            The change that the edit is part of.
        cell
            The cell.
        frames
            (T,) which frames; all that have been tracked or given when None.
        """
        document = self.document
        self.forget([cell])
        first, stop = 0, document.frames
        block = document.table.block([document.cell(cell).row], first, stop)
        made = block["made"][0]
        which = (made != 0) if frames is None else (made != 0) & frames
        made[which] = GIVEN
        for start, end, digests in self.expected(cell):
            part = made[start:end]
            part[which[start:end]] = digests[0]
        change.rows([cell], first, block)

    def fill(self, book: PromptBook, cells: Iterable[int]) -> dict[int, dict[int, Anchor]]:
        """Bring a tracker's prompts up to date; returns the anchors of the cells."""
        wanted = {cell: self.anchors(cell) for cell in cells}
        for cell in book.cells():
            for frame in book.frames_of(cell):
                if frame not in wanted.get(cell, ()):
                    book.remove(cell, frame)
        for cell, anchors in wanted.items():
            for frame, anchor in anchors.items():
                book.put(cell, frame, anchor.prompts)
        return wanted

    def _prompted(self, prompts: FramePrompts, level: int | None) -> Anchor:
        own = prompts_digest(prompts)
        drawn = prompts.mask is not None and not prompts.rounds  # taken as it is, whatever the settings
        return Anchor(prompts, own if drawn else digest(self.context(), level, own), False)

    def _mask(self, cell: int, frame: int) -> MaskCrop:
        known = self._masks.setdefault(cell, {})
        if frame not in known:
            known[frame] = MaskCrop.of(self.document.labels.read(frame) == cell)
        return known[frame]
