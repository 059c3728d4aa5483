"""Fine-tuning data: both folder layouts, and errors that say what was expected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tifffile import imwrite

from napari_sam2.training.own_data import challenge_movies, own_pack, own_source

from .helpers import discs


def write_challenge(folder: Path, frames: int) -> None:
    image, labels = discs(0)
    (folder / "01").mkdir(parents=True)
    (folder / "01_GT" / "SEG").mkdir(parents=True)
    for t in range(frames):
        imwrite(folder / "01" / f"t{t:03}.tif", (image.astype(np.uint16) + t) * 100)
        if t != 2:  # a gap in the truth
            imwrite(folder / "01_GT" / "SEG" / f"man_seg{t:03}.tif", labels)


def test_a_challenge_folder_becomes_runs_of_frames_with_masks(tmp_path: Path) -> None:
    write_challenge(tmp_path, 5)
    assert [len(m.frames) for m in challenge_movies(tmp_path)] == [2, 2]
    clip = own_source([tmp_path]).sample(np.random.default_rng(0), 128, 2)
    assert clip.kind == "own" and clip.labels.max() > 0


def test_pairs_of_files_are_found(tmp_path: Path) -> None:
    image, labels = discs(1)
    imwrite(tmp_path / "a.tif", image)
    imwrite(tmp_path / "a_labels.tif", labels)
    pack = own_pack([tmp_path])
    assert [r.shape for r in pack.records] == [(1, 160, 160)]
    assert own_source([tmp_path]).sample(np.random.default_rng(0), 128, 3).frames.shape == (3, 128, 128)


def test_errors_name_the_folder_and_the_layouts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="man_seg000"):
        own_pack([tmp_path])
    _, labels = discs(1)
    imwrite(tmp_path / "b_labels.tif", labels)
    with pytest.raises(ValueError, match=r"expected b\.tif"):
        own_pack([tmp_path])
    imwrite(tmp_path / "b.tif", labels[:50].astype(np.uint8))
    with pytest.raises(ValueError, match="differ in size"):
        own_pack([tmp_path])
