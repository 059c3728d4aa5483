"""Movies of every kind of array, type and shape; one pair of limits; and sentences for what is no movie."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam2.tracking.intensity import ensure_width, estimate_limits, parse_limits, scale, take_samples
from napari_sam2.tracking.movie import Movie

RNG = np.random.default_rng(0)
REAL_DTYPES = ["?", "u1", "i1", "<u2", ">u2", "i2", "u4", ">i4", "u8", "i8", "f2", "f4", ">f4", "f8", ">f8"]


class Counting:
    """An array that counts its reads, to see that each frame is read once and nothing else is."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.reads: list[Any] = []

    def __getitem__(self, index: Any) -> np.ndarray:
        self.reads.append(index)
        return self.array[index]


def example(frames: int = 5, channels: int | None = None, dtype: str = "u2") -> np.ndarray:
    shape = (frames, 24, 32) if channels is None else (frames, channels, 24, 32)
    return RNG.integers(0, 100, shape).astype(dtype)


# --- shapes, types, kinds of arrays ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", REAL_DTYPES)
def test_every_real_type_is_scaled_to_0_1(dtype: str) -> None:
    array = (RNG.random((4, 20, 30)) * 100).astype(dtype)
    array[2, 0, :2] = 0, 100
    frame = Movie(array).frame(2)
    assert frame.shape == (20, 30, 3)
    assert frame.dtype == np.float32
    assert frame.flags.c_contiguous
    assert frame.min() == 0.0
    assert frame.max() == 1.0
    # brighter stays brighter
    order = np.argsort(array[2], axis=None)
    assert (np.diff(frame[..., 0].ravel()[order]) >= 0).all()


def test_byte_order_and_container_make_no_difference(tmp_path: Path) -> None:
    da = pytest.importorskip("dask.array")
    import tifffile
    import zarr

    array = example()
    tifffile.imwrite(tmp_path / "m.tif", array)
    with tifffile.TiffFile(tmp_path / "m.tif") as tif:
        store = tif.aszarr()
        group = zarr.open_group(tmp_path / "g.zarr", mode="w")
        group.create_array("0", data=array)
        kinds = {
            "big-endian": array.astype(">u2"),
            "fortran": np.asfortranarray(array),
            "dask": da.from_array(array, chunks=(2, 8, 8)),
            "zarr": zarr.create_array(tmp_path / "a.zarr", data=array, chunks=(1, 24, 32)),
            "zarr group": group,
            "tifffile store": store,
            "zarr of a tifffile store": zarr.open(store, mode="r"),
            "movie": Movie(array),
        }
        plain = Movie(array)
        for name, data in kinds.items():
            movie = Movie(data)
            assert movie.shape == (5, 1, 24, 32), name
            np.testing.assert_array_equal(movie.frame(3), plain.frame(3), err_msg=name)
            assert movie.fingerprint() == plain.fingerprint(), name
        store.close()


def test_tensorstore_types_are_understood() -> None:
    class Foreign:
        numpy_dtype = np.dtype("u2")

    counting = Counting(example())
    counting.dtype = Foreign()  # type: ignore[assignment]
    assert Movie(counting).dtype == np.uint16


def test_a_single_plane_is_a_movie_of_one_frame() -> None:
    movie = Movie(example()[0])
    assert len(movie) == 1
    assert movie.frame(0).shape == (24, 32, 3)


@pytest.mark.parametrize("axes", ["TYXC", "CTYX", "YXTC", "tcxy"])
def test_named_axes_are_followed(axes: str) -> None:
    array = example(channels=3)
    moved = np.einsum(f"tcyx->{axes.lower()}", array)
    np.testing.assert_array_equal(Movie(moved, axes=axes).frame(4), Movie(array).frame(4))
    assert Movie(moved, axes=axes).shape == (5, 3, 24, 32)


def test_channels_become_red_green_blue() -> None:
    array = example(channels=4)
    whole = Movie(array, limits=(0, 100))
    assert whole.channels == (0, 1, 2)
    np.testing.assert_allclose(whole.frame(0)[..., 1], array[0, 1] / 100, atol=1e-6)
    one = Movie(array, limits=(0, 100), channels=3).frame(1)
    for colour in range(3):
        np.testing.assert_allclose(one[..., colour], array[1, 3] / 100, atol=1e-6)
    two = Movie(array, limits=(0, 100), channels=(3, 0)).frame(1)
    np.testing.assert_allclose(two[..., 0], array[1, 3] / 100, atol=1e-6)
    np.testing.assert_allclose(two[..., 1], array[1, 0] / 100, atol=1e-6)
    np.testing.assert_allclose(two[..., 2], (array[1, 3] + array[1, 0]) / 200, atol=1e-6)


# --- reading ------------------------------------------------------------------------------------------------------


def test_each_frame_is_read_once_and_only_when_needed() -> None:
    source = Counting(example(frames=10))
    movie = Movie(source, limits=(0, 100))
    assert source.reads == []
    for t in range(10):
        movie.frame(t)
        movie.raw(t)
        movie.frame(max(t - 1, 0))
    assert [read[0] for read in source.reads] == list(range(10))
    assert all(len(read) == 3 for read in source.reads)


def test_limits_read_only_a_few_frames_of_a_long_movie() -> None:
    source = Counting(example(frames=100))
    movie = Movie(source)
    _ = movie.limits, movie.limits
    assert len(source.reads) == 8
    assert {source.reads[0][0], source.reads[-1][0]} == {0, 99}


def test_a_source_that_reuses_its_buffer_does_no_harm() -> None:
    buffer = np.zeros((8, 8), np.uint8)

    class Reusing:
        shape, dtype = (3, 8, 8), np.dtype("u1")

        def __getitem__(self, index: Any) -> np.ndarray:
            buffer[:] = index[0] * 10
            return buffer

    movie = Movie(Reusing())
    first = movie.raw(0)
    movie.raw(1)
    assert (first == 0).all()
    assert (movie.raw(0) == 0).all()


def test_reading_from_threads() -> None:
    array = example(frames=20)
    movie, plain = Movie(array), Movie(array)
    wrong: list[int] = []

    def read(order: list[int]) -> None:
        for t in order:
            if not np.array_equal(movie.frame(t), expected[t]):
                wrong.append(t)

    expected = [plain.frame(t) for t in range(20)]
    threads = [threading.Thread(target=read, args=(list(RNG.permutation(20)),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


class Gated(Counting):
    """An array whose last frame is not there before `gate` is open."""

    def __init__(self, array: np.ndarray) -> None:
        super().__init__(array)
        self.begun, self.gate = threading.Event(), threading.Event()

    def __getitem__(self, index: Any) -> np.ndarray:
        if index[0] == self.shape[0] - 1:
            self.begun.set()
            assert self.gate.wait(60)
        return super().__getitem__(index)


def test_the_frame_in_hand_can_be_looked_at_while_the_next_is_read() -> None:
    source = Gated(example(frames=2))
    movie = Movie(source, limits=(0, 100))
    movie.frame(0)
    reader = threading.Thread(target=movie.raw, args=(1,))
    reader.start()
    assert source.begun.wait(60)
    found: list[np.ndarray] = []
    looking = threading.Thread(target=lambda: found.append(movie.frame(0)))
    looking.start()
    looking.join(10)
    in_time = bool(found)
    source.gate.set()
    reader.join()
    looking.join()
    assert in_time


def test_a_frame_that_two_threads_want_is_read_once() -> None:
    source = Gated(example(frames=2))
    movie = Movie(source, limits=(0, 100))
    threads = [threading.Thread(target=movie.raw, args=(1,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert source.begun.wait(60)
    source.gate.set()
    for thread in threads:
        thread.join()
    assert len(source.reads) == 1


@pytest.mark.parametrize("t", [-1, 5, 2.0, None])
def test_frames_that_do_not_exist(t: Any) -> None:
    with pytest.raises(IndexError, match="frames 0 to 4"):
        Movie(example()).frame(t)


# --- limits -------------------------------------------------------------------------------------------------------


def test_one_scaling_for_the_whole_movie() -> None:
    """A bleaching movie stays bleaching: the network sees what is there, not each frame stretched by itself."""
    base = RNG.random((32, 32))
    movie = Movie(np.stack([base * factor for factor in (1000, 500, 250)]))
    means = [movie.frame(t).mean() for t in range(3)]
    assert means[0] / means[1] == pytest.approx(2, rel=0.1)
    assert means[1] / means[2] == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("value", [0, 7, -3.5, 1e300, -1.7e308, 1.7e308, np.nan, np.inf, -np.inf])
def test_constant_and_unreadable_images_give_finite_frames(value: float) -> None:
    frame = Movie(np.full((2, 9, 9), value)).frame(1)
    assert np.isfinite(frame).all()
    assert np.unique(frame).size == 1


def test_nan_and_infinity_become_the_low_limit() -> None:
    array = RNG.random((3, 16, 16)).astype(np.float32) + 5
    clean = Movie(array.copy())
    array[1, 0, 0], array[1, 0, 1], array[1, 0, 2] = np.nan, np.inf, -np.inf
    movie = Movie(array)
    assert np.isfinite(movie.limits).all()
    np.testing.assert_allclose(movie.limits, clean.limits, rtol=0.02)
    assert (movie.frame(1)[0, :3] == 0).all()
    assert np.isnan(movie.raw(1)[0, 0, 0])


def test_a_few_bright_pixels_on_nothing_are_seen() -> None:
    array = np.zeros((2, 200, 200), np.uint16)
    array[:, 3:6, 3:6] = 500  # far less than the share above the high percentile
    frame = Movie(array).frame(0)
    assert frame[4, 4, 0] == 1.0
    assert frame[100, 100, 0] == 0.0


def test_small_differences_on_a_large_offset_survive() -> None:
    steps = np.arange(256, dtype=np.uint64).reshape(1, 16, 16) + np.uint64(2**40)
    assert np.unique(Movie(steps).frame(0)).size > 200


def test_given_limits_are_used_and_checked() -> None:
    movie = Movie(example(channels=2), limits=((0, 50), (10, 20)))
    assert movie.limits == ((0.0, 50.0), (10.0, 20.0))
    assert Movie(example(), limits=(0, 50)).frame(0).max() == 1.0
    for wrong in [(5, 5), (9, 1), (0, np.inf), (1, 2, 3), "ab", ((0, 1), (0, 1))]:
        with pytest.raises(ValueError, match=r"limit"):
            Movie(example(), limits=wrong)


def test_limits_of_each_channel_are_its_own() -> None:
    array = example(channels=2)
    array[:, 1] += 1000
    movie = Movie(array)
    assert movie.limits[0][1] < 101 < 999 < movie.limits[1][0]


# --- what is no movie ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (np.zeros(5), ValueError, r"\(T, Y, X\) or \(T, C, Y, X\)"),
        (np.zeros((2, 2, 2, 2, 2)), ValueError, "Choose one plane"),
        (np.zeros((0, 5, 5)), ValueError, "empty: its axis T"),
        (np.zeros((5, 0, 5)), ValueError, "empty: its axis Y"),
        (np.zeros((64, 64, 3)), ValueError, r"np.moveaxis\(image, -1, 0\)"),
        (np.zeros((9, 64, 64, 3)), ValueError, r"np.moveaxis\(movie, -1, 1\)"),
        (np.zeros((2, 5, 5), complex), TypeError, "np.abs"),
        (np.zeros((2, 5, 5), object), TypeError, "objects"),
        (np.full((2, 5, 5), "a"), TypeError, "strings"),
        (np.zeros((2, 5, 5), "M8[s]"), TypeError, "dates"),
        (np.zeros((2, 5, 5), [("a", "u1")]), TypeError, "structured"),
        ([np.zeros((5, 5))], TypeError, r"np.stack"),
        ("movie.tif", TypeError, "open_movie"),
        (Path("movie.tif"), TypeError, "open_movie"),
        (7, TypeError, "got int"),
        (None, TypeError, "got NoneType"),
    ],
)
def test_errors_say_what_is_expected_and_how_to_mend_it(data: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Movie(data)


def test_a_layer_instead_of_its_data() -> None:
    class Layer:
        data = np.zeros((2, 5, 5))

    with pytest.raises(TypeError, match=r"pass layer\.data"):
        Movie(Layer())


@pytest.mark.parametrize("axes", ["TZYX", "TYYX", "TCX", "TCXQ", "TYX", "CYT"])
def test_axes_that_do_not_fit(axes: str) -> None:
    with pytest.raises(ValueError, match="axes="):
        Movie(np.zeros((2, 2, 5, 5)) if len(axes) == 4 or axes == "TYX" else np.zeros((2, 5, 5)), axes=axes)


@pytest.mark.parametrize("channels", [2, -1, (0, 0), (), (0, 1, 0, 1)])
def test_channels_that_do_not_exist(channels: Any) -> None:
    with pytest.raises(ValueError, match="channel"):
        Movie(example(channels=2), channels=channels)


def test_a_pyramid_is_named_as_one() -> None:
    class Pyramid:
        shape, dtype = (3, 16, 16), np.dtype("u1")

        def __getitem__(self, index: Any) -> np.ndarray:
            return np.zeros((3, 16, 16), np.uint8)

    with pytest.raises(ValueError, match="multiscale"):
        Movie(Pyramid()).raw(0)


def test_a_group_without_a_first_level(tmp_path: Path) -> None:
    import zarr

    group = zarr.open_group(tmp_path / "g.zarr", mode="w")
    group.create_array("labels", data=np.zeros((2, 5, 5), np.uint8))
    with pytest.raises(TypeError, match=r"labels"):
        Movie(group)


# --- fingerprints -------------------------------------------------------------------------------------------------


def test_the_fingerprint_tells_movies_apart() -> None:
    array = example()
    other = array.copy()
    other[0, 0, 0] += 1
    prints = {
        Movie(array).fingerprint(),
        Movie(other).fingerprint(),
        Movie(array[:4]).fingerprint(),
        Movie(array.astype(np.int32)).fingerprint(),
        Movie(array[:, None], limits=(0, 1)).fingerprint(),  # the same movie: one channel, other limits
    }
    assert len(prints) == 4
    assert Movie(array, channels=0).fingerprint() == Movie(array.astype(">u2")).fingerprint()


# --- properties ---------------------------------------------------------------------------------------------------

planes = hnp.arrays(
    st.sampled_from([np.dtype(name) for name in REAL_DTYPES]),
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6),
)


@settings(max_examples=200, deadline=None)
@given(planes)
def test_any_plane_gives_finite_values_in_0_1(plane: np.ndarray) -> None:
    frame = Movie(plane).frame(0)
    assert np.isfinite(frame).all()
    assert frame.min() >= 0.0
    assert frame.max() <= 1.0


@settings(max_examples=200, deadline=None)
@given(planes)
def test_limits_are_always_a_width_apart(plane: np.ndarray) -> None:
    low, high = estimate_limits([take_samples(plane)], plane.dtype)
    assert low < high
    assert np.isfinite([low, high]).all()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_equal_limits_are_pushed_apart(value: float) -> None:
    low, high = ensure_width(value, value)
    assert low < high
    assert np.isfinite([low, high]).all()


def test_the_smallest_and_widest_limits_scale() -> None:
    plane = np.array([[0, 1, 255]], np.uint8)
    assert scale(plane, (0.0, 1e-300)).tolist() == [[0, 1, 1]]
    wide = scale(np.array([[-1.7e308, 0.0, 1.7e308]]), (-1.7e308, 1.7e308))
    np.testing.assert_allclose(wide, [[0, 0.5, 1]])
    assert parse_limits((1, 2), 3) == ((1.0, 2.0),) * 3
