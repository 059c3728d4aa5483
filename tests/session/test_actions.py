"""What each action does, and when it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stub import FRAMES, disc, measured, state

from napari_sam2.session import Changed, Refused, Session
from napari_sam2.session.script import WRITERS


def frames_of(session: Session, cell: int) -> list[int]:
    """Frames on which a cell has pixels."""
    return np.flatnonzero((session.labels[:] == cell).any((1, 2))).tolist()


ALL = list(range(FRAMES))


def test_clicks_make_cells_and_tracking_makes_masks(tracked: Session) -> None:
    assert sorted(tracked.cells) == [1, 2, 3]
    assert all(frames_of(tracked, cell) == ALL for cell in (1, 2, 3))
    rows = tracked.measurements(1)
    assert rows["area"].min() > 0 and np.allclose(rows["x"], 12 + np.arange(FRAMES))
    assert not tracked.stale() and tracked.cost() == 0
    measured(tracked)


def test_prompts_keep_the_time_they_were_made(session: Session) -> None:
    cell = session.add_click(None, 2, (10, 10))
    session.add_click(cell, 2, (12, 10), foreground=False)
    session.add_box(cell, 2, ((5, 5), (15, 15)))
    said = session.prompts(cell)[2]
    assert len(said.times) == len(said.prompts.rounds) == 3 and list(said.times) == sorted(said.times)
    session.move_prompt(cell, 2, 1, (13, 11))
    assert session.prompts(cell)[2].prompts.rounds[1].clicks == ((13.0, 11.0, False),)
    session.remove_prompt(cell, 2, 0)
    assert session.prompts(cell)[2].times == (session.prompts(cell)[2].times[0], said.times[2])
    session.remove_prompt(cell, 2)
    assert not session.prompts(cell)


@pytest.mark.parametrize("to", [(5, 5), ((5, 5), (9,)), ((5, 5), (9, 9), (1, 1)), "here", 7])
def test_a_box_is_moved_to_two_corners(session: Session, to: Any) -> None:
    cell = session.add_box(None, 2, ((5, 5), (15, 15)))
    before = session.prompts(cell)
    with pytest.raises(ValueError, match=r"is a box: give its two corners \(y, x\), not"):
        session.move_prompt(cell, 2, 0, to)
    assert session.prompts(cell) == before
    session.move_prompt(cell, 2, 0, ((6, 7), (16, 17)))
    assert session.prompts(cell)[2].prompts.rounds[0].box == ((6.0, 7.0), (16.0, 17.0))


@pytest.mark.parametrize("to", [((5, 5), (9, 9)), (5,), (5, 5, 5), (None, 3)])
def test_a_click_is_moved_to_one_place(session: Session, to: Any) -> None:
    cell = session.add_click(None, 2, (10, 10))
    with pytest.raises(ValueError, match="is a click: give its place|lies outside"):
        session.move_prompt(cell, 2, 0, to)
    assert session.prompts(cell)[2].prompts.rounds[0].clicks == ((10.0, 10.0, True),)


def test_a_correction_starts_from_the_mask_that_is_there(tracked: Session) -> None:
    tracked.add_click(1, 5, (12, 18))
    base = tracked.prompts(1)[5].prompts.base
    assert base is not None and np.array_equal(base.full((40, 48)), tracked.labels[5] == 1)


def test_paint_and_erase_become_mask_prompts_and_take_pixels(tracked: Session) -> None:
    before = tracked.labels[4]
    tracked.paint(1, 4, disc(28, 16))
    after = tracked.labels[4]
    assert ((after == 1) == ((before == 1) | disc(28, 16))).all()
    assert tracked.measurements(2)["area"][4] == (after == 2).sum() < (before == 2).sum()
    mask = tracked.prompts(1)[4].prompts.mask
    assert mask is not None and np.array_equal(mask.full((40, 48)), after == 1)
    tracked.erase(1, 4, disc(28, 16))
    assert (tracked.labels[4] == 1).sum() == (before == 1).sum()
    with pytest.raises(Refused, match="changes nothing"):
        tracked.erase(1, 4, disc(28, 16))
    with pytest.raises(Refused, match="delete it there"):
        tracked.erase(1, 4, np.ones((40, 48), bool))
    before = tracked.labels[4]
    new = tracked.paint(None, 4, disc(28, 16, 8), over=False)
    assert ((tracked.labels[4] == new) == (disc(28, 16, 8) & (before == 0))).all()


def test_deleting(tracked: Session) -> None:
    tracked.delete_on(1, 3)
    assert frames_of(tracked, 1) == [t for t in ALL if t != 3]
    tracked.run(what="all")
    assert 3 not in frames_of(tracked, 1)  # it stays away
    tracked.delete_from(2, 7)
    assert frames_of(tracked, 2) == ALL[:7]
    tracked.run(what="all")
    assert frames_of(tracked, 2) == ALL[:7] and not tracked.stale()
    with pytest.raises(Refused, match="ends before frame 7") as caught:
        tracked.add_click(2, 9, (30, 20))
    assert caught.value.can_force
    tracked.add_click(2, 9, (30, 20), force=True)
    assert tracked.cells[2].end is None
    tracked.delete(3)
    assert 3 not in tracked.cells and not frames_of(tracked, 3)
    with pytest.raises(Refused, match="never used again"):
        tracked.add_click(3, 0, (5, 5))
    with pytest.raises(Refused, match="no cell 3"):
        tracked.delete(3)
    measured(tracked)


def test_merge_takes_all_pixels_and_prompts(tracked: Session) -> None:
    both = np.isin(tracked.labels[:], (1, 2))
    tracked.merge(1, 2)
    assert np.array_equal(tracked.labels[:] == 1, both) and 2 not in tracked.cells
    assert not tracked.stale() and tracked.cost() == 0
    measured(tracked)


def test_swap_anchors_both_so_that_tracking_does_not_undo_it(tracked: Session) -> None:
    before = tracked.labels[:]
    tracked.swap(1, 2, 6)
    after = tracked.labels[:]
    assert np.array_equal(after[:6], before[:6])
    assert np.array_equal(after[6:] == 1, before[6:] == 2) and np.array_equal(after[6:] == 2, before[6:] == 1)
    assert not tracked.stale() and tracked.run() == 0
    tracked.add_click(1, 9, (26, 22))
    assert tracked.stale()[1].min() == 7  # up to the swap, not beyond
    tracked.run()
    assert np.array_equal(tracked.labels[:7], after[:7])


def test_cut_and_connect_are_each_others_inverse_in_pixels(tracked: Session) -> None:
    before = tracked.labels[:]
    new = tracked.cut(2, 5)
    assert frames_of(tracked, 2) == ALL[:5] and frames_of(tracked, new) == ALL[5:]
    assert tracked.cells[2].end == 5 and tracked.cells[new].begin == 5 and not tracked.stale()
    with pytest.raises(Refused, match="only one side"):
        tracked.cut(2, 8)
    with pytest.raises(Refused, match="before cell 1 ends") as caught:
        tracked.connect(1, new)
    assert caught.value.can_force
    tracked.connect(2, new)
    assert np.array_equal(tracked.labels[:], before) and new not in tracked.cells and not tracked.stale()
    measured(tracked)


def test_split_by_points(tracked: Session) -> None:
    tracked.paint(1, 4, disc(10, 24))
    whole = tracked.labels[4] == 1
    new = tracked.split(1, 4, points=[(10, 14), (10, 26)])
    image = tracked.labels[4]
    assert np.array_equal(np.isin(image, (1, new)), whole) and image[10, 26] == new and image[10, 14] == 1
    assert set(tracked.prompts(new)) == {4} and tracked.stale([1])
    tracked.run()
    assert frames_of(tracked, new) == ALL


def test_divide_ends_the_mother_and_tracks_both_daughters(tracked: Session) -> None:
    steps = len(tracked.document.done)
    one, two = tracked.divide(1, 6, [(7, 18), (14, 18)], track=True)
    assert len(tracked.document.done) == steps + 1  # one gesture, one step
    assert frames_of(tracked, 1) == ALL[:6]
    assert frames_of(tracked, one) == frames_of(tracked, two) == ALL[6:]
    (division,) = tracked.lineage()
    assert (division.mother, division.frame, division.daughters) == (1, 6, (one, two))
    assert tracked.measurements(1)["state"][5] == 5
    with pytest.raises(Refused, match="daughters already"):
        tracked.divide(1, 5, [(7, 18), (14, 18)])
    with pytest.raises(Refused, match="cannot divide before frame 9"):
        tracked.divide(1, 9, [(7, 18), (14, 18)])
    assert tracked.undo() == "divide" and frames_of(tracked, 1) == ALL and not tracked.lineage()
    measured(tracked)


def test_a_mother_out_of_what_two_tracks_share(tracked: Session) -> None:
    (mother,) = set(tracked.cells) & {1}
    before = tracked.labels[:]
    tracked.divide(None, 5, [1, 2])
    (division,) = tracked.lineage()
    assert division.daughters == (1, 2) and division.mother not in (1, 2, 3)
    assert np.array_equal(tracked.labels[:5] == division.mother, np.isin(before[:5], (mother, 2)))
    assert frames_of(tracked, 1) == ALL[5:]
    measured(tracked)


def test_renumber_names_states_and_options(tracked: Session) -> None:
    before = tracked.labels[:] == 2
    tracked.describe(2, name="left one", notes="dim", category="neuron")
    tracked.renumber(2, 40)
    assert np.array_equal(tracked.labels[:] == 40, before) and tracked.cells[40].name == "left one"
    assert not tracked.stale() and tracked.new_id() == 41
    with pytest.raises(Refused, match="a cell 1 already"):
        tracked.renumber(40, 1)
    tracked.set_state(1, (8, FRAMES), "left")
    assert (tracked.measurements(1)["state"][8:] == 3).all()
    with pytest.raises(ValueError, match="one of none, present, hidden"):
        tracked.set_state(1, 2, "asleep")
    tracked.set_options(cell_diameter=12)
    assert set(tracked.stale()) == {1, 40, 3}
    with pytest.raises(Refused, match="colour cannot be set"):
        tracked.set_options(colour=3)


def test_locks_hold_against_everything_and_can_be_forced(tracked: Session) -> None:
    tracked.lock(1, (4, 6))
    before = tracked.labels[:]
    for action in (
        lambda: tracked.paint(1, 4, disc(30, 30)),
        lambda: tracked.delete(1),
        lambda: tracked.swap(1, 2, 3),
        lambda: tracked.add_click(1, 5, (9, 9)),
        lambda: tracked.merge(2, 1),
    ):
        with pytest.raises(Refused, match="locked on frame [45]") as caught:
            action()
        assert caught.value.can_force
    tracked.paint(2, 4, disc(10, 16, 6))  # other cells cannot take its pixels either
    assert np.array_equal(tracked.labels[4] == 1, before[4] == 1)
    tracked.delete(1, force=True)
    assert 1 not in tracked.cells


def test_take_over_a_segmentation_and_repair_it(session: Session) -> None:
    labels = np.zeros((FRAMES, 40, 48), np.uint8)
    labels[:, disc(10, 12)] = 7
    labels[2:5, disc(30, 12)] = 9
    assert session.take_over(labels) == {7: 7, 9: 9}
    assert np.array_equal(session.labels[:], labels) and not session.stale()
    session.paint(7, 5, disc(10, 15))
    assert set(session.stale()[7].tolist()) == set(ALL) - {5}
    session.lock(9)
    session.run()
    assert np.array_equal(session.labels[2:5] == 9, labels[2:5] == 9)  # and from there it is tracked on
    assert frames_of(session, 9) == ALL
    with pytest.raises(ValueError, match=r"movie is \(12, 40, 48\)"):
        session.take_over(labels[:3])


def test_steps_group_and_errors_take_all_of_them_back(tracked: Session) -> None:
    before = state(tracked)
    with pytest.raises(Refused), tracked.step():
        tracked.describe(1, name="one")
        tracked.paint(1, 4, disc(28, 16))
        tracked.delete(99)
    assert state(tracked) == before and tracked.can_undo == "track" and tracked.can_redo is None
    with tracked.step():
        tracked.describe(1, name="one")
        tracked.paint(1, 4, disc(28, 16))
    assert tracked.undo() == "describe" and state(tracked) == before
    assert tracked.redo() == "describe" and tracked.cells[1].name == "one"


def test_listeners_hear_what_changed(tracked: Session) -> None:
    heard: list[Changed] = []
    tracked.changed.connect(heard.append)
    tracked.paint(1, 4, disc(28, 16))
    assert heard[-1] == Changed("paint", frozenset({1, 2}), 4, 5, labels=True)
    tracked.undo()
    assert heard[-1].verb == "undo" and heard[-1].cells == {1, 2} and heard[-1].labels
    tracked.add_click(3, 8, (18, 32))
    list(tracked.track())
    assert {e.first for e in heard if e.verb == "track" and e.labels} == set(range(7, 12))
    count = len(heard)
    with tracked.changed.blocked():
        tracked.delete(1)
    assert len(heard) == count


def test_stopping_keeps_what_is_done_and_goes_on_from_there(session: Session) -> None:
    session.add_click(None, 0, (10, 12))
    run = session.track()
    for _ in range(5):
        next(run)
    with pytest.raises(Refused, match="tracking is running"):
        session.delete(1)
    run.close()
    assert frames_of(session, 1) == ALL[:5] and session.cost() == FRAMES - 5
    assert session.run() == FRAMES - 5  # only what was missing is written
    assert session.undo() == "track" and frames_of(session, 1) == ALL[:5]


def test_every_verb_can_be_scripted() -> None:
    import inspect
    import re
    from pathlib import Path

    from napari_sam2.session import actions

    folder = Path(inspect.getfile(actions)).parent
    sources = [f.read_text() for f in [*folder.glob("*.py"), *folder.parent.glob("*.py")]]
    verbs = {v for text in sources for v in re.findall(r'\.change\(\s*"(\w+)"', text)}
    verbs |= {"add_clicks", "add_box", "add_mask", "remove_prompt", "move_prompt", "paint", "erase", "lock", "unlock"}
    assert verbs == set(WRITERS)
