"""A session that one thread opens and another closes: as the docks do it."""

from __future__ import annotations

import threading
from pathlib import Path

from stub import again, make


def test_a_session_opened_in_a_thread_is_let_go_of_by_another(tmp_path: Path) -> None:
    made = []
    thread = threading.Thread(target=lambda: made.append(make(tmp_path / "movie.sam2cells")))
    thread.start()
    thread.join()
    made[0].close()
    with again(tmp_path / "movie.sam2cells") as session:
        assert not session.document.read_only


def test_a_run_is_ended_from_another_thread_without_waiting_for_its_frame(tmp_path: Path) -> None:
    with make(tmp_path / "movie.sam2cells") as session:
        session.add_click(None, 0, (10, 12))
        run = session.track()
        next(run)
        next(run)
        session.stop_tracking()
        session.add_click(None, 5, (30, 12))  # free at once
        assert list(run) == [] and (session.labels[1] == 1).any() and not (session.labels[2] == 1).any()
        session.undo()
        assert session.undo() == "track" and not session.labels[1].any()


def test_previews_join_the_steps_of_their_clicks(tmp_path: Path) -> None:
    with make(tmp_path / "movie.sam2cells") as session:
        first = session.add_click(None, 0, (10, 12))
        second = session.add_click(None, 0, (30, 12))
        assert session.preview(0, [first]) == [first] and session.preview(0, [second]) == [second]
        assert session.preview(0, [first]) == [], "it is as it should be"
        assert (session.labels[0] == first).any() and (session.labels[0] == second).any()
        session.undo()
        assert (session.labels[0] == first).any() and not (session.labels[0] == second).any()
        session.undo()
        assert not session.labels[0].any() and session.can_undo is None and not session.cells
    with again(tmp_path / "movie.sam2cells") as session:
        assert not session.labels[0].any()
        session.redo()
        session.redo()
        assert (session.labels[0] == first).any() and (session.labels[0] == second).any()


def test_a_preview_of_what_was_taken_back_is_dropped(tmp_path: Path) -> None:
    with make(tmp_path / "movie.sam2cells") as session:
        cell = session.add_click(None, 0, (10, 12))
        engine = session.engine
        compute = engine.run

        def undone_meanwhile(*args):  # type: ignore[no-untyped-def]
            found = list(compute(*args))
            session.undo()
            return iter(found)

        engine.run = undone_meanwhile  # type: ignore[method-assign]
        assert session.preview(0, [cell]) == [] and not session.labels[0].any() and session.can_redo == "add_clicks"
