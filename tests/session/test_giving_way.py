"""A click on the wrong cell takes that one's pixels; when it is put right, they come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from stub import make

from napari_sam2.session import Session, new_session, open_session
from napari_sam2.session.stale import gave_way
from tests.tracking.small import still_discs

pytest.importorskip("torch")
FRAMES = 6
CELL, OTHER = (48, 36), (48, 120)


@pytest.fixture(scope="module")
def film() -> np.ndarray:
    return still_discs(FRAMES, (96, 160), (36, 120))


@pytest.fixture
def mistaken(film: np.ndarray, tmp_path: Path) -> Iterator[Session]:
    """Cell 1, tracked; and cell 2, clicked on it by mistake on frame 2 and tracked then."""
    with new_session(film, tmp_path / "s", cell_diameter=28.0, device="cpu") as session:
        session.add_click(1, 0, CELL)
        session.run()
        session.add_click(2, 2, CELL)
        session.run()
        assert _sizes(session, 1, CELL)[1:] == [0] * (FRAMES - 1)
        yield session


def _sizes(session: Session, cell: int, place: tuple[int, int]) -> list[int]:
    """Pixels of a cell on one of the two discs, by frame."""
    half = np.s_[:, :80] if place == CELL else np.s_[:, 80:]
    return [int((session.labels.read(t)[half] == cell).sum()) for t in range(FRAMES)]


def _is_back(session: Session) -> None:
    assert min(_sizes(session, 1, CELL)) > 500 and max(_sizes(session, 2, CELL)) == 0
    assert not session.stale() and session.run() == 0


def test_as_long_as_the_click_stands_nothing_is_stale(mistaken: Session) -> None:
    assert not mistaken.stale()
    assert mistaken.run() == 0 and mistaken.run(what="stale") == 0


def test_the_cell_comes_back_when_the_click_is_moved(mistaken: Session) -> None:
    mistaken.move_prompt(2, 2, 0, OTHER)
    assert mistaken.stale()[1].tolist() == list(range(1, FRAMES))
    mistaken.run(what="stale")
    assert min(_sizes(mistaken, 2, OTHER)) > 500
    _is_back(mistaken)


def test_when_it_is_removed_and_when_its_cell_is(mistaken: Session) -> None:
    mistaken.remove_prompt(2, 2)
    assert 1 in mistaken.stale()
    mistaken.run()
    assert min(_sizes(mistaken, 1, CELL)) > 500 and max(_sizes(mistaken, 2, CELL)) == 0
    assert 1 not in mistaken.stale()
    mistaken.undo()
    mistaken.undo()
    assert not mistaken.stale()
    mistaken.delete(2)
    assert mistaken.stale()[1].tolist() == list(range(1, FRAMES))
    mistaken.run()
    _is_back(mistaken)


def test_undoing_it_brings_the_cell_back_at_once(mistaken: Session) -> None:
    mistaken.undo()
    mistaken.undo()
    _is_back(mistaken)
    mistaken.redo()
    mistaken.redo()
    assert max(_sizes(mistaken, 1, CELL)[1:]) == 0 and not mistaken.stale()
    mistaken.move_prompt(2, 2, 0, OTHER)
    assert 1 in mistaken.stale()


def test_it_comes_back_when_the_session_was_closed_in_between(mistaken: Session, film: np.ndarray) -> None:
    mistaken.close()
    with open_session(mistaken.path, film) as session:
        assert not session.stale()
        session.remove_prompt(2, 2)
        session.run()
        assert min(_sizes(session, 1, CELL)) > 500 and max(_sizes(session, 2, CELL)) == 0


def test_another_click_on_the_winner_leaves_nothing_stale_for_ever(mistaken: Session) -> None:
    mistaken.add_click(2, 2, (50, 38))
    assert set(mistaken.stale()) == {1, 2}
    mistaken.run(what="stale")
    assert not mistaken.stale() and mistaken.run(what="stale") == 0
    assert min(_sizes(mistaken, 2, CELL)[1:]) > 500 and max(_sizes(mistaken, 1, CELL)[1:]) < 30


def test_tracked_one_after_the_other_they_settle_as_well(mistaken: Session) -> None:
    mistaken.add_click(2, 2, (50, 38))
    mistaken.run([1])
    assert 1 in mistaken.stale(), "it gave way to something that is to be tracked again"
    mistaken.run([2])
    mistaken.run(what="stale")
    assert not mistaken.stale()


def test_a_winner_that_is_locked_stays_one(mistaken: Session) -> None:
    mistaken.lock(2)
    assert not mistaken.stale()
    mistaken.unlock(2)
    assert not mistaken.stale()


def test_a_digest_tells_whom_a_cell_gave_way_to(tmp_path: Path) -> None:
    """By formula: nothing is needed of the network."""
    with make(tmp_path / "s") as session:
        for cell, place in ((1, (10, 12)), (2, (28, 12)), (2**31 - 1, (28, 30))):
            session.add_click(cell, 0, place)
        session.run()
        index = session.stale_index
        for winner in (2, 2**31 - 1):
            own, theirs = index.own(1, 5), index.standing(winner, 5)
            assert own and theirs
            table, row = session.document.table, session.cells[1].row
            block = table.block([row], 5, 6)
            block["made"] = gave_way(own, winner, theirs)
            table.put([row], 5, block)
            assert not session.stale() and index.own(1, 5) == own
            session.add_click(winner, 0, (27, 13))
            assert session.stale([1])[1].tolist() == [5]
            session.undo()
            assert not session.stale()
            block["made"] = gave_way(own, winner, theirs + 1)
            table.put([row], 5, block)
            assert session.stale([1])[1].tolist() == [5] and index.own(1, 5) is None
            block["made"] = own
            table.put([row], 5, block)
