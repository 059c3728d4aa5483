"""What `CellTracker` takes: movies and labels of any kind of array; and the sentence for everything it does not."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from .small import Counting, discs_movie, run, tracker_for

T, SHAPE = 5, (90, 110)
PLACE = (45.0, 50.0)


@cache
def _movie() -> np.ndarray:
    return discs_movie(T, SHAPE, seed=5)


def _labels(movie: Any, **options: Any) -> np.ndarray:
    tracker = tracker_for(movie, **options)
    tracker.add_click(1, 0, PLACE)
    run(tracker)
    return np.asarray(tracker.labels[:])


@cache
def _expected() -> np.ndarray:
    return _labels(_movie())


def test_dask_movies() -> None:
    dask = pytest.importorskip("dask.array")
    assert np.array_equal(_labels(dask.from_array(_movie(), chunks=(1, 50, 50))), _expected())


def test_zarr_movies(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "movie.zarr", data=_movie(), chunks=(1, 50, 50))
    assert np.array_equal(_labels(array), _expected())


def test_movies_with_one_channel_are_movies() -> None:
    assert np.array_equal(_labels(_movie()[:, None]), _expected())


def test_movies_with_three_channels() -> None:
    same = np.repeat(_movie()[:, None], 3, axis=1)
    limits = [(80, 500)] * 3
    assert np.array_equal(_labels(same, limits=limits), _expected()), "grey is red, green and blue alike"
    other = same.copy()
    other[:, 1] = 80
    assert not np.array_equal(_labels(other, limits=limits), _expected())


def test_other_types_and_byte_orders() -> None:
    assert np.array_equal(_labels(_movie().astype(">u2")), _expected())
    assert np.array_equal(_labels(_movie().astype(np.float64)), _expected())


def test_frames_are_read_once_a_run_and_only_where_needed() -> None:
    movie = Counting(_movie())
    tracker = tracker_for(movie)
    tracker.add_click(1, 2, PLACE)
    assert movie.reads == []
    run(tracker, "forward")
    assert sorted(movie.reads) == [2, 3, 4]
    run(tracker, "forward")
    assert sorted(movie.reads) == [2, 3, 4], "the features are still there"


@pytest.mark.parametrize("kind", ["numpy", "zarr"])
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32"])
def test_the_users_own_labels_are_written_into(kind: str, dtype: str, tmp_path: Path) -> None:
    labels: Any = np.zeros((T, *SHAPE), dtype)
    labels[:, :12, :12] = 40
    if kind == "zarr":
        labels = zarr.create_array(tmp_path / "labels.zarr", data=labels, chunks=(1, *SHAPE))
    tracker = tracker_for(_movie(), labels=labels)
    tracker.add_click(1, 0, PLACE)
    for result in tracker.track():
        assert np.array_equal(labels[result.frame], result.labels), "each frame at once"
    assert tracker.labels is labels
    assert (labels[:, :3, :3] == 40).all(), "what is there already stays where nobody wins it"
    mine = np.asarray(labels[:]) == 1
    assert np.array_equal(mine[:, 30:, 30:], (_expected() == 1)[:, 30:, 30:])


def test_a_click_on_somebody_elses_label_of_that_cell_corrects_it() -> None:
    """An existing segmentation is a starting point: a click on it refines the mask that is there."""
    labels = np.zeros((T, *SHAPE), np.int32)
    labels[1, 30:50, 40:60] = 1
    corrected, fresh = tracker_for(_movie(), labels=labels), tracker_for(_movie())
    for tracker in (corrected, fresh):
        tracker.add_click(1, 1, PLACE)
    assert corrected.prompts[1, 1].base is not None and fresh.prompts[1, 1].base is None
    assert corrected.prompts[1, 1].base.full(SHAPE).sum() == 400
    assert not np.array_equal(corrected.segment(1), fresh.segment(1))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"mode": "clever"}, ValueError, "auto, windows, exact, reference.*'clever'"),
        ({"cell_diameter": 0.0}, ValueError, "positive number of pixels"),
        ({"cell_diameter": float("nan")}, ValueError, "positive number of pixels"),
        ({"labels": np.zeros((T, 9, 9), np.int32)}, ValueError, r"\(5, 9, 9\).*\(5, 90, 110\) \(T, Y, X\)"),
        ({"labels": np.zeros((T, *SHAPE), np.uint8)}, ValueError, "use int32"),
        ({"labels": np.zeros((T, *SHAPE), np.float32)}, ValueError, "use int32"),
        ({"limits": (5, 5)}, ValueError, "the low limit must be below"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        tracker_for(_movie(), **options)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda t: t.add_click(0, 0, PLACE), ValueError, "between 1 and"),
        (lambda t: t.add_click("one", 0, PLACE), ValueError, "whole number"),
        (lambda t: t.add_click(1, T, PLACE), IndexError, "frames 0 to 4"),
        (lambda t: t.add_click(1, -1, PLACE), IndexError, "frames 0 to 4"),
        (lambda t: t.add_click(1, 0, (90.0, 5.0)), ValueError, "outside the frame of 90 x 110"),
        (lambda t: t.add_clicks(1, 0, []), ValueError, "no click"),
        (lambda t: t.add_clicks(1, 0, [PLACE], [True, False]), ValueError, "2 marks for 1 clicks"),
        (lambda t: t.add_box(1, 0, ((5, 5), (5, 50))), ValueError, "two opposite corners"),
        (lambda t: t.add_box(1, 9, ((5, 5), (50, 50))), IndexError, "frames 0 to 4"),
        (lambda t: t.add_mask(1, 0, np.zeros(SHAPE, bool)), ValueError, "empty"),
        (lambda t: t.add_mask(1, 0, np.ones((5, 5), bool)), ValueError, r"\(5, 5\)"),
        (lambda t: t.add_mask(1, 7, np.ones(SHAPE, bool)), IndexError, "frames 0 to 4"),
        (lambda t: t.segment(9), IndexError, "frames 0 to 4"),
        (lambda t: run(t, "sideways"), ValueError, "forward, backward, both"),
        (lambda t: run(t, "both", (3, 3)), ValueError, "within 0 to 5"),
        (lambda t: run(t, "both", (0, 9)), ValueError, "within 0 to 5"),
        (lambda t: run(t, cells=[3]), ValueError, "cell 3; click on it"),
        (lambda t: setattr(t, "cell_diameter", -1.0), ValueError, "positive"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(call: Any, error: type[Exception], words: str) -> None:
    tracker = tracker_for(_movie())
    with pytest.raises(error, match=words):
        call(tracker)
    assert tracker.prompts.cells() == []
    assert not tracker.labels.any()


def test_a_wrong_direction_is_said_at_once_and_not_when_the_first_frame_is_asked_for() -> None:
    tracker = tracker_for(_movie())
    tracker.add_click(1, 0, PLACE)
    with pytest.raises(ValueError, match="direction"):
        tracker.track("up")  # type: ignore[arg-type]


def test_tracking_without_any_prompt_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="no prompt"):
        run(tracker_for(_movie(), cell_diameter=None))


def test_the_preview_of_nothing_is_empty() -> None:
    tracker = tracker_for(_movie(), cell_diameter=None)
    assert not tracker.segment(0).any()


@pytest.mark.parametrize(("corners", "expected"), [(((20, 20), (44, 40)), 22.0), (((44, 40), (20, 20)), 22.0)])
def test_the_scale_comes_from_what_is_drawn(corners: Any, expected: float) -> None:
    tracker = tracker_for(_movie(), cell_diameter=None)
    tracker.add_box(1, 0, corners)
    assert tracker.cell_diameter == expected
    disc = np.zeros(SHAPE, bool)
    disc[10:50, 10:50] = True
    tracker.add_mask(2, 0, disc)
    assert tracker.cell_diameter == expected, "fixed once it was needed"
    tracker.cell_diameter = 30.0
    assert tracker.cell_diameter == 30.0


def test_another_scale_is_another_result_and_what_was_done_is_stale() -> None:
    tracker = tracker_for(_movie())
    tracker.add_click(1, 0, PLACE)
    run(tracker)
    before = tracker.labels.copy()
    tracker.cell_diameter = 30.0
    assert len(run(tracker, only_stale=True)) == T
    assert not np.array_equal(tracker.labels, before)
