"""Tracking through time: one pass over the frames in one direction, all live cells of a frame together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from torch import Tensor

from napari_sam2.tracking.arbitrate import Claims, paint
from napari_sam2.tracking.engine import Engine, Masks, join_masks
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.memory import MemoryBank
from napari_sam2.tracking.plan import Segment
from napari_sam2.tracking.prompts import FramePrompts, PromptBook
from napari_sam2.tracking.resample import logits_to_crops

LabelImage = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.int64]


@dataclass
class FrameResult:
    """What tracking found on one frame.

    Parameters
    ----------
    frame
        Frame number.
    labels
        (Y, X) int32 label image of the frame, all cells.
    scores
        Object score (probability that the cell is there, 0..1) of each cell computed on this frame.
    ious
        Predicted IoU of each of their masks, 0..1.
    areas
        Pixels of each of them in `labels`.
    prompted
        Cells whose mask on this frame comes from their prompts rather than from memory.
    """

    frame: int
    labels: LabelImage
    scores: dict[int, float] = field(default_factory=dict)
    ious: dict[int, float] = field(default_factory=dict)
    areas: dict[int, int] = field(default_factory=dict)
    prompted: frozenset[int] = frozenset()


@dataclass
class Anchor:
    """A prompted frame of one cell, ready to be remembered."""

    prompts: FramePrompts
    origin: IntArray
    masks: Masks
    memory: Tensor
    centre: npt.NDArray[np.float64]


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
        missing: dict[int, list[int]] = {}
        for cell, frame in dict.fromkeys(wanted):
            known = self._known.get((cell, frame))
            if known is None or known.prompts != self.book[cell, frame]:
                missing.setdefault(frame, []).append(cell)
        for frame, cells in missing.items():
            self._compute(frame, cells)
        return [self._known[key] for key in wanted]

    def _compute(self, frame: int, cells: list[int]) -> None:
        prompts = [self.book[cell, frame] for cell in cells]
        masks = self.engine.from_prompts(self.geometry, frame, prompts)
        memories = self.engine.memories(self.geometry, frame, masks, prompted=True)
        anchors = self.geometry.to_model([p.anchor() for p in prompts])
        centres = self.engine.centres(self.geometry, masks, anchors)
        for i, cell in enumerate(cells):
            self._known[cell, frame] = Anchor(prompts[i], masks.origins[i], masks.row(i), memories[i], centres[i])


def run_pass(
    engine: Engine,
    geometry: Geometry,
    anchors: Anchors,
    segments: Sequence[Segment],
    frames: tuple[int, int],
    read: Callable[[int], LabelImage],
    locked: Callable[[int], frozenset[int]],
    write_prompted: bool = True,
) -> Iterator[FrameResult]:
    """Track segments of one direction through time.

    Parameters
    ----------
    engine, geometry, anchors
        The network, the field, the prompted frames.
    segments
        All of one step.
    frames
        (first, one past the last) frame to be written; what lies before is computed only to get there.
    read
        Gives a copy of a frame's present labels.
    locked
        Cells that must not change on a frame.
    write_prompted
        Whether prompted frames are results too (a second pass over them need not repeat them).

    Yields
    ------
    FrameResult
        Frame by frame, in the order of tracking. Stopping in between loses nothing.
    """
    if not segments:
        return
    step = segments[0].step
    row_of = {segment: row for row, segment in enumerate(segments)}
    slots = max(len(segment.conditioning) for segment in segments)
    bank = engine.bank(geometry, len(segments), slots)
    centres = np.zeros((len(segments), 2))
    origins = np.zeros((len(segments), 2), np.int64)
    by_start: dict[int, list[Segment]] = {}
    for segment in segments:
        by_start.setdefault(segment.start, []).append(segment)
    active: list[Segment] = []
    starts, ends = [s.start for s in segments], [s.last for s in segments]
    order = range(min(starts), max(ends) + 1) if step > 0 else range(max(starts), min(ends) - 1, -1)
    for frame in order:
        active = [s for s in active if s.covers(frame)]
        found: list[tuple[list[int], Masks]] = []
        if active:
            rows = np.array([row_of[s] for s in active])
            origins[rows] = geometry.keep_windows(origins[rows], centres[rows], engine.settings.window_slack)
            masks, _ = engine.from_memory(geometry, frame, step, bank, rows, origins[rows])
            memories = engine.memories(geometry, frame, masks, prompted=False)
            bank.remember(rows, frame, memories, masks.origins, masks.pointers_nc)
            centres[rows] = engine.centres(geometry, masks, centres[rows])
            found.append(([s.cell for s in active], masks))
        beginning = by_start.get(frame, [])
        if beginning:
            own = _begin(beginning, row_of, anchors, bank, centres, origins)
            if write_prompted:
                found.append(([s.cell for s in beginning], join_masks([anchor.masks for anchor in own])))
            active += [s for s in beginning if s.last != s.start]
        if found and frames[0] <= frame < frames[1]:
            prompted = {s.cell: anchors.book[s.cell, frame] for s in beginning} if write_prompted else {}
            yield merge(geometry, frame, found, prompted, read(frame), locked(frame))


def _begin(
    segments: list[Segment],
    row_of: dict[Segment, int],
    anchors: Anchors,
    bank: MemoryBank,
    centres: npt.NDArray[np.float64],
    origins: IntArray,
) -> list[Anchor]:
    """Load the conditioning memories of segments that start here; returns the anchors of their first frames."""
    wanted = [(s.cell, frame) for s in segments for frame in s.conditioning]
    known = dict(zip(wanted, anchors.get(wanted), strict=True))
    for segment in segments:
        row = row_of[segment]
        bank.restart(row)
        for slot, frame in enumerate(segment.conditioning):
            anchor = known[segment.cell, frame]
            bank.condition(row, slot, frame, anchor.memory, anchor.origin, anchor.masks.pointers_nc[0])
        centres[row] = known[segment.cell, segment.start].centre
        origins[row] = known[segment.cell, segment.start].origin
    return [known[s.cell, s.start] for s in segments]


def merge(
    geometry: Geometry,
    frame: int,
    found: Sequence[tuple[list[int], Masks]],
    prompted: dict[int, FramePrompts],
    labels: LabelImage,
    locked: frozenset[int] = frozenset(),
) -> FrameResult:
    """Arbitrate the masks of some cells on a frame that others already have pixels on.

    Parameters
    ----------
    geometry, frame
        Where.
    found
        Cells and their masks, in one or more groups.
    prompted
        What was said on this frame about the cells that were prompted on it.
    labels
        (Y, X) present labels of the frame; changed and returned.
    locked
        Cells whose pixels stay as they are.
    """
    cells: list[int] = []
    claims: list[Claims] = []
    result = FrameResult(frame, labels, prompted=frozenset(prompted))
    for group, masks in found:
        crops, corners = logits_to_crops(masks.logits_nhw, masks.origins, geometry)
        part = Claims.of_crops(crops.cpu().numpy(), corners, labels.shape)
        drawn = [i for i, cell in enumerate(group) if cell in prompted and _is_drawn(prompted[cell])]
        keep = ~np.isin(part.which, drawn + [i for i, cell in enumerate(group) if cell in locked])
        claims.append(Claims(part.which[keep] + len(cells), part.at[keep], part.logits[keep]))
        for i in drawn:
            mask = prompted[group[i]].mask
            if mask is not None and group[i] not in locked:
                claims.append(Claims.of_mask(len(cells) + i, mask, labels.shape))
        cells += group
        scores, ious = masks.object_logits_n.sigmoid().tolist(), masks.iou_n.tolist()
        result.scores.update(zip(group, scores, strict=True))
        result.ious.update(zip(group, ious, strict=True))
    free = [cell for cell in cells if cell not in locked]
    if labels.any():
        labels[np.isin(labels, free)] = 0
    paint(labels, cells, Claims.join(claims), locked)
    present, counts = np.unique(labels[labels > 0], return_counts=True)
    count_of = dict(zip(present.tolist(), counts.tolist(), strict=True))
    result.areas.update({cell: count_of.get(cell, 0) for cell in cells})
    return result


def _is_drawn(prompts: FramePrompts) -> bool:
    return prompts.mask is not None and not prompts.rounds
