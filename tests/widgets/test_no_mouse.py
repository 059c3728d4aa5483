"""The dock without a mouse: Tab reaches everything, and keys act."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QApplication, QComboBox, QWidget
from real_window import canvas_of, click, press, spin
from stub import FRAMES, DiscEngine, movie

from napari_sam2.widgets import preferences
from napari_sam2.widgets.desk import desk_of
from napari_sam2.widgets.main_dock import MainDock

pytestmark = [pytest.mark.gui, pytest.mark.slow]
LONG = 120.0
"""Seconds to wait at most; no limit on speed, only an end for what will never come."""


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Any]:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    yield viewer
    desk_of(viewer).close()
    gc.collect()


def docked(window: Any) -> MainDock:
    made = MainDock(window)
    window.window.add_dock_widget(made, name="SAM 2 Cell Tracker", area="right")
    spin(0.2)
    return made


def quiet(dock: MainDock) -> None:
    desk = dock.desk
    assert spin(LONG, lambda: not desk.opening and not any(s.runs.pending for s in desk._sheets))
    spin(0.1)


# no mouse ---------------------------------------------------------------------------------------------------------


def focused() -> QWidget | None:
    return QApplication.focusWidget()


def test_tab_reaches_everything_that_can_be_pressed(window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preferences, "engine_maker", lambda said=None: DiscEngine)
    window.add_image(movie(), name="movie")
    dock = docked(window)
    assert spin(LONG, lambda: dock.desk.session is not None)
    dock.desk.act("add_click", 1, 0, (10, 12))
    quiet(dock)
    window.window._qt_window.activateWindow()
    spin(0.2)
    for tab in range(dock.tabs.count()):
        dock.tabs.setCurrentIndex(tab)
        spin(0.1)
        dock.folding.toggleButton().setFocus(Qt.FocusReason.TabFocusReason)  # the canvas keeps Tab to itself
        reached: list[QWidget] = []
        for _ in range(120):
            here = focused()
            if here is None or here in reached:
                break
            reached.append(here)
            QTest.keyClick(here, Qt.Key.Key_Tab)
            spin(0.002)
        inputs = [w for kind in (QAbstractButton, QComboBox) for w in dock.findChildren(kind)]
        wanted = [w for w in inputs if w.isVisible() and w.isEnabled() and w.focusPolicy() != Qt.FocusPolicy.NoFocus]
        tools = dock.prompts.tools.values()  # one of them is reached, and the arrows go to the others
        assert any(tool in reached for tool in tools)
        missed = [w for w in wanted if w not in reached and w not in tools]
        assert len(wanted) > 10
        assert not missed, [(w.accessibleName() or w.toolTip() or type(w).__name__) for w in missed]
        named = [w for w in wanted if not (w.accessibleName() or getattr(w, "text", lambda: "")())]
        assert not named, [type(w).__name__ for w in named]
        unreachable = [
            w for w in inputs if w.isVisible() and w.isEnabled() and w.focusPolicy() == Qt.FocusPolicy.NoFocus
        ]
        assert not [w for w in unreachable if type(w).__module__.startswith("napari_sam2")], unreachable


def test_keys_work_where_the_canvas_has_the_focus(window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preferences, "engine_maker", lambda said=None: DiscEngine)
    image = window.add_image(movie(), name="movie")
    dock = docked(window)
    assert spin(LONG, lambda: dock.desk.session is not None)
    window.dims.set_current_step(0, 0)
    click(window, image, (10, 12))
    quiet(dock)
    canvas_of(window).setFocus()
    press(window, Qt.Key.Key_G)
    quiet(dock)
    assert (dock.desk.session.labels[FRAMES - 1] == 1).any()
    press(window, Qt.Key.Key_U)
    spin(0.1)
    assert not (dock.desk.session.labels[FRAMES - 1] == 1).any()
