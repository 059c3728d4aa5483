"""Movies: the same seed gives the same bytes, and the truth is true."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_sam2.training.synthetic import KINDS, make_movie, textures

from .truth import CLEAN, STILL, centre, ids_of, inner_ids


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_bytes(kind: str) -> None:
    first, second, other = (make_movie(kind, frames=4, size=(96, 120), seed=s) for s in (5, 5, 6))
    assert first.frames.dtype == np.uint16
    assert first.labels.dtype == np.int32
    assert first.frames.shape == first.labels.shape == (4, 96, 120)
    assert first.frames.tobytes() == second.frames.tobytes()
    assert first.labels.tobytes() == second.labels.tobytes()
    assert first.parents == second.parents
    assert first.frames.tobytes() != other.frames.tobytes()
    assert first.kind == kind
    assert first.labels.min() >= 0


@pytest.mark.parametrize(
    ("kind", "diameter", "cells", "side"), [("nuclei", 8, 300, 256), ("phase", 120, 9, 600), ("rods", 12, 150, 256)]
)
def test_size_and_number_are_as_asked(kind: str, diameter: float, cells: int, side: int) -> None:
    movie = make_movie(
        kind, frames=1, size=(side, side), cells=cells, diameter=diameter, seed=2,
        **STILL | {"repulsion": 0.8, "diameter_spread": 0.05},
    )  # fmt: skip
    count = len(ids_of(movie.labels))
    assert 0.7 * cells <= count <= 1.4 * cells + 4
    inner = inner_ids(movie.labels[0])
    if inner:
        areas = [np.sum(movie.labels[0] == cell) for cell in inner]
        assert np.sqrt(np.median(areas) * 4 / np.pi) == pytest.approx(diameter, rel=0.35)


def test_a_star_has_the_diameter_asked_for() -> None:
    movie = make_movie(
        "nuclei", frames=1, size=(400, 400), cells=20, diameter=40, seed=1, **STILL | CLEAN | {"diameter_spread": 0.0}
    )
    areas = [np.sum(movie.labels[0] == cell) for cell in inner_ids(movie.labels[0])]
    assert np.median(np.sqrt(np.array(areas) * 4 / np.pi)) == pytest.approx(40, rel=0.03)


@pytest.mark.parametrize("kind", ["nuclei", "cytoplasm"])
def test_every_shining_cell_is_brighter_than_what_surrounds_it(kind: str) -> None:
    movie = make_movie(
        kind, frames=2, size=(256, 256), cells=14, diameter=34, seed=3, **STILL | CLEAN | {"roughness": 0.03}
    )
    for picture, labels in zip(movie.frames.astype(float), movie.labels, strict=True):
        outside = np.median(picture[ndimage.binary_dilation(labels > 0, iterations=5) == 0])
        for cell in inner_ids(labels):
            mask = labels == cell
            ring = ndimage.binary_dilation(mask, iterations=6) & ~ndimage.binary_dilation(labels > 0, iterations=3)
            assert picture[mask].mean() > outside + 5 * picture[ring].std()
            assert picture[mask].mean() > 2 * picture[ring].mean()


def test_labels_lie_on_the_cells_also_when_the_stage_moves() -> None:
    movie = make_movie(
        "nuclei", frames=6, size=(160, 160), cells=10, diameter=24, seed=4,
        **STILL | CLEAN | {"jump_rate": 1.0, "jump_size": 6.0},
    )  # fmt: skip
    moved = [centre(frame > 0) for frame in movie.labels]
    assert np.ptp(np.array(moved), axis=0).min() > 2  # the stage did move, both ways
    for picture, labels in zip(movie.frames.astype(float), movie.labels, strict=True):
        score = {
            (dy, dx): np.corrcoef(np.roll(labels > 0, (dy, dx), (0, 1)).ravel(), picture.ravel())[0, 1]
            for dy in (-2, 0, 2)
            for dx in (-2, 0, 2)
        }
        assert max(score, key=lambda shift: score[shift]) == (0, 0)
        assert score[0, 0] > 0.9


def test_phase_contrast_is_dark_inside_with_a_bright_halo() -> None:
    settings = STILL | CLEAN | {
        "polarity": 1.0, "thickness": 1.0, "halo": 5.0, "shade_off": 0.9, "gain": 0.8, "tips": 0.0, "dome": 0.5,
        "roughness": 0.02, "elongation": 1.2, "bend": 0.0,
    }  # fmt: skip
    movie = make_movie("phase", frames=1, size=(256, 256), cells=6, diameter=50, seed=3, **settings)
    picture, cells = movie.frames[0].astype(float), movie.labels[0] > 0
    distance = ndimage.distance_transform_edt(~cells)
    background = np.median(picture[distance > 25])
    assert picture[cells].mean() < 0.97 * background
    assert picture[(distance > 1) & (distance < 4)].mean() > 1.02 * background
    flipped = make_movie(
        "phase", frames=1, size=(256, 256), cells=6, diameter=50, seed=3, **settings | {"polarity": -1.0}
    )
    assert flipped.frames[0][cells].mean() > 1.03 * background


def test_dic_shows_light_and_shadow_on_opposite_sides() -> None:
    movie = make_movie(
        "dic", frames=1, size=(160, 160), cells=3, diameter=50, seed=1,
        **STILL | CLEAN | {"shear": 0.0, "gain": 0.8, "tips": 0.0, "elongation": 1.1, "roughness": 0.02, "bend": 0.0},
    )  # fmt: skip
    picture, labels = movie.frames[0].astype(float), movie.labels[0]
    cell = next(iter(inner_ids(labels)))
    _, x = np.nonzero(labels == cell)
    inside = picture[labels == cell]
    left, right = inside[x < np.quantile(x, 0.2)].mean(), inside[x > np.quantile(x, 0.8)].mean()
    assert left > 1.02 * right


def test_membranes_are_bright_between_packed_cells() -> None:
    movie = make_movie("membranes", frames=1, size=(200, 200), cells=40, diameter=32, seed=1, **STILL | CLEAN)
    labels, picture = movie.labels[0], movie.frames[0].astype(float)
    assert (labels > 0).mean() > 0.85
    edge = np.zeros(labels.shape, bool)
    edge[:, 1:-1] = (labels[:, 2:] != labels[:, :-2]) & (labels[:, 2:] > 0) & (labels[:, :-2] > 0)
    deep = ndimage.distance_transform_edt(~edge) > 6
    assert picture[edge].mean() > 1.7 * picture[deep & (labels > 0)].mean()


def test_texture_does_not_depend_on_the_process() -> None:
    for name in ("fractal", "granules", "coarse"):
        first = textures.bank(name)
        textures.bank.cache_clear()
        again = textures.bank(name)
        assert again is not first
        assert again.tobytes() == first.tobytes()


def test_unknown_names_and_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind 'neurons'"):
        make_movie("neurons")
    with pytest.raises(TypeError, match="sped"):
        make_movie("nuclei", sped=1.0)
    with pytest.raises(ValueError, match="diameter is 300"):
        make_movie("nuclei", diameter=300)
    with pytest.raises(ValueError, match="cells is 0"):
        make_movie("nuclei", cells=0)
    with pytest.raises(ValueError, match="at least one frame"):
        make_movie("nuclei", frames=0)


def test_bleaching_and_saturation() -> None:
    bleached = make_movie("nuclei", frames=10, size=(96, 96), seed=1, **STILL | CLEAN | {"bleaching": 0.1})
    means = bleached.frames.reshape(10, -1).mean(1)
    assert np.all(np.diff(means) < 0)
    full = make_movie("nuclei", frames=1, size=(96, 96), seed=1, **STILL | CLEAN | {"gain": 5.0, "bits": 12})
    assert full.frames.max() == 4095
    assert (full.frames[0][full.labels[0] > 0] == 4095).mean() > 0.5


def test_debris_is_not_labelled() -> None:
    plain = make_movie("nuclei", frames=1, size=(128, 128), cells=3, seed=1, **STILL | CLEAN)
    dirty = make_movie("nuclei", frames=1, size=(128, 128), cells=3, seed=1, **STILL | CLEAN | {"debris": 60.0})
    np.testing.assert_array_equal(plain.labels, dirty.labels)
    off = plain.labels[0] == 0
    assert dirty.frames[0][off].mean() > 1.1 * plain.frames[0][off].mean()
