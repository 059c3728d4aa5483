"""Movies in files, each as its own program would write them, come out lazy and in one order of axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_sam2.export import open_movie
from napari_sam2.export.opened import FrameView
from napari_sam2.export.read import natural_key

RNG = np.random.default_rng(1)


def example(*shape: int, dtype: str = "u2") -> np.ndarray:
    return RNG.integers(0, 200, shape).astype(dtype)


def write_image(path: Path, image: np.ndarray) -> None:
    if path.suffix == ".tif":
        tifffile.imwrite(path, image)
    else:
        Image.fromarray(image).save(path)


# --- the view -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", ["TYX", "TCYX", "CTYX", "YXTC", "YX", "CYX", "YXC", "ZTYX"])
def test_the_view_indexes_like_the_array_it_stands_for(axes: str) -> None:
    shape = tuple({"T": 4, "C": 2, "Y": 5, "X": 6, "Z": 1}[letter] for letter in axes)
    base = example(*shape)
    view = FrameView(base, axes)
    order = "TCYX" if "C" in axes else "TYX"
    whole = np.einsum(f"{axes}->{''.join(a for a in order if a in axes)}", base)
    whole = whole.reshape(view.shape)
    assert view.axes == order
    np.testing.assert_array_equal(np.asarray(view), whole)
    last = view.shape[0] - 1
    for key in [last, -1, slice(None), slice(0, 0), slice(None, None, -1), (last, ..., 2), (..., 3), [0, last], (0, 0)]:
        np.testing.assert_array_equal(view[key], whole[key], err_msg=str(key))
    assert view.nbytes == whole.nbytes
    assert len(view) == len(whole)
    with pytest.raises(IndexError, match="there are"):
        view[last + 1]


def test_the_view_reads_only_the_frames_asked_for() -> None:
    class Counting:
        shape, dtype, reads = (9, 4, 5), np.dtype("u1"), 0

        def __getitem__(self, index: Any) -> np.ndarray:
            assert isinstance(index[0], int)
            Counting.reads += 1
            return np.zeros((4, 5), np.uint8)

    view = FrameView(Counting(), "TYX")
    assert view[2:4].shape == (2, 4, 5)
    assert Counting.reads == 2


# --- TIFF ---------------------------------------------------------------------------------------------------------


def test_imagej_hyperstack(tmp_path: Path) -> None:
    array = example(5, 2, 20, 30)
    tifffile.imwrite(
        tmp_path / "m.tif",
        array,
        imagej=True,
        resolution=(1 / 0.65, 1 / 0.5),
        metadata={"axes": "TCYX", "unit": "um", "finterval": 120.0},
    )
    with open_movie(tmp_path / "m.tif") as movie:
        assert movie.axes == "TCYX"
        np.testing.assert_array_equal(movie.data[3], array[3])
        assert movie.scale == pytest.approx({"T": 120.0, "Y": 0.5, "X": 0.65})
        assert movie.units == {"T": "second", "Y": "micrometer", "X": "micrometer"}


def test_ome_tiff_with_channels_and_sizes(tmp_path: Path) -> None:
    array = example(2, 4, 20, 30)
    metadata = {
        "axes": "CTYX",
        "PhysicalSizeX": 0.3,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 400,
        "PhysicalSizeYUnit": "nm",
        "TimeIncrement": 5,
        "TimeIncrementUnit": "min",
    }
    tifffile.imwrite(tmp_path / "m.ome.tif", array, metadata=metadata, photometric="minisblack")
    with open_movie(tmp_path / "m.ome.tif") as movie:
        assert movie.axes == "TCYX"
        assert movie.data.shape == (4, 2, 20, 30)
        np.testing.assert_array_equal(movie.data[1], array[:, 1])
        assert movie.scale == {"T": 5.0, "Y": 400.0, "X": 0.3}
        assert movie.units == {"T": "minute", "Y": "nanometer", "X": "micrometer"}


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_plain_stack_of_pages(tmp_path: Path, compression: str | None) -> None:
    array = example(6, 20, 30)
    with tifffile.TiffWriter(tmp_path / "m.tif") as writer:
        for page in array:
            writer.write(page, contiguous=compression is None, compression=compression)
    with open_movie(tmp_path / "m.tif") as movie:
        assert movie.axes == "TYX"
        np.testing.assert_array_equal(np.asarray(movie.data), array)


def test_palette_and_16_bit_images(tmp_path: Path) -> None:
    array = example(20, 30, dtype="u2") * 300
    Image.fromarray(array).save(tmp_path / "a.png")
    np.testing.assert_array_equal(open_movie(tmp_path / "a.png").data[0], array)
    Image.fromarray((array // 300).astype("u1")).convert("P").save(tmp_path / "b.png")
    assert open_movie(tmp_path / "b.png").data.shape == (1, 3, 20, 30)


def test_frames_that_are_called_z_are_time_and_said_so(tmp_path: Path) -> None:
    array = example(6, 20, 30)
    tifffile.imwrite(tmp_path / "m.tif", array, imagej=True, metadata={"axes": "ZYX"})
    with open_movie(tmp_path / "m.tif") as movie:
        assert movie.data.shape == (6, 20, 30)
        assert "taken as time" in movie.notes[0]


def test_colour_tiff(tmp_path: Path) -> None:
    array = example(4, 20, 30, 3, dtype="u1")
    tifffile.imwrite(tmp_path / "m.tif", array, photometric="rgb", metadata={"axes": "TYXS"})
    with open_movie(tmp_path / "m.tif") as movie:
        assert movie.axes == "TCYX"
        np.testing.assert_array_equal(movie.data[2], np.moveaxis(array[2], -1, 0))


def test_planes_that_are_called_colours_are_and_said_so(tmp_path: Path) -> None:
    array = example(3, 20, 30, dtype="u1")
    tifffile.imwrite(tmp_path / "m.tif", array, photometric="rgb", planarconfig="separate")
    with open_movie(tmp_path / "m.tif") as movie:
        assert movie.data.shape == (1, 3, 20, 30)
        assert "colours of one image" in movie.notes[0]


def test_a_pyramid_gives_its_full_size_level(tmp_path: Path) -> None:
    array = example(3, 64, 64)
    with tifffile.TiffWriter(tmp_path / "m.ome.tif") as writer:
        writer.write(array, subifds=1, metadata={"axes": "TYX"}, tile=(32, 32))
        writer.write(array[:, ::2, ::2], subfiletype=1, tile=(32, 32))
    with open_movie(tmp_path / "m.ome.tif") as movie:
        np.testing.assert_array_equal(np.asarray(movie.data), array)


def test_volumes_over_time_are_refused_with_a_mend(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", example(3, 4, 20, 30), imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(ValueError, match="choose one plane along Z or project it"):
        open_movie(tmp_path / "m.tif")


@pytest.mark.parametrize("content", [b"", b"not a tiff at all", b"II*\x00\x08\x00\x00\x00"])
def test_broken_tiffs(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.tif").write_bytes(content)
    with pytest.raises(ValueError, match="is it complete"):
        open_movie(tmp_path / "m.tif")


# --- zarr ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_plain_zarr(tmp_path: Path, zarr_format: int) -> None:
    array = example(4, 20, 30)
    zarr.create_array(tmp_path / "m.zarr", data=array, zarr_format=zarr_format)
    movie = open_movie(tmp_path / "m.zarr")
    assert movie.axes == "TYX"
    np.testing.assert_array_equal(np.asarray(movie.data), array)


def test_named_dimensions_are_used(tmp_path: Path) -> None:
    array = example(2, 4, 20, 30)
    zarr.create_array(tmp_path / "m.zarr", data=array, dimension_names=["channel", "time", "y", "x"])
    np.testing.assert_array_equal(open_movie(tmp_path / "m.zarr").data[3], array[:, 3])


def ome_zarr(path: Path, array: np.ndarray, version: str, axes: str) -> None:
    kind = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
    unit = {"t": "second", "y": "micrometer", "x": "micrometer"}
    described = [{"name": a, "type": kind[a], **({"unit": unit[a]} if a in unit else {})} for a in axes]
    step = [{"t": 30.0, "y": 0.25, "x": 0.25}.get(a, 1.0) for a in axes]
    multiscale = {
        "axes": described,
        "datasets": [
            {"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": step}]} for n in range(2)
        ],
        "coordinateTransformations": [{"type": "scale", "scale": [2.0 if a == "t" else 1.0 for a in axes]}],
    }
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    group.create_array("0", data=array)
    group.create_array("1", data=array[..., ::2, ::2])
    if version == "0.4":
        group.attrs["multiscales"] = [{"version": "0.4", **multiscale}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_level_0_with_its_axes_and_scale(tmp_path: Path, version: str) -> None:
    array = example(4, 2, 1, 20, 30)
    ome_zarr(tmp_path / "m.ome.zarr", array, version, "tczyx")
    movie = open_movie(tmp_path / "m.ome.zarr")
    assert movie.axes == "TCYX"
    np.testing.assert_array_equal(movie.data[3], array[3, :, 0])
    assert movie.scale == {"T": 60.0, "Y": 0.25, "X": 0.25}
    assert movie.units == {"T": "second", "Y": "micrometer", "X": "micrometer"}


def test_a_store_of_several_images(tmp_path: Path) -> None:
    array = example(4, 20, 30)
    zarr.open_group(tmp_path / "m.zarr", mode="w", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    ome_zarr(tmp_path / "m.zarr" / "0", array, "0.4", "tyx")
    movie = open_movie(tmp_path / "m.zarr")
    np.testing.assert_array_equal(movie.data[1], array[1])
    assert "several images" in movie.notes[0]


def test_zarr_groups_without_an_image(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "m.zarr", mode="w")
    with pytest.raises(ValueError, match="without an image"):
        open_movie(tmp_path / "m.zarr")
    group.create_array("raw", data=example(3, 5, 5))
    assert "array raw" in open_movie(tmp_path / "m.zarr").notes[0]
    group.create_array("more", data=example(3, 5, 5))
    with pytest.raises(ValueError, match=r"more, raw"):
        open_movie(tmp_path / "m.zarr")


def test_damaged_zarr(tmp_path: Path) -> None:
    (tmp_path / "m.zarr").mkdir()
    (tmp_path / "m.zarr" / "zarr.json").write_text("{")
    with pytest.raises(ValueError, match="is it complete"):
        open_movie(tmp_path / "m.zarr")
    group = zarr.open_group(tmp_path / "n.zarr", mode="w")
    group.attrs["ome"] = {"multiscales": [{"datasets": [{"path": "7"}]}]}
    with pytest.raises(ValueError, match="metadata are damaged"):
        open_movie(tmp_path / "n.zarr")


# --- folders ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_folder_of_numbered_images_in_natural_order(tmp_path: Path, suffix: str) -> None:
    array = example(12, 20, 30, dtype="u2" if suffix == ".tif" else "u1")
    for t, frame in enumerate(array):
        write_image(tmp_path / f"frame{t}{suffix}", frame)
    (tmp_path / "readme.txt").write_text("not a frame")
    (tmp_path / f".hidden{suffix}").write_text("not a frame")
    movie = open_movie(tmp_path)
    np.testing.assert_array_equal(np.asarray(movie.data), array)


def test_colour_images_and_patterns(tmp_path: Path) -> None:
    array = example(3, 20, 30, 3, dtype="u1")
    for t, frame in enumerate(array):
        write_image(tmp_path / f"rgb_{t}.png", frame)
        write_image(tmp_path / f"grey_{t}.png", frame[..., 0])
    with pytest.raises(ValueError, match=r"different names: .*grey_\*"):
        open_movie(tmp_path)
    movie = open_movie(tmp_path / "rgb_*.png")
    assert movie.axes == "TCYX"
    np.testing.assert_array_equal(movie.data[1], np.moveaxis(array[1], -1, 0))
    assert open_movie(tmp_path / "grey_*.png").axes == "TYX"


def test_folders_that_are_no_movie(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no images"):
        open_movie(tmp_path)
    write_image(tmp_path / "t0.png", example(20, 30, dtype="u1"))
    write_image(tmp_path / "t1.png", example(20, 31, dtype="u1"))
    movie = open_movie(tmp_path)
    with pytest.raises(ValueError, match="must be alike"):
        movie.data[1]
    (tmp_path / "t2.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is it complete"):
        open_movie(tmp_path).data[2]


def test_a_folder_of_stacks_is_refused(tmp_path: Path) -> None:
    for t in range(2):
        tifffile.imwrite(tmp_path / f"t{t}.tif", example(5, 20, 30), photometric="minisblack")
    with pytest.raises(ValueError, match="each file of a folder must hold one image"):
        open_movie(tmp_path)


def test_names_are_sorted_as_people_do() -> None:
    names = ["t10.tif", "t9.tif", "t1.tif", "a2b10.tif", "a2b9.tif"]
    ordered = [path.name for path in sorted(map(Path, names), key=natural_key)]
    assert ordered == ["a2b9.tif", "a2b10.tif", "t1.tif", "t9.tif", "t10.tif"]


def test_what_cannot_be_opened_says_what_can(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_movie(tmp_path / "nothing.tif")
    with pytest.raises(FileNotFoundError, match="no file matches"):
        open_movie(tmp_path / "*.tif")
    (tmp_path / "movie.nd2").write_bytes(b"x")
    with pytest.raises(ValueError, match="with its own reader"):
        open_movie(tmp_path / "movie.nd2")
