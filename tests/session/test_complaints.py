"""What users of other tools complain about most, each held to its opposite, with a real (small) network.

1. A frame was corrected and tracked again, and nothing changed. 2. Identities jump, and nothing brings them back.
6. Cells that come later force a reset. 7. No start from, or edit of, a segmentation. 8. No undo, no way to take back
one click or to go back to an earlier cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from stub import state

from napari_sam2.session import Session, new_session
from napari_sam2.weights import save_model
from tests.tracking.small import SETTINGS, discs_movie, tracking_model

FRAMES = 9
PLACES = {1: (20.0, 20.0), 2: (60.0, 30.0), 3: (40.0, 66.0)}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network in a file."""
    return save_model(tracking_model(), tmp_path_factory.mktemp("weights") / "small.safetensors")


@pytest.fixture
def session(tmp_path: Path, weights: Path) -> Iterator[Session]:
    """Three cells that were clicked on frame 0 and tracked."""
    with new_session(
        discs_movie(FRAMES, (80, 90), count=3),
        tmp_path / "movie.sam2cells",
        model=weights,
        limits=(80, 500),
        cell_diameter=18.0,
        mode="windows",
        device="cpu",
        settings=SETTINGS,
    ) as made:
        for cell, yx in PLACES.items():
            made.add_click(cell, 0, yx)
        made.run()
        assert all((made.labels[t] == cell).any() for t in range(FRAMES) for cell in PLACES)
        yield made


def changed_frames(before: np.ndarray, after: np.ndarray, cell: int) -> set[int]:
    """Frames on which a cell's pixels differ."""
    return set(np.flatnonzero(((before == cell) != (after == cell)).any((1, 2))).tolist())


def only_taken_or_left(before: np.ndarray, after: np.ndarray, cell: int) -> bool:
    """Whether each pixel that changed went to the cell, or came from it."""
    differ = before != after
    return bool(((before == cell) | (after == cell))[differ].all())


def test_1_a_correction_changes_the_frames_on_both_sides_and_only_that_cell(session: Session) -> None:
    before = session.labels[:]
    outside = tuple(np.argwhere(before[5] == 1).mean(0).round() + (9, 9))
    session.add_click(1, 5, outside)
    assert set(session.stale()) == {1}
    assert session.stale()[1].tolist() == list(range(1, FRAMES))
    written = [r.frame for r in session.track(what="stale")]
    after = session.labels[:]
    found = changed_frames(before, after, 1)
    assert 5 in found and found & {6, 7, 8} and found & {3, 4}
    assert 0 not in found and 0 not in written  # the click on frame 0 still says what it said
    assert only_taken_or_left(before, after, 1)
    assert not session.stale()


def test_1_a_painted_frame_changes_its_neighbours_too(session: Session) -> None:
    before = session.labels[:]
    stroke = np.zeros((80, 90), bool)
    y, x = np.argwhere(before[5] == 2).mean(0).astype(int)
    stroke[y - 12 : y + 12, x - 3 : x + 3] = True
    session.paint(2, 5, stroke)
    session.run(what="stale")
    after = session.labels[:]
    assert ((after[5] == 2) == ((before[5] == 2) | stroke)).all()  # what was drawn is taken as it is
    assert changed_frames(before, after, 2) & {4, 6}
    assert only_taken_or_left(before, after, 2)


def test_1_locked_and_prompted_frames_bound_what_is_tracked_again(session: Session) -> None:
    session.lock(1, 7)
    session.add_click(1, 2, tuple(np.argwhere(session.labels[2] == 1).mean(0)))
    assert session.stale()[1].tolist() == [1, 2, 3, 4, 5, 6]
    before = session.labels[:]
    session.add_click(1, 5, tuple(np.argwhere(before[5] == 1).mean(0) + (9, 9)))
    assert session.stale()[1].tolist() == [1, 2, 3, 4, 5, 6]
    session.run(what="stale")
    after = session.labels[:]
    assert changed_frames(before, after, 1) <= {1, 2, 3, 4, 5, 6}
    assert np.array_equal(before[7:] == 1, after[7:] == 1)


def test_2_swapped_identities_stay_swapped_back(session: Session) -> None:
    before = session.labels[:]
    session.swap(1, 2, 4)
    swapped = session.labels[:]
    assert np.array_equal(swapped[4:] == 1, before[4:] == 2)
    assert session.run() == 0
    session.run(what="all")  # even tracking everything afresh keeps the two apart where the user said
    here = session.labels[4] == 1
    assert (here & (before[4] == 2)).sum() > (here & (before[4] == 1)).sum()


def test_6_a_cell_that_comes_later_is_tracked_without_touching_the_others(session: Session) -> None:
    before, others = session.labels[:], {c: session.measurements(c).copy() for c in PLACES}
    new = session.add_click(None, 4, (12.0, 75.0))
    assert not session.stale()
    for result in session.track():
        assert set(result.scores) == {new}
    after = session.labels[:]
    assert all((after[t] == new).any() for t in (3, 4, 5))
    assert only_taken_or_left(before, after, new)
    for cell, rows in others.items():
        assert np.array_equal(rows["score"], session.measurements(cell)["score"])
        assert np.array_equal(rows["made"], session.measurements(cell)["made"])


def test_7_a_segmentation_is_a_start_and_can_be_repaired(session: Session) -> None:
    given = session.labels[:]
    for cell in PLACES:
        session.delete(cell)
    numbers = session.take_over(given)  # numbers are never used again: they get new ones
    assert sorted(numbers) == [1, 2, 3] and min(numbers.values()) == 4
    assert np.array_equal(session.labels[:] > 0, given > 0) and not session.stale()
    mine = numbers[1]
    session.lock(mine, (0, 3))
    session.add_click(mine, 5, tuple(np.argwhere(given[5] == 1).mean(0) + (9, 9)))
    assert session.stale()[mine].tolist() == [3, 4, 5, 6, 7, 8]
    before = session.labels[:]
    session.run(what="stale", cells=[mine])
    after = session.labels[:]
    assert np.array_equal(before[:3], after[:3]) and 5 in changed_frames(before, after, mine)
    assert only_taken_or_left(before, after, mine)


def test_8_one_click_can_be_taken_back_and_everything_undone(session: Session) -> None:
    first = state(session)
    session.add_click(1, 3, (30.0, 30.0))
    session.add_click(1, 3, (10.0, 12.0), foreground=False)
    two = state(session)
    session.run()
    tracked = state(session)
    session.add_click(2, 5, (66.0, 40.0))  # another cell, and back to the first
    session.remove_prompt(1, 3, 1)
    assert len(session.prompts(1)[3].prompts.rounds) == 1 and session.stale()[1].tolist() == list(range(1, FRAMES))
    session.undo()
    session.undo()
    assert state(session) == tracked
    assert session.undo() == "track" and state(session) == two
    session.undo()
    session.undo()
    assert state(session) == first and not session.stale()
    for _ in range(3):
        session.redo()
    assert state(session) == tracked


def test_a_run_is_estimated_before_it_is_begun(session: Session) -> None:
    before = state(session)
    found = session.estimate()
    assert found.cell_frames == len(PLACES) * (FRAMES - 1) and found.seconds > 0 and found.device_bytes > 0
    part = session.estimate(cells=[1], frames=(0, 4), direction="forward")
    assert part.cell_frames == 3
    assert state(session) == before


def test_the_script_makes_the_same_labels(session: Session, weights: Path, tmp_path: Path) -> None:
    """Everything that was done, run by a fresh Python without anything but the script, its masks and the movie."""
    import subprocess
    import sys

    import tifffile

    from napari_sam2.session import open_session

    stroke = np.zeros((80, 90), bool)
    stroke[30:40, 40:60] = True
    session.paint(3, 2, stroke)
    session.run()
    session.add_click(1, 5, (30.0, 34.0))
    run = session.track()
    for _ in range(3):
        next(run)
    run.close()  # cut short: the script stops there too
    session.lock(1, 5)
    session.swap(1, 2, 6)
    session.add_box(2, 8, ((50, 20), (72, 44)))
    session.run(what="stale")
    session.delete(3)
    session.undo()
    session.divide(3, 6, [(40.0, 60.0), (44.0, 74.0)], track=True)

    movie = tmp_path / "movie.tif"
    tifffile.imwrite(movie, discs_movie(FRAMES, (80, 90), count=3), photometric="minisblack", metadata={"axes": "TYX"})
    session.document.meta["movie"]["address"] = str(movie)
    text = session.script(tmp_path / "script.py")
    assert "session.delete(" not in text and "stop_after=3" in text and asdict(SETTINGS)["window"] == 8
    with np.load(tmp_path / "script-masks.npz", allow_pickle=False) as masks:
        assert len(masks.files) == 1

    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "again.sam2cells")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**__import__("os").environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with open_session(tmp_path / "again.sam2cells") as again:
        assert np.array_equal(again.labels[:], session.labels[:])
        assert [c.to_json() for c in again.cells.values()] == [c.to_json() for c in session.cells.values()]
