"""Sessions with a number in their name are found again: several movies of one name, and those begun afresh."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import npe2
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from stub import DiscEngine, movie

from napari_sam2.widgets import preferences
from napari_sam2.widgets.desk import Desk, desk_of


@pytest.fixture(autouse=True)
def discs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions that are opened track by formula; files are read by napari's own readers."""
    monkeypatch.setattr(preferences, "engine_maker", lambda said=None: DiscEngine)
    npe2.PluginManager.instance().discover()


@pytest.fixture
def opened(viewer: ViewerModel, wait: Callable[..., None]) -> Iterator[Callable[..., Desk]]:
    """Call with a file: it is opened in an empty viewer, and a cell is added if wanted."""
    desk = desk_of(viewer)

    def work(file: Path, add: int = 0, **options: object) -> Desk:
        viewer.layers.clear()
        wait(lambda: desk.session is None)
        desk.open(viewer.open(file, plugin="napari")[0], **options)
        wait(lambda: desk.session is not None and not desk.opening)
        for i in range(add):
            desk.act("add_click", None, 2, (10 + 12 * i, 12))
        wait()
        return desk

    yield work
    desk.close()


def saved(path: Path, data: np.ndarray) -> Path:
    tifffile.imwrite(path, data, photometric="minisblack")
    return path


def test_two_movies_of_one_name_keep_their_sessions(opened: Callable[..., Desk], tmp_path: Path) -> None:
    one, two = saved(tmp_path / "exp1.tif", movie()), saved(tmp_path / "exp1.ome.tif", movie()[::-1].copy())
    assert opened(one, 1).session.path.name == "exp1.sam2cells"
    assert opened(two, 2).session.path.name == "exp1-2.sam2cells"
    desk = opened(one)
    assert desk.session.path.name == "exp1.sam2cells" and len(desk.session.cells) == 1
    desk = opened(two)
    assert desk.session.path.name == "exp1-2.sam2cells" and len(desk.session.cells) == 2
    assert "Continued exp1-2.sam2cells with 2 cells" in desk.note


def test_what_was_begun_afresh_is_continued(opened: Callable[..., Desk], tmp_path: Path) -> None:
    file = saved(tmp_path / "cells.tif", movie())
    opened(file, 1)
    assert opened(file, 2, fresh=True).session.path.name == "cells-2.sam2cells"
    desk = opened(file)
    assert desk.session.path.name == "cells-2.sam2cells" and len(desk.session.cells) == 2
    desk.close_session()
    for name in ("session.json", "log.jsonl"):
        os.utime(tmp_path / "cells.sam2cells" / name)  # somebody went on with the first
    assert opened(file).session.path.name == "cells.sam2cells"


def test_a_numbered_session_that_cannot_be_read_is_left_alone(opened: Callable[..., Desk], tmp_path: Path) -> None:
    file = saved(tmp_path / "cells.tif", movie())
    opened(file, 1).close_session()
    (tmp_path / "cells-7.sam2cells").mkdir()
    (tmp_path / "cells-7.sam2cells" / "session.json").write_text("not json")
    assert opened(file).session.path.name == "cells.sam2cells"
    assert (tmp_path / "cells-7.sam2cells" / "session.json").read_text() == "not json"
