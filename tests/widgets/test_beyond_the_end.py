"""With the slider past the movie's end, as a longer layer beside it makes possible, nothing is done unseen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from stub import FRAMES, HEIGHT, WIDTH, disc, state

from napari_sam2.widgets import cell_commands
from napari_sam2.widgets.cell_actions import ACTIONS, CHECKS, STATES
from napari_sam2.widgets.cell_checks import Chosen
from napari_sam2.widgets.desk import Desk

Wait = Callable[..., None]
LATE = FRAMES + 8


@pytest.fixture
def past(two: Desk, viewer: ViewerModel) -> Desk:
    """Two tracked cells, and the slider at a frame that only a longer layer has."""
    two.select(1)
    viewer.add_image(np.zeros((FRAMES + 20, 8, 8), np.uint8), name="longer")
    viewer.dims.set_point(0, LATE)
    assert two.frame == FRAMES - 1 and two.beyond() is not None
    return two


def refused(told: list[str]) -> bool:
    return len(told) == 1 and f"frame {LATE}" in told[0] and f"frames 0 to {FRAMES - 1}" in told[0]


def test_clicks_and_boxes_are_refused(past: Desk, wait: Wait, told: list[str]) -> None:
    before, points, boxes = state(past.session), past.layers.points, past.binding.show_boxes()
    count = len(points.data)
    points.add([LATE, 20.0, 30.0])
    wait()
    assert refused(told) and len(points.data) == count
    told.clear()
    boxes.add_rectangles(np.array([[LATE, 20, 20], [LATE, 20, 30], [LATE, 30, 30], [LATE, 30, 20]], float))
    wait()
    assert refused(told) and len(boxes.data) == 0
    assert state(past.session) == before


def test_a_click_is_not_moved_there(past: Desk, wait: Wait, told: list[str]) -> None:
    before, points = state(past.session), past.layers.points
    data = points.data.copy()
    moved = data.copy()
    moved[0, 0] = LATE
    with points.events.data.blocker():
        points.data = moved
    points.events.data(value=points.data, action="changed", data_indices=(0,), vertex_indices=((),))
    wait()
    assert refused(told) and np.array_equal(points.data, data)
    assert state(past.session) == before


def test_actions_on_this_frame_are_refused(past: Desk, told: list[str]) -> None:
    before = state(past.session)
    cell_commands.delete_on(past)
    assert refused(told) and state(past.session) == before
    chosen = Chosen((1,), past.frame)
    of_frame = [action for action in (*ACTIONS, *STATES, *CHECKS) if action.is_of_frame]
    assert len(of_frame) >= 12
    assert all("slider is at frame" in str(action.refusal(past, chosen)) for action in of_frame)
    cell_commands.lock(past)  # is about no frame
    assert past.session.measurements(1)["locked"].any()


def test_points_beyond_the_end_are_not_taken_over(past: Desk, viewer: ViewerModel, wait: Wait, told: list[str]) -> None:
    before = state(past.session)
    past.take_over(viewer.add_points([[0, 20, 40], [LATE, 20, 30]], name="far"))
    wait()
    assert refused(told) and "'far'" in told[0] and state(past.session) == before


def test_layers_without_time_are_not_taken_over(past: Desk, viewer: ViewerModel, wait: Wait, told: list[str]) -> None:
    before, mask = state(past.session), disc(20, 40).astype(np.int32)
    for layer in (viewer.add_points([[20, 40]]), viewer.add_labels(mask), viewer.add_labels(mask[None])):
        told.clear()
        past.take_over(layer)
        wait()
        assert refused(told) and layer.visible
    assert state(past.session) == before
    told.clear()
    labels = np.zeros((FRAMES, HEIGHT, WIDTH), np.int32)
    labels[3] = mask
    past.take_over(viewer.add_labels(labels))  # knows its frames
    wait()
    assert len(past.session.cells) == 3


@pytest.mark.gui
def test_nothing_is_tracked_from_there(past: Desk, qtbot: Any, wait: Wait, told: list[str]) -> None:
    from napari_sam2.widgets.track_panel import TrackPanel

    panel = TrackPanel(past)
    qtbot.addWidget(panel)
    for which in ("to_end", "to_here"):
        told.clear()
        panel.frames.setCurrentIndex(panel.frames.findData(which))
        panel.begin_or_stop()
        assert refused(told) and not past.run.busy
    told.clear()
    panel.frames.setCurrentIndex(panel.frames.findData("all"))
    panel.begin_or_stop()
    wait()
    assert not any("slider" in text for text in told)
