"""The dock without a mouse: Tab reaches everything, and keys act."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from docked import LONG, docked, quiet
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QApplication, QComboBox, QFileDialog, QWidget
from real_window import NONE, canvas_of, click, press, spin
from stub import FRAMES, DiscEngine, disc, movie

from napari_sam2.export import open_movie
from napari_sam2.widgets import preferences
from napari_sam2.widgets.desk import desk_of
from napari_sam2.widgets.save_panel import SavePanel

pytestmark = [pytest.mark.gui, pytest.mark.slow]


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Any]:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    yield viewer
    desk_of(viewer).close()
    gc.collect()


def focused() -> QWidget | None:
    return QApplication.focusWidget()


def tab_to(wanted: QWidget, most: int = 80) -> None:
    """Press Tab until something has the focus."""
    seen = []
    for _ in range(most):
        here = focused()
        if here is wanted:
            return
        assert here is not None
        seen.append(here.accessibleName() or type(here).__name__)
        QTest.keyClick(here, Qt.Key.Key_Tab)
        spin(0.005)
    raise AssertionError(f"{wanted.accessibleName()} is not reached by Tab: {seen}")


def test_from_the_dock_to_a_saved_export_without_a_mouse(
    window: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(preferences, "engine_maker", lambda said=None: DiscEngine)
    window.add_image(movie(), name="movie")
    found = np.zeros((FRAMES, 40, 48), np.int32)
    found[0, disc(20, 20, 4)] = 1
    found[0, disc(30, 38, 4)] = 2
    window.add_labels(found, name="cellpose")
    dock = docked(window)
    desk = dock.desk
    assert spin(LONG, lambda: desk.session is not None)
    window.window._qt_window.activateWindow()
    spin(0.2)

    dock.tabs.setFocus(Qt.FocusReason.TabFocusReason)
    first = dock.prompts.tools["clicks_on"]
    first.setFocus(Qt.FocusReason.TabFocusReason)
    tab_to(dock.prompts.take)

    def choose_first() -> None:  # the menu may have an event loop of its own
        menu = QApplication.activePopupWidget()
        if menu is None:
            QTimer.singleShot(50, choose_first)
            return
        QTest.keyClick(menu, Qt.Key.Key_Down)
        QTest.keyClick(menu, Qt.Key.Key_Return)

    QTimer.singleShot(100, choose_first)
    QTest.keyClick(dock.prompts.take, Qt.Key.Key_Space)
    assert spin(LONG, lambda: sorted(desk.session.cells) == [1, 2])
    quiet(dock)

    assert spin(LONG, dock.track.run.isEnabled)
    tab_to(dock.track.run)
    QTest.keyClick(dock.track.run, Qt.Key.Key_Space)
    quiet(dock)
    assert all((desk.session.labels[t] == n).any() for t in range(FRAMES) for n in (1, 2))

    press(window, Qt.Key.Key_Right, NONE)  # the slider of time, by napari's own key
    tab_to(dock.tabs.tabBar())
    for _ in range(dock.tabs.count()):
        if dock.tabs.tabText(dock.tabs.currentIndex()) == "Save":
            break
        QTest.keyClick(dock.tabs.tabBar(), Qt.Key.Key_Right)
        spin(0.05)
    panel = dock.findChild(SavePanel)
    assert panel.isVisible()
    target = tmp_path / "cells.tif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args, **options: (str(target), ""))
    button = panel.buttons["tiff"]
    tab_to(button)
    QTest.keyClick(button, Qt.Key.Key_Space)
    assert spin(LONG, lambda: not panel.exporter.state.busy and target.exists())
    with open_movie(target) as saved:
        assert set(np.unique(np.asarray(saved.data[FRAMES - 1]))) == {0, 1, 2}


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
