"""One tracked frame into the log: what it changes is safe on the disk before anyone sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.session import runs as label_runs
from napari_sam2.session.actions.common import beside
from napari_sam2.session.deltas import LABELS, ROWS
from napari_sam2.session.events import Changed
from napari_sam2.session.locking import uninterrupted
from napari_sam2.session.shapes import shapes
from napari_sam2.session.stale import gave_way
from napari_sam2.session.table import REVIEWS, STATES, Rows, pack_change, put_shapes

if TYPE_CHECKING:
    from napari_sam2.session.session import Session
    from napari_sam2.tracking import FrameResult

UNCHECKED = REVIEWS.index("unchecked")
PRESENT, HIDDEN = STATES.index("present"), STATES.index("hidden")
KEPT_STATES = (STATES.index("left"), STATES.index("dead"), STATES.index("divided"))
"""Where a person said what became of a cell, tracking that finds nothing does not say otherwise."""


@uninterrupted()
def write_frame(
    session: Session, entry: int, result: FrameResult, written: list[int], made: dict[int, npt.NDArray[np.uint64]]
) -> None:
    """Write one tracked frame.

    Its changes are on the disk when this returns, so that killing the program loses nothing of it. The frame of the
    label array, which follows from them, is written beside (`Writer`).

    Parameters
    ----------
    session, entry
        Where, and the entry of the log that is open.
    result
        What tracking found.
    written
        Cells that are to be written, of those that were computed.
    made
        What the pixels of each cell come from, (T,).
    """
    document, frame, image = session.document, result.frame, result.labels
    with document.lock:
        runs = label_runs.difference(document.labels.look(frame), image)
        winners = {loser: winner for winner, loser in sorted(result.gave_way)}  # one stands for several
        # pixels that a tracked cell won and that were tidied away afterwards stay with their owner
        stray = (runs[3] == 0) & ~np.isin(runs[2], [*result.scores, *winners])
        if stray.any():
            label_runs.apply(image, runs[:, stray], forward=False)
            runs = runs[:, ~stray]
        found = shapes(image)
        cells = label_runs.cells_in(runs) | set(written) | beside(document, frame, found) | set(winners)
        known = [c for c in sorted(cells) if c in document.cells]
        rows = [document.cells[c].row for c in known]
        before = document.table.block(rows, frame, frame + 1)
        after = before.copy()
        put_shapes(after[:, 0], found.of(known))
        _put_scores(after[:, 0], known, written, result, made)
        for i, cell in enumerate(known):
            winner = winners.get(cell)
            from_both = _made(session, cell, winner, frame, written, made) if winner in document.cells else None
            if from_both is not None:
                after["made"][i, 0] = from_both
        records = [(ROWS, frame, pack_change(rows, frame, before, after))]
        if runs.size:
            records.append((LABELS, frame, label_runs.to_bytes(runs)))
        document.deltas.append(entry, records)
        document.table.put(rows, frame, after)
        if runs.size:
            document.labels.stage(entry, frame, image, runs)
            document.labels.recorded(entry, [frame])
            document.writer.submit(frame)
    session.emit(Changed("track", frozenset(known), frame, frame + 1, labels=True))


def _made(
    session: Session, cell: int, winner: int, frame: int, written: list[int], made: dict[int, npt.NDArray[np.uint64]]
) -> int | None:
    """What a frame is made from on which a cell gave way to another one; None where it is not made from anything."""
    index = session.stale_index
    own = int(made[cell][frame]) if cell in written else index.own(cell, frame)
    # what this run makes of the winner there, now or in its other direction, or has found to be as it should be
    theirs = int(made[winner][frame]) if winner in made else 0
    theirs = theirs or index.standing(winner, frame) or 0
    return gave_way(own, winner, theirs) if own and theirs else None


def _put_scores(
    column: Rows, cells: list[int], written: list[int], result: FrameResult, made: dict[int, npt.NDArray[np.uint64]]
) -> None:
    """Write what tracking says of some cells on a frame into the records (N,) of `cells`, in place."""
    place = {cell: i for i, cell in enumerate(cells)}
    at = np.array([place[cell] for cell in written])
    own = column[at]
    own["score"] = [result.scores[cell] for cell in written]
    own["iou"] = [result.ious.get(cell, 0.0) for cell in written]
    own["made"] = [made[cell][result.frame] for cell in written]
    own["doubt"] = [cell in result.suspects for cell in written]
    own["review"] = UNCHECKED
    kept = np.isin(own["state"], KEPT_STATES) & (own["area"] == 0)
    own["state"] = np.where(own["area"] > 0, PRESENT, np.where(kept, own["state"], HIDDEN))
    column[at] = own
