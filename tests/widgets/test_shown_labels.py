"""The array that napari shows: as numpy's own, and what is painted in it comes out again."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers._layer_actions import _convert_dtype, _duplicate_layer
from stub import FRAMES, HEIGHT, WIDTH

from napari_sam2.session import Session
from napari_sam2.widgets import notify
from napari_sam2.widgets.desk import Desk
from napari_sam2.widgets.image import Axes
from napari_sam2.widgets.shown_labels import ShownLabels

KEYS: list[Any] = [
    (3,),
    (slice(2, 5), slice(4, 9), 3),
    (Ellipsis,),
    (slice(None), 5, slice(None, None, 2)),
    (-1, slice(None), slice(3, 4)),
    (np.array([1, 1, 4]), np.array([3, 4, 5]), np.array([7, 8, 9])),
    (2, np.array([3, 4]), np.array([7, 8])),
    (Ellipsis, 7),
]


@pytest.fixture
def session(desk: Desk) -> Session:
    labels = np.random.default_rng(1).integers(0, 4, (FRAMES, HEIGHT, WIDTH)).astype(np.int32)
    desk.session.take_over(labels)
    return desk.session


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_reads_as_numpy_does(session: Session, key: Any) -> None:
    truth = np.asarray(session.labels)
    shown = ShownLabels(session.labels, Axes("TYX", truth.shape))
    assert np.array_equal(shown[key], truth[key])
    wide = np.broadcast_to(truth[:, None], (FRAMES, 3, HEIGHT, WIDTH))
    channels = ShownLabels(session.labels, Axes("TCYX", wide.shape))
    for further in (1, slice(0, 2), slice(None)):
        if not any(isinstance(k, np.ndarray) for k in key) and Ellipsis not in key:
            full = (key[0], further, *key[1:])
            assert np.array_equal(channels[full], wide[full])


def test_single_images(session: Session) -> None:
    shown = ShownLabels(session.labels, Axes("YX", (HEIGHT, WIDTH)))
    truth = np.asarray(session.labels[0])
    assert np.array_equal(np.asarray(shown), truth) and shown[3, 4] == truth[3, 4]
    assert np.array_equal(shown[1:3], truth[1:3])
    shown[2:4, 5:7] = 9
    assert (shown.painted()[0][2:4, 5:7] == 9).all()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ((slice(3, 4), slice(2, 6), slice(2, 6)), 8),
        ((slice(3, 5), slice(2, 4), slice(2, 4)), np.arange(8).reshape(2, 2, 2)),
        ((3, slice(2, 6), slice(2, 6)), 8),
        ((np.array([3, 3]), np.array([2, 5]), np.array([6, 7])), np.array([5, 6])),
    ],
    ids=["box", "values", "plane", "points"],
)
def test_paint_is_kept_apart_from_the_session(session: Session, key: Any, value: Any) -> None:
    before = np.asarray(session.labels).copy()
    expected = before.copy()
    expected[key] = value
    shown = ShownLabels(session.labels, Axes("TYX", before.shape))
    shown[key] = value
    assert np.array_equal(np.asarray(shown), expected) and np.array_equal(np.asarray(session.labels), before)
    for frame, image in shown.painted().items():
        assert np.array_equal(image, expected[frame])
    assert not shown.painted() and np.array_equal(np.asarray(shown), before)


def test_paint_in_one_channel_is_paint_in_all(session: Session) -> None:
    shown = ShownLabels(session.labels, Axes("TCYX", (FRAMES, 2, HEIGHT, WIDTH)))
    shown[2:3, 1:2, 4:6, 4:6] = 7
    assert (shown[2, 0, 4:6, 4:6] == 7).all() and (shown[2, 1, 4:6, 4:6] == 7).all()


def test_copies_are_plain_arrays_read_frame_by_frame(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    truth, read = np.asarray(session.labels).copy(), []
    shown = ShownLabels(session.labels, Axes("TYX", truth.shape))
    shown[2, 4:6, 4:6] = 7
    truth[2, 4:6, 4:6] = 7
    whole = ShownLabels.frame
    monkeypatch.setattr(ShownLabels, "frame", lambda self, t: read.append(t) or whole(self, t))
    made = copy.deepcopy(shown)
    assert type(made) is np.ndarray and made.dtype == np.int32 and np.array_equal(made, truth)
    assert read == list(range(FRAMES))
    made[:] = 0
    assert np.array_equal(np.asarray(shown), truth)
    small = shown.astype(np.uint8)
    assert small.dtype == np.uint8 and np.array_equal(small, truth)
    channels = ShownLabels(session.labels, Axes("CTYX", (2, *truth.shape)))
    assert np.array_equal(channels.astype(np.int64), np.broadcast_to(np.asarray(session.labels), channels.shape))


def test_what_naparis_menu_does_with_the_layer(
    desk: Desk, session: Session, viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(notify, "_show", lambda message: told.append(message.text))
    layer, truth = desk.layers.labels, np.asarray(session.labels).copy()
    viewer.layers.selection = {layer}
    _duplicate_layer(viewer.layers)
    twin = viewer.layers[f"{layer.name} copy"]
    assert type(twin.data) is np.ndarray and np.array_equal(twin.data, truth)
    twin.data[:] = 0
    assert np.array_equal(np.asarray(session.labels), truth)
    viewer.layers.selection = {layer}
    _convert_dtype(viewer.layers, "int64")
    desk.runner.pump(0.05)
    assert isinstance(layer.data, ShownLabels) and "was not replaced" in told[-1]
