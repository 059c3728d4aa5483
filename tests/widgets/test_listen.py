"""What listens to a desk, and is gone before it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from psygnal import Signal
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QLabel, QMainWindow, QVBoxLayout, QWidget

from napari_sam2.widgets.desk import Desk
from napari_sam2.widgets.listen import listen, when_destroyed
from napari_sam2.widgets.main_dock import watch_window

pytestmark = pytest.mark.gui


class Desklike:
    """Something with a signal."""

    told = Signal(object)


class Part(QWidget):
    """Shows what it is told in a label of its own."""

    def __init__(self, signal: object) -> None:
        super().__init__()
        self.label = QLabel()
        layout = QVBoxLayout(self)
        layout.addWidget(self.label)
        self.stop = listen(self, (signal, self.show_it))

    def show_it(self, what: object) -> None:
        """Show something."""
        self.label.setText(str(what))


def destroy(widget: QWidget) -> None:
    """Have Qt delete a widget now."""
    widget.deleteLater()
    QCoreApplication.sendPostedEvents(widget, QEvent.Type.DeferredDelete.value)


def test_it_hears_until_it_is_destroyed(qapp: object) -> None:
    desk, ends = Desklike(), []
    part = Part(desk.told)
    when_destroyed(part, lambda: ends.append("destroyed"))
    desk.told.emit("one")
    assert part.label.text() == "one"
    destroy(part)
    desk.told.emit("two")
    assert ends == ["destroyed"] and len(desk.told) == 0


def test_it_can_stop_earlier(qapp: object) -> None:
    desk = Desklike()
    part = Part(desk.told)
    part.stop()
    desk.told.emit("one")
    assert part.label.text() == ""
    destroy(part)


def test_a_window_that_goes_tells_nothing_to_what_goes_with_it(desk: Desk, qapp: object) -> None:
    """Qt deletes what is in a window in an order of its own: a part may be there while its label is not."""
    window = QMainWindow()
    part = Part(desk.session_changed)
    window.setCentralWidget(part)
    watch_window(window, desk)
    destroy(part.label)
    destroy(window)  # an error in here is one of a Qt slot, which fails the test
    assert desk.closed


def test_at_any_other_time_that_is_an_error(desk: Desk, qapp: object) -> None:
    part = Part(desk.session_changed)
    destroy(part.label)
    with pytest.raises(Exception, match="deleted"):
        desk.session_changed.emit(None)
    part.stop()
    destroy(part)


SCRIPT = """
import sys, time
sys.path[:0] = {folders!r}
import napari
from pathlib import Path
from qtpy.QtWidgets import QApplication
from stub import make, movie
from napari_sam2.widgets.image import axes_of
from napari_sam2.widgets.main_dock import MainDock

viewer = napari.Viewer()
dock = MainDock(viewer)
viewer.window.add_dock_widget(dock, name="SAM 2 Cell Tracker")
image = viewer.add_image(movie(), name="movie")
dock.desk.place(image, axes_of(image), make(Path({place!r})))
dock.desk.act("add_click", 1, 0, (10, 12))
for _ in range(100):
    QApplication.processEvents()
    time.sleep(0.01)
print("the script ends", flush=True)
"""


def test_a_script_may_end_without_closing_its_viewer(tmp_path: Path) -> None:
    """The program's end destroys the window, with PySide part by part; nothing is to be said about that."""
    folders = [str(Path(__file__).parents[1] / "session")]
    script = SCRIPT.format(folders=folders, place=str(tmp_path / "movie.sam2cells"))
    surroundings = {**os.environ, "NAPARI_CONFIG": str(tmp_path / "napari.yaml")}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False, env=surroundings
    )
    assert done.stdout.strip().endswith("the script ends"), done.stderr
    assert "Traceback" not in done.stderr and "deleted" not in done.stderr, done.stderr
