"""Which names of images are the frames of one movie, and which are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sam2.export import open_movie


def folder_of(folder: Path, names: list[str]) -> Path:
    for value, name in enumerate(names):
        Image.fromarray(np.full((4, 5), value, np.uint8)).save(folder / name)
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ["t0.png", "t1.png", "t2.png"],
        ["t9.png", "t10.png", "t11.png"],
        ["s2_c1_t08.png", "s2_c1_t09.png", "s2_c1_t10.png"],
        ["t0000.png", "t0010.png", "t0020.png"],
        ["t000_12-59-58.png", "t001_13-00-01.png", "t002_13-00-05.png"],
        ["20240101120005.png", "20240101120010.png", "20240101120100.png"],
        ["t0_s0.png", "t1_s31.png", "t2_s60.png"],
        ["s0.png", "s30.png", "s61.png"],
        ["12-59-58.png", "13-00-01.png", "13-00-05.png"],
        ["alone_3_7.png"],
    ],
)
def test_names_of_one_movie(tmp_path: Path, names: list[str]) -> None:
    movie = open_movie(folder_of(tmp_path, names))
    assert [int(movie.data[t].max()) for t in range(len(names))] == list(range(len(names)))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["t0.png", "t1.png", "t3.png"], "frame 2 missing between 0 and 3: put the files there"),
        (["t0_c7.png", "t2_c7.png", "t4_c7.png", "t8_c7.png"], "frame 6 missing"),
        (["t0.png", "t1.png", "t9.png"], "frames 2, 3, 4, 5, 6 and 2 more missing"),
        ([f"t{t}_c{c}.png" for t in range(3) for c in range(2)], r"2 numbers change.*t0 and c0.*t\*_c0\.png"),
        ([f"pos{p}_t{t}.png" for p in range(2) for t in range(3)], r"pos0 and t0.*pos0_t\*\.png"),
        (["t0_c0.png", "t0_c1.png", "t1_c0.png"], "2 numbers change"),
        (["t01.png", "t1.png"], "two images have the numbers of t01.png"),
        (["id8_t2.png", "id9_t1.png", "id10_t0.png"], "not in the order of t2"),
    ],
)
def test_names_that_are_no_movie(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_movie(folder_of(tmp_path, names))


def test_a_pattern_takes_one_of_several(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [f"t{t}_c{c}.png" for t in range(3) for c in range(2)])
    movie = open_movie(folder / "t*_c1.png")
    assert [int(movie.data[t].max()) for t in range(3)] == [1, 3, 5]
    with pytest.raises(ValueError, match="2 numbers change"):
        open_movie(folder / "t*.png")
