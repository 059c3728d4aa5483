"""Starting from a segmentation that is there already."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_sam2.session.actions.common import beside, drawn
from napari_sam2.session.errors import Refused
from napari_sam2.session.shapes import shapes
from napari_sam2.session.table import GIVEN, STATES, put_shapes
from napari_sam2.tracking.prompts import MaskCrop

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

PromptFrames = Literal["none", "first", "all"]


def take_over(session: Session, labels: Any, frames: Iterable[int] | None, prompts: PromptFrames) -> dict[int, int]:
    """Take cells over from label images; existing cells keep their pixels.

    On each frame, what lies with half of its area or more on cells that are there already is left out.

    Parameters
    ----------
    session
        The session.
    labels
        (T, Y, X) whole numbers, 0 background; indexed by frame.
    frames
        Which frames; all when None.
    prompts
        Which of a cell's frames become mask prompts, to be tracked on from: ``"none"``, its ``"first"``, or ``"all"``.

    Returns
    -------
    dict
        From the numbers in `labels` to those of the new cells: the same where these are free.

    Raises
    ------
    ValueError
        If the labels do not fit the movie, with the frame where they do not.
    """
    document = session.document
    if prompts not in ("none", "first", "all"):
        raise ValueError(f"prompts must be none, first or all; got {prompts!r}")
    shape = (document.frames, *document.frame_shape)
    if tuple(labels.shape) != shape:
        raise ValueError(f"the labels are {tuple(labels.shape)}, the movie is {shape} (T, Y, X)")
    chosen = list(range(document.frames)) if frames is None else sorted({document.check_frame(t) for t in frames})
    number_of: dict[int, int] = {}
    with session.change("take_over", {"frames": None if frames is None else chosen, "prompts": prompts}) as change:
        for frame in chosen:
            given = np.asarray(labels[frame])
            if given.dtype.kind not in "iub":
                raise ValueError(f"frame {frame} of the labels holds {given.dtype}: whole numbers are needed")
            if given.size and int(given.min()) < 0:
                raise ValueError(f"frame {frame} of the labels holds negative numbers")
            image = document.labels.read(frame)
            where = image == 0
            found, left = np.unique(given[where], return_counts=True)
            covered = dict(zip(*np.unique(given[~where], return_counts=True), strict=True))
            # what mostly lies on cells is these, seen by somebody else: what juts out of them is no cell
            mine = [int(old) for old, n in zip(found, left, strict=True) if old and n > covered.get(old, 0)]
            new = [old for old in mine if old not in number_of]
            for old in new:
                free = old not in document.used and old <= np.iinfo(np.int32).max
                number_of[old] = change.new_cell(old if free else None)
            here = [number_of[old] for old in mine]
            mapped = np.zeros(len(found), np.int32)
            mapped[np.searchsorted(found, mine)] = here
            image[where] = mapped[np.searchsorted(found, given[where])]
            change.image(frame, image)
            measured = shapes(image)
            touched = sorted(beside(document, frame, measured) - set(here))
            for which, taken in ((here, True), (touched, False)):
                if which:
                    block = document.table.block([document.cells[c].row for c in which], frame, frame + 1)
                    put_shapes(block[:, 0], measured.of(which))
                    if taken:
                        block["score"] = block["iou"] = 1.0
                        block["made"], block["state"] = GIVEN, STATES.index("present")
                    change.rows(which, frame, block)
            for cell in here if prompts == "all" else []:
                change.prompt(cell, frame, drawn(MaskCrop.of(image == cell), "taken over"))
            for old in new if prompts == "first" else []:
                change.prompt(number_of[old], frame, drawn(MaskCrop.of(image == number_of[old]), "taken over"))
        if not number_of:
            raise Refused(
                "there is nothing in the labels that could be taken over: they are empty there, or lie on cells that "
                "are in the session already"
            )
        if prompts != "none":
            for cell in number_of.values():
                session.stale_index.accept(change, cell)
        change.args["numbers"] = [[old, new] for old, new in number_of.items()]
    return number_of
