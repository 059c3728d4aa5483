"""Exports beside their movie: no name is proposed that is taken, and the movie itself is never replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtWidgets import QFileDialog
from stub import make, movie

from napari_sam2.widgets.desk import Desk, desk_of
from napari_sam2.widgets.exports import OFFERS, suggested
from napari_sam2.widgets.image import axes_of
from napari_sam2.widgets.save_panel import SavePanel

OFFER = {offer.name: offer for offer in OFFERS}
NAMES = ("movie.tif", "movie.ome.tif", "movie.ome.zarr", "movie.mp4", "movie.gif", "movie.py", "movie.tracks.csv")


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Desk]:
    """A session of a movie that lies beside it, under the same name, with one cell."""
    tifffile.imwrite(tmp_path / "movie.tif", movie())
    image = Image(movie(), name="movie")
    image._source = image.source.model_copy(update={"path": str(tmp_path / "movie.tif")})
    viewer = ViewerModel()
    viewer.layers.append(image)
    desk = desk_of(viewer)
    desk.place(image, axes_of(image), make(tmp_path / "movie.sam2cells"))
    desk.session.add_click(None, 0, (10, 12))
    desk.session.run()
    yield desk
    desk.close()


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.name)
def test_no_name_is_proposed_that_is_taken(offer: Any, beside: Desk, tmp_path: Path) -> None:
    for name in NAMES:
        if not (tmp_path / name).exists():
            (tmp_path / name).write_text("somebody's")
    first = suggested(offer, beside.session, 1)
    assert not first.exists() and first.parent == tmp_path and offer.complete(first) == first
    first.write_text("of before")
    second = suggested(offer, beside.session, 1)
    assert second != first and not second.exists() and offer.complete(second) == second


def test_names_of_label_images_say_that_they_are_the_cells(beside: Desk) -> None:
    names = {name: suggested(OFFER[name], beside.session, None).name for name in ("tiff", "ome-tiff", "ome-zarr")}
    assert names == {"tiff": "movie.cells.tif", "ome-tiff": "movie.cells.ome.tif", "ome-zarr": "movie.cells.ome.zarr"}


@pytest.mark.gui
def test_the_movie_is_not_replaced_even_when_it_is_chosen(
    beside: Desk, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_sam2.widgets import notify

    told: list[str] = []
    monkeypatch.setattr(notify, "_show", lambda message: told.append(message.text))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(tmp_path / "movie.tif"), ""))
    beside.confirm = lambda text: True
    panel = SavePanel(beside)
    qtbot.addWidget(panel)
    panel.export(OFFER["tiff"])
    assert not panel.exporter.state.busy
    assert len(told) == 1 and "would replace the movie movie.tif" in told[0] and "another name" in told[0]
    assert np.array_equal(tifffile.imread(tmp_path / "movie.tif"), movie())
    panel.exporter.close()
