"""What a person says about cells: states, checks, locks, names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.session.actions.common import fits
from napari_sam2.session.cells import descends
from napari_sam2.session.errors import Refused
from napari_sam2.session.table import REVIEWS, STATES, code

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

Frames = int | tuple[int, int] | None
"""One frame, (first, one past the last), or None for all frames that the cell has pixels on."""


def set_state(session: Session, cell: int, frames: Frames, state: str) -> None:
    """Set what became of a cell (one of `STATES`), or what a person thinks of it (one of `REVIEWS`)."""
    document = session.document
    record = document.cell(cell)
    first, stop = _range(session, frames)
    column = "review" if state in REVIEWS else "state"
    value = REVIEWS.index(state) if state in REVIEWS else code(STATES, state, "state")
    block = document.table.block([record.row], first, stop)
    which = block["area"] > 0 if frames is None else np.ones(block.shape, bool)
    block[column][which] = value
    with session.change("set_state", {"cell": cell, "frames": _as_json(frames), "state": state}) as change:
        change.rows([cell], first, block)


def lock(session: Session, cell: int, frames: Frames, locked: bool) -> None:
    """Say that a cell is right on some frames and must not change there, or that it may change again."""
    document = session.document
    record = document.cell(cell)
    first, stop = _range(session, frames)
    block = document.table.block([record.row], first, stop)
    which = (block["area"] > 0) | (block["locked"] > 0) if frames is None else np.ones(block.shape, bool)
    if not (which & (block["locked"] != locked)).any():
        raise Refused(f"cell {cell} is {'locked' if locked else 'not locked'} there already")
    keep = fits(session, cell)
    block["locked"][which] = locked
    with session.change("lock" if locked else "unlock", {"cell": cell, "frames": _as_json(frames)}) as change:
        change.rows([cell], first, block)
        session.stale_index.accept(change, cell, keep)


def describe(
    session: Session,
    cell: int,
    name: str | None,
    notes: str | None,
    category: str | None,
    colour: int | None,
) -> None:
    """Write something about a cell; what is None stays."""
    record = session.document.cell(cell)
    said = {"name": name, "notes": notes, "category": category, "colour": colour}
    new = replace(record, **{k: v for k, v in said.items() if v is not None})  # type: ignore[arg-type]
    with session.change("describe", {"cell": cell, **said}) as change:
        change.cell(cell, new)


def set_parent(session: Session, cell: int, parent: int | None) -> None:
    """Say which cell is the mother of one, or (None) that it has none; `divide` does more."""
    document = session.document
    record = document.cell(cell)
    if parent is not None:
        document.cell(parent)
        if descends(document.cells, parent, cell):
            raise Refused(f"cell {parent} descends from cell {cell}, or is it: it cannot be its mother")
    with session.change("set_parent", {"cell": cell, "parent": parent}) as change:
        change.cell(cell, replace(record, parent=parent))


def new_cell(session: Session, cell: int | None, name: str, category: str) -> int:
    """Make a cell of which nothing is known yet; returns its number."""
    with session.change("new_cell", {"name": name or None, "category": category or None}) as change:
        number = change.new_cell(cell, name=name, category=category)
        change.args["cell"] = number
    return number


def _range(session: Session, frames: Frames) -> tuple[int, int]:
    if frames is None:
        return 0, session.document.frames
    if isinstance(frames, int | np.integer):
        return session.document.check_frame(int(frames)), int(frames) + 1
    first, stop = (int(t) for t in frames)
    if not 0 <= first < stop <= session.document.frames:
        raise IndexError(f"frames must be a range within 0 to {session.document.frames}, got {frames}")
    return first, stop


def _as_json(frames: Frames) -> int | list[int] | None:
    if frames is None or isinstance(frames, int | np.integer):
        return None if frames is None else int(frames)
    return [int(t) for t in frames]
