"""Clips for training, ready movies, and the contact sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sam2.training.clip import Clip, scale_intensity
from napari_sam2.training.synthetic import KINDS, PRESETS, SyntheticSource, make_preset
from napari_sam2.training.synthetic.contact_sheet import main


@pytest.mark.parametrize("kind", KINDS)
def test_clips_are_as_training_expects_them(kind: str) -> None:
    source = SyntheticSource({kind: 1.0})
    for seed in range(3):
        clip = source.sample(np.random.default_rng(seed), 128, 3)
        assert clip.kind == kind
        assert clip.frames.shape == clip.labels.shape == (3, 128, 128)
        assert clip.frames.dtype == np.float32
        assert clip.labels.dtype == np.int32
        assert clip.frames.min() >= 0
        assert clip.frames.max() <= 1
        assert clip.frames.std() > 0.02
        ids = np.unique(clip.labels)
        np.testing.assert_array_equal(ids, np.arange(ids[0], ids[-1] + 1))  # no gaps
        assert ids[0] in (0, 1)
        present = set(ids.tolist()) - {0}
        assert present
        assert set(clip.parents) | set(clip.parents.values()) <= present
        for daughter, mother in clip.parents.items():
            born = np.nonzero((clip.labels == daughter).any((1, 2)))[0][0]
            assert np.nonzero((clip.labels == mother).any((1, 2)))[0][-1] < born


def test_one_generator_state_makes_one_clip() -> None:
    source = SyntheticSource()
    first, second = (source.sample(np.random.default_rng(9), 96, 2) for _ in range(2))
    assert first.frames.tobytes() == second.frames.tobytes()
    assert first.labels.tobytes() == second.labels.tobytes()
    rng = np.random.default_rng(9)
    kinds = {source.sample(rng, 64, 1).kind for _ in range(40)}
    assert len(kinds) >= 5


def test_weights_choose_kinds() -> None:
    rng = np.random.default_rng(0)
    source = SyntheticSource({"rods": 1.0, "nuclei": 0.0})
    assert {source.sample(rng, 48, 1).kind for _ in range(10)} == {"rods"}
    for wrong in ({"neurons": 1.0}, {"rods": 0.0}, {}, {"rods": -1.0, "nuclei": 2.0}):
        with pytest.raises(ValueError, match="weights must be"):
            SyntheticSource(wrong)


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name: str) -> None:
    movie = make_preset(name, frames=3, size=(192, 160))
    again = make_preset(name, frames=3, size=(192, 160))
    assert movie.frames.shape == (3, 192, 160)
    assert movie.frames.tobytes() == again.frames.tobytes()
    assert make_preset(name, frames=3, size=(192, 160), seed=99).frames.tobytes() != movie.frames.tobytes()
    assert 2 <= len(np.unique(movie.labels[0])) - 1 <= 60
    assert all(frame.any() for frame in movie.labels)  # no black frames in a demonstration


def test_the_nuclei_preset_shows_divisions() -> None:
    movie = make_preset("nuclei", frames=24, size=(256, 256))
    assert len(movie.parents) >= 2
    with pytest.raises(KeyError, match="no preset is called"):
        make_preset("neurons")


def test_scaling_uses_one_pair_of_limits() -> None:
    frames = np.stack([np.linspace(100, 200, 10_000), np.linspace(300, 1100, 10_000)]).reshape(2, 100, 100)
    scaled = scale_intensity(frames.astype(np.uint16), 0, 100)
    assert scaled.dtype == np.float32
    assert scaled[0].max() == pytest.approx(0.1, abs=1e-3)
    assert scaled[1].max() == 1
    assert not scale_intensity(np.full((1, 4, 4), 7, np.uint16)).any()


def test_a_clip_refuses_frames_that_do_not_match() -> None:
    with pytest.raises(ValueError, match=r"must both be \(T, H, W\)"):
        Clip(np.zeros((2, 4, 4), np.float32), np.zeros((2, 4, 5), np.int32))


def test_contact_sheet(tmp_path: Path) -> None:
    main([str(tmp_path / "sheet.png"), "--kinds", "nuclei", "rods", "--movies", "2", "--tile", "64"])
    picture = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert picture.shape == (2 * 66 - 2, 4 * 66 - 2, 3)
    assert (picture == (255, 200, 0)).all(-1).any()  # outlines of the truth
