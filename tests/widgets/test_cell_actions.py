"""What can be done with the chosen cells, and why not."""

from __future__ import annotations

import numpy as np
import pytest
from stub import disc
from views import fill

from napari_sam2.widgets import cell_commands, keys
from napari_sam2.widgets.cell_actions import ACTIONS, CHECKS, STATES, Chosen
from napari_sam2.widgets.cell_checks import nearest_frame, stretch
from napari_sam2.widgets.cell_commands import cell_under_mouse
from napari_sam2.widgets.cell_menu import key_for
from napari_sam2.widgets.desk import Desk

BY_NAME = {a.name: a for a in (*ACTIONS, *STATES, *CHECKS)}


@pytest.fixture
def full(desk: Desk) -> Desk:
    fill(desk.session)
    return desk


def run(desk: Desk, name: str, frame: int, *cells: int) -> str | None:
    return BY_NAME[name].run(desk, Chosen(cells, frame))


def test_every_verb_has_the_key_of_the_key_table() -> None:
    without = {a.name for a in ACTIONS if not key_for(a).toString()}
    assert without == {"orphan"}
    assert key_for(BY_NAME["connect"]).toString() == keys.key_of("join")
    assert key_for(BY_NAME["delete_from"]).toString() == "Shift+Del"


def test_verbs_do_what_they_say(full: Desk) -> None:
    session = full.session
    assert run(full, "lock", 0, 4) is None and session.measurements(4)["locked"].sum() == 7
    assert run(full, "lock", 0, 4) is None and session.measurements(4)["locked"].sum() == 0
    assert run(full, "lock_here", 3, 4) is None and session.locked_on(3) == {4}
    assert run(full, "lock_here", 3, 4) is None and session.locked_on(3) == set()
    assert run(full, "cut", 5, 4) is None and 5 in session.cells
    assert run(full, "connect", 0, 5, 4) is None and 5 not in session.cells  # the earlier one stays, in any order
    assert run(full, "delete_on", 3, 4) is None and not (session.labels.read(3) == 4).any()
    assert run(full, "delete_from", 8, 4) is None and not (session.labels.read(8) == 4).any()
    assert run(full, "swap", 7, 2, 3) is None and session.labels.read(7)[14, 12] == 2
    assert run(full, "orphan", 7, 2) is None and session.cells[2].parent is None
    assert run(full, "merge", 7, 2, 3) is None and 3 not in session.cells


def test_several_cells_are_one_step(full: Desk) -> None:
    assert run(full, "delete", 0, 2, 3, 4) is None
    assert list(full.session.cells) == [1]
    full.undo()
    assert sorted(full.session.cells) == [1, 2, 3, 4]


def test_dividing_by_choosing(full: Desk) -> None:
    session = full.session
    full.undo()  # the division: 1, 2 and 3 are unrelated
    assert session.lineage() == []
    assert run(full, "divide", 5, 1, 2, 3) is None
    assert session.lineage()[0].daughters == (2, 3)


def test_one_daughter_is_what_the_mothers_track_goes_on_as(full: Desk) -> None:
    session = full.session
    full.act("connect", 4, 1, force=True)
    full.undo()
    full.undo()
    full.act("merge", 1, 2)  # the mother goes on as the upper daughter
    assert run(full, "divide", 5, 1, 3) is None
    (division,) = session.lineage()
    assert division.mother == 1 and division.frame == 5 and 3 in division.daughters and len(division.daughters) == 2
    assert session.labels.read(7)[6, 12] == next(d for d in division.daughters if d != 3)


@pytest.mark.parametrize(
    ("name", "frame", "cells", "why"),
    [
        ("delete", 0, (), "Choose a cell first"),
        ("delete", 0, (77,), "Choose a cell first"),
        ("merge", 0, (4,), "two cells or more"),
        ("swap", 0, (4,), "two cells"),
        ("connect", 0, (2, 3), "at the same time"),
        ("cut", 2, (4,), "only one side of frame 2"),
        ("cut", 5, (4, 2), "Choose one cell"),
        ("delete_on", 6, (4,), "not on frame 6"),
        ("delete_from", 0, (4,), "begins on frame 0"),
        ("delete_from", 7, (1,), "has ended before frame 7"),
        ("divide", 0, (4,), "lives on frames 0 to 11"),
        ("divide", 6, (4,), "not on frame 6"),
        ("divide", 4, (4,), "in one piece on frame 4"),
        ("orphan", 0, (4,), "no mother"),
        ("lock_here", 6, (4,), "not on frame 6"),
    ],
)
def test_why_not_is_said_before_it_is_done(full: Desk, name: str, frame: int, cells: tuple[int, ...], why: str) -> None:
    before = len(full.session.history())
    assert why in (run(full, name, frame, *cells) or "")
    assert len(full.session.history()) == before


def test_a_mother_in_two_pieces_divides_into_them(full: Desk) -> None:
    full.act("paint", 4, 5, disc(36, 4, 2))
    assert run(full, "divide", 5, 4) is None
    (division,) = [d for d in full.session.lineage() if d.mother == 4]
    assert division.frame == 5 and len(division.daughters) == 2


def test_states_are_about_this_frame_or_about_the_gap(full: Desk) -> None:
    document = full.session
    assert (
        stretch(document, 4, 6) == (6, 7) and stretch(document, 4, 11) == (10, 12) and stretch(document, 4, 0) == (0, 2)
    )
    run(full, "state_left", 11, 4)
    assert document.measurements(4)["state"][[9, 10, 11]].tolist() == [1, 3, 3]
    run(full, "suspect_here", 4, 4)
    run(full, "checked", 0, 2)
    assert document.measurements(4)["review"][4] == 2 and (document.measurements(2)["review"][5:] == 1).all()


def test_labels_of_the_menu_name_cells_and_frames() -> None:
    assert BY_NAME["swap"].label(Chosen((3, 8), 12)) == "Swap cells 3 and 8 from frame 12 on"
    assert BY_NAME["delete"].label(Chosen((3,), 1)) == "Delete cell 3"
    assert BY_NAME["delete"].label(Chosen((3, 8), 1)) == "Delete 2 cells"


def test_the_nearest_frame_that_shows_a_cell(full: Desk) -> None:
    session = full.session
    assert [nearest_frame(session, 4, t) for t in (0, 4, 6, 11)] == [2, 4, 5, 9]
    cell = full.act("add_click", None, 3, (35.0, 5.0))
    assert nearest_frame(session, cell, 9) == 3
    full.act("paint", cell, 9, disc(35, 5, 2))
    assert nearest_frame(session, cell, 9) == 9


def with_neighbour(desk: Desk, in_two: bool) -> None:
    """Cell 1 divides on frame 5, and her mask is on both daughters or on one; cell 2 is far away, on all frames."""
    labels = np.zeros(desk.session.labels.shape, np.int32)
    for t in range(desk.session.n_frames):
        labels[t, disc(10, 12, 5) if t < 5 else disc(6, 12, 3)] = 1
        if t >= 5 and in_two:
            labels[t, disc(15, 12, 3)] = 1
        labels[t, disc(30, 36, 4)] = 2
    desk.session.take_over(labels)
    desk.select(1)
    desk.show_frame(5)
    desk.viewer.cursor.position = (5, 30, 36)  # the mouse rests where cell 2 was chosen
    assert cell_under_mouse(desk) == 2


def test_a_far_cell_under_the_mouse_is_no_daughter_of_a_mother_in_two_parts(desk: Desk) -> None:
    with_neighbour(desk, in_two=True)
    before = desk.session.labels[:]
    desk.confirm = lambda text: pytest.fail(text)
    cell_commands.divide(desk)
    (division,) = desk.session.lineage()
    assert division.mother == 1 and division.frame == 5 and 2 not in division.daughters
    assert ((desk.session.labels[:] == 2) == (before == 2)).all()
    assert np.isin(desk.session.labels[5][before[5] == 1], division.daughters).all()


def test_the_user_is_asked_before_a_far_cell_becomes_a_daughter(desk: Desk) -> None:
    with_neighbour(desk, in_two=False)
    before, steps, asked = desk.session.labels[:], len(desk.session.document.done), []
    desk.confirm = lambda text: bool(asked.append(text))
    cell_commands.divide(desk)
    assert len(asked) == 1 and "cell 2 is there from frame 0 on, away from cell 1" in asked[0]
    assert "cut cell 2 on frame 5 first" in asked[0]
    assert (desk.session.labels[:] == before).all() and not desk.session.lineage()
    assert len(desk.session.document.done) == steps
    assert run(desk, "divide", 5, 1, 2) is None and len(asked) == 2  # by the menu, too
    desk.confirm = lambda text: True
    cell_commands.divide(desk)
    (division,) = desk.session.lineage()
    assert division.mother == 1 and 2 in division.daughters and not (desk.session.labels[4] == 2).any()
    desk.undo()
    assert (desk.session.labels[:] == before).all()


def test_a_daughter_under_the_mouse_is_taken_without_a_question(desk: Desk) -> None:
    with_neighbour(desk, in_two=False)
    desk.confirm = lambda text: pytest.fail(text)
    cell = desk.session.paint(None, 5, disc(15, 12, 3))
    desk.session.paint(cell, 4, disc(12, 12, 2))  # she was followed back onto her mother
    desk.select(1)
    desk.viewer.cursor.position = (5, 15, 12)
    cell_commands.divide(desk)
    (division,) = desk.session.lineage()
    assert division.mother == 1 and cell in division.daughters and division.frame == 5
