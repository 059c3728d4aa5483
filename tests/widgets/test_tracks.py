"""The Tracks layer follows the session."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Tracks
from pytestqt.qtbot import QtBot
from views import fill

from napari_sam2.widgets.desk import Desk
from napari_sam2.widgets.lineage_panel import LineagePanel
from napari_sam2.widgets.tracks import TracksBinding, track_data, tracks_of, why_no_tracks


@pytest.fixture
def binding(desk: Desk, qapp: object) -> TracksBinding:
    fill(desk.session)
    return tracks_of(desk)


def layers(desk: Desk) -> list[Tracks]:
    return [layer for layer in desk.viewer.layers if isinstance(layer, Tracks)]


def test_paths_and_divisions_come_from_the_table(desk: Desk, binding: TracksBinding) -> None:
    data, graph = track_data(desk.session)
    assert graph == {2: [1], 3: [1]}
    assert [(data[:, 0] == c).sum() for c in (1, 2, 3, 4)] == [5, 7, 7, 7]
    four = data[data[:, 0] == 4]
    assert four[0].tolist() == [4, 2, 28, 32] and 6 not in four[:, 1]


def test_the_layer_lies_over_the_labels(desk: Desk, binding: TracksBinding) -> None:
    desk.viewer.layers["movie"].scale = (2.0, 0.5, 0.5)
    binding.show()
    (layer,) = layers(desk)
    assert np.allclose(layer.scale[-3:], (2.0, 0.5, 0.5))
    assert layer.graph == {2: [1], 3: [1]} and desk.layers.tracks is layer
    desk.viewer.layers["movie"].translate = (0.0, 3.0, 4.0)
    assert np.allclose(layer.translate[-3:], (0.0, 3.0, 4.0))
    assert desk.viewer.layers.selection.active is not layer


def test_colours_are_those_of_the_cells(desk: Desk, binding: TracksBinding) -> None:
    binding.show()
    layer = binding.layer
    ids = np.asarray(layer.data)[:, 0]
    assert np.allclose(layer.track_colors[ids == 3][:, :3], desk.layers.labels.get_color(3)[:3], atol=0.01)


def test_edits_and_undo_are_followed(desk: Desk, binding: TracksBinding, qtbot: QtBot) -> None:
    binding.show()
    layer = binding.layer
    layer.tail_width = 7
    desk.act("delete", 3)
    qtbot.waitUntil(lambda: layer.graph == {2: [1]})
    assert 3 not in layer.data[:, 0] and layer.tail_width == 7
    desk.undo()
    qtbot.waitUntil(lambda: layer.graph == {2: [1], 3: [1]})
    assert layers(desk) == [layer]
    desk.act("set_parent", 2, None)
    qtbot.waitUntil(lambda: layer.graph == {3: [1]})


def test_without_cells_there_is_no_layer(desk: Desk, binding: TracksBinding, qtbot: QtBot) -> None:
    binding.show()
    for cell in (1, 2, 3, 4):
        desk.act("delete", cell)
    qtbot.waitUntil(lambda: not layers(desk))
    assert binding.shown
    desk.undo()
    qtbot.waitUntil(lambda: len(layers(desk)) == 1)


def test_taking_the_layer_out_ends_it_and_the_box_says_so(desk: Desk, binding: TracksBinding, qtbot: QtBot) -> None:
    panel = LineagePanel(desk)
    qtbot.addWidget(panel)
    panel.tracks.setChecked(True)
    assert len(layers(desk)) == 1
    desk.viewer.layers.remove(layers(desk)[0])
    assert not binding.shown and not panel.tracks.isChecked()
    panel.tracks.setChecked(True)
    assert len(layers(desk)) == 1
    panel.tracks.setChecked(False)
    assert layers(desk) == []


def test_the_session_takes_its_tracks_along(desk: Desk, binding: TracksBinding) -> None:
    binding.show()
    desk.close_session()
    assert layers(desk) == []


def test_further_axes_are_filled_and_what_napari_cannot_show_is_said(
    desk: Desk, binding: TracksBinding, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = track_data(desk.session, "TCYX")
    assert data.shape[1] == 5 and not data[:, 2].any() and data[0, 3:].tolist() == [10, 12]
    assert why_no_tracks("TYX") is None and why_no_tracks("TCYX") is None
    assert "single image" in (why_no_tracks("YX") or "") and "first axis" in (why_no_tracks("CTYX") or "")
    said: list[str] = []
    monkeypatch.setattr("napari_sam2.widgets.notify.info", said.append)
    monkeypatch.setattr(desk.binding, "axes", replace(desk.binding.axes, letters="YX"))
    binding.show()
    assert said == [why_no_tracks("YX")] and not binding.shown and layers(desk) == []
