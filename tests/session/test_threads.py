"""One thread tracks while another acts: what is refused, what is dropped, and that nothing is torn."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stub import FRAMES, HEIGHT, WIDTH, again, disc, measured, state

from napari_sam2.session import Refused, Session, writer
from napari_sam2.session.deltas import LABELS, Deltas

PATIENCE = 60.0


def test_a_click_and_its_mask_are_one_step(session: Session) -> None:
    empty = state(session)
    session.add_click(None, 3, (10, 12))
    assert session.preview(3, [1]) == [1]
    assert (session.labels[3] == 1).any() and not (session.labels[4] == 1).any()
    assert len(session.document.done) == 1
    assert session.undo() == "add_clicks" and state(session) == empty
    session.redo()
    assert (session.labels[3] == 1).any() and session.prompts(1) and not session.stale()
    measured(session)


def test_the_mask_of_an_earlier_click_joins_that_click(session: Session) -> None:
    session.add_click(None, 3, (10, 12))
    session.add_click(None, 5, (28, 12))  # while the first mask was still being computed
    session.preview(3, [1])
    session.preview(5, [2])
    assert len(session.document.done) == 2
    session.undo()
    assert sorted(session.cells) == [1] and (session.labels[3] == 1).any() and not session.labels[5].any()
    session.undo()
    assert not session.cells and not session.labels[:].any()


def test_a_run_can_join_the_step_before(session: Session) -> None:
    session.add_click(None, 3, (10, 12))
    session.run(join=True)
    assert len(session.document.done) == 1 and (session.labels[:] == 1).any((1, 2)).all()
    session.undo()
    assert not session.cells and not session.labels[:].any()


def test_a_mask_is_dropped_where_its_prompt_changed_meanwhile(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.add_click(None, 3, (10, 12))
    run = session.engine.run

    def meanwhile(*args: Any) -> Iterator[Any]:
        results = list(run(*args))
        monkeypatch.undo()
        session.add_click(1, 3, (28, 30))  # as another thread might
        yield from results

    monkeypatch.setattr(session.engine, "run", meanwhile)
    assert session.preview(3, [1]) == [] and not session.labels[3].any()
    assert session.preview(3, [1]) == [1] and session.labels[3, 28, 30] == 1


def test_a_run_in_another_thread_is_ended_at_once(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.add_click(None, 0, (10, 12))
    computing, release = threading.Event(), threading.Event()
    run = session.engine.run

    def slow(*args: Any) -> Iterator[Any]:
        for result in run(*args):
            if result.frame == 4:
                computing.set()
                assert release.wait(PATIENCE)
            yield result

    monkeypatch.setattr(session.engine, "run", slow)
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.extend(r.frame for r in session.track()))
    thread.start()
    assert computing.wait(PATIENCE)
    with pytest.raises(Refused, match="tracking is running"):
        session.delete(1)
    session.stop_tracking()  # the network is still busy with frame 4
    session.paint(1, 8, disc(30, 30))
    painted = state(session)
    release.set()
    thread.join(PATIENCE)
    assert done == [0, 1, 2, 3] and state(session) == painted
    assert not (session.labels[4] == 1).any()
    measured(session)


def test_a_late_mask_does_not_join_a_step_that_others_were_built_on(tracked: Session) -> None:
    original = state(tracked)
    tracked.add_click(1, 4, (20, 20))  # its mask takes pixels of the others
    clicked = state(tracked)
    tracked.swap(2, 3, 0)
    swapped = tracked.labels[4].copy()
    assert tracked.preview(4, [1]) == [1] and not np.array_equal(tracked.labels[4], swapped)
    tracked.undo()
    assert state(tracked) == clicked
    tracked.undo()
    assert state(tracked) == original


def test_an_undo_does_not_depend_on_what_was_written_meanwhile(
    tracked: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mask on top of a relabelling that no frame on the disk has seen: both are taken back, and come again."""
    tracked.settle()
    monkeypatch.setattr(tracked.document.writer, "submit", lambda frame: None)
    monkeypatch.setattr(tracked.document.writer, "changed", lambda: None)
    tracked.add_click(1, 4, (20, 20))
    clicked = state(tracked)
    tracked.swap(2, 3, 0)
    tracked.preview(4, [1])
    both = state(tracked)
    for _ in range(2):
        tracked.undo()
        assert state(tracked) == clicked
        measured(tracked)
        tracked.redo()
        assert state(tracked) == both


def test_a_run_that_begins_while_an_undo_waits_is_not_undone(session: Session) -> None:
    session.add_click(None, 3, (10, 12))
    refused: list[Exception] = []

    def undo() -> None:
        try:
            session.undo()
        except Refused as error:
            refused.append(error)

    waiting = threading.Thread(target=undo)
    with session.document.lock:
        waiting.start()
        time.sleep(0.1)  # it has asked, and cannot do anything yet
        run = session.track()
        first = next(run)
    waiting.join(PATIENCE)
    assert refused and (session.labels[first.frame] == 1).any()
    run.close()
    assert session.undo() == "track" and not session.labels[:].any()


def test_records_that_are_looked_up_while_one_is_added_are_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deltas, scan = Deltas(tmp_path), Deltas._scan
    scanned, go_on = threading.Event(), threading.Event()

    def slowly(self: Deltas, entry: int) -> Any:
        index = scan(self, entry)
        scanned.set()
        go_on.wait(0.3)
        return index

    monkeypatch.setattr(Deltas, "_scan", slowly)
    looking = threading.Thread(target=deltas.frames, args=(7,))
    looking.start()
    scanned.wait(PATIENCE)
    monkeypatch.setattr(Deltas, "_scan", scan)
    deltas.append(7, [(LABELS, 3, b"runs")])
    go_on.set()
    looking.join(PATIENCE)
    assert deltas.frames(7) == [3]


def test_acting_while_another_thread_tracks_tears_nothing(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "IDLE_SECONDS", 0.0)
    rng = random.Random(11)
    ended, faults = threading.Event(), []
    for yx in ((10, 12), (28, 12), (18, 30)):
        session.add_click(None, rng.randrange(FRAMES), yx)

    def track() -> None:
        while not ended.is_set():
            try:
                for _ in session.track(what=rng.choice(["needed", "all"])):
                    time.sleep(0.0005)
                    if ended.is_set():
                        break
                for cell in list(session.cells):
                    for frame in list(session.prompts(cell)):
                        session.preview(frame, [cell])
            except Refused:
                continue
            except Exception as error:  # noqa: BLE001 -- told by the thread that asserts
                faults.append(error)
                return

    def act() -> None:
        cells = sorted(session.cells)
        cell, frame = rng.choice(cells or [1]), rng.randrange(FRAMES)
        place = rng.randrange(4, HEIGHT - 4), rng.randrange(4, WIDTH - 4)
        [
            lambda: session.add_click(None if len(cells) < 6 else cell, frame, place, force=True),
            lambda: session.add_click(cell, frame, place, force=True),
            lambda: session.paint(cell, frame, disc(*place), force=True),
            lambda: session.delete(cell, force=True),
            lambda: session.swap(cell, rng.choice(cells or [1]), frame, force=True),
            lambda: session.divide(cell, frame, [place, disc(20, 20)], force=True),
            session.undo,
            session.undo,
            session.redo,
        ][rng.randrange(9)]()

    thread = threading.Thread(target=track)
    thread.start()
    did = refused = 0
    try:
        for _ in range(120):
            try:
                if rng.random() < 0.7:
                    session.stop_tracking()
                act()
                did += 1
            except (Refused, ValueError):
                refused += 1
            # what the docks ask while it goes on
            session.review()
            session.proposals()
            session.stale()
            session.lineage()
            time.sleep(rng.random() * 0.01)
    finally:
        ended.set()
        session.stop_tracking()
        thread.join(PATIENCE)
    assert not faults, faults
    assert not thread.is_alive() and did > 30
    measured(session)
    final = state(session)
    session.close()
    with again(session.path) as later:
        assert state(later) == final
        while later.can_undo:
            later.undo()
        assert not later.cells and not later.labels[:].any()
