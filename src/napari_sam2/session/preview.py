"""A mask on the frame that was just prompted: computed while the user goes on, logged with the prompt's step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.session.document import now
from napari_sam2.session.frames import write_frame
from napari_sam2.session.run import digests, note_engine
from napari_sam2.tracking.plan import Segment

if TYPE_CHECKING:
    from napari_sam2.session.session import Session


def preview(session: Session, frame: int, cells: Iterable[int]) -> list[int]:
    """Segment cells on a frame that they are prompted on.

    Nothing is held while the network computes, so that actions go on meanwhile in another thread. What they made
    obsolete is dropped: ask again.

    Parameters
    ----------
    session
        The session.
    frame
        The frame.
    cells
        Cells wanted; those that are as they should be there, or not prompted there, are left out.

    Returns
    -------
    list of int
        Cells whose masks were written.
    """
    document = session.document
    engine = session.engine
    with document.lock:
        anchors = {c: session.stale_index.anchors(c) for c in cells if c in document.cells}
        wanted = [c for c in anchors if _is_due(session, c, frame)]
        if not wanted or document.open_entry is not None:
            return []
        session.fill_prompts()
        before = document.labels.read(frame)
    engine.cell_diameter  # noqa: B018 -- measured from the prompts now, and kept
    for cell in wanted:
        engine.level(cell)
    segments = [Segment(cell, frame, frame, 1, (frame,)) for cell in wanted]
    results = list(engine.run(segments, (frame, frame + 1), session.locked_on, lambda t: ()))
    if not results:
        return []
    with document.lock:
        due = [c for c in wanted if c in document.cells and _is_due(session, c, frame)]
        same = due == wanted and all(session.stale_index.anchors(c).get(frame) == anchors[c].get(frame) for c in due)
        if not same or document.open_entry is not None or document.read_only:
            return []
        if not np.array_equal(before, document.labels.read(frame)):
            return []
        args = {"cells": wanted, "frames": [frame, frame + 1], "direction": "both", "what": "prompted"}
        with session.joined(wanted, frame):
            with session.change("track", args, opened=True) as change:
                note_engine(session, change, wanted)
        document.open_entry = change.entry
        try:
            levels = {cell: session.stale_index.anchors(cell) for cell in wanted}
            write_frame(session, change.entry, results[-1], wanted, digests(session, segments, levels))
        finally:
            document.open_entry = None
            document.journal.append({"time": now(), "end": change.entry, "frames": 1, "stopped": False})
    session.after_entry()
    return wanted


def _is_due(session: Session, cell: int, frame: int) -> bool:
    if frame not in session.prompts(cell):
        return False
    found = session.stale_index.of(cell)
    return bool(found.stale[frame] or found.untracked[frame])
