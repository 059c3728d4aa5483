"""Lineage and identity in time: cut, swap, split, divide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session.actions.common import (
    adopt_daughters,
    anchor_here,
    area,
    drawn,
    empty,
    fits,
    move_prompts,
    refuse_locked,
    whole,
    write_image,
)
from napari_sam2.session.cells import daughters as daughters_of
from napari_sam2.session.cells import descends
from napari_sam2.session.change import Change
from napari_sam2.session.division_rules import LASTING, ONE_BODY
from napari_sam2.session.document import now
from napari_sam2.session.encode import Said, mask_to_json, prompts_digest
from napari_sam2.session.errors import Refused
from napari_sam2.session.numbers import plain_numbers, whole_number
from napari_sam2.session.table import STATES
from napari_sam2.tracking.prompts import FramePrompts, MaskCrop, PromptBook, Round

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

DIVIDED = STATES.index("divided")
Daughter = int | Sequence[float] | npt.NDArray[np.bool_]


def divide(
    session: Session,
    mother: int | None,
    frame: int,
    daughters: Sequence[Daughter],
    ids: Sequence[int] | None,
    force: bool,
) -> list[int]:
    """End a mother before a frame and begin her daughters on it.

    Parameters
    ----------
    session
        The session.
    mother
        The cell that divides. None where both daughters were tracked back beyond their birth, onto their mother: what
        they share there becomes a new cell.
    frame
        The first frame of the daughters.
    daughters
        Each a click (y, x), a mask (Y, X) bool, or the number of a cell that is there already.
    ids
        Numbers for the new cells among them (and for the new mother, first); new ones when None.
    force
        Also where something is locked, where the mother has daughters, and for daughters that are other cells before.
    """
    document = session.document
    document.check_frame(frame)
    daughters = [_plain(daughter) for daughter in daughters]
    if len(daughters) < 2 or frame < 1:
        raise Refused("a division has two daughters or more, and a frame before it")
    there = [int(d) for d in daughters if isinstance(d, int | np.integer)]
    if len(set(there)) != len(there) or mother in there:
        raise Refused("a cell cannot be its own daughter, or a daughter twice")
    for cell in [*there, *([] if mother is None else [mother])]:
        document.cell(cell)
    for cell in there:
        if document.cells[cell].life(document.frames)[1] <= frame:
            raise Refused(
                f"cell {cell} ends before frame {document.cells[cell].end}: it cannot be born on frame {frame}"
            )
    for daughter in daughters:
        if isinstance(daughter, np.ndarray):
            PromptBook(document.frames, document.frame_shape).add_mask(1, frame, daughter)
    if mother is None and len(there) != len(daughters):
        raise Refused("say which cell divides")
    if mother is not None:
        _check_mother(session, mother, frame, there, force)
        if not force:
            _check_daughters(session, mother, frame, there)
    refuse_locked(document, [mother] if mother is not None else [], frame, document.frames, force)
    refuse_locked(document, there, 0, frame, force)
    fresh = list(ids or [])
    keep = {cell: fits(session, cell) for cell in [*there, *([mother] if mother is not None else [])]}
    args: dict[str, Any] = {"mother": mother, "frame": frame, "force": force}
    with session.change("divide", args) as change:
        if mother is None:
            mother = _shared_mother(session, change, there, frame, fresh.pop(0) if fresh else None)
            change.args["ids"] = [mother]
        else:
            change.args["ids"] = []
        _end_mother(session, change, mother, frame)
        masks: dict[int, MaskCrop] = {}
        born = []
        for daughter in daughters:
            number = _begin(session, change, daughter, mother, frame, fresh, masks)
            if not isinstance(daughter, int | np.integer):
                change.args["ids"].append(number)
            born.append(number)
        change.args["daughters"] = [_as_json(d) for d in daughters]
        if masks:
            _paint(session, change, frame, masks)
        for cell in sorted({*there, mother}):
            session.stale_index.accept(change, cell, keep.get(cell))
    return born


def _check_mother(session: Session, mother: int, frame: int, there: list[int], force: bool) -> None:
    document = session.document
    first, stop = document.cells[mother].life(document.frames)
    if not first < frame <= stop:
        raise Refused(f"cell {mother} lives on frames {first} to {stop - 1}: it cannot divide before frame {frame}")
    others = [d for d in daughters_of(document.cells, mother) if d not in there]
    if others and not force:
        raise Refused(f"cell {mother} has daughters already: {', '.join(map(str, others))}", can_force=True)
    for cell in there:
        if descends(document.cells, mother, cell):
            raise Refused(f"cell {cell} is an ancestor of cell {mother}")


def _check_daughters(session: Session, mother: int, frame: int, there: list[int]) -> None:
    """Refuse cells that were there long before, beside the mother: they would lose what they were."""
    document = session.document
    for cell in there:
        if beside_before(session, mother, cell, frame):
            first = int(np.flatnonzero(area(document, cell))[0])
            raise Refused(
                f"cell {cell} is there from frame {first} on, away from cell {mother}: as her daughter it would lose "
                f"its track before frame {frame}. If it is another cell, choose the daughters again; if its track went "
                f"over to a daughter, cut cell {cell} on frame {frame} first, and choose the later part",
                can_force=True,
            )


def beside_before(session: Session, mother: int, cell: int, frame: int) -> bool:
    """Whether a cell is there on all of the last frames before one, and lies apart from another.

    A daughter that was followed back beyond her birth lies upon her mother there; one that is not there on one of them
    begins about then.
    """
    document = session.document
    rows = document.table.block([document.cells[mother].row, document.cells[cell].row], 0, frame)
    hers, own = rows[0], rows[1, max(0, frame - LASTING) :]
    seen = np.flatnonzero(hers["area"] > 0)
    if not seen.size or not own.size or not (own["area"] > 0).all():
        return False
    last = hers[seen[-1]]
    away = np.hypot(own["y"].astype(float) - float(last["y"]), own["x"].astype(float) - float(last["x"]))
    body = 2 * np.sqrt((own["area"] + float(last["area"])) / np.pi)
    return bool((away >= ONE_BODY * body).all())


def _end_mother(session: Session, change: Change, mother: int, frame: int) -> None:
    document = session.document
    adopt_daughters(change, mother, None)
    for t in [t for t in document.prompts_of(mother) if t >= frame]:
        change.prompt(mother, t, None)
    change.relabel(frame, document.frames, {mother: 0})
    change.rows([mother], frame, empty(document.frames - frame))
    change.cell(mother, replace(document.cells[mother], end=frame))
    last = document.table.block([document.cells[mother].row], frame - 1, frame)
    last["state"] = DIVIDED
    change.rows([mother], frame - 1, last)


def _begin(
    session: Session,
    change: Change,
    daughter: Daughter,
    mother: int,
    frame: int,
    fresh: list[int],
    masks: dict[int, MaskCrop],
) -> int:
    document = session.document
    if isinstance(daughter, int | np.integer):
        number = int(daughter)
        for t in [t for t in document.prompts_of(number) if t < frame]:
            change.prompt(number, t, None)
        change.relabel(0, frame, {number: 0})
        change.rows([number], 0, empty(frame))
        change.cell(number, replace(document.cells[number], parent=mother, begin=frame))
        there = np.flatnonzero(area(document, number)[frame:])
        if there.size:  # where it was lost on its way back, it is tracked back to its birth from where it begins
            anchor_here(change, number, frame + int(there[0]), "divide")
        return number
    number = change.new_cell(fresh.pop(0) if fresh else None, parent=mother, begin=frame)
    if isinstance(daughter, np.ndarray):
        mask = MaskCrop.of(daughter.astype(bool))
        masks[number] = mask
        change.prompt(number, frame, drawn(mask, "divide"))
    else:
        y, x = (float(v) for v in daughter)
        PromptBook(document.frames, document.frame_shape).check_point(y, x)
        click = Round(clicks=((y, x, True),))
        change.prompt(number, frame, Said(FramePrompts((click,)), (now(),)))
    return number


def _paint(session: Session, change: Change, frame: int, masks: dict[int, MaskCrop]) -> None:
    document = session.document
    image = document.labels.read(frame)
    protected = np.isin(image, list(session.locked_on(frame)))
    for number, mask in masks.items():
        image[mask.full(document.frame_shape) & ~protected] = number
    made = {number: prompts_digest(document.prompts_of(number)[frame].prompts) for number in masks}
    write_image(session, change, frame, image, made)


def _shared_mother(session: Session, change: Change, there: list[int], frame: int, number: int | None) -> int:
    """Make a mother out of what her daughters have before their birth."""
    document = session.document
    if not any(area(document, cell)[:frame].any() for cell in there):
        raise Refused(f"cells {', '.join(map(str, there))} have no pixels before frame {frame}: say which cell divides")
    mother = change.new_cell(number, level=document.cells[there[0]].level)
    biggest = max(there, key=lambda cell: int(area(document, cell)[:frame].sum()))
    rows = empty(document.frames)
    for cell in sorted(there, key=lambda c: c == biggest):
        own = whole(document, cell)
        use = np.arange(document.frames) < frame
        use &= (own["area"][0] > 0) | (rows["area"][0] == 0)
        rows[0, use] = own[0, use]
        move_prompts(change, cell, mother, 0, frame)
    change.relabel(0, frame, dict.fromkeys(there, mother))
    change.rows([mother], 0, rows)
    for t in np.flatnonzero(sum((area(document, c)[:frame] > 0).astype(int) for c in there) > 1):
        write_image(session, change, int(t), document.labels.read(int(t)), {mother: int(rows[0, t]["made"])})
    anchor_here(change, mother, frame - 1, "divide")
    return mother


def _plain(daughter: Any) -> Daughter:
    """A daughter's number, or her click, in plain numbers; a mask as it is."""
    if np.ndim(daughter) == 0:
        return whole_number(daughter)
    if np.ndim(daughter) == 1:
        y, x = plain_numbers(daughter, (2,), "a daughter is a cell's number, a click (y, x), or a mask")
        return y, x
    return np.asarray(daughter)


def _as_json(daughter: Daughter) -> Any:
    if isinstance(daughter, np.ndarray):
        return mask_to_json(MaskCrop.of(daughter.astype(bool)))
    return int(daughter) if isinstance(daughter, int | np.integer) else [float(v) for v in daughter]
