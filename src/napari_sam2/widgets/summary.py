"""A cell in one line: where it begins and ends, how sure it is, what became of it. Free of Qt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.session.cells import Cell, daughters
from napari_sam2.session.table import GIVEN, REVIEWS, STATES

if TYPE_CHECKING:
    from napari_sam2.session import Session

ENDS = tuple(STATES.index(name) for name in ("left", "dead", "divided"))
HIDDEN = STATES.index("hidden")
CHECKED, SUSPECT = REVIEWS.index("checked"), REVIEWS.index("suspect")
NO_FRAMES = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Summary:
    """What is known of a cell, over all frames.

    Parameters
    ----------
    cell
        Its record: number, name, mother, ...
    daughters
        Their numbers.
    first, last
        First and last frame with pixels; None without any.
    length
        Number of frames with pixels.
    score
        Mean object score of these frames, 0..1; None where nothing was tracked.
    gaps
        Frames without pixels between the first and the last.
    ending
        What became of it: ``"left"``, ``"dead"``, ``"divided"``, or ``"present"``, ``"hidden"``, ``"none"``.
    locked, checked, suspect
        Number of frames that a person has said this of.
    prompted
        Frames with prompts.
    stale
        Frames whose masks come from prompts that have changed since.
    untracked
        Number of frames that could be tracked and never were.
    """

    cell: Cell
    daughters: tuple[int, ...] = ()
    first: int | None = None
    last: int | None = None
    length: int = 0
    score: float | None = None
    gaps: int = 0
    ending: str = "none"
    locked: int = 0
    checked: int = 0
    suspect: int = 0
    prompted: tuple[int, ...] = ()
    stale: npt.NDArray[np.int64] = field(default_factory=lambda: NO_FRAMES)
    untracked: int = 0

    @property
    def id(self) -> int:
        """The cell's number."""
        return self.cell.id

    @property
    def title(self) -> str:
        """Number and name."""
        return f"{self.id} {self.cell.name}".strip()

    @property
    def state(self) -> str:
        """What became of it, and what is to be done, in a few words."""
        if not self.length:
            return "not tracked" if self.prompted else "no prompts"
        ends = {"hidden": "lost", "present": "", "none": ""}.get(self.ending, self.ending)
        words = [ends] if ends else []
        if self.stale.size:
            words.append("stale")
        elif self.untracked and self.prompted:
            words.append("unfinished")
        if self.suspect:
            words.append("suspect")
        elif self.checked == self.length:
            words.append("checked")
        return ", ".join(words) or "present"

    @property
    def locks(self) -> str:
        """How many frames are locked: empty, a number, or "all"."""
        if not self.locked:
            return ""
        return "all" if self.length and self.locked >= self.length else str(self.locked)

    def words(self) -> str:
        """Everything, in a few lines, for a tooltip or a screen reader."""
        lines = [f"Cell {self.title}"]
        if self.cell.category:
            lines.append(self.cell.category)
        if self.length:
            gaps = f", missing on {self.gaps} between" if self.gaps else ""
            lines.append(f"on {self.length} frames, {self.first} to {self.last}{gaps}")
        lines.append(self.state)
        if self.score is not None:
            lines.append(f"mean score {self.score:.2f}")
        if self.stale.size:
            lines.append(f"{self.stale.size} frames are stale: their prompts have changed since they were tracked")
        if self.locked:
            lines.append(f"locked on {self.locked} frames")
        if self.cell.parent is not None:
            lines.append(f"daughter of cell {self.cell.parent}")
        if self.daughters:
            lines.append(f"mother of cells {', '.join(map(str, self.daughters))}")
        if self.cell.notes:
            lines.append(self.cell.notes)
        return "\n".join(lines)


def summarise(session: Session, cell: int) -> Summary:
    """Sum up a cell; needs no label image, except for the masks of locked frames where the session has not kept them.

    Raises
    ------
    Refused
        If there is no such cell.
    """
    document = session.document
    with document.lock:
        record = document.cell(cell)
        rows = document.table.row(record.row)
        found = session.stale_index.of(cell)
        prompted = tuple(sorted(document.prompts_of(cell)))
        born = tuple(daughters(document.cells, cell))
        there = rows["area"] > 0
        at = np.flatnonzero(there)
        locked = int(np.count_nonzero(rows["locked"]))
        untracked, stale = int(found.untracked.sum()), np.flatnonzero(found.stale)
        if not at.size:
            return Summary(record, born, locked=locked, prompted=prompted, stale=stale, untracked=untracked)
        scored = there & (rows["made"] > 0) & ~((rows["made"] == GIVEN) & (rows["score"] == 0))
        review = rows["review"][there]
        return Summary(
            record,
            born,
            int(at[0]),
            int(at[-1]),
            int(at.size),
            float(rows["score"][scored].mean()) if scored.any() else None,
            int(at[-1] - at[0] + 1 - at.size),
            ending(rows["state"], int(at[-1]), record.life(document.frames)[1], bool(born)),
            locked,
            int(np.count_nonzero(review == CHECKED)),
            int(np.count_nonzero(review == SUSPECT)),
            prompted,
            stale,
            untracked,
        )


def ending(states: npt.NDArray[np.uint8], last: int, stop: int, mother: bool) -> str:
    """What became of a cell, from the states on and after its last frame with pixels."""
    for t in range(last, min(last + 2, len(states))):
        if states[t] in ENDS:
            return STATES[states[t]]
    if mother:
        return "divided"
    after = states[last + 1 : stop]
    if (after == HIDDEN).any():
        return "hidden"
    return "present"


def family(parents: Mapping[int, int | None], cell: int) -> list[int]:
    """A cell's whole family: the first ancestor that is there, and all that descend from it, mothers first."""
    root, seen = cell, {cell}
    while (above := parents.get(root)) is not None and above in parents and above not in seen:
        seen.add(above)
        root = above
    return _down(_children(parents), root)


def families(parents: Mapping[int, int | None]) -> list[int]:
    """All cells, every mother followed by her daughters, families in the order of their first cells."""
    children = _children(parents)
    roots = [c for c, above in sorted(parents.items()) if above is None or above not in parents]
    out = [c for root in roots for c in _down(children, root)]
    return out + sorted(set(parents) - set(out))


def _children(parents: Mapping[int, int | None]) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for cell, above in sorted(parents.items()):
        if above is not None:
            children.setdefault(above, []).append(cell)
    return children


def _down(children: Mapping[int, Iterable[int]], root: int) -> list[int]:
    out: dict[int, None] = {}
    todo = [root]
    while todo:
        cell = todo.pop()
        if cell not in out:
            out[cell] = None
            todo += reversed(list(children.get(cell, ())))
    return list(out)
