"""The reader of Cell Tracking Challenge folders, on a folder made here and, where there are any, on real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from benchmarks._data import CtcMovie, Track, evaluation_movies


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for sub in ("01", "01_GT/TRA", "01_GT/SEG"):
        (tmp_path / sub).mkdir(parents=True)
    for t in range(12):
        tifffile.imwrite(tmp_path / f"01/t{t:03d}.tif", rng.integers(0, 99, (8, 9)).astype(np.uint16))
        tifffile.imwrite(tmp_path / f"01_GT/TRA/man_track{t:03d}.tif", np.full((8, 9), t, np.uint16))
    tifffile.imwrite(tmp_path / "01_GT/SEG/man_seg007.tif", np.full((8, 9), 3, np.uint16))
    (tmp_path / "01_GT/TRA/man_track.txt").write_text("1 0 5 0\n2 6 11 1\n")
    return tmp_path


def test_a_folder_is_read_lazily_and_in_order(folder: Path) -> None:
    movie = CtcMovie(folder)
    frames = movie.frames()
    assert frames.shape == (12, 8, 9)
    assert frames.dtype == np.uint16
    np.testing.assert_array_equal(frames[11], tifffile.imread(folder / "01/t011.tif"))
    assert frames[2:4, 0].shape == (2, 9)
    assert [int(labels.max()) for labels in movie.tracking_truth()] == list(range(12))
    assert movie.segmented_frames() == [7]
    assert movie.segmentation_truth(7).max() == 3
    assert movie.tracks() == {1: Track(1, 0, 5, 0), 2: Track(2, 6, 11, 1)}
    assert movie.parents() == {2: 1}


def test_what_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(ValueError, match="no segmentation of frame 3"):
        CtcMovie(folder).segmentation_truth(3)
    with pytest.raises(FileNotFoundError, match="tNNN.tif"):
        CtcMovie(folder, "02").frames()
    assert CtcMovie(folder, "02").tracks() == {}


def test_real_movies(shared_dir: Path) -> None:
    movies = evaluation_movies(shared_dir)
    if not movies:
        pytest.skip("no movies for measuring here")
    for movie in movies.values():
        frames, truth = movie.frames(), movie.tracking_truth()
        assert frames.shape == truth.shape
        assert truth[0].max() > 0
        last = max(track.last for track in movie.tracks().values())
        assert last == len(frames) - 1
