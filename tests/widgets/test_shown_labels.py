"""The array that napari shows: as numpy's own, and what is painted in it comes out again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stub import FRAMES, HEIGHT, WIDTH

from napari_sam2.session import Session
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
