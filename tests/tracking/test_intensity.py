"""Limits of fields where cells are few: they are not clipped away, and single bad pixels count for nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_sam2.tracking.intensity import HIGH_PERCENTILE, LOW_PERCENTILE, estimate_limits, take_samples

GROUND, NOISE, SIGNAL = 200.0, 10.0, 800.0


def field(side: int, diameter: float, cells: int, sign: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Blurred discs on a noisy ground, and where they are; float32 and bool, both (side, side)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    there = np.zeros((side, side), bool)
    for _ in range(cells):
        cy, cx = rng.uniform(diameter, side - diameter, 2)
        there |= (y - cy) ** 2 + (x - cx) ** 2 < (diameter / 2) ** 2
    image = GROUND + sign * SIGNAL * ndimage.gaussian_filter(there.astype(np.float64), 1.0)
    return (image + rng.normal(0, NOISE, there.shape)).astype(np.float32), there


def limits_of(*planes: np.ndarray) -> tuple[float, float]:
    return estimate_limits([take_samples(plane) for plane in planes], planes[0].dtype)


@pytest.mark.parametrize("side", [512, 1500])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_cells_that_cover_less_than_a_percentile_cuts_off_keep_their_edges(side: int, sign: float) -> None:
    image, there = field(side, 14, 3, sign)
    assert there.mean() < (100 - HIGH_PERCENTILE) / 100
    low, high = limits_of(image)
    edge = GROUND + sign * SIGNAL / 2
    assert low < edge - 100 and edge + 100 < high  # the middle of the edge is neither black nor white
    body = np.median(image[there])
    assert low - 200 < body < high + 200  # and the contrast is not spent on what is not there


@pytest.mark.parametrize("noise", [0.0, NOISE])
def test_cells_on_a_ground_that_was_subtracted_keep_their_edges(noise: float) -> None:
    """Half of the ground is 0 then, or all of it, and nothing lies below."""
    image, there = field(1024, 14, 4)
    image = np.clip(image - GROUND, 0, None) if noise else np.where(there, np.float32(SIGNAL), np.float32(0))
    low, high = limits_of(image)
    assert low == 0
    assert SIGNAL / 2 + 100 < high <= image.max()


def test_where_cells_cover_much_the_percentiles_hold() -> None:
    image, there = field(400, 30, 40)
    assert there.mean() > 0.1
    np.testing.assert_allclose(limits_of(image), np.percentile(image, (LOW_PERCENTILE, HIGH_PERCENTILE)), rtol=0.01)


def test_hot_and_dead_pixels_are_no_cells() -> None:
    image, _ = field(512, 30, 0)
    plain = limits_of(image)
    rng = np.random.default_rng(1)
    spoilt = image.copy()
    spots = rng.integers(1, 511, (60, 2))
    spoilt[tuple(spots[:30].T)] = 60_000
    spoilt[tuple(spots[30:].T)] = 0
    np.testing.assert_allclose(limits_of(spoilt), plain, rtol=0.02)


def test_frames_are_judged_together() -> None:
    """Cells that come late are seen in the limits of the movie, which hold for all of its frames."""
    empty, _ = field(512, 14, 0)
    late, _ = field(512, 14, 3)
    assert limits_of(empty, empty, late)[1] > GROUND + SIGNAL / 2 + 100


def test_a_grid_of_a_large_plane_still_sees_small_cells() -> None:
    image, _ = field(2048, 14, 4)
    samples = take_samples(image, limit=1 << 16)
    assert samples.values.size == samples.smooth.size <= 1 << 16
    assert samples.smooth.max() > GROUND + SIGNAL / 2
    assert samples.smooth.std() < samples.values.std()


def test_the_smallest_planes() -> None:
    assert take_samples(np.array([[7]], np.uint8)).smooth.tolist() == [7.0]
    line = take_samples(np.array([[1, 9, 2, 3]], np.int16))
    assert line.values.tolist() == [1, 9, 2, 3]
    assert line.smooth.tolist() == [1, 2, 3, 3]
