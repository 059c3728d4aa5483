"""Deleting a cell: everywhere, from a frame on, or on one frame."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.session.actions.common import adopt_daughters, empty, fits, forget_cell, refuse_locked
from napari_sam2.session.change import Change
from napari_sam2.session.errors import Refused
from napari_sam2.session.table import ROW, STATES

if TYPE_CHECKING:
    from napari_sam2.session.session import Session


def delete(session: Session, cell: int, force: bool) -> None:
    """Delete a cell everywhere; its daughters have no mother then."""
    document = session.document
    document.cell(cell)
    refuse_locked(document, [cell], 0, document.frames, force)
    with session.change("delete", {"cell": cell, "force": force}) as change:
        adopt_daughters(change, cell, None)
        change.relabel(0, document.frames, {cell: 0})
        forget_cell(change, cell)


def delete_from(session: Session, cell: int, frame: int, force: bool) -> None:
    """End a cell before a frame: it has no pixels and is not tracked from there on."""
    document = session.document
    record = document.cell(cell)
    first, stop = record.life(document.frames)
    document.check_frame(frame)
    if frame <= first:
        raise Refused(f"cell {cell} begins on frame {first}: delete it altogether")
    if frame >= stop:
        raise Refused(f"cell {cell} has ended before frame {frame}")
    refuse_locked(document, [cell], frame, document.frames, force)
    keep = fits(session, cell)
    with session.change("delete_from", {"cell": cell, "frame": frame, "force": force}) as change:
        _end(session, change, cell, frame)
        adopt_daughters(change, cell, None)
        session.stale_index.accept(change, cell, keep)


def _end(session: Session, change: Change, cell: int, frame: int) -> None:
    document = session.document
    for t in [t for t in document.prompts_of(cell) if t >= frame]:
        change.prompt(cell, t, None)
    change.relabel(frame, document.frames, {cell: 0})
    change.rows([cell], frame, empty(document.frames - frame))
    change.cell(cell, replace(document.cells[cell], end=frame))


def delete_on(session: Session, cell: int, frame: int, force: bool) -> None:
    """Say that a cell is not there on a frame: no pixels, hidden, and locked so that tracking leaves it that way."""
    document = session.document
    document.check_frame(frame)
    row = document.table.row(document.cell(cell).row)[frame]
    said = document.prompts_of(cell).get(frame)
    if not row["area"] and said is None and row["locked"]:
        raise Refused(f"cell {cell} is not there on frame {frame} already")
    refuse_locked(document, [cell], frame, frame + 1, force)
    keep = fits(session, cell)
    with session.change("delete_on", {"cell": cell, "frame": frame, "force": force}) as change:
        change.relabel(frame, frame + 1, {cell: 0})
        if said is not None:
            change.prompt(cell, frame, None)
        block = np.zeros((1, 1), ROW)
        block[0, 0]["state"], block[0, 0]["locked"] = STATES.index("hidden"), 1
        change.rows([cell], frame, block)
        if said is None:  # where a prompt goes, the frames around it are stale
            session.stale_index.accept(change, cell, keep)
