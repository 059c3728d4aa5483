"""Image layers of all kinds as movies, or refused in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_sam2.widgets.image import Axes, Unsuitable, axes_of, movie_of

T, C, Y, X = 5, 3, 24, 32


def numbers(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


def in_dask(data: np.ndarray) -> Any:
    return pytest.importorskip("dask.array").from_array(data, chunks=(1, *data.shape[1:]))


def in_zarr(data: np.ndarray) -> Any:
    import zarr

    return zarr.array(data, chunks=(1, *data.shape[1:]))


@pytest.mark.parametrize("kind", [np.asarray, in_dask, in_zarr], ids=["numpy", "dask", "zarr"])
def test_any_array(kind: Any) -> None:
    data = numbers(T, Y, X)
    layer = Image(kind(data))
    assert axes_of(layer) == Axes("TYX", (T, Y, X))
    movie = movie_of(layer)
    assert movie.shape == (T, 1, Y, X) and np.array_equal(movie.raw(3)[0], data[3])


@pytest.mark.parametrize(
    ("shape", "letters", "movie"),
    [
        ((Y, X), "YX", (1, 1, Y, X)),
        ((T, Y, X), "TYX", (T, 1, Y, X)),
        ((T, C, Y, X), "TCYX", (T, C, Y, X)),
        ((T, 1, Y, X), "TSYX", (T, 1, Y, X)),
        ((1, T, Y, X), "STYX", (T, 1, Y, X)),
        ((T, 1, C, Y, X), "TSCYX", (T, C, Y, X)),
        ((1, 1, Y, X), "TSYX", (1, 1, Y, X)),
    ],
)
def test_axes_by_their_lengths(shape: tuple[int, ...], letters: str, movie: tuple[int, ...]) -> None:
    data = numbers(*shape)
    layer = Image(data)
    assert axes_of(layer).letters == letters
    made = movie_of(layer)
    assert made.shape == movie
    last = made.raw(movie[0] - 1)
    assert np.array_equal(last, data.reshape(movie)[-1])


def test_names_of_axes_win() -> None:
    layer = Image(numbers(3, 5, Y, X), axis_labels=("c", "t", "y", "x"))
    assert axes_of(layer).letters == "CTYX"
    movie = movie_of(layer)
    assert movie.shape == (5, 3, Y, X) and np.array_equal(movie.raw(4)[2], layer.data[2, 4])


@pytest.mark.parametrize(
    ("names", "shape", "axes"),
    [
        (("y", "x", "t"), (Y, X, T), "t, y, x"),
        (("Y", "X", "T"), (Y, X, T), "t, y, x"),
        (("y", "t", "x"), (Y, T, X), "t, y, x"),
        (("t", "y", "x", "c"), (T, Y, X, C), "t, c, y, x"),
        (("y", "x", "time", "channel"), (Y, X, T, C), "time, channel, y, x"),
    ],
)
def test_axes_in_another_order_are_refused_with_the_mend(
    names: tuple[str, ...], shape: tuple[int, ...], axes: str
) -> None:
    viewer = ViewerModel()
    viewer.add_image(numbers(*shape), axis_labels=names, name="it's")
    with pytest.raises(Unsuitable, match="time and channels come first, Y and X last") as found:
        axes_of(viewer.layers[0])
    # what it says to type does mend it
    text = str(found.value)
    code, names_only = text.split("console: ")[1].split(". Where only the names are wrong: ")
    exec(code, {"viewer": viewer})  # noqa: S102
    wanted = tuple(sorted(shape, key=(T, C, Y, X).index))
    assert viewer.layers[1].data.shape == wanted and axes_of(viewer.layers[1]).shape == wanted
    exec(names_only, {"viewer": viewer})  # noqa: S102
    assert ", ".join(viewer.layers[0].axis_labels) == axes


@pytest.mark.parametrize("names", [("t", "z", "x"), ("t", "x", "y"), ("t", "y", "x"), ("frame", "row", "column")])
def test_pictures_may_lie_as_they_like(names: tuple[str, ...]) -> None:
    assert axes_of(Image(numbers(T, Y, X), axis_labels=names)).letters == "TYX"


def test_a_stack_of_planes_is_taken_for_frames_and_told() -> None:
    found = axes_of(Image(numbers(T, Y, X), axis_labels=("z", "y", "x")))
    assert found.letters == "TYX" and "plane" in found.note


def test_volumes_over_time_are_refused_with_the_mend() -> None:
    with pytest.raises(Unsuitable, match="Choose one plane, or project"):
        axes_of(Image(numbers(T, 9, Y, X)))
    with pytest.raises(Unsuitable, match="project"):
        axes_of(Image(numbers(T, 3, Y, X), axis_labels=("t", "z", "y", "x")))


def test_colours() -> None:
    data = numbers(T, Y, X, 4).astype(np.uint8)
    layer = Image(data, rgb=True)
    assert axes_of(layer).letters == "TYX"
    movie = movie_of(layer)
    assert movie.channels == (0, 1, 2), "opacity is no colour"
    assert np.array_equal(movie.raw(2)[1], data[2, ..., 1])
    single = movie_of(Image(data[0, ..., :3], rgb=True))
    assert single.shape == (1, 3, Y, X)


def test_pyramids_give_their_full_size() -> None:
    data = numbers(T, Y, X)
    layer = Image([data, data[:, ::2, ::2]], multiscale=True)
    assert axes_of(layer).shape == (T, Y, X) and np.array_equal(movie_of(layer).raw(1)[0], data[1])


def test_split_channels_are_read_together() -> None:
    one, two = numbers(T, Y, X), numbers(T, Y, X).astype(np.float32) * 2
    movie = movie_of(Image(one), [Image(two)])
    assert movie.shape == (T, 2, Y, X)
    assert np.array_equal(movie.raw(3)[0], one[3]) and np.array_equal(movie.raw(3)[1], two[3])
    single = movie_of(Image(one[0]), [Image(two[0])])
    assert single.shape == (1, 2, Y, X) and np.array_equal(single.raw(0)[1], two[0])


def test_channels_of_another_size_are_refused() -> None:
    with pytest.raises(Unsuitable, match="not of one size"):
        movie_of(Image(numbers(T, Y, X)), [Image(numbers(T, Y, X + 1), name="other")])


def test_what_is_shown_is_what_the_model_gets_when_asked_for() -> None:
    layer = Image(numbers(T, Y, X), contrast_limits=(100, 700))
    assert movie_of(layer, limits="shown").limits == ((100.0, 700.0),)
    assert movie_of(layer).limits != ((100.0, 700.0),)
    other = Image(numbers(T, Y, X), contrast_limits=(5, 60))
    assert movie_of(layer, [other], limits="shown").limits == ((100.0, 700.0), (5.0, 60.0))


def test_places() -> None:
    axes = Axes("TCYX", (T, C, Y, X))
    assert axes.place(2, 3.5, 4.5, (9, 1, 9, 9)).tolist() == [2, 1, 3.5, 4.5]
    assert (
        axes.frame_of((2.6, 0, 0, 0)) == 3
        and axes.frame_of((-4, 0, 0, 0)) == 0
        and axes.frame_of((99, 0, 0, 0)) == T - 1
    )
    assert Axes("YX", (Y, X)).frame_of((3, 4)) == 0


def test_places_on_no_frame() -> None:
    axes = Axes("CTYX", (C, T, Y, X))
    for t in (0, T - 1, T - 0.6, -0.4):
        assert axes.beyond((1, t, 2, 3)) is None
    for t, said in ((T, f"frame {T}"), (-1, "frame -1"), (np.nan, "frame nan")):
        assert axes.beyond((1, t, 2, 3)) == f"{said}: the movie has frames 0 to {T - 1}"
    assert Axes("YX", (Y, X)).beyond((99, 99)) is None
