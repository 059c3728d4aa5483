"""One cell out of two: on the same frames (merge), or one after the other (connect)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.session.actions.common import (
    PRESENT,
    adopt_daughters,
    anchor_here,
    area,
    drawn,
    fits,
    forget_cell,
    move_prompts,
    refuse_locked,
    whole,
)
from napari_sam2.session.actions.divide import DIVIDED
from napari_sam2.session.cells import Cell, daughters, descends
from napari_sam2.session.change import Change
from napari_sam2.session.errors import Refused
from napari_sam2.session.table import STATES, Rows, forget_shapes

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

NONE = STATES.index("none")


def merge(session: Session, cell: int, other: int, force: bool) -> None:
    """Have two cells be one, the first: their pixels together, on every frame."""
    document = session.document
    _check_pair(session, cell, other)
    refuse_locked(document, [cell, other], 0, document.frames, force)
    _refuse_related(session, cell, other, force)
    keep = fits(session, cell) & fits(session, other)
    said = sorted({*document.prompts_of(cell), *document.prompts_of(other)})
    with session.change("merge", {"cell": cell, "other": other, "force": force}) as change:
        _join(session, change, cell, other)
        for frame in said:
            mask = document.labels.read(frame) == cell
            if mask.any():
                change.prompt(cell, frame, drawn(mask, "merge"))
        session.stale_index.accept(change, cell, keep)


def connect(session: Session, cell: int, other: int, force: bool) -> None:
    """Have a track go on as another that begins after it ended."""
    document = session.document
    _check_pair(session, cell, other)
    mine, theirs = np.flatnonzero(area(document, cell)), np.flatnonzero(area(document, other))
    if not mine.size or not theirs.size:
        raise Refused(f"cell {cell if not mine.size else other} has no pixels on any frame: track it first")
    if theirs[0] <= mine[-1] and not force:
        raise Refused(
            f"cell {other} begins on frame {theirs[0]}, before cell {cell} ends on frame {mine[-1]}: cut one of them "
            "first, or merge them",
            can_force=True,
        )
    refuse_locked(document, [cell, other], 0, document.frames, force)
    _refuse_related(session, cell, other, force)
    keep, born = fits(session, cell) & fits(session, other), int(theirs[0])
    with session.change("connect", {"cell": cell, "other": other, "force": force}) as change:
        end = document.cells[other].end
        _join(session, change, cell, other)
        if born > mine[-1]:
            change.cell(cell, replace(document.cells[cell], end=end))
        anchor_here(change, cell, born, "connect")
        session.stale_index.accept(change, cell, keep)


def _check_pair(session: Session, cell: int, other: int) -> None:
    session.document.cell(cell)
    session.document.cell(other)
    if cell == other:
        raise Refused(f"cell {cell} is one cell already")


def _refuse_related(session: Session, cell: int, other: int, force: bool) -> None:
    cells = session.document.cells
    related = descends(cells, other, cell) or descends(cells, cell, other)
    if related and not force:
        raise Refused(
            f"cells {cell} and {other} are mother and daughter, or further apart: this undoes the division",
            can_force=True,
        )


def _join(session: Session, change: Change, cell: int, other: int) -> None:
    """Give everything of another cell to a cell."""
    document = session.document
    mine, theirs = document.cells[cell], document.cells[other]
    # mothers of whom one daughter may be left; a division between the two cells is none any more
    between = _between(document.cells, cell, other)
    parents = {p for p in (mine.parent, theirs.parent) if p is not None}
    divided = [p for p in parents if p in document.cells and len(daughters(document.cells, p)) > 1]
    if between:
        parent = document.cells[between[-1]].parent
        for mother in between:
            _undo_division(change, mother)
    else:
        parent = theirs.parent if mine.parent is None else mine.parent
    rows = _sum(whole(document, cell), whole(document, other))
    first = min(mine.life(document.frames)[0], theirs.life(document.frames)[0])
    stop = max(mine.life(document.frames)[1], theirs.life(document.frames)[1])
    for frame in document.prompts_of(cell):
        # of two prompts for one frame the cell's own stays; where there are pixels, their union is taken afterwards
        if frame in document.prompts_of(other):
            change.prompt(other, frame, None)
    move_prompts(change, other, cell, 0, document.frames)
    adopt_daughters(change, other, cell)
    change.cell(
        cell,
        replace(
            document.cells[cell],
            begin=first or None,
            end=None if stop >= document.frames else stop,
            parent=parent,
        ),
    )
    change.relabel(0, document.frames, {other: cell})
    change.rows([cell], 0, rows)
    forget_cell(change, other)
    for mother in sorted(set(divided) & set(document.cells) - {cell}):
        if len(daughters(document.cells, mother)) == 1:
            _undo_division(change, mother)


def _between(cells: Mapping[int, Cell], cell: int, other: int) -> list[int]:
    """Mothers from the younger of two cells up to the elder, where one descends from the other; else none."""
    for younger, elder in ((cell, other), (other, cell)):
        if descends(cells, younger, elder):
            found: list[int] = []
            at = cells[younger].parent
            while at is not None and elder not in found:
                found.append(at)
                at = cells[at].parent
            return found
    return []


def _undo_division(change: Change, mother: int) -> None:
    """Have a cell be nobody's mother, and not divided; whoever were her daughters stay as they are."""
    document = change.document
    adopt_daughters(change, mother, None)
    rows = whole(document, mother)
    rows["state"] = np.where(rows["state"] != DIVIDED, rows["state"], np.where(rows["area"] > 0, PRESENT, NONE))
    change.rows([mother], 0, rows)


def _sum(mine: Rows, theirs: Rows) -> Rows:
    """Records (1, T) of the union of two cells, which share no pixel."""
    out = mine.copy()
    only = (mine["area"] == 0) & ((theirs["area"] > 0) | (mine["made"] == 0))
    out[only] = theirs[only]
    both = (mine["area"] > 0) & (theirs["area"] > 0)
    total = np.maximum(mine["area"] + theirs["area"], 1)
    for axis in ("y", "x"):
        mean = (mine[axis] * mine["area"] + theirs[axis] * theirs["area"]) / total
        out[axis] = np.where(both, mean, out[axis])
    out["area"] = np.where(both, total, out["area"])
    for name in ("score", "iou"):
        out[name] = np.where(both, np.minimum(mine[name], theirs[name]), out[name])
    forget_shapes(out, both)  # until the frames are written: whether the two hang together, only their pixels say
    return out
