# ruff: noqa: F811 - fixtures are named like what is imported
"""File > Open Sample: every entry opens, the terms are shown in a real dialog, and the window stays alive."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from napari.utils.notifications import Notification, notification_manager
from npe2 import PluginManager, PluginManifest

import napari_sam2.widgets.samples as hooks
from napari_sam2.samples import REAL, SYNTHETIC, RealMovie, download_sample, synthetic_layers
from napari_sam2.samples.real import TermsNotAccepted
from napari_sam2.weights import DownloadCancelled, DownloadError
from napari_sam2.widgets.waiting import wait_for
from tests.samples.test_real import FRAMES, HASTY, server, tiny  # noqa: F401 - fixtures

MANIFEST = PluginManifest.from_file(Path(hooks.__file__).parents[1] / "napari.yaml")
ENTRIES = {sample.key: sample for sample in MANIFEST.contributions.sample_data or ()}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples as small as can be."""

    def made(name: str, truth: bool = False):
        return synthetic_layers(name, truth=truth, frames=3, size=(128, 128))

    monkeypatch.setattr(hooks, "synthetic_layers", made)


def test_the_menu_offers_every_movie() -> None:
    wanted = {*SYNTHETIC, *(f"{name}-truth" for name in SYNTHETIC), *REAL}
    assert set(ENTRIES) == wanted
    for key, movie in REAL.items():
        assert movie.title in ENTRIES[key].display_name


@pytest.mark.parametrize("name", SYNTHETIC)
@pytest.mark.parametrize("truth", [False, True])
@pytest.mark.usefixtures("small")
def test_synthetic_entries_open_as_layers(name: str, truth: bool) -> None:
    from napari.components import ViewerModel

    pm = PluginManager.instance()
    if "napari-sam2" not in pm._manifests:
        pm.register(MANIFEST)
    viewer = ViewerModel()
    viewer.open_sample("napari-sam2", f"{name}-truth" if truth else name)
    assert [layer._type_string for layer in viewer.layers] == (["image", "labels"] if truth else ["image"])
    first = viewer.layers[0]
    assert first.scale[0] > 1 > first.scale[1]
    assert [str(unit) for unit in first.units] == ["minute", "micrometer", "micrometer"]


def test_without_a_window_a_shell_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hooks, "has_window", lambda: False)
    with pytest.raises(ValueError, match="napari-sam2 samples download u373"):
        hooks.open_real(REAL["u373"], tmp_path)


@pytest.fixture
def told() -> Iterator[list[Notification]]:
    """What napari shows its user."""
    seen: list[Notification] = []
    notification_manager.notification_ready.connect(seen.append)
    yield seen
    notification_manager.notification_ready.disconnect(seen.append)


@pytest.mark.parametrize(
    ("answer", "words"),
    [(TermsNotAccepted("It was not downloaded."), "not downloaded"), (DownloadCancelled("stopped"), "goes on from")],
)
def test_the_menu_is_not_angry_with_somebody_who_says_no(
    monkeypatch: pytest.MonkeyPatch, told: list[Notification], answer: Exception, words: str
) -> None:
    """napari itself opens the sample: no error, no layer, one friendly sentence."""
    from napari.components import ViewerModel

    def refused(movie: RealMovie, folder: Path | None = None) -> None:
        raise answer

    monkeypatch.setattr(hooks, "open_real", refused)
    pm = PluginManager.instance()
    if "napari-sam2" not in pm._manifests:
        pm.register(MANIFEST)
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 16, 16)), name="before")
    assert viewer.open_sample("napari-sam2", "u373") == []
    assert [layer.name for layer in viewer.layers] == ["before"] and viewer.dims.ndim == 3
    assert [note.severity for note in told] == ["info"]
    assert words in told[0].message


def test_a_failed_download_is_an_error_still(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hooks, "ask", lambda movie: True)
    monkeypatch.setattr(hooks, "download_sample", partial(download_sample, policy=HASTY))
    with pytest.raises(DownloadError, match="by hand"):
        hooks.chosen(replace(REAL["u373"], address="http://127.0.0.1:9"), tmp_path)


@pytest.mark.gui
@pytest.mark.parametrize("agree", [False, True])
def test_the_terms_are_asked_in_a_dialog(qtbot, tiny, tmp_path: Path, agree: bool) -> None:
    from qtpy.QtCore import Qt, QTimer
    from qtpy.QtWidgets import QApplication, QMessageBox

    seen: list[str] = []

    def answer() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            return QTimer.singleShot(20, answer)
        seen.append(box.text())
        button = box.button(QMessageBox.StandardButton.Yes if agree else QMessageBox.StandardButton.No)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    QTimer.singleShot(20, answer)
    if agree:
        ((data, _, _),) = hooks.open_real(tiny, tmp_path)
        np.testing.assert_array_equal(data, FRAMES)
    else:
        with pytest.raises(TermsNotAccepted):
            hooks.open_real(tiny, tmp_path)
        assert not list(tmp_path.rglob("*"))
    assert seen == [tiny.question()]


@pytest.mark.gui
def test_the_window_lives_while_work_is_done(qtbot) -> None:
    """Qt's own events are handled, and by the main thread, while the work is in another."""
    from qtpy.QtCore import QTimer

    ticked = threading.Event()
    threads: list[threading.Thread] = []
    QTimer.singleShot(0, ticked.set)

    def work(tell) -> str:
        threads.append(threading.current_thread())
        assert tell(0.5, "half")
        assert ticked.wait(20), "the window was frozen"
        return "done"

    assert wait_for("t", "x", work) == "done"
    assert threads[0] is not threading.main_thread()


@pytest.mark.gui
def test_cancel_and_errors_come_through(qtbot) -> None:
    from qtpy.QtCore import Qt, QTimer
    from qtpy.QtWidgets import QApplication, QProgressDialog, QPushButton

    def press() -> None:
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, QProgressDialog):
            return QTimer.singleShot(20, press)
        qtbot.mouseClick(dialog.findChild(QPushButton), Qt.MouseButton.LeftButton)

    def work(tell) -> None:
        waiting = threading.Event()
        for _ in range(400):
            if not tell(0.1, ""):
                raise KeyError("stopped")
            waiting.wait(0.05)

    QTimer.singleShot(20, press)
    with pytest.raises(KeyError, match="stopped"):
        wait_for("t", "x", work, can_stop=True)
    assert QApplication.activeModalWidget() is None
