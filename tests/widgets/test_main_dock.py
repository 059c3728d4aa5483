"""The dock in real windows, with real clicks and drags, and the bundled model."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gated import Gate, gated
from stub import FRAMES, DiscEngine, disc, movie

pytest.importorskip("qtpy")

from real_window import ALT, SHIFT, canvas_of, canvas_point, click, drag, main_window_of, spin  # noqa: E402

from napari_sam2.session import open_session  # noqa: E402
from napari_sam2.training.synthetic import make_movie  # noqa: E402
from napari_sam2.widgets import preferences  # noqa: E402
from napari_sam2.widgets.desk import desk_of  # noqa: E402
from napari_sam2.widgets.image import axes_of  # noqa: E402
from napari_sam2.widgets.main_dock import MainDock  # noqa: E402
from napari_sam2.widgets.theme import contrast, theme_of  # noqa: E402
from napari_sam2.widgets.view import camera_of  # noqa: E402

pytestmark = [pytest.mark.gui, pytest.mark.slow]
BELOW_BARS = 740
"""Height of a window on a screen of 1280 x 800, with a title bar and the bar of the desktop."""
LONG = 60.0
"""Seconds to wait at most; no limit on speed, only an end for what will never come."""


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Any:
    """A viewer with a window of a small laptop."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    yield viewer
    desk_of(viewer).close()
    gc.collect()


@pytest.fixture
def make_window(make_napari_viewer: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """As napari's own; what a test has left in circles is collected before it looks for leaks."""
    yield make_napari_viewer
    spin(0.3)
    gc.collect()


@pytest.fixture
def dock(window: Any) -> MainDock:
    made = MainDock(window)
    window.window.add_dock_widget(made, name="SAM 2 Cell Tracker", area="right")
    spin(0.2)
    return made


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


@pytest.fixture
def slow(dock: MainDock, window: Any, gate: Gate, tmp_path: Path) -> MainDock:
    """A dock with a movie whose frames finish when the gate lets them; two cells are clicked."""
    image = window.add_image(movie(), name="movie")
    dock.desk.place(image, axes_of(image), gated(tmp_path / "slow.sam2cells", gate))
    dock.desk.show_frame(0)
    dock.desk.act("add_click", 1, 0, (10, 12))
    dock.desk.act("add_click", 2, 0, (28, 12))
    quiet(dock)
    return dock


def quiet(dock: MainDock) -> None:
    desk = dock.desk
    assert spin(LONG, lambda: not desk.opening and not any(s.runs.pending for s in desk._sheets))
    spin(0.1)


def test_from_nothing_to_tracked_cells_with_the_mouse(dock: MainDock, window: Any) -> None:
    film = make_movie("nuclei", frames=4, size=(192, 192), cells=6, diameter=30, seed=4)
    image = window.add_image(film.frames, name="nuclei")
    window.dims.set_current_step(0, 0)
    spin(0.3)
    desk = dock.desk
    assert dock.image.image is image and not dock.track.run.isEnabled()
    assert spin(LONG, lambda: desk.session is not None), "the only movie is opened without a press"
    spin(0.3)
    assert not dock.folding.isExpanded() and "Saved by itself" in dock.saved.text()
    cells = [n for n in np.unique(film.labels[0]) if n and (film.labels[0] == n).sum() > 300][:3]
    places = [tuple(np.argwhere(film.labels[0] == n).mean(0)) for n in cells]
    for place in places:
        click(window, image, place)
        quiet(dock)
    assert list(desk.session.cells) == [1, 2, 3] and len(desk.layers.points.data) == 3
    for number, (y, x) in enumerate(places, 1):
        assert desk.session.labels[0][round(y), round(x)] == number, "the click's mask is there at once"
        assert desk.layers.labels._slice.image.raw[round(y), round(x)] == number
        found = np.argwhere(desk.layers.points.data[:, 0] == 0)
        assert found.size and np.abs(desk.layers.points.data[number - 1][1:] - (y, x)).max() < 1.5
    click(window, image, (places[0][0] + 1, places[0][1]))
    assert desk.current == 1 and len(desk.layers.points.data) == 3, "a click on a mask goes back to its cell"
    spin(0.3)
    assert dock.track.run.isEnabled() and dock.track.run.text() == "Track"
    dock.track.run.click()
    spin(0.2)
    assert dock.track.run.text() == "Cancel"
    quiet(dock)
    assert dock.track.run.text() == "Track" and not desk.session.stale()
    for t in range(4):
        assert set(np.unique(desk.session.labels[t])) >= {1, 2, 3}
    window.dims.set_current_step(0, 3)
    assert spin(5, lambda: bool(np.array_equal(desk.layers.labels._slice.image.raw, desk.session.labels[3])))


def test_boxes_paint_and_signs_with_the_mouse(slow: MainDock, window: Any, gate: Gate) -> None:
    gate.open.set()
    desk = slow.desk
    image = desk.layers.image
    slow.prompts.tools["boxes"].click()
    spin(0.1)
    drag(window, image, [(14, 30), (22, 40)])
    quiet(slow)
    assert desk.session.prompts(3)[0].prompts.rounds[0].box is not None
    assert desk.session.labels[0][18, 35] == 3
    slow.prompts.tools["paint"].click()
    spin(0.1)
    assert desk.layers.labels.mode == "paint"
    desk.next_cell()
    drag(window, image, [(34, 36), (34, 42)])
    quiet(slow)
    assert desk.session.prompts(4)[0].prompts.mask is not None and desk.session.labels[0][34, 39] == 4
    slow.prompts.tools["clicks_on"].click()
    click(window, image, (20, 20), SHIFT)
    quiet(slow)
    assert [c[2] for r in desk.session.prompts(4)[0].prompts.rounds for c in r.clicks] == [True]
    click(window, image, (4, 30), ALT)
    quiet(slow)
    assert [c[2] for r in desk.session.prompts(4)[0].prompts.rounds for c in r.clicks] == [True, False]
    slow.prompts.tools["look"].click()
    click(window, image, (10, 12))
    assert desk.current == 1
    assert canvas_point(window, image, (0, 0)).y() < canvas_point(window, image, (20, 0)).y()


def test_buttons_say_what_can_be_done_and_why_not(dock: MainDock, window: Any, gate: Gate, tmp_path: Path) -> None:
    spin(0.2)
    assert not dock.image.start.isEnabled() and "Open an image first" in dock.image.start.toolTip()
    for button in (dock.track.run, dock.track.hold, dock.track.ask, dock.prompts.next, *dock.prompts.tools.values()):
        assert not button.isEnabled() and len(button.toolTip()) > 5 and button.accessibleName() or button.text()
    image = window.add_image(movie(), name="movie")
    dock.image.refresh()
    assert dock.image.start.isEnabled()
    dock.desk.place(image, axes_of(image), gated(tmp_path / "s.sam2cells", gate))
    spin(0.2)
    assert all(b.isEnabled() for b in dock.prompts.tools.values()) and dock.prompts.tools["clicks_on"].isChecked()
    assert not dock.track.run.isEnabled() and "Click on a cell first" in dock.track.run.toolTip()
    dock.desk.show_frame(0)
    dock.desk.act("add_click", 1, 0, (10, 12))
    quiet(dock)
    assert spin(LONG, lambda: dock.track.run.isEnabled()) and "(G)" in dock.track.run.toolTip()
    assert not dock.track.hold.isEnabled() and "Nothing is being tracked" in dock.track.hold.toolTip()
    dock.track.run.click()
    gate.let(2)
    assert spin(LONG, lambda: dock.desk.run.done >= 1)  # the first frame to pass is the clicked one, which is done
    spin(0.1)
    assert dock.track.run.text() == "Cancel" and dock.track.hold.isEnabled() and not dock.track.ask.isEnabled()
    assert not dock.image.size.isEnabled() and "frames/s" in dock.track.told.text() or "masks" in dock.track.told.text()
    dock.track.hold.click()
    spin(0.1)
    assert dock.track.hold.text() == "Resume" and dock.desk.run.kind == "paused"
    dock.track.hold.click()
    spin(0.1)
    assert dock.desk.run.kind == "tracking"
    dock.track.run.click()
    gate.let(1)
    assert spin(LONG, lambda: dock.desk.run.kind == "idle")
    spin(0.1)
    assert dock.track.run.text() == "Track" and (dock.desk.session.labels[1] == 1).any()


def test_everything_fits_a_small_laptop(slow: MainDock, window: Any) -> None:
    window.window.resize(1280, BELOW_BARS)
    spin(0.5)
    assert slow.tabs.count() == 4 and [slow.tabs.tabText(i) for i in range(4)] == ["Cells", "Review", "Lineage", "Save"]
    area = slow.scroll.viewport()

    def fits(*further: Any) -> None:
        track, prompts = slow.track, slow.prompts
        for part in (track.run, track.hold, track.ask, prompts.next, *prompts.tools.values(), slow.tabs, *further):
            corner = part.mapTo(slow.scroll.widget(), part.rect().bottomRight())
            assert part.isVisible() and corner.x() <= area.width(), part.accessibleName()
            assert corner.y() <= area.height(), part.accessibleName()
        assert main_window_of(window).width() <= 1280 and main_window_of(window).height() <= BELOW_BARS

    fits()
    # all that can be shown besides: a range of frames, and a layer that can be taken over
    window.add_labels(np.zeros((FRAMES, 40, 48), np.int32), name="labels of another program with a long name")
    slow.track.frames.setCurrentIndex(slow.track.frames.findData("range"))
    spin(0.3)
    fits(slow.track.first, slow.track.last, slow.prompts.take, slow.prompts.others)


def test_channels_are_asked_for_and_nothing_scrolls(dock: MainDock, window: Any) -> None:
    window.add_image(movie(), name="red")
    window.add_image(movie(), name="green")
    window.window.resize(1280, BELOW_BARS)
    spin(0.6)
    assert dock.desk.session is None and not dock.desk.opening and dock.folding.isExpanded()
    assert "channels" in dock.image.told.text() and dock.image.start.isEnabled() and dock.image.channels.isVisible()
    bar = dock.scroll.verticalScrollBar()
    assert bar.maximum() == 0, "a small laptop shows all of the dock before the start"
    listed = dock.image.channels
    assert listed.visualItemRect(listed.item(0)).bottom() <= listed.viewport().height(), "the channel is shown whole"


def test_the_last_line_names_the_session_and_its_tooltip_the_place(slow: MainDock, tmp_path: Path) -> None:
    assert slow.saved.text() == f"Saved by itself in \N{HORIZONTAL ELLIPSIS}{os.sep}slow.sam2cells"
    assert str(tmp_path / "slow.sam2cells") in slow.saved.toolTip()
    slow.desk.close_session()
    spin(0.2)
    assert slow.saved.text() == slow.saved.toolTip() == ""


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_sign_of_folding_can_be_seen_in_every_theme(dock: MainDock, window: Any, theme: str) -> None:
    window.theme = theme
    spin(0.1)
    image = dock.folding.toggleButton().icon().pixmap(36, 36).toImage()
    drawn = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
    inked = [c for c in drawn if c.alpha() > 250]
    paper = theme_of(window).paper
    assert inked and all(contrast((c.red(), c.green(), c.blue()), paper) >= 3 for c in inked)


def test_the_dock_fits_the_movie_into_what_it_leaves(window: Any) -> None:
    window.add_image(np.zeros((3, 200, 300), np.uint8), name="wide")
    window.add_image(np.zeros((3, 200, 300), np.uint8), name="other")  # two channels: nothing is begun
    spin(0.3)
    before = camera_of(window).zoom
    dock = MainDock(window)
    window.window.add_dock_widget(dock, name="SAM 2 Cell Tracker", area="right")
    assert spin(5, lambda: camera_of(window).zoom < before)

    def whole() -> bool:
        left, right = (canvas_point(window, window.layers[0], (0, x)).x() for x in (0, 299))
        return bool(0 <= left < right <= canvas_of(window).width())

    assert spin(5, whole)


def test_a_camera_that_was_moved_stays(window: Any) -> None:
    window.add_image(np.zeros((3, 200, 300), np.uint8), name="wide")
    window.add_image(np.zeros((3, 200, 300), np.uint8), name="other")
    spin(0.3)
    camera = camera_of(window)
    camera.center, camera.zoom = (0.0, 20.0, 30.0), 9.0
    dock = MainDock(window)
    window.window.add_dock_widget(dock, name="SAM 2 Cell Tracker", area="right")
    spin(0.5)
    assert camera.center == (0.0, 20.0, 30.0) and camera.zoom == 9.0


def test_a_dock_closed_and_opened_again_during_a_run(slow: MainDock, window: Any, gate: Gate) -> None:
    desk = slow.desk
    slow.track.run.click()
    gate.let(2)
    assert spin(LONG, lambda: desk.run.done >= 2)
    window.window.remove_dock_widget(slow)
    slow.deleteLater()
    spin(0.2)
    gate.let(2)
    assert spin(LONG, lambda: desk.run.done >= 6) and not desk.closed
    again = MainDock(window)
    window.window.add_dock_widget(again, name="SAM 2 Cell Tracker", area="right")
    spin(0.3)
    assert again.desk is desk and again.track.run.text() == "Cancel" and "Saved by itself" in again.saved.text()
    gate.open.set()
    quiet(again)
    assert again.track.run.text() == "Track" and (desk.session.labels[FRAMES - 1] == 2).any()


def test_two_docks_show_the_same(slow: MainDock, window: Any, gate: Gate) -> None:
    gate.open.set()
    other = MainDock(window)
    window.window.add_dock_widget(other, name="second", area="left")
    spin(0.2)
    assert other.desk is slow.desk
    other.prompts.next.click()
    other.prompts.adding.setChecked(False)
    spin(0.2)
    assert slow.prompts.cell.text() == other.prompts.cell.text() == "New cell"
    assert not slow.prompts.adding.isChecked()
    other.track.run.click()
    quiet(slow)
    told = slow.track.told, other.track.told
    assert spin(LONG, lambda: [label.text() for label in told] == ["Everything is tracked."] * 2)


def test_the_viewer_closed_during_a_run(make_window: Callable[..., Any], gate: Gate, tmp_path: Path) -> None:
    viewer = make_window(show=True)
    dock = MainDock(viewer)
    viewer.window.add_dock_widget(dock, name="SAM 2 Cell Tracker", area="right")
    spin(0.2)
    image = viewer.add_image(movie(), name="movie")
    dock.desk.place(image, axes_of(image), gated(tmp_path / "slow.sam2cells", gate))
    desk, path = dock.desk, dock.desk.session.path
    desk.act("add_click", 1, 0, (10, 12))
    quiet(dock)
    desk.track()
    gate.let(3)
    assert spin(LONG, lambda: desk.run.done >= 2)
    threading.Timer(0.3, gate.open.set).start()
    viewer.close()
    assert spin(LONG, lambda: desk.closed)
    with open_session(path, movie(), make_engine=DiscEngine) as again:
        assert (again.labels[1] == 1).any() and again.document.open_entry is None
    spin(0.5)  # napari notes the end of its worker


def test_taking_labels_over_from_the_panel(slow: MainDock, window: Any, gate: Gate) -> None:
    gate.open.set()
    foreign = np.zeros((FRAMES, 40, 48), np.int32)
    foreign[3, disc(20, 30, 4)] = 7
    foreign[4:, disc(21, 31, 4)] = 7
    spin(0.1)
    assert not slow.prompts.take.isVisible()
    layer = window.add_labels(foreign, name="cellpose")
    spin(0.2)
    assert slow.prompts.take.isVisible() and slow.prompts.others.currentText() == "cellpose"
    slow.prompts._take("first", False)
    quiet(slow)
    desk = slow.desk
    assert list(desk.session.prompts(7)) == [3] and (desk.session.labels[8] == 7).any() and not layer.visible
    desk.undo()
    assert 7 not in desk.session.cells


def test_settings_of_an_open_movie(slow: MainDock, gate: Gate) -> None:
    gate.open.set()
    spin(0.3)
    slow.image.size.setValue(33.0)
    assert slow.desk.session.meta["cell_diameter"] == 33.0
    slow.desk.undo()
    spin(0.2)
    assert slow.desk.session.meta.get("cell_diameter") != 33.0
    assert slow.image.size.value() == (slow.desk.session.meta.get("cell_diameter") or 0.0)
    assert preferences.read().model == "cell"
