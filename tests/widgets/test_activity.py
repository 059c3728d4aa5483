"""The run in napari's activity dock: one bar, whatever the docks, and a window that is left alone otherwise."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from docked import docked
from napari.utils import progress
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QLabel
from real_window import canvas_of, main_window_of, spin

from napari_sam2.widgets import activity
from napari_sam2.widgets.desk import desk_of
from napari_sam2.widgets.main_dock import MainDock
from napari_sam2.widgets.run_state import RunState

pytestmark = pytest.mark.gui
AT_WORK = RunState("tracking", done=3, total=10, text="Frame 1", frame=1)


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Any]:
    """A window, with nothing in it."""
    viewer = make_napari_viewer(show=True)
    yield viewer
    desk_of(viewer).close()
    gc.collect()


def bars() -> list[str]:
    """What the bars in the activity dock say, and how far they are."""
    return [f"{bar.desc}{bar.n}/{bar.total}" for bar in progress._all_instances]


def wait(dock: MainDock, state: RunState) -> None:
    """Tell of a run, and wait until it is shown."""
    dock.desk.run_changed.emit(state)
    spin(activity.EVERY + 0.2)


def test_two_docks_show_one_bar_and_either_can_be_closed(window: Any) -> None:
    first, second = docked(window), docked(window)
    wait(first, AT_WORK)
    assert bars() == ["Frame 1: 3/10"]
    (first if first.activity._bar is not None else second).leave()
    assert bars() == []
    wait(first, RunState("tracking", done=5, total=10, text="Frame 2", frame=2))
    assert bars() == ["Frame 2: 5/10"]
    wait(first, RunState())
    assert bars() == []


def test_a_short_run_has_no_bar(window: Any) -> None:
    dock = docked(window)
    dock.desk.run_changed.emit(AT_WORK)
    dock.desk.run_changed.emit(RunState())
    spin(activity.EVERY + 0.2)
    assert bars() == []


def test_a_run_that_ends_while_napari_makes_the_bar_leaves_none(window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """napari lets events in while it makes one: the end of the run may be among them."""
    dock = docked(window)
    made = progress.set_description

    def ends(bar: Any, text: str) -> None:
        dock.desk.run_changed.emit(RunState())
        made(bar, text)

    monkeypatch.setattr(progress, "set_description", ends)
    wait(dock, AT_WORK)
    assert bars() == []


def test_a_run_does_not_resize_the_canvas_or_keep_the_window_busy(window: Any) -> None:
    """Each picture of napari's sign of work has the whole window put together anew: that goes slowly meanwhile."""
    dock = docked(window)
    spin(0.5)
    status = main_window_of(window).statusBar()
    (movie,) = [sign.movie() for sign in status.findChildren(QLabel) if sign.movie() is not None]
    sizes: list[Any] = []

    class Watch(QObject):
        def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 -- Qt's name
            if event is not None and event.type() == QEvent.Type.Resize:
                sizes.append(event)
            return False

    watch = Watch()
    canvas_of(window).installEventFilter(watch)
    wait(dock, AT_WORK)
    assert movie.speed() == activity.UNHURRIED
    wait(dock, RunState())
    assert movie.speed() == 100
    assert not sizes
    canvas_of(window).removeEventFilter(watch)
