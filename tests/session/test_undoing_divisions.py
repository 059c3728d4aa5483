"""Mothers and daughters that become one cell: the division between them is gone, and undo brings it back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from stub import measured, state

from napari_sam2.session import Refused, Session
from napari_sam2.session.cells import descends, divisions
from napari_sam2.session.table import STATES

DIVIDED = STATES.index("divided")


@pytest.fixture
def family(tracked: Session) -> tuple[Session, int, list[int]]:
    """Cell 1 divides on frame 5; one daughter divides on frame 9."""
    first = tracked.divide(1, 5, [(8, 18), (14, 18)])
    tracked.run()
    second = tracked.divide(first[0], 9, [(6, 24), (10, 24)])
    tracked.run()
    return tracked, 1, [*first, *second]


def divided(session: Session, cell: int) -> int:
    return int((session.measurements(cell)["state"] == DIVIDED).sum())


def undone(session: Session, act: Callable[[], object]) -> None:
    """Do something, undo it and do it again: everything is as it was each time."""
    before = state(session)
    act()
    after = state(session)
    measured(session)
    session.undo()
    assert state(session) == before
    session.redo()
    assert state(session) == after


@pytest.mark.parametrize("verb", ["connect", "merge"])
@pytest.mark.parametrize("turned", [False, True], ids=["mother first", "daughter first"])
def test_the_other_daughter_has_no_mother(family: tuple[Session, int, list[int]], verb: str, turned: bool) -> None:
    session, mother, (one, two, *grand) = family
    pair = (one, mother) if turned else (mother, one)
    with pytest.raises(Refused, match="undoes the division"):
        session.merge(*pair)
    undone(session, lambda: getattr(session, verb)(*pair, force=True))
    kept = pair[0]
    assert session.cells[kept].parent is None and session.cells[two].parent is None
    assert [session.cells[g].parent for g in grand] == [kept, kept]  # of her own division nothing is lost
    assert [(d.mother, d.daughters) for d in divisions(session.cells)] == [(kept, tuple(grand))]
    assert divided(session, kept) == 1 and session.measurements(kept)["state"][8] == DIVIDED


@pytest.mark.parametrize("turned", [False, True], ids=["elder first", "younger first"])
def test_further_apart(family: tuple[Session, int, list[int]], turned: bool) -> None:
    session, mother, (one, two, young, sister) = family
    pair = (young, mother) if turned else (mother, young)
    undone(session, lambda: session.merge(*pair, force=True))
    assert all(session.cells[c].parent is None for c in (pair[0], one, two, sister))
    assert divisions(session.cells) == [] and divided(session, one) == 0
    assert not any(descends(session.cells, c, d) for c in session.cells for d in session.cells if c != d)


def test_sisters_that_are_one(family: tuple[Session, int, list[int]]) -> None:
    session, mother, (one, two, young, sister) = family
    undone(session, lambda: session.merge(young, sister))
    assert session.cells[young].parent is None and divided(session, one) == 0
    assert [d.mother for d in divisions(session.cells)] == [mother]


def test_strangers_keep_their_mothers(family: tuple[Session, int, list[int]]) -> None:
    session, mother, (one, two, young, sister) = family
    stranger = session.add_click(None, 0, (34, 40))
    session.run()
    undone(session, lambda: session.merge(young, stranger))
    assert session.cells[young].parent == one and session.cells[sister].parent == one
    assert len(divisions(session.cells)) == 2 and np.count_nonzero(session.labels[0] == young)
