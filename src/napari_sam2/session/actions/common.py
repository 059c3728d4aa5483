"""What several actions need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.session.change import Change
from napari_sam2.session.document import Document, now
from napari_sam2.session.encode import Said
from napari_sam2.session.errors import Refused
from napari_sam2.session.shapes import Shapes, shapes
from napari_sam2.session.table import REVIEWS, ROW, STATES, Rows, differing, put_shapes
from napari_sam2.tracking.prompts import FramePrompts, MaskCrop

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

UNCHECKED = REVIEWS.index("unchecked")
PRESENT = STATES.index("present")


def refuse_locked(document: Document, cells: Iterable[int], first: int, stop: int, force: bool) -> None:
    """Refuse, unless forced, to change cells where they are locked."""
    for cell in cells:
        locked = np.flatnonzero(document.table.row(document.cell(cell).row)["locked"][first:stop])
        if locked.size and not force:
            frames = f"frame {first + locked[0]}" + (f" and {locked.size - 1} more" if locked.size > 1 else "")
            raise Refused(f"cell {cell} is locked on {frames}: unlock it first", can_force=True)


def whole(document: Document, cell: int) -> Rows:
    """Copy of all records of a cell, (1, T)."""
    return document.table.block([document.cell(cell).row], 0, document.frames)


def area(document: Document, cell: int) -> npt.NDArray[np.int32]:
    """Area of a cell on every frame, (T,)."""
    found: npt.NDArray[np.int32] = document.table.row(document.cell(cell).row)["area"]
    return found


def empty(frames: int) -> Rows:
    """Records of a cell that never was, (1, T)."""
    return np.zeros((1, frames), ROW)


def drawn(mask: npt.NDArray[np.bool_] | MaskCrop, source: str) -> Said:
    """A mask prompt, made now."""
    crop = mask if isinstance(mask, MaskCrop) else MaskCrop.of(mask)
    return Said(FramePrompts(mask=crop), (), now(), source)


def fits(session: Session, cell: int) -> npt.NDArray[np.bool_]:
    """Frames (T,) of a cell that are not stale now."""
    return ~session.stale_index.of(cell).stale


def move_prompts(change: Change, source: int, target: int, first: int, stop: int) -> None:
    """Have what was said about a cell on a range of frames be about another."""
    for frame, said in list(change.document.prompts_of(source).items()):
        if first <= frame < stop:
            change.prompt(source, frame, None)
            change.prompt(target, frame, said)


def anchor_here(change: Change, cell: int, frame: int, source: str) -> None:
    """Have the pixels of a cell on a frame be its mask prompt there, unless something was said there already."""
    document = change.document
    if frame in document.prompts_of(cell):
        return
    mask = document.labels.read(frame) == cell
    if mask.any():
        change.prompt(cell, frame, drawn(mask, source))


def adopt_daughters(change: Change, mother: int, new: int | None) -> None:
    """Give the daughters of a cell another mother, or none."""
    for record in list(change.document.cells.values()):
        if record.parent == mother:
            change.cell(record.id, replace(record, parent=new))


def forget_cell(change: Change, cell: int) -> None:
    """Take a cell out: prompts, records and the cell itself; its pixels must have been dealt with."""
    document = change.document
    for frame in list(document.prompts_of(cell)):
        change.prompt(cell, frame, None)
    change.rows([cell], 0, empty(document.frames))
    change.cell(cell, None)


def write_image(
    session: Session, change: Change, frame: int, image: npt.NDArray[np.int32], by_hand: dict[int, int]
) -> None:
    """Replace a label frame and measure what changed.

    Parameters
    ----------
    session, change
        Where.
    frame
        Which frame.
    image
        (Y, X) int32.
    by_hand
        Cells whose pixels the user gave, and what these are made from now.
    """
    document = session.document
    found = shapes(image)
    cells = (change.image(frame, image) | set(by_hand)) & set(document.cells)
    cells |= beside(document, frame, found)
    for cell in sorted(cells):
        block = document.table.block([document.cells[cell].row], frame, frame + 1)
        put_shapes(block[:, 0], found.of([cell]))
        record = block[0, 0]
        if cell in by_hand:
            record["score"] = record["iou"] = 1.0
            record["state"], record["review"], record["doubt"] = PRESENT, UNCHECKED, 0
            record["made"] = by_hand[cell]
        change.rows([cell], frame, block)


def beside(document: Document, frame: int, found: Shapes) -> set[int]:
    """Cells whose shape on a frame is not what the table says: those that others have come to, or gone from."""
    cells = [int(c) for c in found.cells if int(c) in document.cells]
    column = document.table.data[[document.cells[c].row for c in cells], frame]
    return {cells[i] for i in np.flatnonzero(differing(column, found.of(cells)))}


def extend_life(change: Change, cell: int, frame: int, force: bool) -> None:
    """Refuse, unless forced, to prompt a cell outside its life; forced, its life reaches to that frame."""
    document = change.document
    record = document.cells[cell]
    first, stop = record.life(document.frames)
    if first <= frame < stop:
        return
    if not force:
        when = f"begins on frame {first}" if frame < first else f"ends before frame {stop}"
        raise Refused(f"cell {cell} {when}", can_force=True)
    change.cell(cell, replace(record, begin=min(first, frame) or None) if frame < first else replace(record, end=None))
