"""Tracking through time: one pass over the frames in one direction, all live cells of a frame together."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Set
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from napari_sam2.tracking.anchors import Anchor, Anchors
from napari_sam2.tracking.done import Before
from napari_sam2.tracking.guard import Guard
from napari_sam2.tracking.masks import Masks, join_masks
from napari_sam2.tracking.outline import cut_at, faded
from napari_sam2.tracking.parking import Parked, Parking
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
    parked
        Those of them that go on from where an interrupted pass left them.
    """

    def __init__(
        self, anchors: Anchors, segments: Sequence[Segment], parked: Mapping[Segment, Parked] | None = None
    ) -> None:
        self.anchors = anchors
        self.engine = anchors.engine
        self.geometry = anchors.geometry
        self.step = segments[0].step
        self._row_of = {segment: row for row, segment in enumerate(segments)}
        self._starting: dict[int, list[Segment]] = {}
        self._parked = {s: parked[s] for s in segments if s in parked} if parked else {}
        for segment in segments:
            if segment not in self._parked:
                self._starting.setdefault(segment.start, []).append(segment)
        slots = max(len(segment.conditioning) for segment in segments)
        self._bank = self.engine.bank(self.geometry, len(segments), slots)
        self._centres = np.zeros((len(segments), 2))
        self._origins = np.zeros((len(segments), 2), np.int64)
        high, wide = self.geometry.window_tokens
        self._seen = np.zeros((len(segments), high * LOGITS_PER_TOKEN, wide * LOGITS_PER_TOKEN), bool)
        self._seen_origin = np.zeros((len(segments), 2), np.int64)
        self._levels, self._told = np.zeros(len(segments)), np.zeros(len(segments), np.int64)
        self._guard = Guard(len(segments), self.engine.settings)
        self._search = Search(len(segments), self.engine.settings)
        self._active: list[Segment] = []
        self._last: tuple[int, list[Segment], Found] | None = None
        self._resumed: tuple[int, list[Segment], Found] | None = None

    @property
    def begins(self) -> list[int]:
        """Frames on which cells begin, or go on."""
        return [*self._starting, *(parked.frame for parked in self._parked.values())]

    def advance(self, frame: int, present: Callable[[], LabelImage]) -> Found | None:
        """Track the live cells on a frame whose labels are `present`; None if there are none."""
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
        masks = self._search.again(
            masks, rows, self.geometry, lambda at, where: self._look(frame, at, where), lambda: self._others(present())
        )
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
        found = Found(self.geometry, cells, masks, suspects={cells[i]: why for i, why in doubts.items()}, ages=ages)
        self._last = frame, list(self._active), found
        return found

    def begin(self, frame: int) -> Found | None:
        """Start the segments whose prompted frame this is; None if there are none."""
        segments = self._starting.get(frame, [])
        if not segments:
            return None
        wanted = [(s.cell, at) for s in segments for at in s.conditioning]
        known = dict(zip(wanted, self.anchors.get(wanted), strict=True))
        for segment in segments:
            self._load(segment, [known[segment.cell, at] for at in segment.conditioning])
        going_on = [s for s in segments if s.last != s.start]
        rows = [self._row_of[s] for s in going_on]
        self._levels[rows], self._told[rows] = self.anchors.levels([(s.cell, frame) for s in going_on]), frame
        self._active += going_on
        cells = [s.cell for s in segments]
        masks = join_masks([known[s.cell, frame].masks for s in segments])
        return Found(self.geometry, cells, masks, {cell: self.anchors.book[cell, frame] for cell in cells})

    def resume(self, frame: int) -> Found | None:
        """Take up the cells that were left on this frame, with what was found there; None if there are none."""
        segments = [s for s, parked in self._parked.items() if parked.frame == frame]
        if not segments:
            return None
        taken = [self._parked.pop(s) for s in segments]
        for segment, parked in zip(segments, taken, strict=True):
            row = self._row_of[segment]
            self._bank.restore(row, parked.memory, self.engine.keys)
            for name, values in self._state().items():
                values[row] = parked.state[name]
        found = Found(
            self.geometry,
            [s.cell for s in segments],
            join_masks([parked.masks for parked in taken]),
            suspects={s.cell: parked.suspect for s, parked in zip(segments, taken, strict=True) if parked.suspect},
            ages=[parked.age for parked in taken],
        )
        self._resumed = frame, segments, found
        self._active += segments
        return found

    def park(self, frame: int, displaced: Set[tuple[int, int]]) -> Iterator[tuple[Segment, Parked]]:
        """Where cells stand that have been tracked on this frame, and those that have not been taken up yet."""
        yield from self._parked.items()
        for last in (self._last, self._resumed):
            if last is None or last[0] != frame:
                continue
            _, segments, found = last
            for i, segment in enumerate(segments):
                row = self._row_of[segment]
                yield (
                    segment,
                    Parked(
                        frame,
                        found.masks.row(i),
                        found.suspects.get(segment.cell, ""),
                        found.ages[i] if found.ages is not None else 0,
                        self._bank.kept(row),
                        {name: values[row].copy() for name, values in self._state().items()},
                        frozenset(loser for winner, loser in displaced if winner == segment.cell),
                    ),
                )

    def _state(self) -> dict[str, npt.NDArray[np.generic]]:
        """What is known of cells besides their memories, a row for each, by name."""
        known = {"centre": self._centres, "origin": self._origins, "seen": self._seen, "seen at": self._seen_origin}
        known |= {"level": self._levels, "told": self._told}
        judged = {f"guard {name}": values for name, values in self._guard.state().items()}
        return {**known, **judged, **{f"search {name}": values for name, values in self._search.state().items()}}

    def _drop_strays(self, masks: Masks, rows: IntArray) -> None:
        """Keep the parts of masks that lie where the cells were, and remember where they are now."""
        places = shift_masks(self._seen[rows], self._seen_origin[rows], masks.origins)
        masks.logits_nhw = keep_parts(masks.logits_nhw, places)
        positive = (masks.logits_nhw > 0).cpu().numpy()
        found = positive.any((1, 2))
        self._seen[rows[found]] = positive[found]
        self._seen_origin[rows[found]] = masks.origins[found]

    def _others(self, labels: LabelImage) -> npt.NDArray[np.bool_]:
        """Pixels (Y, X) of cells that are not on their way here: where those are was found on this frame."""
        return (labels != 0) & ~np.isin(labels, [s.cell for s in self._active])

    def _look(self, frame: int, rows: IntArray, origins: IntArray) -> Masks:
        masks = self.engine.from_memory(self.geometry, frame, self.step, self._bank, rows, origins)[0]
        levels = faded(self._levels[rows], np.abs(frame - self._told[rows]))
        if levels.any():
            masks.logits_nhw = cut_at(masks.logits_nhw, torch.from_numpy(levels).to(masks.logits_nhw))
        return masks

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
    parking: Parking | None = None,
    displaced: dict[int, Set[tuple[int, int]]] | None = None,
    later: Sequence[Segment] = (),
    before: Before | None = None,
) -> Generator[FrameResult, None, None]:
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
    parking
        Has where cells were left by a pass that was interrupted, and keeps where this one leaves them.
    displaced
        Which cells gave an object to which (`arbitrate.settle_with_present`), by frame; other passes may go on with it.
    later
        What the next pass tracks: pixels that are there of it are not what is to be there.
    before
        What is known of the labels as they are.

    Yields
    ------
    FrameResult
        Frame by frame, in the order of tracking. Stopping in between loses nothing.
    """
    segments = [s for _, part in trails for s in part]
    if not segments:
        return
    parked = parking.take(segments, held) if parking is not None else {}
    signed = parking.sign(segments) if parking is not None else {}
    displaced, before = {} if displaced is None else displaced, before or Before()
    for segment, known in parked.items():  # on the frame where it stands, which is painted once more, and on the next
        pairs = {(segment.cell, loser) for loser in known.displaced}
        for at in (known.frame - segment.step, known.frame) if pairs else ():
            displaced[at] = displaced.get(at, frozenset()) | pairs
    walking = [Trail(anchors, part, parked) for anchors, part in trails if part]
    clean = walking[0].engine.settings.tidy
    starts, ends = [frame for trail in walking for frame in trail.begins], [s.last for s in segments]
    forward = segments[0].step > 0
    order = range(min(starts), max(ends) + 1) if forward else range(max(starts), min(ends) - 1, -1)

    def replaced(frame: int) -> frozenset[int]:
        return frozenset(
            {s.cell for s in later if s.covers(frame)}.difference(held(frame)).union(before.leftovers(frame))
        )

    def present(frame: int) -> LabelImage:
        labels = read(frame)
        labels[np.isin(labels, list(replaced(frame)))] = 0
        return labels

    for frame in order:
        found = []
        for trail in walking:
            found += [trail.advance(frame, partial(present, frame)), trail.resume(frame), trail.begin(frame)]
        done = already.get(frame, frozenset())
        fresh = [f for f in found if f is not None and not (f.prompts and done.issuperset(f.cells))]
        if fresh and frames[0] <= frame < frames[1]:
            going_on = displaced.get(frame - segments[0].step, frozenset()) | before.gave_way.get(frame, frozenset())
            here = set(walking[0].anchors.book.on_frame(frame))
            keep, old = frozenset(held(frame)), replaced(frame)
            result = merge(frame, fresh, read(frame), locked(frame), clean, keep, here.__contains__, going_on, old)
            if result.displaced:
                displaced[frame] = result.displaced | displaced.get(frame, frozenset())
            try:
                yield result
            except GeneratorExit:
                if parking is not None and not sys.is_finalizing():  # then nobody goes on, and tensors cannot be made
                    here_displaced = displaced.get(frame, frozenset())
                    parking.keep((entry for trail in walking for entry in trail.park(frame, here_displaced)), signed)
                raise
