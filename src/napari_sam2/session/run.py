"""Tracking in a session: only what is needed, a frame at a time into the log, stopped at any moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from napari_sam2.session.change import Change
from napari_sam2.session.document import now
from napari_sam2.session.errors import Refused
from napari_sam2.session.frames import write_frame
from napari_sam2.session.locking import uninterrupted
from napari_sam2.session.numbers import frame_range, whole_number
from napari_sam2.session.stale import Anchor, BoolFrames
from napari_sam2.session.table import GIVEN
from napari_sam2.tracking.done import Before
from napari_sam2.tracking.plan import Direction, Segment, plan

if TYPE_CHECKING:
    from napari_sam2.session.engine import Engine
    from napari_sam2.session.session import Session
    from napari_sam2.tracking import FrameResult

What = Literal["needed", "stale", "prompted", "all"]
WHATS: tuple[What, ...] = ("needed", "stale", "prompted", "all")


@dataclass
class Work:
    """What a run has to do.

    Parameters
    ----------
    segments
        What is tracked.
    wanted
        Frames (T,) of each cell that are written.
    anchors
        Of each cell.
    """

    segments: list[Segment]
    wanted: dict[int, BoolFrames]
    anchors: dict[int, dict[int, Anchor]]

    @property
    def frames(self) -> int:
        """Number of cell-frames that will be written."""
        return int(sum(w.sum() for w in self.wanted.values()))


def find_work(
    session: Session, cells: Iterable[int] | None, frames: tuple[int, int] | None, direction: Direction, what: What
) -> Work:
    """Find out what has to be tracked.

    Parameters
    ----------
    session
        The session.
    cells
        Which cells; all with prompts when None.
    frames
        (first, one past the last) frame; all when None.
    direction
        As in `tracking.plan`.
    what
        ``"needed"``: stale frames and those never tracked; ``"stale"``: only stale ones; ``"prompted"``: of these only
        the prompted frames themselves; ``"all"``: everything again.
    """
    if what not in WHATS:
        raise ValueError(f"what must be one of {', '.join(WHATS)}; got {what!r}")
    document = session.document
    span = (0, document.frames) if frames is None else frame_range(frames)
    known = {cell: session.stale_index.anchors(cell) for cell in document.cells}
    chosen = [c for c, found in known.items() if found] if cells is None else [whole_number(c) for c in cells]
    for cell in chosen:
        document.cell(cell)
        if not known[cell]:
            raise Refused(f"cell {cell} has no prompt to be tracked from: click on it on some frame first")
    work = Work([], {}, known)
    if not chosen:
        return work
    book = session.make_book(known)
    last = document.frames - 1
    for cell in sorted(set(chosen)):
        first, stop = document.cells[cell].life(document.frames)
        wanted = _wanted(session, cell, what, known[cell])
        for segment in plan(book, direction, span, [cell]):
            # a life ends where the user said; beyond it nothing is tracked
            end = min(segment.last, stop - 1, last) if segment.step > 0 else max(segment.last, first)
            todo = np.zeros(document.frames, bool)
            todo[slice(*_extent(replace(segment, last=end)))] = True
            todo[segment.start] = True
            todo[: span[0]], todo[span[1] :] = False, False
            todo &= wanted
            if not todo.any():
                continue
            far = int(np.flatnonzero(todo)[-1 if segment.step > 0 else 0])
            work.segments.append(replace(segment, last=far))
            work.wanted[cell] = work.wanted.get(cell, np.zeros(document.frames, bool)) | todo
    return work


def _wanted(session: Session, cell: int, what: What, anchors: dict[int, Anchor]) -> BoolFrames:
    document = session.document
    found = session.stale_index.of(cell, anchors)
    free = document.table.row(document.cells[cell].row)["locked"] == 0
    wanted = {"stale": found.stale, "all": free}.get(what, found.stale | found.untracked)
    if what == "prompted":
        prompted = np.zeros(document.frames, bool)
        prompted[list(anchors)] = True
        wanted = wanted & prompted
    return np.asarray(wanted & free, bool)


def track(
    session: Session,
    cells: Iterable[int] | None,
    frames: tuple[int, int] | None,
    direction: Direction,
    what: What,
    stop_after: int | None,
    join: bool = False,
) -> Iterator[FrameResult]:
    """Track, as one entry of the log; see `Session.track`."""
    document = session.document
    document.check_writable()
    cells = None if cells is None else sorted({whole_number(c) for c in cells})
    frames = None if frames is None else frame_range(frames)
    args = {"cells": cells, "frames": list(frames) if frames else None, "direction": direction, "what": what}
    with document.lock:
        if not find_work(session, cells, frames, direction, what).segments:
            return
    engine = session.engine
    with document.lock:
        session.fill_prompts()
    _measure_cells(engine)  # may take a while: before anyone is kept waiting by the log's lock
    entry, stopped = None, True
    try:
        with document.lock:
            with session.joined() if join else nullcontext(), session.change("track", args, opened=True) as change:
                entry = change.entry
                session.fill_prompts()
                note_engine(session, change)
                work = find_work(session, cells, frames, direction, what)
            # cells and levels are in the log by now; what the network says comes frame by frame
            levels = {cell: session.stale_index.anchors(cell) for cell in work.wanted}
            made = digests(session, work.segments, levels)
            before = _before(session, work)
        span = (0, document.frames) if frames is None else frames
        if work.segments:
            for result in engine.run(work.segments, span, session.locked_on, _held(work), before):
                written = [c for c in result.scores if c in work.wanted and work.wanted[c][result.frame]]
                if not written:
                    if document.open_entry != entry:
                        break
                    continue
                with document.lock:
                    if document.open_entry != entry or document.open_frames == stop_after:
                        break
                    with uninterrupted():
                        write_frame(session, entry, result, written, made)
                        document.open_frames += 1
                document.writer.keep_up()
                yield result
            else:
                stopped = False
        else:
            stopped = False
    finally:
        if entry is not None:
            end_run(session, entry, stopped)
        document.writer.flush()


def end_run(session: Session, entry: int | None = None, stopped: bool = True) -> None:
    """End a tracking run in the log, unless it has ended already; frames that are saved stay.

    Parameters
    ----------
    session
        The session.
    entry
        Which run; whichever is open when None.
    stopped
        Whether it stopped before its end.
    """
    document = session.document
    with uninterrupted(), document.lock:
        if document.open_entry is None or (entry is not None and document.open_entry != entry):
            return
        line = {"time": now(), "end": document.open_entry, "frames": document.open_frames, "stopped": stopped}
        document.open_entry = None
        document.journal.append(line)
    session.after_entry()


def _measure_cells(engine: Engine) -> None:
    """Have the tracker find the cells' size and field scales now; it remembers them."""
    cells = engine.prompts.cells()
    if cells:
        engine.cell_diameter  # noqa: B018
    for cell in cells:
        engine.level(cell)


def note_engine(session: Session, change: Change, cells: Iterable[int] | None = None) -> None:
    """Note which weights, cell size and field scales the masks of some cells are going to depend on."""
    document, engine = session.document, session.engine
    model = document.meta["model"]
    if model.get("hash") != engine.weights_hash:
        change.meta("model", {**model, "hash": engine.weights_hash})
    if document.meta.get("cell_diameter") is None and engine.prompts.cells():
        change.meta("cell_diameter", engine.cell_diameter)
    for cell in engine.prompts.cells() if cells is None else cells:
        level = engine.level(cell)
        if document.cells[cell].level != level:
            change.cell(cell, replace(document.cells[cell], level=level))


def digests(
    session: Session, segments: list[Segment], anchors: dict[int, dict[int, Anchor]]
) -> dict[int, npt.NDArray[np.uint64]]:
    """What the pixels of each cell on each frame, (T,), are going to be made from."""
    made: dict[int, npt.NDArray[np.uint64]] = {}
    for segment in segments:
        own = made.setdefault(segment.cell, np.zeros(session.document.frames, np.uint64))
        conditioning, found = segment.conditioning, anchors[segment.cell]
        first, stop = _extent(segment)
        own[first:stop] = session.stale_index.segment_digest(segment.cell, conditioning, segment.step, found)
    for segment in segments:
        made[segment.cell][segment.start] = anchors[segment.cell][segment.start].digest
    return made


def _extent(segment: Segment) -> tuple[int, int]:
    """First frame of a segment without its start, and one past the last."""
    if segment.last == segment.start:
        return segment.start, segment.start
    return (segment.start + 1, segment.last + 1) if segment.step > 0 else (segment.last, segment.start)


def _before(session: Session, work: Work) -> Before:
    """Cells of whose prompts none is left, and who gave way to whom; pixels that the user gave are no leftovers."""
    document = session.document
    alone = [cell for cell in document.cells if not work.anchors[cell]]
    tracked = {cell: document.table.row(document.cells[cell].row)["made"] > GIVEN for cell in alone}
    gave_way: dict[int, set[tuple[int, int]]] = {}
    for cell in work.wanted:
        winners = session.stale_index.winners(cell, work.anchors[cell])
        for frame in np.flatnonzero(winners).tolist():
            gave_way.setdefault(frame, set()).add((int(winners[frame]), cell))
    return Before(lambda frame: [cell for cell, there in tracked.items() if there[frame]], gave_way)


def _held(work: Work) -> Callable[[int], list[int]]:
    """Tracked cells whose frame is as it should be."""

    def held(frame: int) -> list[int]:
        return [cell for cell, wanted in work.wanted.items() if not wanted[frame]]

    return held
