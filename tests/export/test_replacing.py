"""A movie is never lost to an output, whatever may be overwritten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sam2.export import export
from napari_sam2.export.replacing import what_is_lost
from tests.export.example import example


@pytest.mark.parametrize("movie", ["raw", "raw/t*.png"], ids=["a folder", "a pattern"])
def test_frames_of_a_folder_of_images_are_never_replaced(tmp_path: Path, movie: str) -> None:
    (tmp_path / "raw").mkdir()
    frame = tmp_path / "raw" / "t0.png"
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(frame)
    before = frame.read_bytes()
    tracked = example(movie_path=tmp_path / movie)
    with pytest.raises(FileExistsError, match=r"t0\.png is a frame of the movie"):
        export(tracked, frame, format="plots", overwrite=True)
    assert frame.read_bytes() == before
    beside = tmp_path / "raw" / "cells.tracks.csv"
    for _ in range(2):
        export(tracked, beside, overwrite=True, warn=False)
    assert beside.exists()


def test_what_holds_a_movie_or_is_a_part_of_it_is_lost_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "movie.zarr"
    for part in ("0", "labels/cells"):
        (folder / part).mkdir(parents=True)
    (folder / "zarr.json").write_text("{}")
    (tmp_path / "link").symlink_to(folder)
    for path in (folder, tmp_path / "link", tmp_path / "in", folder / "0", folder / "zarr.json"):
        assert what_is_lost(path, folder), path
        assert not what_is_lost(path, tmp_path / "other"), path
    for path in (folder / "new.tif", folder / "labels" / "cells", tmp_path / "in.tif"):
        assert not what_is_lost(path, folder), path
