"""Whether something can be done with the chosen cells, and if not, why not, in words. Free of Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_sam2.session import Session


@dataclass(frozen=True)
class Chosen:
    """What an action is about.

    Parameters
    ----------
    cells
        The chosen cells, in the order of choosing.
    frame
        The frame that is shown.
    """

    cells: tuple[int, ...]
    frame: int


def always(session: Session, chosen: Chosen) -> str | None:
    return None


def one(session: Session, chosen: Chosen) -> str | None:
    return None if len(chosen.cells) == 1 else "Choose one cell"


def two(session: Session, chosen: Chosen) -> str | None:
    return None if len(chosen.cells) == 2 else "Choose two cells: Ctrl+click the second one"


def area_of(session: Session, cell: int) -> Any:
    document = session.document
    return document.table.row(document.cell(cell).row)["area"]


def here(session: Session, chosen: Chosen) -> str | None:
    for cell in chosen.cells:
        if not area_of(session, cell)[chosen.frame]:
            return f"Cell {cell} is not on frame {chosen.frame}: go to a frame that shows it"
    return None


def cuttable(session: Session, chosen: Chosen) -> str | None:
    why = one(session, chosen)
    if why is None:
        area = area_of(session, chosen.cells[0])
        if not area[: chosen.frame].any() or not area[chosen.frame :].any():
            why = f"Cell {chosen.cells[0]} has pixels on only one side of frame {chosen.frame}: go to where to cut"
    return why


def endable(session: Session, chosen: Chosen) -> str | None:
    for cell in chosen.cells:
        first, stop = session.cells[cell].life(session.n_frames)
        if chosen.frame <= first:
            return f"Cell {cell} begins on frame {first}: delete it altogether"
        if chosen.frame >= stop:
            return f"Cell {cell} has ended before frame {chosen.frame}"
    return None


def mergeable(session: Session, chosen: Chosen) -> str | None:
    return None if len(chosen.cells) > 1 else "Choose two cells or more: Ctrl+click the others"


def connectable(session: Session, chosen: Chosen) -> str | None:
    why = two(session, chosen)
    if why is None:
        mine, theirs = (np.flatnonzero(area_of(session, c)) for c in chosen.cells)
        if not mine.size or not theirs.size:
            why = "Both cells must be on some frame: track them first"
        elif mine[0] <= theirs[-1] and theirs[0] <= mine[-1]:
            why = "Both cells are there at the same time: merge them, or cut one of them first"
    return why


def dividable(session: Session, chosen: Chosen) -> str | None:
    mother, frame = chosen.cells[0], chosen.frame
    if len(chosen.cells) > 3:
        return "Choose the mother, then her daughters with Ctrl+click"
    first, stop = session.cells[mother].life(session.n_frames)
    if not first < frame <= stop:
        return f"Cell {mother} lives on frames {first} to {stop - 1}: go to the first frame of the daughters"
    for daughter in chosen.cells[1:]:
        if not area_of(session, daughter)[frame:].any():
            return f"Cell {daughter} is not there from frame {frame} on"
    if len(chosen.cells) < 3 and not area_of(session, mother)[frame]:
        return f"Cell {mother} is not on frame {frame}: choose both daughters with Ctrl+click"
    if len(chosen.cells) == 1 and not in_parts(session, mother, frame):
        return (
            f"The mask of cell {mother} is in one piece on frame {frame}: click on one daughter as a new cell, then "
            "choose the mother again, and divide with the mouse on that daughter"
        )
    return None


def in_parts(session: Session, cell: int, frame: int) -> bool:
    """Whether a cell's mask is in two parts or more on a frame; what touches at a corner is one."""
    from scipy import ndimage

    return int(ndimage.label(session.labels.read(frame) == cell, np.ones((3, 3)))[1]) > 1


def a_daughter(session: Session, chosen: Chosen) -> str | None:
    if any(session.cells[c].parent is not None for c in chosen.cells):
        return None
    return "It has no mother"


def stretch(session: Session, cell: int, frame: int) -> tuple[int, int]:
    """Frames a state is about: this one where the cell has pixels, else the stretch without any around it.

    Returns
    -------
    (int, int)
        First, and one past the last.
    """
    area = area_of(session, cell)
    if area[frame]:
        return frame, frame + 1
    filled = np.flatnonzero(area)
    before, after = filled[filled < frame], filled[filled > frame]
    return (int(before[-1]) + 1 if before.size else 0, int(after[0]) if after.size else len(area))


def nearest_frame(session: Session, cell: int, frame: int) -> int:
    """The frame nearest to one on which a cell has pixels, or else a prompt; the same where it has neither."""
    at = np.flatnonzero(area_of(session, cell))
    if not at.size:
        at = np.array(sorted(session.prompts(cell)), np.int64)
    return int(at[np.abs(at - frame).argmin()]) if at.size else frame
