"""One mask that covers two cells becomes two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session.actions.common import drawn, refuse_locked, write_image
from napari_sam2.session.encode import mask_to_json, prompts_digest
from napari_sam2.session.errors import Refused
from napari_sam2.tracking.prompts import MaskCrop

if TYPE_CHECKING:
    from napari_sam2.session.session import Session


def split(
    session: Session,
    cell: int,
    frame: int,
    part: npt.NDArray[np.bool_] | None,
    points: Sequence[Sequence[float]] | None,
    new: int | None,
    force: bool,
) -> int:
    """Give a part of a cell's mask on a frame to a new cell; both keep theirs as mask prompts.

    Parameters
    ----------
    session, cell, frame
        What.
    part
        (Y, X) bool, the part that goes.
    points
        Instead: two places (y, x), of what stays and of what goes; each pixel goes to the nearer one, measured inside
        the mask.
    new
        Number of the new cell.
    force
        Also where the cell is locked.

    Returns
    -------
    int
        The new cell.
    """
    document = session.document
    document.cell(cell)
    document.check_frame(frame)
    refuse_locked(document, [cell], frame, frame + 1, force)
    image = document.labels.read(frame)
    mine = image == cell
    if not mine.any():
        raise Refused(f"cell {cell} has no pixels on frame {frame}: there is nothing to split")
    args: dict[str, Any] = {"cell": cell, "frame": frame, "force": force}
    if part is not None:
        chosen = np.asarray(part, bool) & mine
    elif points is not None and len(points) == 2:
        chosen = _nearer(mine, points)
    else:
        raise ValueError("split needs the part that goes, or two points")
    args["part"] = mask_to_json(MaskCrop.of(chosen))
    if not chosen.any() or (chosen == mine).all():
        raise Refused(f"nothing would be left of one of the two parts of cell {cell} on frame {frame}")
    with session.change("split", args) as change:
        number = change.new_cell(new)
        change.args["new"] = number
        made = {}
        for which, mask in ((cell, mine & ~chosen), (number, chosen)):
            said = drawn(mask, "split")
            change.prompt(which, frame, said)
            made[which] = prompts_digest(said.prompts)
        image[chosen] = number
        write_image(session, change, frame, image, made)
    return number


def _nearer(mask: npt.NDArray[np.bool_], points: Sequence[Sequence[float]]) -> npt.NDArray[np.bool_]:
    """Pixels of a mask that are nearer to the second point, along ways inside the mask."""
    crop = MaskCrop.of(mask)
    steps = []
    for y, x in points:
        reach = np.full(crop.crop.shape, np.inf)
        places = np.argwhere(crop.crop)
        nearest = places[np.argmin(((places + crop.origin - (y, x)) ** 2).sum(1))]
        front, distance = np.zeros_like(crop.crop), 0
        front[tuple(nearest)] = True
        while front.any():
            reach[front] = distance
            grown = np.zeros_like(front)
            grown[1:] |= front[:-1]
            grown[:-1] |= front[1:]
            grown[:, 1:] |= front[:, :-1]
            grown[:, :-1] |= front[:, 1:]
            front = grown & crop.crop & np.isinf(reach)
            distance += 1
        steps.append(reach)
    return MaskCrop(crop.origin, crop.crop & (steps[1] < steps[0])).full((mask.shape[0], mask.shape[1]))
