"""Masks that fall into two parts: which of them are mothers, and what becomes of the parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from stub import FRAMES, disc, measured

from napari_sam2.session import Proposal, Session
from napari_sam2.session.division_parts import AFTERWARDS, Two, like_daughters, two_parts
from napari_sam2.session.errors import Refused

Mask = np.ndarray
BORN = 5


def mother() -> Mask:
    return disc(20, 24, 7)


def daughters(t: int) -> Mask:
    """Both of them, parting from frame `BORN` on."""
    away = 7 + (t - BORN) / 2
    return disc(20, 24 - away, 5) | disc(20, 24 + away, 5)


def movie(later: Callable[[int], Mask]) -> np.ndarray:
    """Labels of one cell, whole before frame `BORN`."""
    labels = np.zeros((FRAMES, 40, 48), np.int32)
    for t in range(FRAMES):
        labels[t, mother() if t < BORN else later(t)] = 1
    return labels


def test_two_daughters_under_one_mask_are_proposed(session: Session) -> None:
    session.take_over(movie(daughters))
    (proposal,) = session.proposals()
    assert (proposal.mother, proposal.frame, proposal.daughters) == (1, BORN, (1, 1)) and proposal.certainty > 0.7
    assert "falls into two parts on frame 5" in proposal.reason


def test_a_mother_rounds_up_before_she_divides(session: Session) -> None:
    labels = movie(daughters)
    labels[BORN - 2 : BORN] = disc(20, 24, 4)
    session.take_over(labels)
    assert [p.frame for p in session.proposals()] == [BORN]


def scrap(t: int) -> Mask:
    return mother() | disc(20, 36, 3)


def neighbour(t: int) -> Mask:
    """As large as the cell, which stays where it was."""
    return mother() | disc(20, 39, 6)


def slit(t: int) -> Mask:
    """Something thin lies across: the halves do not part."""
    whole = disc(20, 24, 9)
    whole[:, 24] = False
    return whole


def crumbs(t: int) -> Mask:
    return disc(20, 17, 1.5) | disc(20, 31, 1.5)


def coming_back(t: int) -> Mask:
    """What seemed to part closes in again."""
    away = max(9 - 1.5 * (t - BORN), 5.5)
    return disc(20, 24 - away, 4) | disc(20, 24 + away, 4)


def flicker(t: int) -> Mask:
    return daughters(t) if t % 3 else mother()


@pytest.mark.parametrize("later", [scrap, neighbour, slit, crumbs, coming_back, flicker])
def test_one_cell_in_pieces_is_no_mother(session: Session, later: Callable[[int], Mask]) -> None:
    labels = movie(later)
    if later is slit:
        labels[:BORN] = disc(20, 24, 9)
    session.take_over(labels)
    second = session.measurements(1)["second"]
    assert (second[BORN:] >= 0.1).sum() >= 3  # otherwise there was nothing to tell apart
    assert session.proposals() == []


def test_a_mask_that_closes_for_a_while_is_one_division(session: Session) -> None:
    def bridged(t: int) -> Mask:
        found = daughters(t)
        if t == BORN + 3:
            found[20, 14:34] = True
        return found

    session.take_over(movie(bridged))
    assert [p.frame for p in session.proposals()] == [BORN]
    session.reject(session.proposals()[0])
    assert BORN not in [p.frame for p in session.proposals()]


def test_a_daughter_that_is_lost_later_is_no_division_of_its_own(session: Session) -> None:
    labels = movie(lambda t: daughters(t) if t < BORN + 4 else daughters(t) & (np.arange(48) < 24))
    session.take_over(labels)
    assert [(p.frame, p.place) for p in session.proposals()] == [(BORN, None)]


def test_a_cell_that_comes_near_later_hides_no_division(session: Session) -> None:
    labels = np.zeros((FRAMES, 40, 48), np.int32)
    for t in range(FRAMES):
        if t < 2:
            labels[t, mother()] = 1
        elif t < 6:
            labels[t, daughters(t + 3)] = 1
        else:  # the mask stays with one daughter, whom another track claims a part of until frame 9
            away = 0 if t < 9 else 8
            labels[t, disc(20, 12 + away, 5)] = 1
            labels[t, disc(20, 9, 5) & (labels[t] == 0)] = 2
    session.take_over(labels)
    assert (1, 2, (1, 1)) in [(p.mother, p.frame, p.daughters) for p in session.proposals()]


def test_cells_that_meet_for_long_and_part_have_not_been_one(session: Session) -> None:
    labels = np.zeros((FRAMES, 40, 48), np.int32)
    for t in range(FRAMES):
        away = 2 if 3 <= t < 8 else 8
        labels[t, disc(20, 24 - away, 6)] = 1
        labels[t, disc(20, 24 + away, 6) & (labels[t] == 0)] = 2
    session.take_over(labels)
    assert (session.measurements(1)["touching"][3:8] > 0).all()
    assert session.proposals() == []


def test_the_parts_become_the_daughters_and_undo_brings_back_all(session: Session) -> None:
    labels = movie(daughters)
    session.take_over(labels)
    session.settle()
    rows, cells = session.measurements(1).copy(), dict(session.cells)
    (proposal,) = session.proposals()
    steps = len(session.document.done)
    one, two = session.accept(proposal)
    assert len(session.document.done) == steps + 1
    found = session.labels[:]
    assert session.cells[1].end == BORN and not (found[BORN:] == 1).any()
    assert np.array_equal(found[:BORN], labels[:BORN])
    left, right = ((found == cell) for cell in (one, two))
    assert np.array_equal(left[BORN] | right[BORN], labels[BORN] == 1)
    sides = [np.nonzero(side[BORN])[1].mean() < 24 for side in (left, right)]
    assert sorted(sides) == [False, True]
    for t in range(BORN, FRAMES):  # each stays on its own side to the end
        for side, is_left in zip((left, right), sides, strict=True):
            assert side[t].any() and (np.nonzero(side[t])[1].mean() < 24) == is_left
    measured(session)
    session.undo()
    session.settle()
    assert np.array_equal(session.labels[:], labels) and dict(session.cells) == cells
    assert np.array_equal(session.measurements(1), rows) and session.proposals() == [proposal]


def test_few_frames_are_read_and_only_once(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.take_over(movie(daughters))
    seen: list[int] = []
    look = session.labels.look

    def watched(frame: int) -> np.ndarray:
        seen.append(frame)
        return look(frame)

    monkeypatch.setattr(session.labels, "look", watched)
    assert session.proposals() == session.proposals()
    assert sorted(seen) == list(range(BORN, min(BORN + AFTERWARDS, FRAMES)))
    mask = look(BORN) == 1
    mask[20, 16:32] = True
    session.paint(1, BORN, mask)  # now it is another mask
    assert all(p.frame != BORN for p in session.proposals())


def test_parts_are_measured() -> None:
    mask = np.zeros((40, 48), bool)
    mask[5:9, 6:12], mask[20:24, 30:40], mask[30, 3] = True, True, True
    assert two_parts(mask) == Two((40, 24), ((21.5, 34.5), (6.5, 8.5)))
    mask[5:9, 6:12] = False
    assert two_parts(mask) is None and two_parts(np.zeros_like(mask)) is None


def test_daughters_are_as_large_as_cells() -> None:
    def pair(one: int, other: int) -> list[Two]:
        return [Two((one, other), ((20.0, 14.0 - k), (20.0, 34.0 + k))) for k in range(4)]

    assert like_daughters(pair(150, 140), 300, (20, 24)) > 0.8
    assert like_daughters(pair(150, 30), 300, (20, 24)) == 0
    assert like_daughters(pair(400, 390), 300, (20, 24)) == 0
    assert like_daughters(pair(150, 140), 300, (20, 40)) < 0.2


def test_another_cell_is_no_daughter_unless_forced(session: Session) -> None:
    labels = movie(lambda t: disc(20, 17, 5))
    labels[:, disc(8, 40, 4)] = 2
    session.take_over(labels)
    with pytest.raises(Refused, match=r"cell 2 is there from frame 0 on, away from cell 1.*lose its track") as refused:
        session.accept(Proposal(1, BORN, (1, 2), 1.0, ""), track=False)
    assert refused.value.can_force and np.array_equal(session.labels[:], labels) and set(session.cells) == {1, 2}
    born = session.accept(Proposal(1, BORN, (1, 2), 1.0, ""), track=False, force=True)
    assert 2 in born and session.lineage()[0].daughters == tuple(sorted(born))


def test_a_daughter_that_was_followed_back_onto_her_mother_is_one(session: Session) -> None:
    labels = movie(lambda t: disc(20, 17, 5))
    labels[:BORN, disc(20, 27, 3)] = 2
    labels[BORN:, disc(20, 31, 5)] = 2
    session.take_over(labels)
    own, other = session.accept(Proposal(1, BORN, (1, 2), 1.0, ""), track=False)
    assert other == 2 and not (session.labels[:BORN] == 2).any()
