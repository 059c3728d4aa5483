"""Lets the tests of the widgets import what they share with those of the sessions."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "session"))

pytest.importorskip("napari")

from gated import Gate, gated  # noqa: E402
from napari.components import ViewerModel  # noqa: E402
from stub import make, movie  # noqa: E402

from napari_sam2.widgets import notify  # noqa: E402
from napari_sam2.widgets.desk import Desk, desk_of  # noqa: E402
from napari_sam2.widgets.image import axes_of  # noqa: E402


@pytest.fixture
def viewer() -> ViewerModel:
    """A viewer without a window."""
    return ViewerModel()


@pytest.fixture
def desk(viewer: ViewerModel, tmp_path: Path) -> Iterator[Desk]:
    """A desk with an empty session on a movie of twelve small frames, tracked by formula."""
    image = viewer.add_image(movie(), name="movie")
    made = desk_of(viewer)
    made.place(image, axes_of(image), make(tmp_path / "movie.sam2cells"))
    yield made
    made.close()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user is told."""
    found: list[str] = []
    monkeypatch.setattr(notify, "_show", lambda message: found.append(message.text))
    return found


@pytest.fixture
def two(desk: Desk, wait: Callable[..., None]) -> Desk:
    """`desk` with cells 1 and 2, tracked."""
    for yx in ((10, 12), (28, 12)):
        desk.act("add_click", None, 0, yx)
    desk.track()
    wait()
    return desk


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Holds the tracker of `slow` back, frame by frame; opened at the end, so that no thread stays."""
    made = Gate()
    yield made
    made.open.set()


@pytest.fixture
def slow(viewer: ViewerModel, tmp_path: Path, gate: Gate) -> Iterator[Desk]:
    """As `desk`, with two cells clicked on frame 0, and a tracker that finishes frames only when `gate` lets it."""
    image = viewer.add_image(movie(), name="movie")
    made = desk_of(viewer)
    made.place(image, axes_of(image), gated(tmp_path / "slow.sam2cells", gate))
    made.act("add_click", 1, 0, (10, 12))
    made.act("add_click", 2, 0, (28, 12))
    assert made.runner.pump(60, lambda: not any(sheet.runs.pending for sheet in made._sheets))
    yield made
    gate.open.set()
    made.close()


@pytest.fixture
def wait(viewer: ViewerModel) -> Callable[..., None]:
    """Call with a condition: lets the viewer's desk work until it holds, or until nothing is left to do."""

    desk = desk_of(viewer)

    def until(condition: Callable[[], bool] | None = None, seconds: float = 60.0) -> None:
        def quiet() -> bool:
            return not any(sheet.runs.pending for sheet in desk._sheets) and not desk.opening

        met = condition or quiet
        desk.runner.pump(0.02)
        assert desk.runner.pump(seconds, met), "it did not come about"
        desk.runner.pump(0.0)

    return until


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sessions of movies without a file go to a folder of the test."""
    import napari_sam2.widgets.place as place

    folder = tmp_path / "user data"
    monkeypatch.setattr(place, "data_folder", lambda: folder)
    return folder


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Fails a test after which a thread of the plugin is still there."""
    yield
    end = time.monotonic() + 10
    while time.monotonic() < end:
        left = [thread for thread in threading.enumerate() if thread.name.startswith("napari-sam2")]
        if not left:
            return
        time.sleep(0.01)
    raise AssertionError(f"threads left: {left}")
