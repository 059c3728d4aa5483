"""Tracking through time: one pass over the frames in one direction, all live cells of a frame together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from napari_sam2.tracking.anchors import Anchor, Anchors
from napari_sam2.tracking.guard import Guard
from napari_sam2.tracking.masks import Masks, join_masks
from napari_sam2.tracking.parts import keep_parts, shift_masks
from napari_sam2.tracking.plan import Segment
from napari_sam2.tracking.resample import LOGITS_PER_TOKEN
from napari_sam2.tracking.results import Found, FrameResult, LabelImage, merge
from napari_sam2.tracking.search import Search

IntArray = npt.NDArray[np.int64]


class Trail:
    """The cells of one field scale on their way through a pass.

    Parameters
    ----------
    anchors
        Prompted frames, with the engine and the field.
    segments
        What is to be tracked, all of one step.
    """

    def __init__(self, anchors: Anchors, segments: Sequence[Segment]) -> None:
        self.anchors = anchors
        self.engine = anchors.engine
        self.geometry = anchors.geometry
        self.step = segments[0].step
        self._row_of = {segment: row for row, segment in enumerate(segments)}
        self._starting: dict[int, list[Segment]] = {}
        for segment in segments:
            self._starting.setdefault(segment.start, []).append(segment)
        slots = max(len(segment.conditioning) for segment in segments)
        self._bank = self.engine.bank(self.geometry, len(segments), slots)
        self._centres = np.zeros((len(segments), 2))
        self._origins = np.zeros((len(segments), 2), np.int64)
        high, wide = self.geometry.window_tokens
        self._seen = np.zeros((len(segments), high * LOGITS_PER_TOKEN, wide * LOGITS_PER_TOKEN), bool)
        self._seen_origin = np.zeros((len(segments), 2), np.int64)
        self._guard = Guard(len(segments), self.engine.settings)
        self._search = Search(len(segments), self.engine.settings)
        self._active: list[Segment] = []

    def advance(self, frame: int) -> Found | None:
        """Track the live cells on a frame; None if there are none."""
        self._active = [s for s in self._active if s.covers(frame)]
        if not self._active:
            return None
        rows = np.array([self._row_of[s] for s in self._active])
        slack = self.engine.settings.window_slack
        self._origins[rows] = self.geometry.keep_windows(self._origins[rows], self._centres[rows], slack)
        self.engine.features.prepare(self.geometry, frame, self._origins[rows])
        if any(s.covers(frame + self.step) for s in self._active):  # read it while this one is tracked
            self.engine.features.pixels.read_ahead(frame + self.step)
        masks = self._look(frame, rows, self._origins[rows])
        masks = self._search.again(masks, rows, self.geometry, lambda at, where: self._look(frame, at, where))
        if self.engine.settings.tidy:
            self._drop_strays(masks, rows)
        self._origins[rows] = masks.origins
        centres = masks.centres(self._centres[rows])
        doubts = self._guard.judge(rows, masks, centres)
        memories = self.engine.memories(self.geometry, frame, masks, prompted=False)
        sure = np.array([i for i in range(len(rows)) if i not in doubts], np.int64)
        unsure = np.array(sorted(doubts), np.int64)
        if len(sure):
            kept = memories[sure]
            self._bank.remember(
                rows[sure], frame, kept, masks.origins[sure], masks.pointers_nc[sure], self.engine.keys(kept)
            )
        if len(unsure):
            self._bank.skip(rows[unsure], frame)
        self._centres[rows] = centres
        cells = [s.cell for s in self._active]
        ages = [min(abs(frame - at) for at in s.conditioning) for s in self._active]
        return Found(self.geometry, cells, masks, suspects={cells[i]: why for i, why in doubts.items()}, ages=ages)

    def begin(self, frame: int) -> Found | None:
        """Start the segments whose prompted frame this is; None if there are none."""
        segments = self._starting.get(frame, [])
        if not segments:
            return None
        wanted = [(s.cell, at) for s in segments for at in s.conditioning]
        known = dict(zip(wanted, self.anchors.get(wanted), strict=True))
        for segment in segments:
            self._load(segment, [known[segment.cell, at] for at in segment.conditioning])
        self._active += [s for s in segments if s.last != s.start]
        cells = [s.cell for s in segments]
        masks = join_masks([known[s.cell, frame].masks for s in segments])
        return Found(self.geometry, cells, masks, {cell: self.anchors.book[cell, frame] for cell in cells})

    def _drop_strays(self, masks: Masks, rows: IntArray) -> None:
        """Keep the parts of masks that lie where the cells were, and remember where they are now."""
        places = shift_masks(self._seen[rows], self._seen_origin[rows], masks.origins)
        masks.logits_nhw = keep_parts(masks.logits_nhw, places)
        positive = (masks.logits_nhw > 0).cpu().numpy()
        found = positive.any((1, 2))
        self._seen[rows[found]] = positive[found]
        self._seen_origin[rows[found]] = masks.origins[found]

    def _look(self, frame: int, rows: IntArray, origins: IntArray) -> Masks:
        return self.engine.from_memory(self.geometry, frame, self.step, self._bank, rows, origins)[0]

    def _load(self, segment: Segment, anchors: list[Anchor]) -> None:
        """Put the prompted frames of a segment into its cell's conditioning slots."""
        row = self._row_of[segment]
        self._bank.restart(row)
        for slot, (frame, anchor) in enumerate(zip(segment.conditioning, anchors, strict=True)):
            masks = anchor.masks
            self._bank.condition(row, slot, frame, anchor.memory, masks.origins[0], masks.pointers_nc[0], anchor.keys)
        self._centres[row] = anchors[0].centre
        self._origins[row] = anchors[0].masks.origins[0]
        self._seen[row] = (anchors[0].masks.logits_nhw[0] > 0).cpu().numpy()
        self._seen_origin[row] = self._origins[row]
        self._guard.start(row, anchors[0].masks, anchors[0].centre)
        self._search.start(row)


def run_pass(
    trails: Sequence[tuple[Anchors, Sequence[Segment]]],
    frames: tuple[int, int],
    read: Callable[[int], LabelImage],
    locked: Callable[[int], frozenset[int]],
    already: Mapping[int, frozenset[int]],
    held: Callable[[int], Iterable[int]] = lambda frame: (),
) -> Iterator[FrameResult]:
    """Track segments of one direction through time.

    Parameters
    ----------
    trails
        For each field scale its prompted frames and segments; all segments of one step.
    frames
        (first, one past the last) frame to be written; what lies before is computed only to get there.
    read
        Gives a copy of a frame's present labels.
    locked
        Cells that must not change on a frame.
    already
        Prompted cells, by frame, that another pass has written.
    held
        Cells that are not to be written on a frame, but can lose pixels there.

    Yields
    ------
    FrameResult
        Frame by frame, in the order of tracking. Stopping in between loses nothing.
    """
    segments = [s for _, part in trails for s in part]
    if not segments:
        return
    walking = [Trail(anchors, part) for anchors, part in trails if part]
    clean = walking[0].engine.settings.tidy
    starts, ends = [s.start for s in segments], [s.last for s in segments]
    forward = segments[0].step > 0
    order = range(min(starts), max(ends) + 1) if forward else range(max(starts), min(ends) - 1, -1)
    for frame in order:
        found = []
        for trail in walking:
            found += [trail.advance(frame), trail.begin(frame)]
        done = already.get(frame, frozenset())
        fresh = [f for f in found if f is not None and not (f.prompts and done.issuperset(f.cells))]
        if fresh and frames[0] <= frame < frames[1]:
            yield merge(frame, fresh, read(frame), locked(frame), clean, frozenset(held(frame)))
