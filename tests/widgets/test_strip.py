"""The strip of cells by frames: geometry, picture, and real clicks and keys."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication
from views import fill, settle

from napari_sam2.session.table import ROW
from napari_sam2.widgets.desk import Desk
from napari_sam2.widgets.strip import StripView
from napari_sam2.widgets.strip_panel import StripPanel, samples
from napari_sam2.widgets.strip_picture import Grid, Line, paint
from napari_sam2.widgets.theme import DOUBTFUL, SURE, Theme, away_from, contrast, theme_of
from napari_sam2.widgets.time_layout import ROW_HEIGHTS, Layout

DARK = Theme()
LIGHT = Theme((235, 233, 231), (200, 198, 196), (30, 30, 32), (130, 130, 130), (120, 150, 255), (227, 182, 23))


STEPS = ["zoom", "move", "row", "cell", "frame"]

# geometry ---------------------------------------------------------------------------------------------------------


@given(
    frames=st.integers(1, 5000),
    rows=st.integers(1, 500),
    width=st.integers(20, 2000),
    height=st.integers(10, 900),
    row=st.sampled_from(ROW_HEIGHTS),
    steps=st.lists(
        st.tuples(st.sampled_from(["zoom", "move", "row", "cell", "frame"]), st.floats(0.05, 20)), max_size=6
    ),
)
@settings(deadline=None, max_examples=150)
def test_what_is_under_a_point_is_what_lies_there(
    frames: int, rows: int, width: int, height: int, row: int, steps: list[tuple[str, float]]
) -> None:
    layout = Layout(list(range(10, 10 + rows)), frames, 40, 20, width, height, row)
    layout.settle()
    for what, much in steps:
        if what == "zoom":
            layout.zoom(much, 40 + width / 3)
        elif what == "move":
            layout.move_to(much * frames / 10)
        elif what == "row":
            layout.step_row(1 if much > 1 else -1)
        elif what == "cell":
            layout.show_cell(10 + int(much * 7) % rows)
        else:
            layout.show_frame(int(much * 7) % frames)
    assert 0 <= layout.start <= max(0.0, frames - layout.shown) + 1e-6
    assert 0 <= layout.scrolled <= layout.furthest
    for cell in (10, 10 + rows // 2, 9 + rows):
        for frame in (0, frames // 2, frames - 1):
            x, y = layout.x_of(frame + 0.5), layout.y_of(cell) + layout.row / 2
            inside = 40 <= x < 40 + width and 20 <= y < 20 + height
            if inside:
                assert layout.at(x, y) == (cell, frame)


def test_zoom_keeps_the_frame_under_the_mouse() -> None:
    layout = Layout([1], 1000, 40, 20, 300, 100)
    before = layout.at(200, 25)
    for _ in range(6):
        layout.zoom(1.5, 200)
        assert abs((layout.at(200, 25)[1] or 0) - (before[1] or 0)) <= 2
    layout.zoom(0.0, 200)
    assert layout.start == 0 and layout.shown == pytest.approx(1000)


def test_numbers_of_frames_do_not_overlap() -> None:
    layout = Layout([1], 5000, 40, 20, 300, 100)
    ticks = layout.ticks(40)
    assert ticks[0] == 0 and np.diff(ticks).min() * layout.scale >= 40 and np.diff(ticks)[0] in (1000, 2000)


# picture ----------------------------------------------------------------------------------------------------------


def line(frames: int = 10, **changes: np.ndarray) -> Line:
    rows = np.zeros(frames, ROW)
    rows["area"], rows["score"], rows["made"], rows["state"] = 50, 0.95, 7, 1
    flags = {"prompted": np.zeros(frames, bool), "stale": np.zeros(frames, bool), "alive": np.ones(frames, bool)}
    for name, (at, value) in changes.items():
        (flags if name in flags else rows)[name][at] = value
    return Line(rows, flags["prompted"], flags["stale"], flags["alive"], False)


def picture(one: Line, wide: int = 100, row: int = 17, unit: int = 1, theme: Theme = DARK) -> np.ndarray:
    return paint([one], Grid(wide, row, 0.0, wide / len(one.rows), unit), theme)[..., :3].astype(int)


def heights(one: Line) -> list[int]:
    """Height of the bar in the middle of each frame, without the signs at its edges."""
    seen, none = picture(one), picture(line(area=(slice(None), 0), made=(slice(None), 0)))
    return [int((np.abs(seen[:, x] - none[:, x]).sum(-1) > 0).sum()) for x in range(2, 100, 10)]


def test_a_bar_is_as_high_and_as_blue_as_the_model_is_sure() -> None:
    rising = line()
    rising.rows["score"] = np.linspace(0, 1, 10)
    found = heights(rising)
    assert found == sorted(found) and found[0] < found[5] < found[9] == 16
    seen = picture(rising)
    assert tuple(seen[15, 2]) == away_from(DOUBTFUL, DARK.paper)
    assert tuple(seen[15, 98]) == away_from(SURE, DARK.paper)


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_every_sign_changes_the_shape_not_only_the_colour(theme: Theme) -> None:
    """Also who sees no colours can tell them apart: the patterns of light and dark differ."""
    grid = Grid(60, 15, 0.0, 12.0, 1)
    shapes = {}
    for text, one in samples():
        grey = paint([one], grid, theme)[..., :3].astype(float) @ (0.3, 0.6, 0.1)
        shapes[text] = (np.abs(grey - grey[8, 1]) > 40).tobytes()
    assert len(set(shapes.values())) == len(shapes)


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_colours_are_legible_on_the_paper(theme: Theme) -> None:
    assert min(contrast(tuple(c), theme.paper) for c in theme.ramp().tolist()) >= 2.5
    assert contrast(theme.ink, theme.paper) > 7


def test_signs_lie_on_their_frames() -> None:
    plain = picture(line())
    for name, value, where in (("prompted", True, "middle"), ("locked", 1, "bottom"), ("stale", True, "all")):
        changed = np.abs(picture(line(**{name: (4, value)})) - plain).sum(-1) > 0
        columns = np.flatnonzero(changed.any(0))
        assert columns.min() >= 39 and columns.max() <= 50, name
        if where == "bottom":
            assert not changed[:10].any()


def test_missing_frames_are_dashed_and_untracked_ones_empty() -> None:
    gone = picture(line(area=(slice(3, 6), 0)))
    empty = picture(line(area=(slice(3, 6), 0), made=(slice(3, 6), 0)))
    assert (gone[:, 30:60] == DARK.ink).all(-1).any()
    assert not (empty[:, 30:60] == DARK.ink).all(-1).any()


def test_many_frames_in_a_column_show_the_worst() -> None:
    one = line(5000)
    one.rows["score"][2500] = 0.0
    one.rows["locked"][100] = 1
    one.prompted[4000] = True
    seen = picture(one, wide=100)
    assert tuple(seen[15, 50]) == away_from(DOUBTFUL, DARK.paper)
    assert tuple(seen[15, 2]) == DARK.ink
    assert (seen[8, 76:84] == DARK.ink).all(-1).any()


def test_broken_scrolling_and_the_end_of_the_movie() -> None:
    one = line(10)
    seen = paint([one], Grid(100, 17, 7.5, 10.0), DARK)
    assert tuple(seen[15, 24][:3]) != DARK.paper and tuple(seen[15, 26][:3]) == DARK.paper
    assert paint([], Grid(100, 17, 0, 10.0), DARK).shape == (0, 100, 4)


def test_signs_grow_with_the_pixels_of_the_screen() -> None:
    def ink(unit: int) -> int:
        one = line(10, prompted=(4, True))
        seen = paint([one], Grid(100 * unit, 17 * unit, 0.0, 10.0 * unit, unit), DARK)
        return int((seen[..., :3] == DARK.ink).all(-1).sum())

    assert ink(2) == 4 * ink(1) > 0


# view -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def strip(desk: Desk, qtbot: QtBot) -> Iterator[StripView]:
    fill(desk.session)
    view = StripView(desk)
    qtbot.addWidget(view)
    settle(desk)
    view.resize(320, 120)
    with qtbot.waitExposed(view):
        view.show()
    view.refresh()
    yield view


def point(strip: StripView, cell: int, frame: int) -> QPoint:
    return QPoint(*strip.place.middle_of(cell, frame))


def test_rows_are_families(strip: StripView, desk: Desk, qtbot: QtBot) -> None:
    assert strip.place.cells == [1, 2, 3, 4]
    desk.act("set_parent", 4, 2)
    qtbot.waitUntil(lambda: strip.place.cells == [1, 2, 4, 3])


def test_a_click_goes_to_that_cell_and_frame(strip: StripView, desk: Desk, qtbot: QtBot) -> None:
    qtbot.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=point(strip, 3, 8))
    assert (desk.current, desk.frame) == (3, 8)
    qtbot.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(5, point(strip, 4, 0).y()))
    assert (desk.current, desk.frame) == (4, 8)  # on its number: the frame stays
    qtbot.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(point(strip, 4, 2).x(), 4))
    assert (desk.current, desk.frame) == (4, 2)  # on a frame's number: the cell stays


def test_dragging_moves_and_goes_nowhere(strip: StripView, desk: Desk, qtbot: QtBot) -> None:
    strip.zoom(4.0)
    strip.place.move_to(0)
    before, start = (desk.current, desk.frame), strip.place.start
    at = point(strip, 2, 2)
    far = at - QPoint(5 * QApplication.startDragDistance(), 0)
    qtbot.mousePress(strip.viewport(), Qt.MouseButton.LeftButton, pos=at)
    qtbot.mouseMove(strip.viewport(), far)
    qtbot.mouseRelease(strip.viewport(), Qt.MouseButton.LeftButton, pos=far)
    assert strip.place.start > start and (desk.current, desk.frame) == before


def test_the_wheel_scrolls_and_zooms(strip: StripView, qtbot: QtBot) -> None:
    strip.resize(320, 80)
    strip.step_row(1)
    strip.step_row(1)

    def turn(held: Qt.KeyboardModifier, by: int) -> None:
        at = QPointF(point(strip, 2, 6))
        event = QWheelEvent(
            at, at, QPoint(), QPoint(0, by), Qt.MouseButton.NoButton, held, Qt.ScrollPhase.NoScrollPhase, False
        )
        strip.wheelEvent(event)

    turn(Qt.KeyboardModifier.NoModifier, -120)
    assert strip.place.scrolled > 0
    turn(Qt.KeyboardModifier.ControlModifier, 120)
    assert strip.place.shown < 12
    start = strip.place.start
    turn(Qt.KeyboardModifier.ShiftModifier, -120)
    assert strip.place.start > start
    strip.fit()
    assert strip.place.shown == pytest.approx(12) and strip.horizontalScrollBar().maximum() == 0


def test_by_keyboard_alone(strip: StripView, desk: Desk, qtbot: QtBot) -> None:
    desk.select(1)
    desk.show_frame(0)
    strip.setFocus()
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Right, Qt.Key.Key_Right):
        qtbot.keyClick(strip, key)
    assert (desk.current, desk.frame) == (3, 2)
    qtbot.keyClick(strip, Qt.Key.Key_Home)
    assert desk.frame == 5  # the first frame that shows it
    qtbot.keyClick(strip, Qt.Key.Key_End)
    assert desk.frame == 11
    qtbot.keyClick(strip, Qt.Key.Key_K)
    assert desk.session.locked_on(11) == {3}
    qtbot.keyClick(strip, Qt.Key.Key_Plus)
    assert strip.place.shown < 12
    qtbot.keyClick(strip, Qt.Key.Key_0)
    assert strip.place.shown == pytest.approx(12)
    qtbot.waitUntil(lambda: "locked" in strip.accessibleDescription())
    assert "Cell 3, frame 11" in strip.accessibleDescription()


def test_hover_says_what_is_known(strip: StripView, desk: Desk) -> None:
    assert "not found" not in strip.words(4, 5) and "lives on frames 0 to 4" in strip.words(1, 7)
    cell = desk.act("add_click", None, 2, (35.0, 8.0))
    assert "not tracked yet" in strip.words(cell, 5) and "prompted by 1 click" in strip.words(cell, 2)
    desk.session.run(cells=[cell])
    assert "score 0.90" in strip.words(cell, 5)
    desk.act("add_click", cell, 2, (36.0, 8.0))
    settle(desk)
    assert "stale" in strip.words(cell, 5)


def test_the_picture_follows_edits_and_the_frame(strip: StripView, desk: Desk, qtbot: QtBot) -> None:
    before = strip.grab().toImage()
    desk.show_frame(9)
    moved = strip.grab().toImage()
    assert moved != before
    desk.act("lock", 4)
    settle(desk)
    qtbot.waitUntil(lambda: strip.grab().toImage() != moved)


def test_themes_are_followed(strip: StripView, desk: Desk) -> None:
    def corner() -> tuple[int, ...]:
        return strip.grab().toImage().pixelColor(2, 2).getRgb()[:3]

    # screens of 16 bit have fewer colours
    assert np.allclose(corner(), theme_of(desk.viewer).paper, atol=8)
    desk.viewer.theme = "light"
    assert np.allclose(corner(), theme_of(desk.viewer).paper, atol=8) and sum(corner()) > 500


def test_without_cells_it_says_what_to_do(desk: Desk, qtbot: QtBot) -> None:
    view = StripView(desk)
    qtbot.addWidget(view)
    view.resize(320, 120)
    blank = view.grab().toImage()
    assert len({blank.pixel(x, 60) for x in range(320)}) > 1  # there is text
    desk.close_session()
    assert "image" in view.empty_text(None)


def test_the_panel_opens_its_legend_and_changes_rows(desk: Desk, qtbot: QtBot) -> None:
    fill(desk.session)
    panel = StripPanel(desk)
    qtbot.addWidget(panel)
    panel.resize(320, 300)
    panel.show()
    panel.legend_button.click()
    assert panel.legend.isVisible() and panel.legend.heightForWidth(320) > panel.legend.heightForWidth(900)
    row = panel.view.place.row
    panel.higher.click()
    assert panel.view.place.row > row
