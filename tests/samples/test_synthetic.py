"""Synthetic samples: what kinds there are, what a layer is told about itself, and that they can be made again."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.samples import CALIBRATION, SYNTHETIC, synthetic_layers
from napari_sam2.training.synthetic import PRESETS

SMALL = {"frames": 4, "size": (160, 160)}


def test_all_presets_are_samples() -> None:
    assert set(SYNTHETIC) == set(PRESETS)
    assert len(SYNTHETIC) >= 4
    assert len({PRESETS[name].kind for name in SYNTHETIC}) == len(SYNTHETIC), "of different kinds"


@pytest.mark.parametrize("name", SYNTHETIC)
def test_a_sample_and_its_truth_lie_on_each_other(name: str) -> None:
    (movie, image, kind), (labels, truth, truth_kind) = synthetic_layers(name, truth=True, **SMALL)
    assert (kind, truth_kind) == ("image", "labels")
    assert movie.shape == labels.shape == (4, 160, 160)
    assert labels.any() and not labels.all()
    assert image["scale"] == truth["scale"] == (CALIBRATION[name].minutes, *(CALIBRATION[name].micrometers,) * 2)
    assert image["units"] == truth["units"] == ("minute", "micrometer", "micrometer")
    assert PRESETS[name].title in image["name"] and image["name"] != truth["name"]
    low, high = image["contrast_limits"]
    shown = (movie > low) & (movie < high)
    assert shown.mean() > 0.5, "most of the movie is neither black nor white"
    # the truth belongs to this movie: cells look other than what surrounds them
    first, cells = movie[0].astype(float), labels[0] > 0
    assert abs(first[cells].mean() - first[~cells].mean()) > 0.1 * first[~cells].std()


def test_truth_only_on_request() -> None:
    assert [kind for _, _, kind in synthetic_layers("nuclei", **SMALL)] == ["image"]


def test_the_same_again_and_another_one() -> None:
    once, again = (synthetic_layers("rods", **SMALL)[0][0] for _ in range(2))
    other = synthetic_layers("rods", seed=99, **SMALL)[0][0]
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)


def test_the_truth_knows_mothers() -> None:
    *_, (labels, truth, _) = synthetic_layers("rods", truth=True, frames=12, size=(256, 256))
    parents = truth["metadata"]["napari-sam2"]["parents"]
    assert parents, "rods divide within twelve frames"
    for daughter, mother in parents.items():
        seen = [np.flatnonzero((labels == cell).any((1, 2))) for cell in (mother, daughter)]
        assert seen[0].size and seen[1].size
        assert seen[0].max() < seen[1].min(), "a mother ends before her daughter begins"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(KeyError, match="sponges"):
        synthetic_layers("sponges")
