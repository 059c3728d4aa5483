"""The review: the queue, the panel, and dividing as proposed or otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtTest import QAbstractItemModelTester
from stub import FRAMES, disc
from views import looked

from napari_sam2.session import Session
from napari_sam2.widgets.desk import Desk
from napari_sam2.widgets.review_items import Item
from napari_sam2.widgets.review_panel import ReviewPanel
from napari_sam2.widgets.review_queue import ReviewQueue, queue_of


def doubtful(session: Session) -> None:
    """Cell 1 jumps on frame 6; cell 2 grows on frame 4; cell 3 falls in two parts on frame 5, and stays so."""
    labels = np.zeros(session.labels.shape, np.int32)
    for t in range(FRAMES):
        labels[t, disc(6, 8 + t + (12 if t >= 6 else 0), 3)] = 1
        labels[t, disc(20, 10, 5 if t >= 4 else 3)] = 2
        labels[t, disc(32, 24, 5)] = 3
        if t >= 5:
            labels[t, :, 23:26][labels[t, :, 23:26] == 3] = 0
    session.take_over(labels)


@pytest.fixture
def queue(desk: Desk) -> ReviewQueue:
    doubtful(desk.session)
    found = queue_of(desk)
    looked(desk)
    return found


@pytest.fixture
def panel(desk: Desk, queue: ReviewQueue, qtbot: QtBot) -> Iterator[ReviewPanel]:
    widget = ReviewPanel(desk)
    qtbot.addWidget(widget)
    tester = QAbstractItemModelTester(widget.model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    widget.resize(320, 600)
    with qtbot.waitExposed(widget):
        widget.show()
    looked(desk)
    yield widget
    del tester


def kinds(queue: ReviewQueue) -> list[tuple[str, int, int]]:
    return [(i.kind, i.cell, i.frame) for i in queue.items]


# the queue --------------------------------------------------------------------------------------------------------


def test_the_queue_has_what_the_session_finds_most_doubtful_first(desk: Desk, queue: ReviewQueue) -> None:
    weights = [i.weight for i in queue.items]
    assert weights == sorted(weights, reverse=True)
    suspects = {(s.cell, s.frame) for s in desk.session.review()}
    assert {(c, t) for kind, c, t in kinds(queue) if kind == "suspect"} == suspects >= {(1, 6), (2, 4)}
    assert ("division", 3, 5) in kinds(queue)


def test_nothing_is_computed_before_somebody_asks(desk: Desk) -> None:
    doubtful(desk.session)
    queue = queue_of(desk)
    desk.runner.pump(0.8)
    assert not queue.items and not queue.busy


def test_next_moves_time_and_camera_and_zooms(desk: Desk, queue: ReviewQueue) -> None:
    camera = desk.viewer.scene.camera
    zoom = camera.zoom = 0.5
    seen = []
    for _ in queue.items:
        queue.next()
        assert queue.at is not None
        seen.append(queue.at)
        assert (desk.current, desk.frame) == (queue.at.cell, queue.at.frame)
        row = desk.session.measurements(queue.at.cell)[queue.at.frame]
        assert np.allclose(camera.center[-2:], (row["y"], row["x"]), atol=0.01)
    assert seen == queue.items and camera.zoom > zoom
    queue.previous()
    assert queue.at == seen[-2]


def test_the_ends_are_told(queue: ReviewQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari_sam2.widgets.notify.info", said.append)
    for _ in range(len(queue.items) + 1):
        queue.next()
    assert said == ["That was the last suspect"] and queue.at == queue.items[-1]


def test_right_is_checked_as_one_step_and_the_next_one_comes(desk: Desk, queue: ReviewQueue) -> None:
    items = queue.items
    at = next(i for i in items if i.kind == "suspect" and i.cell == 1)
    queue.go(at)
    queue.accept(lock=True)
    rows = desk.session.measurements(1)
    assert (rows["review"][at.first : at.last + 1] == 1).all() and (rows["locked"][at.first : at.last + 1] == 1).all()
    assert at not in queue.items and queue.at == items[items.index(at) + 1]
    looked(desk)
    assert not any(i.kind == "suspect" and i.cell == 1 and i.first <= at.frame <= i.last for i in queue.items)
    desk.undo()
    rows = desk.session.measurements(1)
    assert not rows["review"].any() and not rows["locked"].any()
    looked(desk)
    assert at in queue.items


def test_wrong_is_marked_for_later(desk: Desk, queue: ReviewQueue) -> None:
    at = next(i for i in queue.items if i.kind == "suspect")
    queue.go(at)
    queue.reject()
    assert desk.session.measurements(at.cell)["review"][at.frame] == 2


def division(queue: ReviewQueue) -> Item:
    return next(i for i in queue.items if i.kind == "division")


def test_a_proposed_division_is_accepted(desk: Desk, queue: ReviewQueue) -> None:
    queue.go(division(queue))
    queue.accept()
    (made,) = desk.session.lineage()
    assert (made.mother, made.frame, len(made.daughters)) == (3, 5, 2)
    desk.undo()
    assert desk.session.lineage() == []


def test_a_rejected_division_is_not_proposed_again(desk: Desk, queue: ReviewQueue) -> None:
    at = division(queue)
    queue.go(at)
    queue.reject()
    assert at not in queue.items
    looked(desk)
    assert not any(i.kind == "division" and i.cell == 3 for i in queue.items)


def test_the_one_that_is_looked_at_stays_so_when_the_list_changes(desk: Desk, queue: ReviewQueue) -> None:
    last = queue.items[-1]
    queue.go(last)
    desk.act("delete", next(i.cell for i in queue.items if i.cell != last.cell))
    looked(desk)
    assert queue.at is not None and queue.at.near(last)
    assert queue.items[queue.row] == queue.at


def test_another_session_is_another_queue(desk: Desk, queue: ReviewQueue) -> None:
    desk.close_session()
    assert queue.items == [] and queue.at is None
    queue.next()
    queue.accept()
    queue.reject()


# the panel --------------------------------------------------------------------------------------------------------


def test_the_list_says_why(panel: ReviewPanel, queue: ReviewQueue) -> None:
    jump = next(r for r, i in enumerate(queue.items) if (i.kind, i.cell) == ("suspect", 1))
    row = [panel.model.index(jump, c).data() for c in range(panel.model.columnCount())]
    assert row[0] == "1" and row[1] == "6" and row[2].endswith("%") and "the cell jumped" in row[3]
    assert panel.count.text() == f"{len(queue.items)} to review"


def test_buttons_fit_what_is_looked_at(panel: ReviewPanel, queue: ReviewQueue, qtbot: QtBot) -> None:
    assert not panel.right.isEnabled() and "Next" in panel.right.toolTip()
    queue.go(next(i for i in queue.items if i.kind == "suspect"))
    assert panel.right.isVisible() and panel.right.isEnabled() and not panel.accept.isVisible()
    assert "Shift+Y" in panel.right.toolTip()
    queue.go(division(queue))
    assert panel.accept.isVisible() and not panel.right.isVisible()
    assert "divide" in panel.told.text()


def test_clicks_on_buttons_and_rows(desk: Desk, panel: ReviewPanel, queue: ReviewQueue, qtbot: QtBot) -> None:
    items = queue.items
    qtbot.mouseClick(panel.next, Qt.MouseButton.LeftButton)
    assert queue.at == items[0] and panel.list.currentIndex().row() == 0
    place = panel.list.visualRect(panel.model.index(1, 0)).center()
    qtbot.mouseClick(panel.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert queue.at == items[1] and desk.current == items[1].cell
    panel.list.setFocus()
    qtbot.keyClick(panel.list, Qt.Key.Key_Down)
    assert queue.at == items[2]
    qtbot.mouseClick(panel.previous, Qt.MouseButton.LeftButton)
    assert queue.at == items[1]
    button = panel.right if items[1].kind == "suspect" else panel.accept
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert items[1] not in queue.items and panel.model.rowCount() == len(queue.items)


def test_a_division_is_corrected_in_the_form(desk: Desk, panel: ReviewPanel, queue: ReviewQueue, qtbot: QtBot) -> None:
    queue.go(division(queue))
    qtbot.mouseClick(panel.correct, Qt.MouseButton.LeftButton)
    form = panel.form
    assert form.isVisible() and (form.mother.value(), form.frame.value()) == (3, 5)
    form.mother.setValue(99)
    assert not form.button.isEnabled() and form.button.toolTip() == "There is no cell 99"
    form.mother.setValue(3)
    desk.show_frame(8)
    qtbot.mouseClick(form.here, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(form.button, Qt.MouseButton.LeftButton)
    (made,) = desk.session.lineage()
    assert (made.mother, made.frame) == (3, 8)
    assert not form.isVisible()


def test_after_the_last_one_there_is_nothing_to_press(desk: Desk, panel: ReviewPanel, queue: ReviewQueue) -> None:
    desk.act("delete", 1)
    desk.act("delete", 2)
    desk.act("delete", 3)
    looked(desk)
    assert panel.count.text() == "Nothing to review" and not panel.next.isEnabled()
    assert panel.next.toolTip() == "There is nothing to review"
    desk.close_session()
    assert panel.count.text() == "No session"
