"""The desk without a window: what clicks, boxes and strokes mean, and that layers and session are always one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from stub import FRAMES, HEIGHT, WIDTH, disc, make, movie

import napari_sam2
from napari_sam2.session import Refused
from napari_sam2.widgets.desk import Desk, current_session, desk_of
from napari_sam2.widgets.image import axes_of
from napari_sam2.widgets.view import camera_of

Wait = Callable[..., None]


def click(desk: Desk, frame: int, y: float, x: float, *held: str) -> None:
    """As napari adds a point on a click, with keys held."""
    binding = desk.binding
    binding.modifiers = frozenset(held)
    desk.layers.points.add(binding.axes.place(frame, y, x, desk.where()))
    desk.runner.pump(0.0)


def settled(desk: Desk) -> None:
    """Layers show just what the session has."""
    desk.runner.pump(0.0)
    clicks = {
        (c, t, y, x, fg)
        for c, t, said in desk.session.document.iter_said()
        for r in said.prompts.rounds
        for y, x, fg in r.clicks
    }
    points, rows = desk.layers.points, desk.layers.points.features
    found = {
        (int(rows["cell"][i]), int(p[0]), float(p[-2]), float(p[-1]), bool(rows["foreground"][i]))
        for i, p in enumerate(points.data)
    }
    assert found == clicks
    assert [str(s) for s in points.symbol] == ["cross" if fg else "hbar" for fg in rows["foreground"]]
    boxes = desk.layers.boxes
    if boxes is not None:
        said = [r.box for _, _, s in desk.session.document.iter_said() for r in s.prompts.rounds if r.box]
        assert sorted(
            (tuple(b[:, -2:].min(0)), tuple(b[:, -2:].max(0))) for b in map(np.asarray, boxes.data)
        ) == sorted(said)


def test_one_desk_a_viewer(viewer: ViewerModel, desk: Desk) -> None:
    assert desk_of(viewer) is desk and desk_of(ViewerModel()) is not desk


def test_each_click_is_a_new_cell_and_gets_its_mask(desk: Desk, wait: Wait) -> None:
    for i, (y, x) in enumerate(((8, 12), (20, 12), (32, 12)), 1):
        click(desk, 0, y, x)
        wait()
        assert desk.current == i and desk.session.labels[0][y, x] == i
    assert list(desk.session.cells) == [1, 2, 3]
    settled(desk)


def test_a_click_on_a_mask_goes_back_to_its_cell_without_a_prompt(desk: Desk, wait: Wait) -> None:
    click(desk, 0, 8, 12)
    click(desk, 0, 30, 12)
    wait()
    click(desk, 0, 8, 13)
    assert desk.current == 1 and len(desk.session.prompts(1)[0].prompts.rounds) == 1
    settled(desk)
    click(desk, 0, 20, 30)  # a cell that was chosen is corrected
    assert desk.current == 1 and len(desk.session.prompts(1)[0].prompts.rounds) == 2
    assert desk.next_cell() == 3
    click(desk, 0, 20, 40)
    assert desk.current == 3 and list(desk.session.cells) == [1, 2, 3]


def test_shift_adds_to_the_current_cell_and_alt_takes_away(desk: Desk, wait: Wait) -> None:
    click(desk, 0, 8, 12)
    wait()
    click(desk, 0, 20, 20, "Shift")
    click(desk, 0, 8, 30, "Alt")
    said = [c for r in desk.session.prompts(1)[0].prompts.rounds for c in r.clicks]
    assert said == [(8.0, 12.0, True), (20.0, 20.0, True), (8.0, 30.0, False)] and list(desk.session.cells) == [1]
    settled(desk)


def test_the_minus_tool_is_about_the_current_cell(desk: Desk, wait: Wait, told: list[str]) -> None:
    desk.use("clicks_off")
    assert desk.tool == "clicks_off"
    click(desk, 0, 8, 12)
    assert not desk.session.cells and "Click on the cell first" in told[-1]
    settled(desk)
    desk.use("clicks_on")
    assert desk.tool == "clicks_on"
    click(desk, 0, 8, 12)
    wait()
    desk.use("clicks_off")
    click(desk, 0, 20, 12)
    assert [c[2] for r in desk.session.prompts(1)[0].prompts.rounds for c in r.clicks] == [True, False]
    settled(desk)


def test_moved_and_deleted_points_are_moved_and_deleted_prompts(desk: Desk, wait: Wait) -> None:
    click(desk, 0, 8, 12)
    click(desk, 2, 30, 12)
    wait()
    points = desk.layers.points
    data = points.data.copy()
    row = int(np.flatnonzero(points.features["cell"] == 1)[0])
    data[row] = (0, 12, 20)
    points.data[row] = (0, 12, 20)
    points.events.data(value=points.data, action="changed", data_indices=(row,), vertex_indices=((),))
    wait()
    assert desk.session.prompts(1)[0].prompts.rounds[0].clicks == ((12.0, 20.0, True),)
    assert desk.session.labels[0][12, 20] == 1
    settled(desk)
    points.selected_data = {int(np.flatnonzero(points.features["cell"] == 2)[0])}
    points.remove_selected()
    wait()
    assert list(desk.session.cells) == [1] and not desk.session.labels[2].any(), "nothing was left to say of it"
    settled(desk)
    desk.undo()
    assert 2 in desk.session.cells and desk.session.labels[2][30, 12] == 2
    settled(desk)


def test_a_point_moved_to_another_frame(desk: Desk, wait: Wait) -> None:
    click(desk, 0, 8, 12)
    wait()
    points = desk.layers.points
    points.data[0] = (4, 9, 13)
    points.events.data(value=points.data, action="changed", data_indices=(0,), vertex_indices=((),))
    wait()
    assert list(desk.session.prompts(1)) == [4] and desk.session.can_undo
    settled(desk)
    desk.undo()
    assert list(desk.session.prompts(1)) == [0]
    settled(desk)


def test_one_of_several_clicks_given_together_can_go(desk: Desk, wait: Wait) -> None:
    desk.act("add_clicks", 1, 0, [(8, 12), (9, 13)])
    wait()
    points = desk.layers.points
    points.selected_data = {0}
    points.remove_selected()
    wait()
    assert [r.clicks for r in desk.session.prompts(1)[0].prompts.rounds] == [((9.0, 13.0, True),)]
    settled(desk)


def test_boxes(desk: Desk, wait: Wait) -> None:
    desk.use("boxes")
    boxes = desk.layers.boxes
    assert desk.tool == "boxes"
    boxes.add_rectangles(np.array([[1, 4, 5], [1, 4, 15], [1, 16, 15], [1, 16, 5]], float))
    desk.runner.pump(0.0)
    wait()
    assert desk.session.prompts(1)[1].prompts.rounds[0].box == ((4.0, 5.0), (16.0, 15.0))
    assert desk.session.labels[1][10, 10] == 1
    settled(desk)
    moved = np.asarray(boxes.data[0]) + [0, 5, 6]
    with desk.binding.boxes.quiet():
        boxes.data = [moved]
        boxes.features = desk.binding.boxes._features()
    boxes.events.data(value=boxes.data, action="changed", data_indices=(0,), vertex_indices=((),))
    wait()
    assert desk.session.prompts(1)[1].prompts.rounds[0].box == ((9.0, 11.0), (21.0, 21.0))
    settled(desk)
    boxes.selected_data = {0}
    boxes.remove_selected()
    wait()
    assert not desk.session.cells
    desk.undo()
    settled(desk)


def test_a_box_outside_is_refused_in_words_and_goes(desk: Desk, told: list[str]) -> None:
    desk.use("boxes")
    corners = np.array([[1, -9, -9], [1, -9, -5], [1, -5, -5], [1, -5, -9]], float)
    desk.layers.boxes.add_rectangles(corners)
    desk.runner.pump(0.0)
    assert "no area inside the frame" in told[-1] and len(desk.layers.boxes.data) == 0


def test_undo_and_redo_bring_layers_along(desk: Desk, wait: Wait) -> None:
    click(desk, 0, 8, 12)
    wait()
    desk.undo()
    settled(desk)
    assert len(desk.layers.points.data) == 0 and not desk.session.labels[0].any()
    desk.redo()
    settled(desk)
    assert len(desk.layers.points.data) == 1 and desk.session.labels[0][8, 12] == 1


def test_what_the_console_does_shows(desk: Desk, wait: Wait) -> None:
    session = napari_sam2.current_session()
    assert session is desk.session is current_session()
    session.add_click(7, 3, (10, 10))
    wait()
    settled(desk)
    assert desk.session.labels[3][10, 10] == 7


# painting ---------------------------------------------------------------------------------------------------------


def test_strokes_are_mask_prompts(desk: Desk, wait: Wait) -> None:
    labels = desk.layers.labels
    desk.show_frame(2)
    labels.paint((2, 10, 10), 1)
    desk.runner.pump(0.0)
    assert desk.session.prompts(1)[2].prompts.mask is not None and desk.session.labels[2][10, 10] == 1
    area = int((desk.session.labels[2] == 1).sum())
    labels.paint((2, 10, 14), 1)
    desk.runner.pump(0.0)
    assert (desk.session.labels[2] == 1).sum() > area and list(desk.session.cells) == [1]
    desk.undo()
    assert (desk.session.labels[2] == 1).sum() == area


def test_a_stroke_over_a_neighbour_takes_its_pixels(desk: Desk) -> None:
    desk.act("paint", 1, 0, disc(20, 20, 6))
    labels = desk.layers.labels
    labels.paint((0, 20, 26), 2)
    desk.runner.pump(0.0)
    image = desk.session.labels[0]
    assert image[20, 26] == 2 and image[20, 16] == 1 and set(desk.session.cells) == {1, 2}


def test_erasing_and_filling(desk: Desk) -> None:
    desk.act("paint", 1, 0, disc(20, 20, 6))
    labels = desk.layers.labels
    labels.paint((0, 20, 26), 0)
    desk.runner.pump(0.0)
    assert desk.session.labels[0][20, 26] == 0 and desk.session.labels[0][20, 16] == 1
    labels.fill((0, 20, 16), 0)
    desk.runner.pump(0.0)
    assert not desk.session.labels[0].any(), "an erased mask is gone on this frame"
    labels.fill((0, 5, 5), 3)
    desk.runner.pump(0.0)
    assert (desk.session.labels[0] == 3).all()


def test_a_stroke_on_a_locked_cell_is_refused_and_the_view_is_right(desk: Desk, told: list[str]) -> None:
    desk.act("paint", 1, 0, disc(20, 20, 4))
    desk.act("lock", 1, 0)
    before = desk.session.labels[0].copy()
    desk.layers.labels.paint((0, 20, 26), 1)
    desk.runner.pump(0.0)
    assert np.array_equal(desk.session.labels[0], before) and "locked" in told[-1]
    assert np.array_equal(np.asarray(desk.layers.labels.data[0]), before)
    desk.confirm = lambda text: "Do it all the same?" in text
    desk.layers.labels.paint((0, 20, 26), 1)
    desk.runner.pump(0.0)
    assert desk.session.labels[0][20, 26] == 1


def test_the_painted_number_follows_the_current_cell_and_leads_it(desk: Desk) -> None:
    desk.act("paint", 1, 0, disc(10, 10, 4))
    desk.act("paint", 2, 0, disc(30, 30, 4))
    desk.select(1)
    assert desk.layers.labels.selected_label == 1
    desk.layers.labels.selected_label = 2
    assert desk.current == 2
    assert desk.next_cell() == desk.layers.labels.selected_label == 3


# looking ----------------------------------------------------------------------------------------------------------


def test_look_at(desk: Desk, viewer: ViewerModel) -> None:
    desk.act("paint", 1, 4, disc(30, 12, 4))
    frames: list[int] = []
    desk.frame_changed.connect(frames.append)
    desk.look_at(1, 4)
    assert desk.frame == 4 and frames == [4] and desk.current == 1
    assert np.allclose(camera_of(viewer).center[-2:], (30, 12), atol=0.6)
    desk.show_only(True)
    assert desk.layers.labels.show_selected_label
    assert desk.colour(1)[:3] == pytest.approx(tuple(desk.layers.labels.get_color(1)[:3]))


def test_scale_translation_and_units_are_honoured(viewer: ViewerModel, tmp_path: Path, wait: Wait) -> None:
    image = viewer.add_image(movie(), scale=(2.0, 0.5, 0.5), translate=(10, 100, 200), units=("s", "um", "um"))
    desk = desk_of(viewer)
    desk.place(image, axes_of(image), make(tmp_path / "scaled"))
    for layer in (desk.layers.labels, desk.layers.points, desk.binding.show_boxes()):
        assert np.allclose(layer.scale, image.scale) and np.allclose(layer.translate, image.translate)
        assert layer.units == image.units
    desk.show_frame(5)
    assert desk.frame == 5 and viewer.dims.point[0] == 10 + 5 * 2.0
    click(desk, 5, 8, 12)
    wait()
    assert desk.session.labels[5][8, 12] == 1
    desk.look_at(1, 5)
    assert np.allclose(camera_of(viewer).center[-2:], (100 + 4, 200 + 6), atol=0.5)
    image.scale = (1, 1, 1)
    assert np.allclose(desk.layers.labels.scale, 1)
    desk.close()


@pytest.mark.parametrize("lead", [(FRAMES, 2), (FRAMES, 1), (1, FRAMES), ()], ids=str)
def test_further_axes(viewer: ViewerModel, tmp_path: Path, wait: Wait, lead: tuple[int, ...]) -> None:
    data = np.random.default_rng(0).integers(0, 255, (*lead, HEIGHT, WIDTH), np.uint8)
    image = viewer.add_image(data)
    desk = desk_of(viewer)
    frame = 3 if lead else 0
    desk.place(image, axes_of(image), make(tmp_path / "axes", frames=FRAMES if lead else 1))
    desk.show_frame(frame)
    if lead == (FRAMES, 2):
        viewer.dims.set_current_step(1, 1)
    click(desk, frame, 8, 12)
    wait()
    assert desk.frame == frame and desk.session.labels[frame][8, 12] == 1
    assert desk.layers.labels._slice.image.raw[8, 12] == 1
    if lead == (FRAMES, 2):
        assert desk.layers.points.data[0].tolist() == [frame, 1, 8, 12]
        viewer.dims.set_current_step(1, 0)
        desk.runner.pump(0.0)
        assert desk.layers.points.data[0].tolist() == [frame, 0, 8, 12], "clicks show in every channel"
    desk.close()


# refusing ---------------------------------------------------------------------------------------------------------


def test_refusals_are_told_and_can_be_forced(desk: Desk, told: list[str]) -> None:
    desk.act("paint", 1, 0, disc(10, 10, 4))
    desk.act("lock", 1)
    asked: list[str] = []
    desk.confirm = lambda text: bool(asked.append(text))
    assert desk.act("delete", 1) is None and 1 in desk.session.cells
    assert "locked" in asked[0] and "locked" in told[-1]
    desk.confirm = lambda text: True
    desk.act("delete", 1)
    assert 1 not in desk.session.cells


def test_nothing_open_is_told(viewer: ViewerModel, told: list[str]) -> None:
    desk = desk_of(viewer)
    assert desk.act("add_click", 1, 0, (3, 3)) is None and "press Start" in told[-1]
    desk.track()
    desk.undo()
    desk.pause()
    assert desk.frame == 0 and desk.current is None and desk.next_cell() == 0
    desk.close()


def test_nothing_to_undo_is_told(desk: Desk, told: list[str]) -> None:
    desk.undo()
    assert told == ["There is nothing to undo."]


def test_together_is_one_step(desk: Desk) -> None:
    with desk.together():
        desk.act("paint", 1, 0, disc(10, 10, 4))
        desk.act("paint", 2, 0, disc(30, 30, 4))
    desk.undo()
    assert not desk.session.cells
    with pytest.raises(Refused):
        desk.session.undo()


def test_prompts_are_not_drawn_anew_where_only_their_colours_change(desk: Desk, wait: Wait) -> None:
    desk.use("boxes")
    points, boxes = desk.layers.points, desk.layers.boxes
    desk.act("add_click", 1, 0, (10.25, 12.3))
    desk.act("add_box", 2, 0, ((20.1, 5.7), (30.3, 15.9)))
    desk.act("add_box", 3, 0, ((2.1, 25.7), (8.3, 35.9)))
    wait()
    drawn = []
    points.events.data.connect(lambda event: drawn.append(event))
    boxes.events.data.connect(lambda event: drawn.append(event))
    desk.select(2)
    assert np.allclose(boxes.edge_color[0], 1) and not np.allclose(boxes.edge_color[1], 1)
    desk.select(3)
    wait()
    assert np.allclose(boxes.edge_color[1], 1) and np.allclose(boxes.edge_color[0], desk.colour(2))
    faces = points.face_color.copy()
    desk.select(1)
    assert not np.allclose(points.face_color, faces), "its clicks stand out"
    desk.act("lock", 2, 0)
    wait()
    assert not drawn and desk.session.locked_on(0) == {2}
    desk.undo()
    desk.undo()
    wait()
    assert drawn and len(boxes.data) == 1 and list(boxes.features["cell"]) == [2]
    assert np.allclose(boxes.edge_color[0], desk.colour(2))


def test_a_box_drawn_the_other_way_round_is_the_same_box(desk: Desk, wait: Wait) -> None:
    desk.use("boxes")
    boxes = desk.layers.boxes
    drawn = []
    boxes.events.data.connect(lambda event: drawn.append(str(event.action)))
    boxes.add_rectangles(np.array([[0, 30, 15], [0, 30, 5], [0, 20, 5], [0, 20, 15]], float))
    wait()
    assert drawn == ["adding", "added"], "it stays where it is"
    assert list(desk.session.prompts(1)[0].prompts.rounds[0].box) == [(20, 5), (30, 15)]
    assert list(boxes.features["cell"]) == [1] and np.allclose(boxes.edge_color[0], 1)
    boxes.add_polygons(np.array([[0, 2, 2], [0, 2, 9], [0, 6, 12], [0, 9, 4]], float))
    wait()
    assert np.array_equal(np.sort(boxes.data[1][:, 1]), [2, 2, 9, 9]), "whatever is drawn becomes a box"


def test_a_run_does_not_have_the_labels_drawn_where_nothing_was_painted(slow: Desk) -> None:
    drawn: list[object] = []
    slow.layers.labels.events.set_data.connect(drawn.append)
    slow.track()
    assert not drawn
    slow.layers.labels.data[1, :4, :4] = 1
    slow.track()
    assert drawn and slow.session.labels.read(1)[:4, :4].all()
    slow.cancel()
