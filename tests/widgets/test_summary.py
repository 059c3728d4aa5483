"""Cells in one line, and the overview that keeps them up to date beside the window."""

from __future__ import annotations

import numpy as np
import pytest
from stub import disc
from views import fill, settle

from napari_sam2.session import Session
from napari_sam2.widgets.desk import Desk
from napari_sam2.widgets.overview import overview_of
from napari_sam2.widgets.summary import families, family, summarise


@pytest.fixture
def session(desk: Desk) -> Session:
    return desk.session


def test_a_summary_says_from_where_to_where_and_what_became_of_it(session: Session) -> None:
    fill(session)
    mother, daughter, other = (summarise(session, c) for c in (1, 2, 4))
    assert (mother.first, mother.last, mother.length, mother.state) == (0, 4, 5, "divided")
    assert mother.daughters == (2, 3) and daughter.cell.parent == 1
    assert (other.first, other.last, other.length, other.gaps) == (2, 9, 7, 1)
    assert "missing on 1 between" in other.words() and "mother of cells 2, 3" in mother.words()


def test_state_tells_what_is_to_be_done(session: Session) -> None:
    cell = session.add_click(None, 3, (10, 12))
    assert summarise(session, cell).state == "not tracked"
    session.run(frames=(2, 5))
    assert summarise(session, cell).state == "unfinished"
    session.run()
    assert summarise(session, cell).state == "present"
    session.set_state(cell, 2, "suspect")
    assert summarise(session, cell).state == "suspect"
    session.set_state(cell, None, "checked")
    assert summarise(session, cell).state == "checked"
    session.set_state(cell, 11, "dead")
    assert summarise(session, cell).state == "dead, checked"
    session.add_click(cell, 3, (12, 12))
    found = summarise(session, cell)
    assert found.state.startswith("dead, stale") and set(found.stale) >= {2, 4}
    assert session.stale()[cell].tolist() == found.stale.tolist()


def test_score_is_that_of_tracked_frames_and_locks_are_counted(session: Session) -> None:
    cell = session.add_click(None, 0, (10, 12))
    assert summarise(session, cell).score is None
    session.run()
    found = summarise(session, cell)
    assert found.score == pytest.approx(0.9) and found.locks == ""
    session.lock(cell, (2, 5))
    assert summarise(session, cell).locks == "3"
    session.lock(cell)
    assert summarise(session, cell).locks == "all"


def test_no_label_image_is_read_for_a_summary(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(session)
    session.add_click(4, 3, (28, 33))

    def read(t: int) -> np.ndarray:
        raise AssertionError("a label image was read")

    with monkeypatch.context() as patch:
        patch.setattr(session.labels, "read", read)
        assert summarise(session, 4).length == 7


def test_families_have_mothers_first() -> None:
    parents = {1: None, 2: 9, 3: 1, 4: None, 5: 3, 6: 1, 9: None}
    assert families(parents) == [1, 3, 5, 6, 4, 9, 2]
    assert family(parents, 5) == [1, 3, 5, 6]
    assert sorted(families({1: 2, 2: 1})) == [1, 2]  # a circle in a damaged file ends, too
    assert family({1: 2, 2: 1}, 1)


def test_the_overview_follows_and_computes_only_what_has_changed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(desk.session)
    overview = overview_of(desk)
    settle(desk)
    assert sorted(overview.summaries) == [1, 2, 3, 4]
    asked: list[int] = []

    def counting(session: Session, cell: int) -> object:
        asked.append(cell)
        return summarise(session, cell)

    monkeypatch.setattr("napari_sam2.widgets.overview.summarise", counting)
    told: list[frozenset[int]] = []
    overview.changed.connect(told.append)
    desk.act("describe", 4, name="glia")
    settle(desk)
    assert overview.summaries[4].cell.name == "glia"
    assert asked == [4] and told == [frozenset({4})]
    desk.act("delete", 2)
    assert 2 not in overview.summaries  # at once
    settle(desk)
    assert overview.summaries[1].daughters == (3,)


def test_an_undo_brings_back_what_was_deleted(desk: Desk) -> None:
    fill(desk.session)
    overview = overview_of(desk)
    settle(desk)
    before = overview.summaries[4]
    desk.act("delete", 4)
    desk.undo()
    settle(desk)
    assert overview.summaries[4].words() == before.words()


def test_painting_changes_the_summary(desk: Desk) -> None:
    fill(desk.session)
    settle(desk)
    desk.act("paint", 4, 11, disc(28, 40, 4))
    settle(desk)
    assert overview_of(desk).summaries[4].last == 11
