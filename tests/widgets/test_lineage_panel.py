"""The lineage as a picture in time, linked with the viewer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from views import fill, settle

from napari_sam2.widgets.desk import Desk
from napari_sam2.widgets.lineage import branches, side_by_side
from napari_sam2.widgets.lineage_panel import ALL, DIVIDING, LineagePanel


@pytest.fixture
def panel(desk: Desk, qtbot: QtBot) -> Iterator[LineagePanel]:
    fill(desk.session)
    widget = LineagePanel(desk)
    qtbot.addWidget(widget)
    settle(desk)
    widget.resize(320, 300)
    with qtbot.waitExposed(widget):
        widget.show()
    yield widget


def drawn(panel: LineagePanel) -> list[int]:
    return [branch.cell for branch in panel.view.branches]


def test_mothers_stand_between_their_daughters() -> None:
    assert side_by_side({1: None, 2: 1, 3: 1, 4: 2, 5: 2, 6: None}) == [4, 2, 5, 1, 3, 6]
    assert side_by_side({1: None, 2: 1}) == [2, 1]
    deep = {n: n - 1 or None for n in range(1, 3000)}
    assert side_by_side(deep) == list(range(2999, 0, -1))


def test_branches_are_the_stretches_with_pixels(desk: Desk) -> None:
    fill(desk.session)
    found = branches(desk.session, [1, 2, 4, 77])
    assert sorted(found) == [1, 2, 4]
    assert found[1].runs == ((0, 5),) and found[1].ending == "divided"
    assert found[4].runs == ((2, 6), (7, 10)) and found[2].parent == 1


def test_the_family_of_the_current_cell_is_shown(desk: Desk, panel: LineagePanel) -> None:
    assert drawn(panel) == [] and "Choose a cell" in panel.view.empty_text(desk.session)
    desk.select(3)
    assert drawn(panel) == [2, 1, 3]
    assert panel.told.text() == "Cell 3 is a daughter of cell 1 and does not divide."
    desk.select(1)
    assert drawn(panel) == [2, 1, 3] and "divides into 2 and 3" in panel.told.text()
    desk.select(4)
    assert drawn(panel) == [4]
    panel.scope.setCurrentText(DIVIDING)
    assert drawn(panel) == [2, 1, 3]
    panel.scope.setCurrentText(ALL)
    assert drawn(panel) == [2, 1, 3, 4]


def test_edits_and_undo_are_followed(desk: Desk, panel: LineagePanel, qtbot: QtBot) -> None:
    desk.select(1)
    desk.act("set_parent", 3, None)
    qtbot.waitUntil(lambda: drawn(panel) == [2, 1])
    desk.undo()
    qtbot.waitUntil(lambda: drawn(panel) == [2, 1, 3])
    desk.undo()  # the division itself
    qtbot.waitUntil(lambda: drawn(panel) == [1])


def test_a_click_goes_there(desk: Desk, panel: LineagePanel, qtbot: QtBot) -> None:
    desk.select(1)
    view = panel.view
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(*view.place.middle_of(3, 8)))
    assert (desk.current, desk.frame) == (3, 8)
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(*view.place.middle_of(2, 1)))
    assert (desk.current, desk.frame) == (2, 5)  # it begins there


def test_the_shown_frame_is_a_line(desk: Desk, panel: LineagePanel, qtbot: QtBot) -> None:
    desk.select(1)
    desk.show_frame(2)
    before = panel.view.grab().toImage()
    desk.show_frame(9)
    after = panel.view.grab().toImage()
    x, y = panel.view.place.middle_of(3, 9)
    low = panel.view.place.top + panel.view.place.height - 5
    assert before.pixelColor(x, low) != after.pixelColor(x, low)


def test_keys_and_the_menu_act_on_the_current_cell(desk: Desk, panel: LineagePanel, qtbot: QtBot) -> None:
    desk.select(3)
    desk.show_frame(7)
    panel.view.setFocus()
    qtbot.keyClick(panel.view, Qt.Key.Key_Up)
    assert desk.current == 1
    qtbot.keyClick(panel.view, Qt.Key.Key_Down)
    qtbot.keyClick(panel.view, Qt.Key.Key_X, Qt.KeyboardModifier.ShiftModifier)
    assert not desk.session.measurements(3)["area"][7]
    panel.menu.aboutToShow.emit()
    items = {a.objectName(): a for a in panel.menu.actions()}
    items["orphan"].trigger()
    assert desk.session.cells[3].parent is None


def test_a_family_without_pixels_is_drawn_too(desk: Desk, panel: LineagePanel) -> None:
    cell = desk.act("add_click", None, 3, (35.0, 5.0))
    desk.select(cell)
    assert drawn(panel) == [cell] and panel.view.branches[0].runs == ()
    panel.view.grab()


def test_without_a_session(desk: Desk, panel: LineagePanel) -> None:
    desk.close_session()
    assert drawn(panel) == [] and not panel.tracks.isEnabled() and panel.told.text() == ""
    panel.view.grab()
