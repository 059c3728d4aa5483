"""The table of cells, with real keys and clicks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QItemSelectionModel, QModelIndex, QPoint, Qt
from qtpy.QtGui import QIcon
from qtpy.QtTest import QAbstractItemModelTester
from qtpy.QtWidgets import QLineEdit, QVBoxLayout, QWidget
from views import fill, settle

from napari_sam2.widgets.cells_model import COLUMNS, NAME, CellsModel
from napari_sam2.widgets.cells_table import CellsTable
from napari_sam2.widgets.desk import Desk
from napari_sam2.widgets.dock_keys import attach
from napari_sam2.widgets.overview import overview_of

AT = {column.title: i for i, column in enumerate(COLUMNS)}
NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
ADD = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows


@pytest.fixture
def table(desk: Desk, qtbot: QtBot) -> Iterator[CellsTable]:
    fill(desk.session)
    widget = CellsTable(desk)
    qtbot.addWidget(widget)
    tester = QAbstractItemModelTester(widget.model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    settle(desk)
    widget.resize(320, 400)
    with qtbot.waitExposed(widget):
        widget.show()
    yield widget
    del tester


def shown(table: CellsTable) -> list[int]:
    return [table.model.cell_at(table.model.index(row, 0)) or 0 for row in range(table.model.rowCount())]


def text(table: CellsTable, cell: int, title: str) -> str:
    return str(table.model.index_of(cell).siblingAtColumn(AT[title]).data())


def choose(table: CellsTable, *cells: int) -> None:
    table.view.clearSelection()
    for cell in cells:
        table.view.selectionModel().select(table.model.index_of(cell), ADD)
    table.view.setFocus()


def press(
    table: CellsTable, qtbot: QtBot, key: Qt.Key, held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    table.view.setFocus()
    qtbot.keyClick(table.view, key, held)


def test_rows_say_what_is_known(table: CellsTable) -> None:
    assert shown(table) == [1, 2, 3, 4]
    assert [text(table, 4, t) for t in ("Cell", "State", "First", "Last", "Frames", "Mother")] == [
        "4", "present", "2", "9", "7", "",
    ]  # fmt: skip
    assert text(table, 2, "Mother") == "1" and text(table, 1, "State") == "divided"
    assert "4 cells" in table.count.text()


@pytest.mark.parametrize("mode", [QIcon.Mode.Normal, QIcon.Mode.Selected])
def test_colours_are_those_of_the_labels(desk: Desk, table: CellsTable, mode: QIcon.Mode) -> None:
    """Also of chosen rows, whose pictures Qt would tint."""
    swatch = table.model.index_of(3).data(Qt.ItemDataRole.DecorationRole).pixmap(16, 16, mode)
    colour = swatch.toImage().pixelColor(8, 8)
    assert np.allclose(colour.getRgbF()[:3], desk.layers.labels.get_color(3)[:3], atol=0.04)  # 16 bits


def test_sorts_numbers_as_numbers(desk: Desk, table: CellsTable) -> None:
    for cell in range(5, 13):
        desk.act("add_click", None, 0, (35.0, 3.0 * (cell - 4)))
    settle(desk)
    table.view.sortByColumn(AT["Cell"], Qt.SortOrder.DescendingOrder)
    assert shown(table) == list(range(12, 0, -1))
    table.view.sortByColumn(AT["Frames"], Qt.SortOrder.DescendingOrder)
    assert set(shown(table)[:3]) == {2, 3, 4} and shown(table)[3] == 1
    table.view.sortByColumn(AT["Last"], Qt.SortOrder.AscendingOrder)
    assert shown(table)[-4:][:2] == [1, 4]


def test_filters_by_words_and_kind(desk: Desk, table: CellsTable, qtbot: QtBot) -> None:
    desk.act("describe", 4, name="Left glia")
    settle(desk)
    qtbot.keyClicks(table.text, "GLIA")
    assert shown(table) == [4] and table.count.text() == "1 of 4"
    table.text.clear()
    qtbot.keyClicks(table.text, "2")
    assert shown(table) == [1, 2]  # the cell and its mother
    table.text.clear()
    table.kind.setCurrentText("With gaps")
    assert shown(table) == [4]
    table.kind.setCurrentText("Daughters")
    assert shown(table) == [2, 3]
    table.kind.setCurrentText("Locked")
    assert shown(table) == []
    desk.act("lock", 3)
    settle(desk)
    assert shown(table) == [3]  # the filter is live


def test_follows_the_viewer_and_is_followed(desk: Desk, table: CellsTable, qtbot: QtBot) -> None:
    desk.select(3)
    assert table.chosen().cells == (3,)
    row = table.view.visualRect(table.model.index_of(2)).center()
    qtbot.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=row)
    assert desk.current == 2
    press(table, qtbot, Qt.Key.Key_Down)
    assert desk.current == 3


def test_a_double_click_goes_there(desk: Desk, table: CellsTable, qtbot: QtBot) -> None:
    desk.show_frame(0)
    place = table.view.visualRect(table.model.index_of(4)).center()
    qtbot.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert desk.current == 4 and desk.frame == 2  # it is not on frame 0
    assert np.allclose(desk.viewer.scene.camera.center[-2:], (28, 32), atol=0.6)
    desk.show_frame(11)
    press(table, qtbot, Qt.Key.Key_Return)
    assert desk.frame == 9


def test_verbs_by_key(desk: Desk, table: CellsTable, qtbot: QtBot) -> None:
    session = desk.session
    choose(table, 4)
    press(table, qtbot, Qt.Key.Key_K, SHIFT)
    assert session.measurements(4)["locked"].sum() == 7
    press(table, qtbot, Qt.Key.Key_K, SHIFT)
    choose(table, 3, 2)
    press(table, qtbot, Qt.Key.Key_M, SHIFT)
    assert sorted(session.cells) == [1, 3, 4]  # into the one that was chosen first
    choose(table, 4)
    press(table, qtbot, Qt.Key.Key_Delete)
    assert 4 not in session.cells and 4 not in shown(table)


def test_a_key_that_cannot_act_says_why(
    desk: Desk, table: CellsTable, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari_sam2.widgets.cell_menu.warning", said.append)
    choose(table, 4)
    press(table, qtbot, Qt.Key.Key_M, SHIFT)
    assert said == ["Choose two cells or more: Ctrl+click the others"]


def test_the_menu_says_why_not(desk: Desk, table: CellsTable) -> None:
    desk.show_frame(6)
    choose(table, 4)
    table.menu.aboutToShow.emit()
    items = {a.objectName(): a for a in table.menu.actions() if a.objectName()}
    assert not items["delete_on"].isEnabled() and "not on frame 6" in items["delete_on"].toolTip()
    assert items["cut"].isEnabled() and "frame 6" in items["cut"].text()
    items["cut"].trigger()
    assert 5 in desk.session.cells
    submenus = [a.menu() for a in table.menu.actions() if a.menu() is not None]
    assert [[a.text() for a in m.actions()][0] for m in submenus] == ["Present", "Right on all frames"]


def test_renaming_in_place_keeps_letters_for_the_name(desk: Desk, table: CellsTable, qtbot: QtBot) -> None:
    choose(table, 4)
    table.view.setCurrentIndex(table.model.index_of(4))
    press(table, qtbot, Qt.Key.Key_F2)
    editor = table.view.findChild(QLineEdit)
    assert editor is not None
    qtbot.keyClicks(editor, "Kim")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: desk.session.cells[4].name == "Kim")
    assert not desk.session.measurements(4)["locked"].any()
    desk.undo()
    settle(desk)
    assert table.model.index_of(4).siblingAtColumn(NAME).data() == ""


def test_only_this_cell_is_one_switch_with_that_of_the_layer(desk: Desk, table: CellsTable, qtbot: QtBot) -> None:
    desk.select(2)
    qtbot.mouseClick(table.only, Qt.MouseButton.LeftButton, pos=QPoint(8, table.only.height() // 2))
    assert desk.layers.labels.show_selected_label
    desk.show_only(False)
    assert not table.only.isChecked()


def test_a_deleted_cell_leaves_and_comes_back(desk: Desk, table: CellsTable) -> None:
    desk.select(2)
    desk.act("delete", 2)
    assert shown(table) == [1, 3, 4] and table.chosen().cells == ()
    desk.undo()
    settle(desk)
    assert shown(table) == [1, 2, 3, 4]


def test_only_changed_rows_are_drawn_again(desk: Desk, table: CellsTable) -> None:
    seen: list[tuple[int, int]] = []
    table.model.dataChanged.connect(lambda a, b, *_: seen.append((a.row(), b.row())))
    desk.act("set_state", 3, 7, "hidden")
    settle(desk)
    row, mother = table.model.index_of(3).row(), table.model.index_of(1).row()
    assert set(seen) <= {(row, row), (mother, mother)} and (row, row) in seen


def test_without_a_session_nothing_can_be_pressed(desk: Desk, table: CellsTable) -> None:
    desk.close_session()
    assert table.model.total == 0 and table.count.text() == "No session"
    assert not table.view.isEnabled() and not table.actions_button.isEnabled()


def test_a_closed_table_hears_nothing(desk: Desk, qtbot: QtBot) -> None:
    fill(desk.session)
    widget = CellsTable(desk)
    settle(desk)
    widget.deleteLater()
    del widget
    qtbot.wait(50)
    desk.act("delete", 4)
    desk.select(3)
    settle(desk)  # no call into what Qt has deleted


def test_everything_has_a_name_for_screen_readers(table: CellsTable) -> None:
    for part in (table.text, table.kind, table.view):
        assert part.accessibleName()
    index = table.model.index_of(4).siblingAtColumn(AT["Last"])
    assert index.data(Qt.ItemDataRole.AccessibleTextRole) == "Last 9"
    assert not table.view.tabKeyNavigation()


def test_the_model_without_children(desk: Desk, qtbot: QtBot) -> None:
    fill(desk.session)
    model = CellsModel(desk, overview_of(desk))
    settle(desk)
    assert model.rowCount() == 4
    assert model.rowCount(model.index(0, 0)) == 0 and model.data(QModelIndex()) is None


def test_a_key_of_the_dock_and_of_the_table_acts_once(desk: Desk, qtbot: QtBot) -> None:
    fill(desk.session)
    dock = QWidget()
    qtbot.addWidget(dock)
    layout = QVBoxLayout(dock)
    table = CellsTable(desk)
    layout.addWidget(table)
    keys = attach(desk, dock)
    settle(desk)
    with qtbot.waitExposed(dock):
        dock.show()
    dock.activateWindow()
    qtbot.waitUntil(dock.isActiveWindow)
    desk.select(4)
    before = len(desk.session.history())
    press(table, qtbot, Qt.Key.Key_K, SHIFT)
    assert len(desk.session.history()) == before + 1 and desk.session.measurements(4)["locked"].sum() == 7
    press(table, qtbot, Qt.Key.Key_U)  # a key of the dock that the table has no use for
    assert not desk.session.measurements(4)["locked"].any()
    keys.detach()
