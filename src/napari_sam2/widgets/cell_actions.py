"""What can be done with the chosen cells: names, keys, why not, and how. One table for menus, keys and buttons."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.session.divisions import Proposal
from napari_sam2.widgets.cell_checks import (
    Chosen,
    a_daughter,
    always,
    area_of,
    connectable,
    cuttable,
    dividable,
    endable,
    here,
    mergeable,
    stretch,
    two,
)

if TYPE_CHECKING:
    from napari_sam2.session import Session
    from napari_sam2.widgets.desk import Desk


@dataclass(frozen=True)
class CellAction:
    """One thing to do.

    Parameters
    ----------
    name
        For tests and settings.
    text
        For the menu; ``{frame}``, ``{a}``, ``{b}``, ``{n}`` stand for the frame, the first two cells and their number.
    key
        Key in views of cells, besides the one that the action of this name has in `keys`; empty for none.
    tip
        What it does, in a sentence.
    do
        Does it; only called where `why_not` gave None.
    why_not
        Why it cannot be done now; None where it can.
    """

    name: str
    text: str
    key: str
    tip: str
    do: Callable[[Desk, Session, Chosen], object]
    why_not: Callable[[Session, Chosen], str | None]

    @property
    def is_of_frame(self) -> bool:
        """Whether it is about the frame that is shown."""
        return "{frame}" in self.text or self.name.startswith("state_")

    def label(self, chosen: Chosen) -> str:
        """The text, with numbers."""
        a, b = (*map(str, chosen.cells[:2]), "?", "?")[:2]
        n = len(chosen.cells)
        which = f"cell {a}" if n == 1 else f"{n} cells"
        return self.text.format(frame=chosen.frame, a=a, b=b, n=n, which=which)

    def refusal(self, desk: Desk, chosen: Chosen) -> str | None:
        """Why it cannot be done now, in words; None where it can."""
        if desk.session is None:
            return "There is no session yet: choose an image first"
        gone = [c for c in chosen.cells if c not in desk.session.cells]
        if not chosen.cells or gone:
            return "Choose a cell first"
        if self.is_of_frame and chosen.frame == desk.frame:  # in views of cells it may be another
            beyond = desk.beyond()
            if beyond is not None:
                return beyond
        return self.why_not(desk.session, chosen)

    def run(self, desk: Desk, chosen: Chosen) -> str | None:
        """Do it; returns why not where it cannot be done."""
        why = self.refusal(desk, chosen)
        if why is None and desk.session is not None:
            # one step of the history, however many cells; a division is one by itself, and is tracked on beside it
            with nullcontext() if self.name == "divide" else desk.together():
                self.do(desk, desk.session, chosen)
        return why


def each(verb: str, *args: Any, **options: Any) -> Callable[[Desk, Session, Chosen], object]:
    """Do the same with every chosen cell."""

    def do(desk: Desk, session: Session, chosen: Chosen) -> None:
        for cell in chosen.cells:
            desk.act(verb, cell, *[chosen.frame if a is FRAME else a for a in args], **options)

    return do


FRAME = object()
"""Stands for the frame that is shown."""


def _merge(desk: Desk, session: Session, chosen: Chosen) -> None:
    for other in chosen.cells[1:]:
        desk.act("merge", chosen.cells[0], other)


def _connect(desk: Desk, session: Session, chosen: Chosen) -> None:
    early, late = sorted(chosen.cells, key=lambda c: int(np.flatnonzero(area_of(session, c))[0]))
    desk.act("connect", early, late)


def _divide(desk: Desk, session: Session, chosen: Chosen) -> None:
    mother, *others = chosen.cells
    if len(others) == 2:
        desk.act("divide", mother, chosen.frame, others)
    else:
        # with one daughter the mother's own track goes on as the other; alone, her mask is in two parts
        pair = (mother, others[0] if others else mother)
        desk.act("accept", Proposal(mother, chosen.frame, pair, 1.0, ""))


def _lock(desk: Desk, session: Session, chosen: Chosen) -> None:
    """Lock all of them; unlock where all are locked already."""
    rows = [session.measurements(c) for c in chosen.cells]
    locked = all(r["locked"][r["area"] > 0].all() and r["locked"].any() for r in rows)
    for cell in chosen.cells:
        desk.act("unlock" if locked else "lock", cell)


def _lock_here(desk: Desk, session: Session, chosen: Chosen) -> None:
    locked = all(session.measurements(c)["locked"][chosen.frame] for c in chosen.cells)
    for cell in chosen.cells:
        desk.act("unlock" if locked else "lock", cell, chosen.frame)


def _orphan(desk: Desk, session: Session, chosen: Chosen) -> None:
    for cell in chosen.cells:
        if session.cells[cell].parent is not None:
            desk.act("set_parent", cell, None)


def _state(state: str) -> Callable[[Desk, Session, Chosen], object]:
    def do(desk: Desk, session: Session, chosen: Chosen) -> None:
        for cell in chosen.cells:
            desk.act("set_state", cell, stretch(session, cell, chosen.frame), state)

    return do


ACTIONS = (
    CellAction("lock", "Lock {which}", "", "It is right and must not change; again to unlock", _lock, always),
    CellAction("lock_here", "Lock on frame {frame}", "", "Right on this frame only", _lock_here, here),
    CellAction("merge", "Merge into cell {a}", "", "They are one cell, on the same frames", _merge, mergeable),
    CellAction(
        "connect",
        "Connect cells {a} and {b}",
        "",
        "The later track is the same cell as the earlier",
        _connect,
        connectable,
    ),
    CellAction(
        "swap",
        "Swap cells {a} and {b} from frame {frame} on",
        "",
        "Their names were exchanged by mistake",
        lambda desk, session, chosen: desk.act("swap", *chosen.cells, chosen.frame),
        two,
    ),
    CellAction(
        "cut",
        "Cut: another cell from frame {frame} on",
        "",
        "Before and after are two cells",
        each("cut", FRAME),
        cuttable,
    ),
    CellAction(
        "divide",
        "Divide cell {a} on frame {frame}",
        "",
        "The first chosen cell is the mother, the others her daughters; with one or none, her own mask goes on as one",
        _divide,
        dividable,
    ),
    CellAction(
        "orphan", "No daughter of its mother", "", "Take back who its mother is; both stay", _orphan, a_daughter
    ),
    CellAction(
        "delete_on",
        "Delete on frame {frame}",
        "",
        "It is not there on this frame",
        each("delete_on", FRAME),
        here,
    ),
    CellAction(
        "delete_from",
        "Delete from frame {frame} on",
        "",
        "It ends before this frame",
        each("delete_from", FRAME),
        endable,
    ),
    CellAction("delete", "Delete {which}", "Delete", "On all frames", each("delete"), always),
)
"""In the order of the menu."""

STATES = tuple(
    CellAction(f"state_{name}", text, "", tip, _state(name), always)
    for name, text, tip in (
        ("present", "Present", "It is there"),
        ("hidden", "Hidden", "It is there, but cannot be seen"),
        ("left", "Left", "It has left the field of view"),
        ("dead", "Dead", "It has died"),
        ("divided", "Divided", "It has divided"),
    )
)
"""What became of a cell on this frame, or on the stretch without pixels that the frame lies in."""

CHECKS = (
    CellAction(
        "checked",
        "Right on all frames",
        "",
        "Checked: it is no suspect any more",
        each("set_state", None, "checked"),
        always,
    ),
    CellAction(
        "checked_here",
        "Right on frame {frame}",
        "",
        "Checked on this frame",
        each("set_state", FRAME, "checked"),
        here,
    ),
    CellAction(
        "suspect_here",
        "Suspect on frame {frame}",
        "",
        "To be looked at again",
        each("set_state", FRAME, "suspect"),
        here,
    ),
    CellAction(
        "unchecked", "Unchecked on all frames", "", "Not looked at yet", each("set_state", None, "unchecked"), always
    ),
)
"""What a person thinks of a cell."""
