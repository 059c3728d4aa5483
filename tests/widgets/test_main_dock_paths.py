"""Ways through the dock that are taken less often, in real windows: a download, channels, the estimate."""

from __future__ import annotations

import gc
import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from docked import LONG, docked, quiet
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QComboBox
from real_window import click, spin
from stub import DiscEngine, movie

from napari_sam2.training.synthetic import make_movie
from napari_sam2.weights import catalogue
from napari_sam2.weights.cache import CACHE_VARIABLE
from napari_sam2.widgets import forecast, notify, preferences
from napari_sam2.widgets.desk import desk_of

pytestmark = [pytest.mark.gui, pytest.mark.slow]


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Any]:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    yield viewer
    desk_of(viewer).close()
    gc.collect()


# a download -------------------------------------------------------------------------------------------------------


class Shop:
    """A server on this machine that hands a file out in two halves, the second when it is let."""

    def __init__(self) -> None:
        self.body = bytes(range(256)) * 2000
        self.go_on = threading.Event()
        self.asked: list[str | None] = []
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802 -- the standard library's name
                wanted = self.headers.get("Range")
                shop.asked.append(wanted)
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(shop.body) - 1}/{len(shop.body)}")
                self.send_header("Content-Length", str(len(shop.body) - start))
                self.end_headers()
                half = len(shop.body) // 2
                try:
                    self.wfile.write(shop.body[start:half])
                    self.wfile.flush()
                    shop.go_on.wait(60)
                    self.wfile.write(shop.body[max(start, half) :])
                except OSError:  # whoever asked has gone
                    pass

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}/model.pt"

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shop]:
    """The model "far" can be downloaded from a local server into a folder of the test."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "models"))
    made = Shop()
    published = next(info for info in catalogue.list_models() if not info.bundled)
    far = replace(
        published, name="far", file="far.pt", url=made.address, bytes=len(made.body),
        sha256=hashlib.sha256(made.body).hexdigest(),
    )  # fmt: skip
    monkeypatch.setitem(catalogue._CATALOGUE, "far", far)
    yield made
    made.close()


def choose(box: QComboBox, data: object) -> None:
    """Choose in a list, by the keyboard."""
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Home)
    for _ in range(box.count()):
        if box.currentData() == data:
            return
        QTest.keyClick(box, Qt.Key.Key_Down)
    assert box.currentData() == data


def test_a_model_is_downloaded_stopped_and_downloaded(
    window: Any, shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[str] = []
    monkeypatch.setattr(notify, "_show", lambda message: told.append(message.text))
    dock = docked(window)
    chooser, start = dock.image.model, dock.image.start
    assert not chooser.fetch.isVisible() and not chooser.bar.isVisible()
    choose(chooser.box, "far")
    spin(0.2)
    assert chooser.fetch.isVisible() and not chooser.is_here and "to download" in chooser.box.currentText()
    assert "MB from http" in chooser.fetch.toolTip()
    window.add_image(movie(), name="movie")
    spin(0.6)
    assert dock.desk.session is None and not start.isEnabled()
    assert "download it" in start.toolTip() and "download it" in dock.image.told.text()

    QTest.mouseClick(chooser.fetch, Qt.MouseButton.LeftButton)
    assert chooser.bar.isVisible() and chooser.stop.isVisible() and not chooser.box.isEnabled()
    assert spin(LONG, lambda: 0 < chooser.bar.value() < 1000), "half of it has come"
    assert "of 1 MB" in chooser.bar.text()
    QTest.mouseClick(chooser.stop, Qt.MouseButton.LeftButton)
    shop.go_on.set()
    assert spin(LONG, lambda: chooser.fetch.isVisible()), "it can be begun again"
    assert not chooser.bar.isVisible() and chooser.box.isEnabled() and not chooser.is_here
    assert not any("here" in text for text in told), told

    QTest.mouseClick(chooser.fetch, Qt.MouseButton.LeftButton)
    assert spin(LONG, lambda: chooser.is_here and not chooser.bar.isVisible())
    assert [p.read_bytes() == shop.body for p in (tmp_path / "models").rglob("far.pt")] == [True]
    assert "far is here." in told and "downloaded" in chooser.box.currentText() and not chooser.fetch.isVisible()
    assert spin(LONG, start.isEnabled), "and now it can begin"


def test_a_dock_closed_during_a_download(window: Any, shop: Shop) -> None:
    dock = docked(window)
    chooser = dock.image.model
    choose(chooser.box, "far")
    spin(0.1)
    QTest.mouseClick(chooser.fetch, Qt.MouseButton.LeftButton)
    assert spin(LONG, lambda: bool(shop.asked))
    window.window.remove_dock_widget(dock)
    dock.deleteLater()
    spin(0.2)
    shop.go_on.set()
    assert spin(LONG, lambda: not any("download" in t.name for t in threading.enumerate()))


# channels ---------------------------------------------------------------------------------------------------------


def test_split_channels_are_seen_by_the_model(window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preferences, "engine_maker", lambda said=None: DiscEngine)
    both = np.stack([movie(), movie()[::-1], movie()[:, ::-1]], axis=-1)
    layers = window.add_image(both, channel_axis=3, name=["phase", "red", "green"])
    dock = docked(window)
    spin(0.6)
    panel, rows = dock.image, dock.image.channels
    assert dock.desk.session is None and panel.channels.isVisible()
    names = [rows.item(i).text() for i in range(rows.count())]
    assert len(names) == 2 and panel.image is not None and panel.image.name not in names
    choose(panel.layer, layers[0])
    spin(0.1)
    assert [rows.item(i).text() for i in range(rows.count())] == ["red", "green"]
    rows.setFocus()
    rows.setCurrentRow(1)
    QTest.keyClick(rows, Qt.Key.Key_Space)
    assert panel.channels.ticked() == (layers[2],)
    QTest.mouseClick(panel.start, Qt.MouseButton.LeftButton)
    assert spin(LONG, lambda: dock.desk.session is not None)
    session = dock.desk.session
    assert session.movie.n_channels == 2
    seen = np.asarray(session.movie.frame(2))  # (Y, X, 3): what the model gets
    assert not np.allclose(seen[..., 0], seen[..., 1]), "two channels, not one three times"
    click(window, layers[0], (10, 12))
    quiet(dock)
    assert (session.labels[0] == 1).any() or list(session.cells) == [1]
    path = session.path
    dock.desk.close_session()
    spin(0.3)
    assert panel.channels.ticked() == (layers[2],), "what was ticked stays"
    QTest.mouseClick(panel.start, Qt.MouseButton.LeftButton)
    assert spin(LONG, lambda: dock.desk.session is not None)
    assert dock.desk.session.path == path and dock.desk.session.movie.n_channels == 2


# the estimate -----------------------------------------------------------------------------------------------------


def test_the_cost_of_a_run_is_told_before_it_is_begun(window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    film = make_movie("nuclei", frames=4, size=(160, 160), cells=4, diameter=30, seed=4)
    image = window.add_image(film.frames, name="nuclei")
    window.dims.set_current_step(0, 0)
    dock = docked(window)
    assert spin(LONG, lambda: dock.desk.session is not None)
    cell = max((n for n in np.unique(film.labels[0]) if n), key=lambda n: (film.labels[0] == n).sum())
    place = tuple(np.argwhere(film.labels[0] == cell).mean(0))
    assert not dock.track.ask.isEnabled()
    monkeypatch.setattr(forecast, "MANY", 1)
    monkeypatch.setattr(forecast, "LONG", 0.0)
    monkeypatch.setattr(forecast, "QUIET", 0.1)
    click(window, image, place)
    quiet(dock)
    assert spin(LONG, lambda: "MiB of memory" in dock.track.told.text()), "without being asked"
    assert "masks to track" in dock.track.told.text()
    quiet(dock)
    dock.desk.act("delete", 1)  # now there is nothing to track: the estimate is out of date
    assert spin(LONG, lambda: "MiB" not in dock.track.told.text())
    dock.desk.undo()
    monkeypatch.setattr(forecast, "MANY", 10**9)
    quiet(dock)
    assert spin(LONG, dock.track.ask.isEnabled)
    QTest.mouseClick(dock.track.ask, Qt.MouseButton.LeftButton)
    assert spin(LONG, lambda: dock.desk.run.kind == "idle" and "About" in dock.track.told.text()), (
        dock.track.told.text()
    )
    assert not (dock.desk.session.labels[1] == 1).any(), "nothing is written by that"
    QTest.mouseClick(dock.track.run, Qt.MouseButton.LeftButton)
    quiet(dock)
    assert spin(LONG, lambda: dock.track.told.text() == "Everything is tracked.")
