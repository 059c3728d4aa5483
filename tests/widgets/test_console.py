"""``from napari_sam2 import current_session``: what the console does the viewer shows, and the reverse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from stub import make, movie

import napari_sam2
from napari_sam2.widgets.desk import Desk, desk_of
from napari_sam2.widgets.image import axes_of


def test_it_is_the_session_of_the_dock(desk: Desk) -> None:
    assert napari_sam2.current_session() is desk.session
    assert "current_session" in napari_sam2.__all__


def test_the_viewer_shows_what_the_console_does(desk: Desk, wait: Callable[..., None]) -> None:
    heard: list[str] = []
    desk.document_changed.connect(lambda changed: heard.append(changed.verb))
    session = napari_sam2.current_session()
    cell = session.add_click(None, 0, (10, 12))
    session.run()
    wait()
    assert "add_clicks" in heard
    points = desk.layers.points
    assert len(points.data) == 1 and tuple(points.data[0]) == (0, 10, 12)
    desk.show_frame(3)
    assert (np.asarray(desk.layers.labels.data[3]) == cell).any()
    session.delete(cell)
    wait()
    assert len(points.data) == 0 and not np.asarray(desk.layers.labels.data[3]).any()
    session.undo()
    wait()
    assert len(points.data) == 1


def test_the_console_has_what_the_viewer_does(desk: Desk, wait: Callable[..., None]) -> None:
    session = napari_sam2.current_session()
    desk.click(0, (10, 12))
    desk.layers.points.add((0, 28, 12))
    wait()
    assert sorted(session.cells) == [1, 2]
    assert (session.labels[0] == 2).any()  # with its mask
    desk.undo()
    assert sorted(session.cells) == [1]
    assert session.can_redo == "add_clicks"


def test_the_last_one_that_was_worked_on(desk: Desk, tmp_path: Path) -> None:
    viewer = ViewerModel()
    other = desk_of(viewer)
    image = viewer.add_image(movie(), name="another")
    other.place(image, axes_of(image), make(tmp_path / "other.sam2cells"))
    assert napari_sam2.current_session() is other.session
    desk.viewer.layers.selection.active = desk.layers.image
    other.close()
    assert napari_sam2.current_session() is desk.session
    desk.close_session()
    assert napari_sam2.current_session() is None


def test_without_a_viewer_there_is_none() -> None:
    import subprocess
    import sys

    program = (
        "import sys, napari_sam2\nassert napari_sam2.current_session() is None\n"
        "assert not {'napari', 'qtpy', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.gui
@pytest.mark.enable_console
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::RuntimeWarning")
def test_from_napari_s_own_console(make_napari_viewer: Callable[..., Any], tmp_path: Path) -> None:
    pytest.importorskip("napari_console")
    viewer = make_napari_viewer()
    image = viewer.add_image(movie(), name="movie")
    desk = desk_of(viewer)
    desk.place(image, axes_of(image), make(tmp_path / "movie.sam2cells"))
    console = viewer.window._qt_viewer.console
    if console.shell is None:
        pytest.skip("a kernel of another program is running here")
    console.execute("from napari_sam2 import current_session; cell = current_session().add_click(None, 0, (10, 12))")
    assert console.shell.user_ns["cell"] == 1
    assert list(desk.session.cells) == [1]
    desk.session.run()
    console.execute("n = sum(int((frame == 1).any()) for frame in current_session().labels)")
    assert console.shell.user_ns["n"] == 12
    desk.close()
