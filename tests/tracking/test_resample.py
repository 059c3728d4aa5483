"""Masks between frame, model and logits: against direct interpolation, and there and back for cells of any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.prompts import MaskCrop
from napari_sam2.tracking.resample import logits_to_crops, mask_to_window

TOKEN, STRIDE = 16, 4


def _whole(crops: torch.Tensor, corners: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Crops put back into frames: (N, Y, X), -inf where there is no crop."""
    out = np.full((len(crops), *shape), -np.inf, np.float32)
    for i, ((y, x), crop) in enumerate(zip(corners, crops.numpy(), strict=True)):
        y0, x0, y1, x1 = max(y, 0), max(x, 0), min(y + crop.shape[0], shape[0]), min(x + crop.shape[1], shape[1])
        if y1 > y0 and x1 > x0:
            out[i, y0:y1, x0:x1] = crop[y0 - y : y1 - y, x0 - x : x1 - x]
    return out


def _directly(logits: np.ndarray, origin: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Every frame pixel's logit by bilinear interpolation of a window's logits, -inf outside the window."""
    at, inside = [], []
    for axis in (0, 1):
        frame = np.arange(geometry.frame_shape[axis])
        edge = (frame + 0.5) * geometry.scale[axis] - origin[axis] * TOKEN  # model pixels from the window's edge
        inside.append((edge >= 0) & (edge <= logits.shape[axis] * STRIDE))
        at.append(edge / STRIDE - 0.5)
    grid = np.meshgrid(*at, indexing="ij")
    values = ndimage.map_coordinates(logits.astype(np.float64), grid, order=1, mode="nearest")
    return np.where(inside[0][:, None] & inside[1][None], values, -np.inf)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.2, 4), st.sampled_from([(40, 90), (130, 64), (33, 33)]))
def test_crops_are_the_positive_part_of_the_whole_frame(seed, scale, shape) -> None:
    rng = np.random.default_rng(seed)
    geometry = Geometry.windowed(shape, scale, 6)
    n = int(rng.integers(1, 4))
    origins = np.stack([rng.integers(0, np.array(geometry.tokens) - 6 + 1) for _ in range(n)])
    logits = ndimage.gaussian_filter(rng.normal(size=(n, 24, 24)), (0, 3, 3)) * 20 + rng.normal() * 2
    logits = logits.astype(np.float32)
    if rng.random() < 0.3:
        logits[0] = -5.0  # one with nothing in it
    crops, corners = logits_to_crops(torch.from_numpy(logits), origins, geometry)
    found = _whole(crops, corners, shape)
    for i in range(n):
        expected = _directly(logits[i], origins[i], geometry)
        sure = np.abs(expected) > 1e-3
        assert np.array_equal((found[i] > 0)[sure], (expected > 0)[sure])
        positive = (expected > 1e-3) & np.isfinite(expected)
        np.testing.assert_allclose(found[i][positive], expected[positive], atol=2e-3)


def _disc(shape: tuple[int, int], centre: tuple[float, float], diameter: float) -> np.ndarray:
    y, x = np.indices(shape)
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < (diameter / 2) ** 2


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


#: What the scale makes of a cell, in model pixels, and the IoU that survives.
SURVIVES = {20.0: 0.93, 40.0: 0.97, 60.0: 0.98}


@pytest.mark.parametrize("target", SURVIVES)
@pytest.mark.parametrize("diameter", [10, 12, 17, 30, 64, 120, 200])
def test_a_drawn_cell_survives_the_way_to_the_network_and_back(diameter: int, target: float) -> None:
    shape = (diameter * 3, diameter * 4)
    geometry = Geometry.windowed(shape, target / diameter, 8)
    drawn = _disc(shape, (diameter * 1.4 + 0.3, diameter * 1.7), diameter)
    mask = MaskCrop.of(drawn)
    origin = geometry.place_windows(geometry.to_model([mask.centre]))
    cover = mask_to_window(mask, geometry, origin[0])
    assert cover.shape == (8 * TOKEN, 8 * TOKEN)
    assert cover.min() >= 0 and cover.max() <= 1 + 1e-6
    logits = F.avg_pool2d(cover[None] * 20 - 10, STRIDE)
    crops, corners = logits_to_crops(logits, origin, geometry)
    assert _iou(_whole(crops, corners, shape)[0] > 0, drawn) > SURVIVES[target]


@settings(max_examples=40, deadline=None)
@given(st.floats(10, 60), st.floats(0.3, 4), st.floats(-0.5, 1.5), st.floats(-0.5, 1.5))
def test_a_mask_lies_where_it_was_drawn(diameter, scale, fy, fx) -> None:
    """Area and place agree, also for cells over the frame's border."""
    shape = (150, 110)
    drawn = _disc(shape, (fy * shape[0], fx * shape[1]), diameter)
    if drawn.sum() < 30:
        return
    geometry = Geometry.windowed(shape, scale, 38)  # as large as the largest field
    cover = mask_to_window(MaskCrop.of(drawn), geometry, np.zeros(2, np.int64)).numpy()
    ratio = cover.sum() / (drawn.sum() * geometry.scale[0] * geometry.scale[1])
    # Half a pixel of border may be lost or won at the frame's edge.
    assert 0.85 < ratio < 1.15
    place = geometry.to_frame(ndimage.center_of_mass(cover))
    np.testing.assert_allclose(place, ndimage.center_of_mass(drawn), atol=0.6 + 0.5 / scale)


def test_an_empty_mask_covers_nothing() -> None:
    geometry = Geometry.windowed((50, 60), 1.0, 8)
    cover = mask_to_window(MaskCrop.of(np.zeros((50, 60), bool)), geometry, np.zeros(2, np.int64))
    assert cover.shape == (128, 128) and not cover.any()


def test_logits_without_anything_positive_paint_nothing() -> None:
    geometry = Geometry.windowed((50, 60), 1.0, 2)
    crops, _ = logits_to_crops(torch.full((3, 8, 8), -1024.0), np.zeros((3, 2), np.int64), geometry)
    assert len(crops) == 3 and not (crops > 0).any()
