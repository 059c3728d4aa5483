"""Lets the tests of the widgets import what they share with those of the sessions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "session"))

pytest.importorskip("napari")

from napari.components import ViewerModel  # noqa: E402
from stub import make, movie  # noqa: E402

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
def wait(desk: Desk) -> Callable[..., None]:
    """Call with a condition: lets the desk work until it holds, or until nothing is left to do."""

    def until(condition: Callable[[], bool] | None = None, seconds: float = 20.0) -> None:
        def quiet() -> bool:
            return not any(sheet.runs.pending for sheet in desk._sheets) and not desk.opening

        met = condition or quiet
        desk.runner.pump(0.02)
        assert desk.runner.pump(seconds, met), "it did not come about"
        desk.runner.pump(0.0)

    return until


def label_image(desk: Desk) -> np.ndarray:
    """What the Labels layer shows."""
    return np.asarray(desk.layers.labels._slice.image.raw)
