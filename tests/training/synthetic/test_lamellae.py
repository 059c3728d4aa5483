"""Cells that are spread flat: most of the cell is as grey as the background, the body and the folds are not."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from napari_sam2.training.synthetic import SyntheticMovie, make_movie

CALM: dict[str, Any] = {
    "cells": 1, "diameter": 90, "photons": 20000.0, "read_noise": 0.001, "debris": 0.0, "floaters": 0.0, "clutter": 0.0,
    "granules": 0.0, "texture": 0.0, "rim": 0.0, "dome": 0.0, "thickness": 0.3, "division_rate": 0.0, "death_rate": 0.0,
    "vanish_rate": 0.0, "vignette": 0.0, "gradient": 0.0, "elongation": 1.2, "tips": 0.0,
}  # fmt: skip


def still(**settings: float) -> SyntheticMovie:
    return make_movie("lamellae", frames=1, size=(200, 200), seed=3, **(CALM | settings))


def cell_of(movie: SyntheticMovie) -> np.ndarray:
    sizes = np.bincount(movie.labels[0].ravel())
    sizes[0] = 0
    return movie.labels[0] == sizes.argmax()


def test_the_body_is_what_is_seen_and_the_truth_is_the_whole_cell() -> None:
    flat, with_body = still(body=0.0, ruffles=0.0), still(body=4.0, ruffles=0.0, body_size=0.35)
    np.testing.assert_array_equal(flat.labels, with_body.labels)
    cell = cell_of(flat)
    difference = np.abs(flat.frames[0].astype(float) - with_body.frames[0])
    strong = difference > 0.5 * difference.max()
    assert 0.03 < np.count_nonzero(strong & cell) / np.count_nonzero(cell) < 0.35
    assert not (strong & ~ndimage.binary_dilation(cell, iterations=2)).any()


def test_folds_stand_along_the_rim() -> None:
    flat, folded = still(body=0.0, ruffles=0.0), still(body=0.0, ruffles=4.0)
    cell = cell_of(flat)
    depth = ndimage.distance_transform_edt(cell)
    difference = np.abs(flat.frames[0].astype(float) - folded.frames[0]) * cell
    heavy = difference > 0.5 * difference.max()
    assert np.median(depth[heavy]) < 0.15 * depth.max() + 2
    rim = cell & (depth < 0.1 * depth.max() + 2)
    assert 0.1 < np.count_nonzero(heavy & rim) / np.count_nonzero(rim) < 0.95, "here and there, not all around"


def test_each_movie_is_drawn_anew() -> None:
    recipes = [make_movie("lamellae", frames=1, size=(64, 64), seed=seed).recipe.look for seed in range(6)]
    assert len({look.body for look in recipes}) == 6
    assert all(look.modality == "phase" and look.body > 0 for look in recipes)
