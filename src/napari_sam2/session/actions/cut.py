"""Identities in time: one track becomes two (cut), two exchange names (swap), one gets another name (renumber)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.session.actions.common import (
    adopt_daughters,
    anchor_here,
    area,
    empty,
    fits,
    move_prompts,
    refuse_locked,
    whole,
)
from napari_sam2.session.cells import Cell
from napari_sam2.session.change import Change
from napari_sam2.session.errors import Refused

if TYPE_CHECKING:
    from napari_sam2.session.session import Session


def cut(session: Session, cell: int, frame: int, new: int | None, force: bool) -> int:
    """Have a track be another cell from a frame on; returns the number of that one."""
    document = session.document
    document.check_frame(frame)
    size = area(document, cell)
    if not size[:frame].any() or not size[frame:].any():
        raise Refused(f"cell {cell} has pixels on only one side of frame {frame}: there is nothing to cut")
    refuse_locked(document, [cell], frame, document.frames, force)
    keep, old = fits(session, cell), document.cells[cell]
    begin = frame + int(np.flatnonzero(size[frame:])[0])
    with session.change("cut", {"cell": cell, "frame": frame, "force": force}) as change:
        number = change.new_cell(new, begin=frame, end=old.end, level=old.level, category=old.category)
        change.args["new"] = number
        rows = whole(document, cell)
        adopt_daughters(change, cell, number)
        move_prompts(change, cell, number, frame, document.frames)
        change.relabel(frame, document.frames, {cell: number})
        change.rows([number], frame, rows[:, frame:])
        change.rows([cell], frame, empty(document.frames - frame))
        change.cell(cell, replace(document.cells[cell], end=frame))
        anchor_here(change, number, begin, "cut")
        _keep_anchored(session, change, cell, 0, frame, "cut")
        for which in (cell, number):
            session.stale_index.accept(change, which, keep)
    return number


def swap(session: Session, cell: int, other: int, frame: int, force: bool) -> None:
    """Have two cells exchange their identities from a frame on."""
    document = session.document
    document.check_frame(frame)
    mine, theirs = document.cell(cell), document.cell(other)
    if cell == other:
        raise Refused(f"cell {cell} cannot be exchanged with itself")
    for record in (mine, theirs):
        first, stop = record.life(document.frames)
        if not first <= frame < stop:
            raise Refused(f"cell {record.id} lives on frames {first} to {stop - 1}, not on frame {frame}")
    refuse_locked(document, [cell, other], frame, document.frames, force)
    good = {cell: fits(session, cell), other: fits(session, other)}
    stop = document.frames
    with session.change("swap", {"cell": cell, "other": other, "frame": frame, "force": force}) as change:
        rows = document.table.block([mine.row, theirs.row], frame, stop)
        later = {c: {t: s for t, s in document.prompts_of(c).items() if t >= frame} for c in (cell, other)}
        for c, said in later.items():
            for t in said:
                change.prompt(c, t, None)
        for source, target in ((cell, other), (other, cell)):
            for t, said_there in later[source].items():
                change.prompt(target, t, said_there)
        for record in list(document.cells.values()):
            if record.parent in (cell, other) and record.begin is not None and record.begin > frame:
                change.cell(record.id, replace(record, parent=other if record.parent == cell else cell))
        change.cell(cell, replace(document.cells[cell], end=theirs.end))
        change.cell(other, replace(document.cells[other], end=mine.end))
        change.relabel(frame, stop, {cell: other, other: cell})
        change.rows([cell, other], frame, rows[::-1])
        for c, o in ((cell, other), (other, cell)):
            anchor_here(change, c, frame, "swap")
            _keep_anchored(session, change, c, 0, frame, "swap")
            keep = np.where(np.arange(stop) < frame, good[c], good[o])
            session.stale_index.accept(change, c, keep)


def renumber(session: Session, cell: int, new: int, force: bool) -> None:
    """Give a cell another number, one that no cell ever had."""
    document = session.document
    record = document.cell(cell)
    if new == cell:
        raise Refused(f"cell {cell} has this number already")
    refuse_locked(document, [cell], 0, document.frames, force)
    with session.change("renumber", {"cell": cell, "new": new, "force": force}) as change:
        rows = whole(document, cell)
        number = change.new_cell(new)
        fields = {k: v for k, v in record.to_json().items() if k not in ("id", "row", "colour")}
        change.cell(number, Cell(number, document.cells[number].row, colour=record.colour, **fields))
        move_prompts(change, cell, number, 0, document.frames)
        adopt_daughters(change, cell, number)
        change.relabel(0, document.frames, {cell: number})
        change.rows([number], 0, rows)
        change.rows([cell], 0, empty(document.frames))
        change.cell(cell, None)


def _keep_anchored(session: Session, change: Change, cell: int, first: int, stop: int, source: str) -> None:
    """Have a stretch with pixels and no prompt keep something to be tracked from: its last frame with pixels."""
    document = session.document
    if any(first <= t < stop for t in document.prompts_of(cell)):
        return
    there = np.flatnonzero(area(document, cell)[first:stop])
    if there.size:
        anchor_here(change, cell, first + int(there[-1]), source)
