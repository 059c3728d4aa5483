"""Which movie is begun with, and when the user is asked; the pixels are not looked at for that."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.layers import Image

from napari_sam2.widgets.beginning import find_movie
from napari_sam2.widgets.image import movie_of


def image(*shape: int, name: str = "movie", **more: Any) -> Image:
    return Image(np.zeros(shape, np.uint8), name=name, **more)


def test_the_only_movie_is_meant() -> None:
    one, plane = image(5, 20, 30), image(6, 5, 4, 20, 30, name="volume")
    assert find_movie([one]).image is one and not find_movie([one]).question
    assert find_movie([one, plane], selected=plane).image is one, "what is no movie is not counted"


def test_of_several_movies_the_selected_one_is_meant() -> None:
    one, other = image(5, 20, 30), image(7, 20, 31)
    assert find_movie([one, other], selected=one).image is one and not find_movie([one, other], selected=one).question
    assert "Several movies" in find_movie([one, other]).question


def test_questions_are_left_to_the_user() -> None:
    red, green = image(5, 20, 30, name="red"), image(5, 20, 30, name="green")
    assert "channels" in find_movie([red, green], selected=red).question
    stack = image(30, 20, 30, axis_labels=("z", "y", "x"))
    assert "planes" in find_movie([stack]).question
    assert "has axes of lengths" in find_movie([image(6, 5, 20, 30)]).question
    assert find_movie([]).image is None and not find_movie([]).question


def test_a_huge_movie_is_looked_at_in_few_frames() -> None:
    da = pytest.importorskip("dask.array")
    read: list[int] = []

    def block(block_info: Any = None) -> np.ndarray:
        read.append(block_info[None]["chunk-location"][0])
        return np.zeros((1, 16, 16), np.uint8)

    lazy = da.map_blocks(block, chunks=((1,) * 500, (16,), (16,)), dtype=np.uint8)
    layer = Image(lazy, name="huge", contrast_limits=(0, 255))
    read.clear()
    assert find_movie([layer]).image is layer and not read
    movie = movie_of(layer)
    movie.fingerprint()
    assert movie.limits and len(read) <= 20
