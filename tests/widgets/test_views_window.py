"""The views in a real napari window: linked with it, in its themes, and gone without a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Tracks
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QTabWidget
from real_window import spin
from stub import make, movie
from views import fill

from napari_sam2.widgets.cells_table import CellsTable
from napari_sam2.widgets.desk import Desk, desk_of
from napari_sam2.widgets.image import axes_of
from napari_sam2.widgets.lineage_panel import LineagePanel
from napari_sam2.widgets.overview import overview_of
from napari_sam2.widgets.review_panel import ReviewPanel

pytestmark = pytest.mark.gui
Parts = tuple[Any, Desk, QTabWidget]


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any], tmp_path: Path) -> Iterator[Parts]:
    viewer = make_napari_viewer(show=True)
    image = viewer.add_image(movie(), name="movie")
    desk = desk_of(viewer)
    session = make(tmp_path / "movie.sam2cells")
    fill(session)
    desk.place(image, axes_of(image), session)
    tabs = QTabWidget()
    for part in (CellsTable(desk), ReviewPanel(desk), LineagePanel(desk)):
        tabs.addTab(part, type(part).__name__)
    viewer.window.add_dock_widget(tabs, name="views", area="right")
    overview = overview_of(desk)
    assert spin(20, lambda: overview.settled and len(overview.summaries) == 4)
    yield viewer, desk, tabs
    desk.close()


def test_linked_with_the_sliders_and_the_labels(window: Parts, qtbot: QtBot) -> None:
    viewer, desk, tabs = window
    table, review, lineage = (tabs.widget(i) for i in range(3))
    desk.layers.labels.selected_label = 3
    assert table.chosen().cells == (3,)
    tabs.setCurrentIndex(1)
    spin(0.2)
    strip = review.strip.view
    qtbot.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(*strip.place.middle_of(4, 8)))
    assert viewer.dims.current_step[0] == 8 and desk.layers.labels.selected_label == 4
    tabs.setCurrentIndex(2)
    spin(0.2)
    viewer.dims.set_current_step(0, 3)
    assert [b.cell for b in lineage.view.branches] == [4]
    lineage.tracks.click()
    (layer,) = (one for one in viewer.layers if isinstance(one, Tracks))
    qtbot.keyClick(lineage.view, Qt.Key.Key_X, Qt.KeyboardModifier.ShiftModifier)
    assert spin(10, lambda: len(layer.data) == 25)
    desk.undo()
    assert spin(10, lambda: len(layer.data) == 26)


def test_every_theme_is_legible(window: Parts) -> None:
    viewer, _, tabs = window
    tabs.setCurrentIndex(1)
    strip = tabs.widget(1).strip.view
    seen = []
    for theme in ("light", "dark"):
        viewer.theme = theme
        spin(0.3)
        picture = strip.grab().toImage()
        corner = np.array(picture.pixelColor(3, 3).getRgb()[:3], float)
        seen.append(corner.mean())
        y = strip.place.middle_of(1, 0)[1]
        row = [np.array(picture.pixelColor(x, y).getRgb()[:3], float) for x in range(strip.place.left - 12)]
        assert max(np.abs(colour - corner).mean() for colour in row) > 100  # the number of the cell
    assert seen[0] > 150 > 100 > seen[1]


def test_a_closed_dock_leaves_a_desk_that_works(window: Parts) -> None:
    viewer, desk, tabs = window
    viewer.window.remove_dock_widget(tabs.parent())
    tabs.deleteLater()
    spin(0.3)
    desk.act("delete", 4)
    desk.select(2)
    desk.show_frame(7)
    viewer.theme = "light"
    spin(0.3)
    assert 4 not in desk.session.cells


def test_a_viewer_closed_while_the_review_looks(window: Parts) -> None:
    viewer, desk, tabs = window
    tabs.setCurrentIndex(1)
    tabs.widget(1).queue.want()
    viewer.close()
    desk.close()
    spin(0.3)
    assert desk.closed
