"""Tracking beside the user: streaming, pausing, cancelling, and edits while it is under way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from gated import Gate
from stub import FRAMES, measured

from napari_sam2.widgets.desk import Desk
from napari_sam2.widgets.run_state import clock

Wait = Callable[..., None]


def area(desk: Desk, frame: int, cell: int) -> int:
    return int((desk.session.labels[frame] == cell).sum())


def shown(desk: Desk) -> np.ndarray:
    return np.asarray(desk.layers.labels._slice.image.raw)


def test_frames_stream_into_the_labels_layer(slow: Desk, gate: Gate, wait: Wait) -> None:
    slow.show_frame(3)
    assert not shown(slow).any()
    slow.track()
    gate.let(3)
    wait(lambda: slow.run.frame == 2 and slow.run.done >= 4)
    assert area(slow, 2, 1) and not area(slow, 3, 1) and not shown(slow).any()
    gate.let(1)
    wait(lambda: bool(shown(slow).any()))
    assert np.array_equal(shown(slow), slow.session.labels[3])
    gate.open.set()
    wait()
    assert slow.run.kind == "idle" and all(area(slow, t, 1) and area(slow, t, 2) for t in range(FRAMES))
    measured(slow.session)


def test_progress_is_counted_in_masks_and_told_in_words(slow: Desk, gate: Gate, wait: Wait) -> None:
    told = []
    slow.run_changed.connect(told.append)
    slow.track()
    gate.open.set()
    wait()
    totals = {state.total for state in told if state.done}
    assert totals == {2 * (FRAMES - 1)}, "the two prompted frames were done by the clicks"
    last = max(told, key=lambda state: state.done)
    assert last.done == last.total and f"of {last.total} masks" in last.text
    assert told[-1].kind == "idle"
    assert [state.done for state in told if state.busy] == sorted(state.done for state in told if state.busy)


def test_pause_holds_and_resume_goes_on_in_the_same_step(slow: Desk, gate: Gate, wait: Wait) -> None:
    steps = len(slow.session.document.done)
    slow.track()
    gate.let(2)
    wait(lambda: slow.run.frame is not None)
    slow.pause()
    assert slow.run.kind == "paused"
    gate.let(1)  # the frame that was being computed is kept
    slow.runner.pump(0.3)
    held = slow.run.frame
    gate.let(5)
    slow.runner.pump(0.3)
    assert slow.run.frame == held and slow.run.kind == "paused"
    assert not area(slow, FRAMES - 1, 1)
    slow.resume()
    assert slow.run.kind == "tracking"
    gate.open.set()
    wait()
    assert area(slow, FRAMES - 1, 1)
    assert len(slow.session.document.done) == steps + 1


def test_cancel_keeps_what_is_done(slow: Desk, gate: Gate, wait: Wait) -> None:
    slow.track()
    gate.let(3)
    wait(lambda: slow.run.done >= 4)
    slow.cancel()
    assert slow.run.kind == "stopping"
    gate.let(1)
    wait(lambda: slow.run.kind == "idle")
    assert area(slow, 1, 1) and not area(slow, FRAMES - 1, 1)
    assert slow.session.document.open_entry is None
    slow.act("lock", 1, 0)  # and actions are free again
    assert slow.session.locked_on(0) == {1}


def test_cancel_while_paused(slow: Desk, gate: Gate, wait: Wait) -> None:
    slow.track()
    gate.let(2)
    wait(lambda: slow.run.frame is not None)
    slow.pause()
    slow.cancel()
    gate.let(1)
    wait(lambda: slow.run.kind == "idle")
    assert slow.session.document.open_entry is None


def test_an_action_during_a_run_does_not_wait_and_the_run_goes_on(slow: Desk, gate: Gate, wait: Wait) -> None:
    slow.track()
    gate.let(3)
    wait(lambda: slow.run.done >= 4)
    assert gate.waiting.is_set()  # the thread is inside a frame and stays there
    assert slow.act("add_click", 3, 5, (18, 30)) == 3
    assert 5 in slow.session.prompts(3) and slow.run.kind == "tracking"
    gate.open.set()
    wait()
    assert slow.run.kind == "idle"
    assert all(area(slow, t, c) for t in range(FRAMES) for c in (1, 2)) and area(slow, 5, 3)
    assert not slow.session.stale()
    measured(slow.session)


def test_a_correction_during_a_run_takes_effect(slow: Desk, gate: Gate, wait: Wait) -> None:
    slow.track()
    gate.let(4)
    wait(lambda: slow.run.done >= 6)
    slow.act("add_click", 1, 8, (34, 30))
    gate.open.set()
    wait()
    assert slow.session.labels[8][34, 30] == 1
    assert slow.session.labels[9][34, 31] == 1
    assert not slow.session.stale()


def test_an_action_while_paused_leaves_it_paused(slow: Desk, gate: Gate, wait: Wait) -> None:
    slow.track()
    gate.let(2)
    wait(lambda: slow.run.frame is not None)
    slow.pause()
    slow.act("add_click", 3, 5, (18, 30))
    gate.let(3)
    wait(lambda: area(slow, 5, 3) > 0)
    assert slow.run.kind == "paused" and not area(slow, FRAMES - 1, 1)
    slow.resume()
    gate.open.set()
    wait()
    assert area(slow, FRAMES - 1, 1) and area(slow, FRAMES - 1, 3)


def test_undo_during_a_run_ends_it_and_takes_it_back(slow: Desk, gate: Gate, wait: Wait) -> None:
    slow.track()
    gate.let(3)
    wait(lambda: slow.run.done >= 4)
    slow.undo()
    gate.open.set()
    wait()
    assert slow.run.kind == "idle" and not area(slow, 1, 1) and area(slow, 0, 1)
    slow.redo()
    assert area(slow, 1, 1)


def test_only_this_cell_and_a_range(slow: Desk, gate: Gate, wait: Wait) -> None:
    gate.open.set()
    slow.track(cells=[2], frames=(0, 4))
    wait()
    assert area(slow, 3, 2) and not area(slow, 4, 2) and not area(slow, 3, 1)


def test_only_stale_masks(slow: Desk, gate: Gate, wait: Wait) -> None:
    gate.open.set()
    slow.track(frames=(0, 8))
    wait()
    slow.act("add_click", 1, 4, (12, 14))
    wait(lambda: slow.needs.stale > 0)
    slow.track(what="stale")
    wait()
    assert not slow.session.stale() and not area(slow, 9, 1), "what was never tracked stays so"


def test_an_error_is_told_and_the_run_is_over(
    slow: Desk, gate: Gate, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr("napari_sam2.widgets.notify.show", lambda problem, doing="": told.append((problem, doing)))
    slow.track()
    gate.let(2)
    wait(lambda: slow.run.done >= 2)
    gate.fails = MemoryError("no room")
    gate.let(1)
    wait(lambda: slow.run.kind == "idle")
    assert [type(problem) for problem, _ in told] == [MemoryError] and told[0][1] == "tracking"
    assert slow.session.document.open_entry is None and area(slow, 1, 1)
    gate.fails = None
    gate.open.set()
    slow.track()
    wait()
    assert area(slow, FRAMES - 1, 1)


def test_what_is_to_track_is_counted(slow: Desk, gate: Gate, wait: Wait) -> None:
    wait(lambda: slow.needs.prompted == 2)
    assert slow.needs.untracked == 2 * (FRAMES - 1) and slow.needs.stale == 0
    gate.open.set()
    slow.track()
    wait(lambda: slow.run.kind == "idle" and slow.needs.total == 0)
    assert str(slow.needs) == "Everything is tracked."
    slow.act("add_click", 1, 6, (10, 20))
    wait(lambda: slow.needs.stale > 0)
    assert slow.needs.stale == sum(len(frames) for frames in slow.session.stale().values())
    assert f"{slow.needs.stale} stale in 1 cell." in str(slow.needs)


def test_quick_clicks_all_get_their_masks_and_undo_goes_click_by_click(desk: Desk, wait: Wait) -> None:
    for cell, y in ((1, 8), (2, 20), (3, 32)):
        desk.act("add_click", cell, 0, (y, 12))
    wait()
    assert all(area(desk, 0, cell) for cell in (1, 2, 3))
    for gone, left in ((3, (1, 2)), (2, (1,)), (1, ())):
        desk.undo()
        assert not area(desk, 0, gone) and all(area(desk, 0, cell) for cell in left)
    for cell in (1, 2, 3):
        desk.redo()
        assert area(desk, 0, cell)


def test_a_click_that_was_taken_back_gets_no_mask(desk: Desk, wait: Wait) -> None:
    desk.act("add_click", 1, 0, (10, 12))
    desk.undo()
    wait()
    assert not desk.session.labels[0].any() and desk.session.can_redo == "add_clicks"


def test_divide_with_tracking_is_one_step(desk: Desk, wait: Wait) -> None:
    desk.act("add_click", 1, 0, (20, 10))
    desk.track()
    wait()
    before = [desk.session.labels[t].copy() for t in range(FRAMES)]
    born = desk.act("divide", 1, 6, [(14, 20), (28, 20)], track=True)
    wait()
    assert len(born) == 2 and all(area(desk, FRAMES - 1, d) for d in born) and not area(desk, 8, 1)
    desk.undo()
    assert all(np.array_equal(desk.session.labels[t], before[t]) for t in range(FRAMES))


def test_times_are_readable() -> None:
    assert [clock(s) for s in (0, 7.4, 75, 3720)] == ["0:00", "0:07", "1:15", "1:02:00"]
