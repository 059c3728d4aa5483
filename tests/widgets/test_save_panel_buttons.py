"""The Save tab as widgets: what it says, which buttons can be pressed and why not, and what the dialogs lead to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QPushButton
from stub import DiscEngine

from napari_sam2.widgets import preferences, save_panel
from napari_sam2.widgets.desk import Desk
from napari_sam2.widgets.exports import OFFERS
from napari_sam2.widgets.run_state import RunState
from napari_sam2.widgets.save_panel import SavePanel

pytestmark = pytest.mark.gui


@pytest.fixture
def panel(desk: Desk, qtbot: Any) -> Iterator[SavePanel]:
    made = SavePanel(desk)
    qtbot.addWidget(made)
    made.show()
    yield made
    made.exporter.close()


@pytest.fixture
def tracked(desk: Desk) -> Desk:
    for yx in ((10, 12), (28, 12)):
        desk.session.add_click(None, 0, yx)
    desk.session.run()
    desk.select(1)
    return desk


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[tuple[Any, ...]]]:
    """Have the file dialogs answer; returns what they were called with."""

    def set_to(name: str) -> list[tuple[Any, ...]]:
        asked: list[tuple[Any, ...]] = []
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: asked.append(args) or (name, ""))
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: asked.append(args) or name)
        return asked

    return set_to


def press(button: QPushButton) -> None:
    assert button.isEnabled(), button.toolTip()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def finish(panel: SavePanel) -> None:
    assert panel.desk.runner.pump(60, lambda: not panel.exporter.state.busy)
    panel.refresh()


def test_it_says_where_and_that_everything_is_saved(panel: SavePanel, desk: Desk) -> None:
    assert "saved by itself, after every step" in panel.saved.text()
    assert panel.where.text() == str(desk.session.path) == panel.where.toolTip()


def test_without_a_session(panel: SavePanel, desk: Desk) -> None:
    desk.close_session()
    panel.refresh()
    assert "saved by themselves" in panel.saved.text()
    for button in (panel.folder, panel.copying, panel.closing, *panel.buttons.values()):
        assert not button.isEnabled() and "image" in button.toolTip(), button.text()
    assert panel.opening.isEnabled()


def test_without_cells(panel: SavePanel) -> None:
    for button in panel.buttons.values():
        assert not button.isEnabled() and "click on one" in button.toolTip()
    assert panel.copying.isEnabled() and panel.closing.isEnabled() and panel.folder.isEnabled()


def test_with_cells(panel: SavePanel, tracked: Desk) -> None:
    panel.refresh()
    tips = {offer.name: offer.tip() for offer in OFFERS}
    for name, button in panel.buttons.items():
        assert button.isEnabled(), button.toolTip()
        assert button.toolTip() == tips[name]  # the reason of before is gone
        assert button.accessibleName()
    assert panel.which.isEnabled() and panel.which.itemText(1) == "Only cell 1"
    tracked.select(None)
    panel.refresh()
    assert not panel.buttons["sheet"].isEnabled() and "Choose a cell" in panel.buttons["sheet"].toolTip()
    assert not panel.which.isEnabled()


@pytest.mark.parametrize(("kind", "exports"), [("tracking", False), ("stopping", False), ("paused", True)])
def test_while_tracking(panel: SavePanel, tracked: Desk, kind: Any, exports: bool) -> None:
    tracked._active.runs.state = RunState(kind, 3, 10)
    panel.refresh()
    assert panel.buttons["tiff"].isEnabled() is exports
    assert exports or "Tracking is running" in panel.buttons["tiff"].toolTip()
    assert not panel.copying.isEnabled() and "Tracking is under way" in panel.copying.toolTip()


def test_an_export(panel: SavePanel, tracked: Desk, answer: Callable[[str], list[Any]], tmp_path: Path) -> None:
    panel.refresh()
    asked = answer(str(tmp_path / "mine"))
    press(panel.buttons["tiff"])
    assert asked[0][2] == str(tracked.session.path.parent / "movie.cells.tif") and "*.tif" in asked[0][3]
    finish(panel)
    assert (tmp_path / "mine.tif").exists()
    assert "mine.tif is written" in panel.told.text() and not panel.running.isVisible()


def test_a_dialog_that_is_cancelled(panel: SavePanel, tracked: Desk, answer: Callable[[str], list[Any]]) -> None:
    panel.refresh()
    answer("")
    press(panel.buttons["tiff"])
    press(panel.copying)
    press(panel.opening)
    assert not panel.exporter.state.busy and not tracked.opening


def test_only_the_current_cell(
    panel: SavePanel, tracked: Desk, answer: Callable[[str], list[Any]], tmp_path: Path
) -> None:
    panel.refresh()
    answer(str(tmp_path / "one.tracks.csv"))
    panel.which.setCurrentIndex(1)
    press(panel.buttons["tracks"])
    finish(panel)
    lines = (tmp_path / "one.tracks.csv").read_text().splitlines()
    assert len(lines) == 13 and {line.split(",")[0] for line in lines[1:]} == {"1"}


def test_folders_are_asked_about_before_they_are_replaced(
    panel: SavePanel, tracked: Desk, answer: Callable[[str], list[Any]], tmp_path: Path
) -> None:
    panel.refresh()
    answer(str(tmp_path / "cells.ome.zarr"))
    press(panel.buttons["ome-zarr"])
    finish(panel)
    questions: list[str] = []
    tracked.confirm = lambda text: bool(questions.append(text))
    before = sorted((tmp_path / "cells.ome.zarr").rglob("*"))
    press(panel.buttons["ome-zarr"])
    assert "Replace it?" in questions[0] and not panel.exporter.state.busy
    tracked.confirm = lambda text: True
    press(panel.buttons["ome-zarr"])
    finish(panel)
    assert "is written" in panel.told.text()
    assert sorted((tmp_path / "cells.ome.zarr").rglob("*")) == before


def test_progress_and_cancel(
    panel: SavePanel, tracked: Desk, answer: Callable[[str], list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.refresh()
    gate, main, labels = threading.Event(), threading.get_ident(), tracked.session.labels
    read = labels.read

    def slow(frame: int) -> object:
        assert threading.get_ident() == main or frame < 2 or gate.wait(30)
        return read(frame)

    monkeypatch.setattr(labels, "read", slow)
    answer(str(tmp_path / "a.ome.tif"))
    press(panel.buttons["ome-tiff"])
    assert tracked.runner.pump(30, lambda: panel.exporter.state.done > 0)
    panel.refresh()
    assert panel.running.isVisible() and panel.bar.maximum() >= 12 and panel.bar.value() > 0
    assert "Exporting a.ome.tif" in panel.told.text()
    for button in panel.buttons.values():
        assert not button.isEnabled() and "not finished" in button.toolTip()
    press(panel.cancel)
    gate.set()
    finish(panel)
    assert "cancelled" in panel.told.text() and not (tmp_path / "a.ome.tif").exists()
    assert panel.buttons["tiff"].isEnabled() and not panel.running.isVisible()


def test_copy_close_and_open(
    panel: SavePanel,
    tracked: Desk,
    answer: Callable[[str], list[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preferences, "engine_maker", lambda *args: DiscEngine)
    panel.refresh()
    answer(str(tmp_path / "copy.sam2cells"))
    press(panel.copying)
    finish(panel)
    assert "copy.sam2cells is written" in panel.told.text()
    press(panel.closing)
    assert tracked.session is None
    panel.refresh()
    press(panel.opening)
    assert tracked.runner.pump(60, lambda: tracked.session is not None)
    assert tracked.session.path == tmp_path / "copy.sam2cells" and sorted(tracked.session.cells) == [1, 2]
    panel.refresh()
    assert panel.where.text().endswith("copy.sam2cells")


def test_the_folder_is_shown(panel: SavePanel, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(save_panel.QDesktopServices, "openUrl", lambda url: shown.append(url.toLocalFile()))
    press(panel.folder)
    assert shown == [str(desk.session.path.parent)]
