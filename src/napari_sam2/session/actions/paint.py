"""Painting and erasing: what is left is the cell's mask prompt on that frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session.actions.common import drawn, extend_life, refuse_locked, write_image
from napari_sam2.session.encode import mask_to_json, prompts_digest
from napari_sam2.session.errors import Refused
from napari_sam2.tracking.prompts import MaskCrop

if TYPE_CHECKING:
    from napari_sam2.session.session import Session


def paint(
    session: Session, cell: int | None, frame: int, stroke: npt.ArrayLike, erase: bool, over: bool, force: bool
) -> int:
    """Add a stroke (Y, X) to a cell, or take it away.

    Parameters
    ----------
    session
        The session.
    cell
        The cell; a new one when None.
    frame
        The frame.
    stroke
        (Y, X), nonzero where the brush was.
    erase
        Take these pixels from the cell.
    over
        Take pixels from other cells (never from locked ones).
    force
        Paint on a frame where the cell is locked.
    """
    document = session.document
    document.check_frame(frame)
    touched = np.asarray(stroke) != 0
    if touched.shape != document.frame_shape:
        raise ValueError(f"the stroke is {touched.shape}, a frame is {document.frame_shape} (Y, X)")
    number = document.new_id() if cell is None else int(cell)
    image = document.labels.read(frame)
    mine = image == number
    if erase:
        new = mine & ~touched
    else:
        others = session.locked_on(frame) - {number}
        blocked = np.isin(image, list(others)) if over else (image != 0)
        new = mine | (touched & ~blocked)
    if (new == mine).all():
        raise Refused(f"the stroke changes nothing of cell {number} on frame {frame}")
    if not new.any():
        raise Refused(f"nothing would be left of cell {number} on frame {frame}: delete it there instead")
    args: dict[str, Any] = {"cell": number, "frame": frame, "stroke": mask_to_json(MaskCrop.of(touched))}
    with session.change(
        "erase" if erase else "paint", {**args, "over": None if erase or over else False, "force": force}
    ) as change:
        if number not in document.cells:
            change.new_cell(number)
        refuse_locked(document, [number], frame, frame + 1, force)
        extend_life(change, number, frame, force)
        said = drawn(new, "painted")
        change.prompt(number, frame, said)
        image[mine] = 0
        image[new] = number
        write_image(session, change, frame, image, {number: prompts_digest(said.prompts)})
    return number
