"""Conversions between frame pixels, model pixels and tokens, over fields of any size and aspect."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.tracking.geometry import MAX_SCALE, MIN_SCALE, STRETCH, Geometry

TOKEN = 16
sides = st.one_of(st.integers(16, 300), st.integers(300, 8192))
shapes = st.tuples(sides, sides)
scales = st.floats(0.02, 12)
windows = st.sampled_from([2, 6, 8, 16, 32, 64])
fractions = st.lists(st.tuples(st.floats(-0.2, 1.2), st.floats(-0.2, 1.2)), min_size=1, max_size=20)


def _places(geometry: Geometry, inside: list[tuple[float, float]]) -> np.ndarray:
    """Frame coordinates of places given as fractions of the frame, some of them outside."""
    return np.array(inside) * geometry.frame_shape


@settings(deadline=None)
@given(shapes, scales, windows, fractions)
def test_to_the_model_and_back_is_where_one_was(shape, scale, window, inside) -> None:
    for geometry in (Geometry.windowed(shape, scale, window), Geometry.whole(shape, 1024)):
        places = _places(geometry, inside)
        np.testing.assert_allclose(geometry.to_frame(geometry.to_model(places)), places, atol=1e-6)


@settings(deadline=None)
@given(shapes, scales, windows)
def test_corners_of_the_frame_are_corners_of_the_field(shape, scale, window) -> None:
    for geometry in (Geometry.windowed(shape, scale, window), Geometry.whole(shape, 1024)):
        np.testing.assert_allclose(geometry.to_model([-0.5, -0.5]), [-0.5, -0.5])
        np.testing.assert_allclose(geometry.to_model(np.array(shape) - 0.5), np.array(geometry.model_shape) - 0.5)


@settings(deadline=None)
@given(shapes, scales, windows)
def test_a_field_holds_its_frame_and_a_window_in_whole_even_tokens(shape, scale, window) -> None:
    geometry = Geometry.windowed(shape, scale, window)
    assert geometry.window_tokens == (window, window)
    for axis in (0, 1):
        assert geometry.tokens[axis] % 2 == 0
        assert geometry.tokens[axis] >= window
        assert geometry.padded_shape[axis] == geometry.tokens[axis] * TOKEN >= geometry.model_shape[axis]
        # Not a token more than needed, but for evenness.
        assert (geometry.tokens[axis] - 2) * TOKEN < geometry.model_shape[axis] or geometry.tokens[axis] <= window + 1
        wanted = max(1, shape[axis] * min(max(scale, MIN_SCALE), MAX_SCALE))
        padding = geometry.padded_shape[axis] - geometry.model_shape[axis]
        if padding:
            assert abs(geometry.model_shape[axis] - wanted) <= 0.5
        else:
            assert abs(geometry.model_shape[axis] - wanted) <= max(0.5, STRETCH * wanted)


@settings(deadline=None)
@given(shapes, scales, windows)
def test_only_small_fields_have_padding(shape, scale, window) -> None:
    """At the edge of padding cells that leave the frame are lost too early."""
    geometry = Geometry.windowed(shape, scale, window)
    for axis in (0, 1):
        large = geometry.model_shape[axis] >= max(window * TOKEN, TOKEN / STRETCH)
        if large:
            assert geometry.model_shape[axis] == geometry.padded_shape[axis]


@settings(deadline=None)
@given(shapes, st.sampled_from([128, 256, 1024]))
def test_the_whole_frame_keeps_its_aspect_ratio(shape, size) -> None:
    geometry = Geometry.whole(shape, size)
    assert max(geometry.model_shape) == size
    assert geometry.window_tokens == geometry.tokens
    short, long = min(shape), max(shape)
    assert abs(min(geometry.model_shape) - max(1, short * size / long)) <= 0.5
    assert max(geometry.tokens) == size // TOKEN


@settings(deadline=None)
@given(shapes, scales, windows, fractions)
def test_windows_lie_inside_and_around_their_centres(shape, scale, window, inside) -> None:
    geometry = Geometry.windowed(shape, scale, window)
    centres = geometry.to_model(_places(geometry, inside))
    origins = geometry.place_windows(centres)
    assert origins.dtype == np.int64
    assert (origins >= 0).all() and (origins + window <= np.array(geometry.tokens)).all()
    tokens = (centres + 0.5) / TOKEN
    on_field = ((tokens >= 0) & (tokens <= geometry.tokens)).all(1)
    around = ((origins <= tokens) & (tokens <= origins + window)).all(1)
    assert around[on_field].all()
    # Away from the border the centre is the window's, to half a token.
    room = ((tokens >= window / 2 + 1) & (tokens <= np.array(geometry.tokens) - window / 2 - 1)).all(1)
    assert (np.abs(origins + window / 2 - tokens)[room] <= 0.5 + 1e-9).all()


@settings(deadline=None)
@given(shapes, scales, windows, fractions, st.floats(0.5, 3))
def test_windows_follow_only_who_leaves_their_middle(shape, scale, window, inside, slack) -> None:
    geometry = Geometry.windowed(shape, scale, window)
    centres = geometry.to_model(_places(geometry, inside))
    rng = np.random.default_rng(0)
    before = np.stack([rng.integers(0, np.array(geometry.tokens) - window + 1) for _ in centres])
    after = geometry.keep_windows(before, centres, slack)
    assert (after >= 0).all() and (after + window <= np.array(geometry.tokens)).all()
    off = np.abs((centres + 0.5) / TOKEN - (before + window / 2)).max(1)
    assert np.array_equal(after[off <= slack], before[off <= slack])
    assert np.array_equal(after[off > slack], geometry.place_windows(centres)[off > slack])


@pytest.mark.parametrize("shape", [(16, 8192), (8192, 16), (8192, 8192), (16, 16)])
def test_extreme_fields_have_a_size(shape) -> None:
    for geometry in (
        Geometry.windowed(shape, 8.0, 16),
        Geometry.windowed(shape, 0.01, 16),
        Geometry.whole(shape, 1024),
    ):
        assert min(geometry.model_shape) >= 1
        assert min(geometry.tokens) >= 2
