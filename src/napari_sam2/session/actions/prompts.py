"""Saying where a cell is: clicks, boxes, masks; moving and removing what was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session.actions.common import drawn, extend_life, refuse_locked
from napari_sam2.session.document import now
from napari_sam2.session.encode import Said, mask_to_json
from napari_sam2.session.errors import Refused
from napari_sam2.session.numbers import plain_numbers
from napari_sam2.tracking.prompts import FramePrompts, MaskCrop, PromptBook, Round

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

Box = tuple[tuple[float, float], tuple[float, float]]


def add_clicks(
    session: Session,
    cell: int | None,
    frame: int,
    yx: Sequence[Sequence[float]],
    foreground: Sequence[bool],
    force: bool,
) -> int:
    """Add clicks as one round; on a tracked frame they correct the mask that is there."""
    places = [plain_numbers(p, (2,), "a click is a place (y, x) on the frame") for p in yx]
    clicks = [(y, x, bool(fg)) for (y, x), fg in zip(places, foreground, strict=True)]
    args = {"frame": frame, "yx": [[y, x] for y, x, _ in clicks], "foreground": [fg for _, _, fg in clicks]}

    def add(book: PromptBook, number: int, base: MaskCrop | None) -> None:
        book.add_clicks(number, frame, clicks, base)

    return _add(session, "add_clicks", cell, frame, args, force, add)


def add_box(session: Session, cell: int | None, frame: int, box: Sequence[Sequence[float]], force: bool) -> int:
    """Add a box, by two opposite corners."""
    (top, left), (bottom, right) = plain_numbers(box, (2, 2), "a box is two corners, each (y, x) on the frame")
    corners: Box = ((top, left), (bottom, right))
    args = {"frame": frame, "box": [list(corners[0]), list(corners[1])]}

    def add(book: PromptBook, number: int, base: MaskCrop | None) -> None:
        book.add_box(number, frame, corners, base)

    return _add(session, "add_box", cell, frame, args, force, add)


def _add(
    session: Session,
    verb: str,
    cell: int | None,
    frame: int,
    args: dict[str, Any],
    force: bool,
    add: Callable[[PromptBook, int, MaskCrop | None], None],
) -> int:
    document = session.document
    document.check_frame(frame)
    number = document.new_id() if cell is None else int(cell)
    old = document.prompts_of(number).get(frame)
    book = PromptBook(document.frames, document.frame_shape)
    base = None
    if old is not None:
        book.put(number, frame, old.prompts)
    elif number in document.cells:
        base = _mask_there(session, number, frame)
    add(book, number, base)
    prompts = book[number, frame]
    old = old or Said(FramePrompts())
    new = replace(old, prompts=prompts, times=(*old.times, now()))
    _put(session, verb, number, frame, new, {"cell": number, **args}, force)
    return number


def add_mask(
    session: Session, cell: int | None, frame: int, mask: npt.NDArray[np.bool_], source: str, force: bool
) -> int:
    """Say that these are the cell's pixels; replaces what was said on this frame."""
    document = session.document
    document.check_frame(frame)
    number = document.new_id() if cell is None else int(cell)
    book = PromptBook(document.frames, document.frame_shape)
    book.add_mask(number, frame, mask)
    new = drawn(book[number, frame].mask or mask, source)
    args = {"cell": number, "frame": frame, "mask": mask_to_json(MaskCrop.of(np.asarray(mask, bool)))}
    _put(session, "add_mask", number, frame, new, args, force)
    return number


def remove_prompt(session: Session, cell: int, frame: int, index: int | None, force: bool) -> None:
    """Take back one round of what was said on a frame (the drawn mask is no round), or all of it."""
    old = _said(session, cell, frame)
    new: Said | None = None
    if index is not None:
        at = _index(old, index)
        rounds = old.prompts.rounds[:at] + old.prompts.rounds[at + 1 :]
        new = replace(old, prompts=replace(old.prompts, rounds=rounds), times=old.times[:at] + old.times[at + 1 :])
    _put(session, "remove_prompt", cell, frame, new, {"cell": cell, "frame": frame, "index": index}, force)


def move_prompt(session: Session, cell: int, frame: int, index: int, to: Sequence[Any], force: bool) -> None:
    """Move a round of one click to (y, x), or a box to two corners."""
    old = _said(session, cell, frame)
    at = _index(old, index)
    before = old.prompts.rounds[at]
    book = PromptBook(*_size(session))
    if before.box is not None:
        plain = plain_numbers(to, (2, 2), f"prompt {index} is a box: give its two corners (y, x)")
        (top, left), (bottom, right) = plain
        book.add_box(cell, frame, ((top, left), (bottom, right)))
    elif len(before.clicks) == 1:
        plain = plain_numbers(to, (2,), f"prompt {index} is a click: give its place (y, x)")
        y, x = plain
        book.add_clicks(cell, frame, [(y, x, before.clicks[0][2])])
    else:
        count = len(before.clicks)
        raise Refused(f"prompt {index} has {count} clicks that were given together: remove it and click again")
    moved: Round = book[cell, frame].rounds[0]
    rounds = (*old.prompts.rounds[:at], moved, *old.prompts.rounds[at + 1 :])
    times = (*old.times[:at], now(), *old.times[at + 1 :])
    new = replace(old, prompts=replace(old.prompts, rounds=rounds), times=times)
    args = {"cell": cell, "frame": frame, "index": index, "to": plain}
    _put(session, "move_prompt", cell, frame, new, args, force)


def _put(
    session: Session, verb: str, cell: int, frame: int, said: Said | None, args: dict[str, Any], force: bool
) -> None:
    document = session.document
    with session.change(verb, {**args, "force": force}) as change:
        if cell not in document.cells:
            change.new_cell(cell)
        refuse_locked(document, [cell], frame, frame + 1, force)
        if said is not None:
            extend_life(change, cell, frame, force)
        change.prompt(cell, frame, said)


def _said(session: Session, cell: int, frame: int) -> Said:
    session.document.cell(cell)
    found = session.document.prompts_of(cell).get(frame)
    if found is None:
        raise Refused(f"nothing was said about cell {cell} on frame {frame}")
    return found


def _index(said: Said, index: int) -> int:
    count = len(said.prompts.rounds)
    if not -count <= index < count:
        raise Refused(f"there is no prompt {index} here: there are {count}")
    return index % count


def _size(session: Session) -> tuple[int, tuple[int, int]]:
    return session.document.frames, session.document.frame_shape


def _mask_there(session: Session, cell: int, frame: int) -> MaskCrop | None:
    """The pixels that a cell has on a frame: what a correction starts from."""
    if not session.document.table.row(session.document.cells[cell].row)["area"][frame]:
        return None
    mask = MaskCrop.of(session.document.labels.read(frame) == cell)
    return mask if mask.area else None
