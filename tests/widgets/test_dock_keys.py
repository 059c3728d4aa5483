"""Keys in a real window: with the canvas or a dock in focus, taken back with the dock; and the help made from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDockWidget, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget
from real_window import canvas_of, press, spin
from stub import make, movie

from napari_sam2.widgets import dock_keys, help_overlay, keys
from napari_sam2.widgets.bindings import bindings_of
from napari_sam2.widgets.desk import Desk, desk_of
from napari_sam2.widgets.dock_keys import DockKeys, as_qt
from napari_sam2.widgets.image import axes_of

pytestmark = pytest.mark.gui


class Dock(QWidget):
    """A dock with a button and a field."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.button, self.field = QPushButton("button"), QLineEdit()
        layout = QVBoxLayout(self)
        layout.addWidget(self.button)
        layout.addWidget(self.field)
        self.keys = DockKeys(desk, self)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which actions were run, instead of running them."""
    found: list[str] = []
    for action in list(keys.ACTIONS.values()):
        known = (action.id, action.key, action.text, action.group)
        replaced = keys.KeyAction(*known, lambda desk, name=action.id: found.append(name), action.also)
        monkeypatch.setitem(keys.ACTIONS, action.id, replaced)
    return found


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any], tmp_path: Path) -> Iterator[tuple[Any, Desk, Dock]]:
    """A window with a session and a dock."""
    viewer = make_napari_viewer(show=True)
    image = viewer.add_image(movie(), name="movie")
    desk = desk_of(viewer)
    desk.place(image, axes_of(image), make(tmp_path / "movie.sam2cells"))
    dock = Dock(desk)
    viewer.window.add_dock_widget(dock, name="dock", area="right")
    viewer.window._qt_window.activateWindow()
    spin(0.3)
    yield viewer, desk, dock
    desk.close()


def test_the_same_keys_wherever_the_focus_is(window: tuple[Any, Desk, Dock], ran: list[str]) -> None:
    viewer, _, dock = window
    canvas_of(viewer).setFocus()
    press(viewer, Qt.Key.Key_J)
    press(viewer, Qt.Key.Key_U, Qt.KeyboardModifier.ShiftModifier)
    press(viewer, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert ran == ["next_suspect", "redo_step", "next_prompted"]
    ran.clear()
    dock.button.setFocus()
    QTest.keyClick(dock.button, Qt.Key.Key_J)
    QTest.keyClick(dock.button, Qt.Key.Key_U, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(dock.button, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(dock.button, Qt.Key.Key_Delete, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(dock.button, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert ran == ["next_suspect", "redo_step", "next_prompted", "delete_from", "undo_step"]  # each once


def test_letters_typed_into_a_field_stay_letters(window: tuple[Any, Desk, Dock], ran: list[str]) -> None:
    dock = window[2]
    dock.field.setFocus()
    QTest.keyClicks(dock.field, "jNkQ")
    assert dock.field.text() == "jNkQ" and not ran


def test_in_a_floating_dock(window: tuple[Any, Desk, Dock], ran: list[str]) -> None:
    _, _, dock = window
    outer: QWidget = dock
    while not isinstance(outer, QDockWidget):
        outer = outer.parentWidget()
    outer.setFloating(True)
    outer.activateWindow()
    spin(0.3)
    dock.button.setFocus()
    QTest.keyClick(dock.button, Qt.Key.Key_J)
    assert ran == ["next_suspect"]


def test_two_docks_act_once_and_the_last_takes_the_keys_back(window: tuple[Any, Desk, Dock], ran: list[str]) -> None:
    viewer, desk, dock = window
    second = Dock(desk)
    viewer.window.add_dock_widget(second, name="second", area="left")
    second.button.setFocus()
    QTest.keyClick(second.button, Qt.Key.Key_J)
    canvas_of(viewer).setFocus()
    press(viewer, Qt.Key.Key_J)
    assert ran == ["next_suspect"] * 2
    second.keys.detach()
    second.keys.detach()
    press(viewer, Qt.Key.Key_J)
    QTest.keyClick(second.button, Qt.Key.Key_J)
    assert len(ran) >= 3
    ran.clear()
    dock.keys.detach()
    press(viewer, Qt.Key.Key_J)
    QTest.keyClick(dock.button, Qt.Key.Key_J)
    assert not ran and not viewer.keymap


def test_a_dock_of_napari_gives_its_keys_back(window: tuple[Any, Desk, Dock], ran: list[str]) -> None:
    """Closed by napari: hidden, and taken out without a close event. Opened again, they are there again."""
    from napari_sam2.widgets.docks import CellsDock

    viewer, _, dock = window
    dock.keys.detach()
    for _ in range(2):
        main = CellsDock(viewer)
        outer = viewer.window.add_dock_widget(main, name="cells")
        spin(0.1)
        press(viewer, Qt.Key.Key_J)
        assert ran == ["next_suspect"]
        viewer.window.remove_dock_widget(outer)
        spin(0.1)
        press(viewer, Qt.Key.Key_J)
        assert ran == ["next_suspect"]
        ran.clear()
        main.deleteLater()
    spin(0.5)


def test_settings_are_heeded_after_typing(
    window: tuple[Any, Desk, Dock], ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_sam2.widgets import preferences

    viewer, _, dock = window
    listeners: list[Callable[[], object]] = []
    monkeypatch.setattr(preferences, "on_change", lambda listener: listeners.append(listener) or (lambda: None))
    monkeypatch.setattr(dock_keys, "TYPING_MS", 50)
    dock.keys.detach()
    dock.keys = DockKeys(window[1], dock)
    monkeypatch.setattr(preferences, "read", lambda: preferences.Preferences(keys={"next_suspect": "F4"}))
    for listener in listeners:
        listener()
    press(viewer, Qt.Key.Key_J)
    assert ran == ["next_suspect"]  # not yet: somebody is typing
    assert spin(5, lambda: bindings_of(window[1]).bound["next_suspect"] == "F4")
    press(viewer, Qt.Key.Key_J)
    press(viewer, Qt.Key.Key_F4)
    dock.button.setFocus()
    QTest.keyClick(dock.button, Qt.Key.Key_F4)
    assert ran == ["next_suspect"] * 3


def test_every_key_of_the_table_is_one_of_qt_s(qapp: QApplication) -> None:
    for action in keys.ACTIONS.values():
        for key in (action.key, *action.also):
            assert not as_qt(key).isEmpty()
            assert as_qt(key)[0].key() != Qt.Key.Key_unknown


def test_help_shows_every_action_with_its_key(window: tuple[Any, Desk, Dock]) -> None:
    viewer, desk, _ = window
    canvas_of(viewer).setFocus()
    press(viewer, Qt.Key.Key_H)
    spin(0.1)
    overlay = QApplication.activePopupWidget()
    assert isinstance(overlay, help_overlay.HelpOverlay)
    texts = {label.text() for label in overlay.findChildren(QLabel)}
    for action in keys.ACTIONS.values():
        assert action.text in texts
        shown = overlay.findChild(QLabel, f"sam2_key_{action.id}").text()
        assert shown.split(" or ")[0] == bindings_of(desk).bound[action.id]
    window_of = viewer.window._qt_window.geometry()
    assert window_of.contains(overlay.geometry().center())
    QTest.keyClick(overlay, Qt.Key.Key_Shift)
    assert overlay.isVisible()
    QTest.keyClick(overlay, Qt.Key.Key_H)
    assert spin(2, lambda: QApplication.activePopupWidget() is None)


def test_help_groups_are_all_shown() -> None:
    assert {a.group for a in keys.ACTIONS.values()} == {g for column in help_overlay.COLUMNS for g in column}
