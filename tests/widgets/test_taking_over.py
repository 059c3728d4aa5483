"""Labels, points and shapes of others as what a session starts from; and which buttons can act when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from stub import FRAMES, HEIGHT, WIDTH, disc

from napari_sam2.widgets import notify
from napari_sam2.widgets.button_state import Facts, resolve, words_for_clicks
from napari_sam2.widgets.desk import Desk
from napari_sam2.widgets.needs import Needs
from napari_sam2.widgets.run_state import RunState

Wait = Callable[..., None]


def test_labels_of_all_frames(desk: Desk, viewer: ViewerModel, wait: Wait) -> None:
    data = np.zeros((FRAMES, HEIGHT, WIDTH), np.int32)
    data[2:5, disc(10, 10)] = 5
    data[4:, disc(30, 30)] = 9
    layer = viewer.add_labels(data)
    assert desk.foreign_layers() == [layer]
    desk.take_over(layer)
    wait()
    assert np.array_equal(np.asarray(desk.session.labels), data) and not layer.visible
    assert viewer.layers.selection.active is desk.layers.points and desk.tool == "clicks_on"
    assert {c: list(desk.session.prompts(c)) for c in desk.session.cells} == {5: [2], 9: [4]}
    desk.undo()
    assert not desk.session.cells


def test_labels_of_one_frame_are_of_the_frame_that_is_shown(desk: Desk, viewer: ViewerModel, wait: Wait) -> None:
    desk.show_frame(6)
    layer = viewer.add_labels(disc(10, 10).astype(np.int32) * 3)
    desk.show_frame(6)
    desk.take_over(layer, prompts="all")
    wait()
    assert list(desk.session.prompts(3)) == [6] and desk.session.labels[6][10, 10] == 3


def test_labels_made_frame_by_frame_are_linked(desk: Desk, viewer: ViewerModel, wait: Wait) -> None:
    data = np.zeros((FRAMES, HEIGHT, WIDTH), np.int32)
    for t in range(FRAMES):
        data[t, disc(10, 10 + t * 0.2)] = t + 1
    desk.take_over(viewer.add_labels(data), prompts="all", link=True)
    wait()
    assert len(desk.session.cells) == 1 and (np.asarray(desk.session.labels) > 0).any((1, 2)).all()


def test_points_and_boxes_in_other_coordinates(desk: Desk, viewer: ViewerModel, wait: Wait) -> None:
    points = viewer.add_points(
        [[0, 5, 6], [0, 15, 14], [3, 15, 15]], scale=(1, 2, 2), features={"track_id": np.array([4, 8, 8])}
    )
    desk.take_over(points)
    wait()
    said = {c: {t: s.prompts.rounds[0].clicks[0][:2] for t, s in desk.session.prompts(c).items()} for c in (1, 2)}
    assert said == {1: {0: (10.0, 12.0)}, 2: {0: (30.0, 28.0), 3: (30.0, 30.0)}}
    desk.show_frame(5)
    shapes = viewer.add_shapes([[[4, 4], [4, 12], [12, 12], [12, 4]]], shape_type="rectangle")
    shapes.add_polygons(np.array([[20, 20], [20, 30], [30, 30]]))
    desk.show_frame(5)
    desk.take_over(shapes)
    wait()
    assert desk.session.prompts(3)[5].prompts.rounds[0].box == ((4.0, 4.0), (12.0, 12.0))
    assert desk.session.prompts(4)[5].prompts.mask is not None


def test_what_does_not_fit_is_told_and_changes_nothing(
    desk: Desk, viewer: ViewerModel, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(notify, "_show", lambda message: told.append(message.text))
    desk.take_over(viewer.add_labels(np.ones((FRAMES, HEIGHT, WIDTH + 2), np.int32)))
    wait()
    desk.take_over(viewer.add_points([[0, 5, 6], [0, 500, 6]]))
    wait()
    assert len(told) == 2 and "(T, Y, X)" in told[0] and "outside the movie" in told[1]
    assert not desk.session.cells and desk.session.can_undo is None


# buttons ----------------------------------------------------------------------------------------------------------

OPEN = Facts(images=1, open=True)
CLICKED = Facts(images=1, open=True, cells=1, needs=Needs(untracked=5, prompted=1), current=1)


@pytest.mark.parametrize(
    ("facts", "can", "cannot"),
    [
        (Facts(), (), ("start", "prompt", "track", "take_over", "pause", "cancel", "estimate")),
        (Facts(images=1), ("start",), ("prompt", "track", "pause")),
        (Facts(images=1, opening="movie"), (), ("start", "afresh")),
        (OPEN, ("prompt", "settings", "afresh"), ("track", "track_cell", "estimate", "cancel", "take_over")),
        (CLICKED, ("track", "track_cell", "estimate", "prompt"), ("pause", "resume", "cancel")),
        (replace(CLICKED, current=None, foreign=1), ("track", "take_over"), ("track_cell",)),
        (
            Facts(images=1, open=True, needs=Needs(prompted=1), run=RunState("tracking"), foreign=1),
            ("pause", "cancel", "prompt"),
            ("resume", "settings", "estimate", "take_over"),
        ),
        (Facts(images=1, open=True, needs=Needs(prompted=1), run=RunState("paused")), ("resume", "cancel"), ("pause",)),
        (replace(CLICKED, run=RunState("stopping")), (), ("pause", "resume", "cancel")),
        (Facts(images=1, open=True, read_only=True, needs=Needs(prompted=1)), (), ("prompt", "track", "settings")),
        (Facts(images=1, open=True, occupied="Taking over…", needs=Needs(prompted=1)), (), ("prompt", "track")),
    ],
)  # fmt: skip
def test_buttons(facts: Facts, can: tuple[str, ...], cannot: tuple[str, ...]) -> None:
    found = resolve(facts)
    assert {name: found[name].enabled for name in (*can, *cannot)} == {
        **dict.fromkeys(can, True),
        **dict.fromkeys(cannot, False),
    }
    assert all(found[name].why for name in found if not found[name].enabled), "what cannot be done says why"


def test_hints_say_what_the_mouse_does() -> None:
    assert "Click on each cell" in words_for_clicks(True, None, False, "clicks_on")
    assert "Shift+click adds to cell 3" in words_for_clicks(True, 3, True, "clicks_on")
    assert "correct cell 3" in words_for_clicks(False, 3, True, "clicks_on")
    assert "not belong to cell 3" in words_for_clicks(False, 3, True, "clicks_off")
    assert "first" in words_for_clicks(True, 3, False, "clicks_off")
    for tool in ("clicks_on", "boxes", "paint", "erase", "look"):
        assert "None" not in words_for_clicks(True, None, False, tool)
    assert "mask of a new cell" in words_for_clicks(True, None, False, "paint")
