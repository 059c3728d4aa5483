"""Label frames are written beside tracking and acting; nothing of that shows, and nothing is lost by it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from stub import FRAMES, again, make, measured, state

from napari_sam2.session import Session, StorageProblem, writer

PATIENCE = 60.0
"""Seconds after which something that never happens is given up."""


def until(true: Callable[[], bool]) -> None:
    """Wait until something is the case."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def on_disk(session: Session) -> np.ndarray:
    """The label array as another program sees it."""
    import zarr

    return np.asarray(zarr.open_array(session.path / "labels", mode="r")[:])


@pytest.fixture
def gate(session: Session, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A disk that takes no label frame before the gate is opened."""
    opened = threading.Event()
    write = session.labels.write

    def slow(prepared: object) -> None:
        assert opened.wait(PATIENCE)
        write(prepared)

    monkeypatch.setattr(session.labels, "write", slow)
    return opened


def test_a_frame_is_safe_before_it_is_in_the_label_array(session: Session, gate: threading.Event) -> None:
    session.add_click(None, 0, (10, 12))
    run = session.track()
    for _ in range(3):
        next(run)
    copy = session.path.with_name("copy.sam2cells")
    shutil.copytree(session.path, copy)  # what a crash would leave now
    with again(copy) as left:
        assert [t for t in range(FRAMES) if (left.labels[t] == 1).any()] == [0, 1, 2]
        assert np.array_equal(left.labels[:], session.labels[:])
        measured(left)
    assert not on_disk(session).any()
    gate.set()
    run.close()
    assert np.array_equal(on_disk(session), session.labels[:]) and session.labels[2].any()


def test_tracking_waits_where_the_disk_is_too_slow(session: Session, gate: threading.Event) -> None:
    session.add_click(None, 0, (10, 12))
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.extend(r.frame for r in session.track()))
    seen: list[int] = []
    session.changed.connect(lambda event: seen.append(event.first))
    thread.start()
    until(lambda: len(seen) > writer.AHEAD + 1)
    time.sleep(0.2)
    assert writer.AHEAD < len(seen) <= writer.AHEAD + 3 < FRAMES
    gate.set()
    thread.join(PATIENCE)
    assert done == list(range(FRAMES)) and np.array_equal(on_disk(session), session.labels[:])


def test_a_disk_that_takes_no_frames_loses_none(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.add_click(None, 0, (10, 12))
    with monkeypatch.context() as patch:

        def full(index: int, chunk: object) -> None:
            raise StorageProblem("no room to write")

        patch.setattr(session.labels.array, "write", full)
        assert session.run() == FRAMES
        assert isinstance(session.document.writer.problem, StorageProblem)
        assert len(session.labels.pending) == FRAMES and not on_disk(session).any()
        assert all((session.labels[t] == 1).any() for t in range(FRAMES))
        with pytest.raises(StorageProblem, match="no room"):
            session.settle()
        was = state(session)
        with pytest.raises(StorageProblem, match="no room"):
            session.close()
    with again(session.path) as later:  # there is room again
        assert state(later) == was
        assert later.settle() == 0
        assert np.array_equal(on_disk(later), later.labels[:]) and later.labels[:].any()


def test_other_faults_reach_who_tracks(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.add_click(None, 0, (10, 12))

    def broken(prepared: object) -> None:
        raise RuntimeError("a fault of the program")

    monkeypatch.setattr(session.labels, "write", broken)
    with pytest.raises(RuntimeError, match="a fault of the program"):
        session.run()
    monkeypatch.undo()
    session.run()
    measured(session)


def test_noted_frames_are_written_when_nothing_else_goes_on(tracked: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "IDLE_SECONDS", 0.0)
    tracked.delete(1)
    tracked.merge(2, 3)
    until(lambda: not tracked.labels.pending)
    tracked.document.writer.flush()
    assert np.array_equal(on_disk(tracked), tracked.labels[:])
    until(lambda: not tracked.document.unmeasured())
    measured(tracked, settled=True)
    tracked.undo()
    tracked.undo()
    until(lambda: not tracked.labels.pending)
    tracked.document.writer.flush()
    assert sorted(np.unique(on_disk(tracked))) == [0, 1, 2, 3]


def test_reading_and_undoing_while_frames_are_written(tracked: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "IDLE_SECONDS", 0.0)
    whole = tracked.labels[:]
    states = [whole]
    tracked.swap(1, 2, 4)
    states.append(tracked.labels[:])
    tracked.delete_from(3, 7)
    states.append(tracked.labels[:])
    rng = np.random.default_rng(3)
    at = 2
    for _ in range(150):
        if rng.random() < 0.5 and at > 0:
            tracked.undo()
            at -= 1
        elif at < 2:
            tracked.redo()
            at += 1
        for frame in rng.integers(0, FRAMES, 4):
            assert np.array_equal(tracked.labels[frame], states[at][frame]), (at, frame)
    while at:
        tracked.undo()
        at -= 1
    tracked.settle()
    assert np.array_equal(on_disk(tracked), whole)
    measured(tracked, settled=True)


def test_one_who_has_locked_the_document_does_not_wait_for_the_disk(session: Session, gate: threading.Event) -> None:
    session.add_click(None, 0, (10, 12))
    ended = threading.Event()

    def stop_with_the_lock() -> None:
        run = session.track()
        next(run)
        with session.document.lock:
            run.close()
        ended.set()

    threading.Thread(target=stop_with_the_lock, daemon=True).start()
    until(ended.is_set)
    gate.set()
    session.run()
    assert np.array_equal(on_disk(session), session.labels[:])


def test_closing_tells_how_far_it_is_and_can_be_cut_short(tracked: Session) -> None:
    tracked.delete(1)
    was, told = state(tracked), []

    def enough(done: int, of: int) -> bool:
        told.append((done, of))
        return done < 3

    tracked.close(progress=enough)
    assert told == [(1, FRAMES), (2, FRAMES), (3, FRAMES)]
    with again(tracked.path) as later:
        assert later.labels.pending and state(later) == was
    with again(tracked.path) as later:
        assert not later.labels.pending and state(later) == was


def test_a_closed_session_leaves_no_thread(tmp_path: Path) -> None:
    with make(tmp_path / "one") as session:
        session.add_click(None, 0, (10, 12))
        session.run()
        session.delete(1)
    until(lambda: not [t for t in threading.enumerate() if t.name == "napari-sam2 writer"])


def test_closing_in_the_middle_of_a_run_keeps_what_is_done(session: Session) -> None:
    session.add_click(None, 0, (10, 12))
    run = session.track()
    for _ in range(4):
        next(run)
    session.close()
    with again(session.path) as later:
        assert later.document.journal[len(later.document.journal) - 1]["frames"] == 4
        assert later.cost() == FRAMES - 4 and not later.labels.pending
    assert list(run) == []
