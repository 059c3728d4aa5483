"""Which frames of a cell no longer fit what was said about it: exactly known, because tracking is.

A mask on a prompted frame depends on what was said there; a mask between two prompted frames on those two, on which of
them it was tracked from, and on the settings. The table keeps, for every cell and frame, a digest of just that
(``made``). A frame is stale where the digest is not one of the two that the present prompts would give.

A locked frame counts as a prompt: its pixels are the mask prompt.

Where a cell gave an object to another one, its digest is mixed with one of what the other was made from (`gave_way`):
the frame fits for as long as both are as they were, and comes back when a mistaken click on it has been corrected.
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


def gave_way(own: int, winner: int, theirs: int) -> int:
    """Digest of a frame on which a cell gave way to another one.

    Parameters
    ----------
    own
        Digest of what the cell would be made from.
    winner
        The other cell. Who knows `own` can read it from the result, and need not look for it among all cells.
    theirs
        Digest of what the other one is made from there.
    """
    return own ^ (winner << 32 | digest("gave way", winner, theirs) & 0xFFFFFFFF)


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
            for value in set(made[part][~fits[part]].tolist()) - {GIVEN}:
                for one in digests:
                    fits[part] |= (made[part] == np.uint64(value)) & self._gave_way(value, one)[part]
            could[part] = True
        if not ranges:
            fits |= made == GIVEN
        return Staleness(free & ~fits, free & could & (made == 0))

    def own(self, cell: int, frame: int) -> int | None:
        """Digest of a cell's own prompts that a frame is made from, whoever it gave way to; None where it is stale."""
        made = int(self.document.table.row(self.document.cell(cell).row)["made"][frame])
        for first, stop, digests in self.expected(cell):
            if first <= frame < stop:
                fitting = (one for one in digests if made == one or self._gave_way(made, one)[frame])
                return next(fitting, None)
        return None

    def winners(self, cell: int, anchors: dict[int, Anchor] | None = None) -> npt.NDArray[np.int64]:
        """Cells that a cell gave way to when it was tracked from its present prompts, (T,); 0 for none."""
        document = self.document
        made = document.table.row(document.cell(cell).row)["made"]
        found = np.zeros(document.frames, np.int64)
        for first, stop, digests in self.expected(cell, anchors):
            for value in set(made[first:stop].tolist()).difference(digests, (0, GIVEN)):
                there = next((w for one in digests if (w := (value ^ one) >> 32) in document.cells), 0)
                found[first:stop][made[first:stop] == np.uint64(value)] = there
        return found

    def standing(self, winner: int, frame: int) -> int | None:
        """What a cell that another one gave way to is made from on a frame; None where it is just left over there."""
        row = self.document.table.row(self.document.cell(winner).row)[frame]
        own = self.own(winner, frame)
        # a stale one will be another when it is tracked again; a locked one is what it is
        stays = row["locked"] or row["made"] == GIVEN or any(a <= frame < b for a, b, _ in self.expected(winner))
        return int(row["made"]) if own is None and stays else own

    def _gave_way(self, made: int, own: int) -> BoolFrames:
        """Frames (T,) on which a cell that gave way there has `made`, if its own digest is `own`."""
        document, winner = self.document, (made ^ own) >> 32
        found = np.zeros(document.frames, bool)
        if winner not in document.cells:
            return found
        ranges = self.expected(winner) or [(0, document.frames, (GIVEN,))]
        for first, stop, digests in ranges:
            found[first:stop] = any(made == gave_way(own, winner, theirs) for theirs in digests)
        return found | (document.table.row(document.cells[winner].row)["locked"] > 0)

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
