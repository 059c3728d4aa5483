"""Suspects and proposed divisions on movies whose faults are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stub import FRAMES, DiscEngine, disc, measured

from napari_sam2.session import Session, new_session
from napari_sam2.session.shapes import shapes


def moving(second_from: int = FRAMES, jump: int = FRAMES, grow: int = FRAMES) -> np.ndarray:
    """One cell, which falls in two, jumps, or grows on a frame."""
    labels = np.zeros((FRAMES, 40, 48), np.int32)
    for t in range(FRAMES):
        x = 12 + t + (14 if t >= jump else 0)
        labels[t, disc(10, x, 7 if t >= grow else 4)] = 1
        if t >= second_from:
            labels[t, :, x - 1 : x + 2] = 0
    return labels


def test_a_calm_cell_is_no_suspect(session: Session) -> None:
    session.take_over(moving())
    assert session.review() == []


def test_faults_are_found_on_their_frame_with_reasons(session: Session) -> None:
    session.take_over(moving(jump=6))
    (suspect,) = session.review()
    assert suspect.frame == 6 and suspect.reasons == ("the cell jumped",)
    session.set_state(1, 6, "checked")
    assert session.review() == []
    session.undo()
    assert len(session.review()) == 1


def test_growth_and_marks_of_a_person(session: Session) -> None:
    session.take_over(moving(grow=6))
    first = session.review()[0]
    assert first.frame == 6 and first.reasons[0].startswith("the area grew to 3")
    session.set_state(1, 2, "suspect")
    best = session.review()[0]
    assert best.frame == 2 and best.doubt == 1.0 and "marked as suspect" in best.reasons


def test_low_scores_and_absence_are_suspect(session: Session) -> None:
    cell = session.add_click(None, 0, (10, 12))
    for result in session.track():
        result.scores[cell] = 0.2
    assert not session.review()  # what was written was sure
    session.delete_on(cell, 4)
    assert not session.review()  # a person said that it is not there


def test_shapes_count_parts_and_contacts() -> None:
    image = np.zeros((40, 48), np.int32)
    image[5:15, 5:15], image[5:15, 15:25] = 1, 2
    image[20:30, 5:15], image[20:25, 20:30] = 3, 3
    found = shapes(image)
    assert found.cells.tolist() == [1, 2, 3]
    assert found.touching.tolist() == [0.25, 0.25, 0] and found.second.tolist()[:2] == [0, 0]
    assert abs(found.second[2] - 1 / 3) < 1e-9
    assert found.of([3, 7]).area.tolist() == [150, 0]


def test_a_mask_in_two_lasting_parts_is_proposed_and_made(session: Session) -> None:
    session.take_over(moving(second_from=6))
    (proposal,) = session.proposals()
    assert (proposal.mother, proposal.frame, proposal.daughters) == (1, 6, (1, 1)) and "two parts" in proposal.reason
    session.reject(proposal)
    assert session.proposals() == []
    session.undo()
    one, two = session.accept(proposal, track=False)
    assert session.lineage()[0].daughters == (one, two)
    assert {*np.unique(session.labels[6])} == {0, one, two} and session.proposals() == []
    measured(session)
    assert session.undo() == "divide"


def test_tracks_that_meet_backwards_are_proposed_and_made(session: Session) -> None:
    labels = np.zeros((FRAMES, 40, 48), np.int32)
    for t in range(FRAMES):
        if t < 5:
            labels[t, disc(20, 20, 6)] = 1
        else:
            labels[t, disc(20 - (t - 1), 20, 4)] = 1
            labels[t, disc(20 + (t - 1), 20, 4)] = 2
    session.take_over(labels)
    (proposal,) = session.proposals()
    assert (proposal.mother, proposal.frame, proposal.daughters) == (1, 5, (1, 2))
    steps = len(session.document.done)
    born = session.accept(proposal, track=False)
    assert len(session.document.done) == steps + 1
    (division,) = session.lineage()
    assert (division.mother, division.frame, set(division.daughters)) == (1, 5, set(born))
    assert np.array_equal(session.labels[:5] == 1, labels[:5] == 1) and session.proposals() == []
    measured(session)


def test_no_frame_is_read_to_review(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.take_over(moving(second_from=5))
    for name in ("read", "look"):
        monkeypatch.setattr(session.labels, name, lambda t: pytest.fail("a frame was read"))
    assert session.review()


def test_only_so_many_suspects_as_one_looks_at(session: Session) -> None:
    labels = moving()
    for t in (3, 5, 9):
        labels[t] = 0
        labels[t, disc(10, 12 + t, 7 + t / 10)] = 1
    session.take_over(labels)
    everything = session.review(most=None)
    assert len(everything) == 2 and session.review(most=1) == everything[:1]
    assert [s.doubt for s in everything] == sorted((s.doubt for s in everything), reverse=True)


def dividing(frame: int = 6, other: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """A movie of a bright cell that divides, and labels in which its track lives on upon one half."""
    labels = np.zeros((FRAMES, 40, 48), np.int32)
    movie = np.random.default_rng(2).normal(100, 3, labels.shape)
    for t in range(FRAMES):
        if t < frame:
            labels[t, disc(20, 24, 7)] = 1
            movie[t][disc(20, 24, 7)] += 100
        else:
            labels[t, disc(20, 18 - (t - frame) / 2, 5)] = 1
            movie[t][disc(20, 18 - (t - frame) / 2, 5)] += 100
            if other:
                movie[t][disc(20, 30 + (t - frame) / 2, 5)] += 100
    return movie.clip(0, 255).astype(np.uint8), labels


def proposed(path: Path, movie: np.ndarray, labels: np.ndarray) -> Session:
    session = new_session(movie, path, model="discs", make_engine=DiscEngine)
    session.take_over(labels)
    return session


def test_a_mother_that_lives_on_upon_one_daughter_is_proposed_and_made(tmp_path: Path) -> None:
    with proposed(tmp_path / "one", *dividing()) as session:
        (proposal,) = session.proposals()
        assert (proposal.mother, proposal.frame, proposal.daughters) == (1, 6, (1, 1)) and proposal.place is not None
        assert disc(20, 30)[round(proposal.place[0]), round(proposal.place[1])]  # where the other daughter is
        assert "nobody tracks" in proposal.reason
        steps = len(session.document.done)
        one, two = session.accept(proposal)
        assert len(session.document.done) == steps + 1
        (division,) = session.lineage()
        assert (division.mother, division.frame, division.daughters) == (1, 6, (one, two))
        assert (session.labels[8] == two).any() and not (session.labels[8] == 1).any()
        measured(session)
        assert session.proposals() == []
        session.undo()
        assert session.proposals() == [proposal]
        session.reject(proposal)
        assert session.proposals() == []


def test_a_cell_that_only_shrinks_is_not_proposed(tmp_path: Path) -> None:
    with proposed(tmp_path / "one", *dividing(other=False)) as session:
        assert session.proposals() == []


def test_a_neighbour_that_nobody_clicked_is_no_daughter(tmp_path: Path) -> None:
    movie, labels = dividing(other=False)
    movie[:, disc(20, 36, 5)] = 200  # it was there before, too
    with proposed(tmp_path / "one", movie, labels) as session:
        assert session.proposals() == []


def test_two_that_begin_where_one_was_are_its_daughters(session: Session) -> None:
    labels = np.zeros((FRAMES, 40, 48), np.int32)
    for t in range(FRAMES):
        if t < 5:
            labels[t, disc(20, 24, 7)] = 1
        else:
            labels[t, disc(20, 15 - t / 4, 5)], labels[t, disc(20, 33 + t / 4, 5)] = 2, 3
    session.take_over(labels)
    (proposal,) = session.proposals()
    assert (proposal.mother, proposal.frame, proposal.daughters) == (1, 5, (2, 3))
    assert session.accept(proposal, track=False) == [2, 3]
    (division,) = session.lineage()
    assert (division.mother, division.frame, division.daughters) == (1, 5, (2, 3)) and session.proposals() == []
    measured(session)


def test_cells_that_meet_and_part_have_not_divided(session: Session) -> None:
    labels = np.zeros((FRAMES, 40, 48), np.int32)
    for t in range(FRAMES):
        away = abs(t - 5) * 1.5 + 2
        labels[t, disc(20, 24 - away, 5)] = 1
        labels[t, disc(20, 24 + away, 5) & (labels[t] == 0)] = 2
    session.take_over(labels)
    assert session.proposals() == []


def test_a_daughter_whose_track_was_lost_on_its_way_back_is_found(tmp_path: Path) -> None:
    movie, labels = dividing()
    for t in range(9, FRAMES):
        labels[t, disc(20, 30 + (t - 6) / 2, 5)] = 2
    with proposed(tmp_path / "one", movie, labels) as session:
        (proposal,) = session.proposals()
        assert (proposal.mother, proposal.frame, proposal.daughters, proposal.place) == (1, 6, (1, 2), None)
        one, two = session.accept(proposal, track=False)
        (division,) = session.lineage()
        assert (division.frame, set(division.daughters)) == (6, {one, two}) and 2 in division.daughters
        session.run()
        assert (session.labels[7] == 2).any()  # followed back to its birth
        measured(session)
