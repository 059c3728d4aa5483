"""Every measurement against scikit-image; the tables that hold them; the pictures."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from napari_sam2.export import Tracked, export, rle
from napari_sam2.export.draw import Look, Overlay, caption, outlines, round_length
from napari_sam2.export.measure import NEIGHBOUR_GAP, measure_intensity, measure_places, measure_shapes
from napari_sam2.export.write_coco import _runs
from napari_sam2.tracking.movie import Movie
from tests.export.example import example, example_labels

pytestmark = pytest.mark.filterwarnings("ignore::napari_sam2.export.save.LossWarning")
label_images = hnp.arrays(np.int32, st.tuples(st.integers(3, 14), st.integers(3, 14)), elements=st.integers(0, 4))
NAMES = ("label", "area", "centroid", "bbox", "perimeter", "eccentricity", "axis_major_length", "axis_minor_length")


@settings(deadline=None, max_examples=60)
@given(label_images)
def test_shapes_are_those_of_scikit_image(labels: np.ndarray) -> None:
    skimage = pytest.importorskip("skimage.measure")
    expected = skimage.regionprops_table(labels, properties=(*NAMES, "orientation"))
    found = measure_shapes(labels)
    if not labels.any():
        assert len(found.ids) == 0
        return
    for column, values in (
        ("label", found.ids),
        ("area", found.area),
        ("centroid-0", found.y),
        ("centroid-1", found.x),
        *((f"bbox-{i}", found.box[:, i]) for i in range(4)),
        ("perimeter", found.perimeter),
        ("axis_major_length", found.major),
        ("axis_minor_length", found.minor),
    ):
        np.testing.assert_allclose(values, expected[column], atol=1e-6, err_msg=column)
    # rounding decides where an ellipse is a line or a disc to the last digit
    np.testing.assert_allclose(found.eccentricity, expected["eccentricity"], atol=1e-3)
    clear = (found.major - found.minor) > 1e-6
    turned = np.abs(found.orientation - expected["orientation"])[clear]
    assert (np.minimum(turned, math.pi - turned) < 1e-6).all()


@settings(deadline=None, max_examples=40)
@given(label_images, st.integers(0, 2**32 - 1))
def test_intensities_are_those_of_scikit_image(labels: np.ndarray, seed: int) -> None:
    skimage = pytest.importorskip("skimage.measure")
    plane = np.random.default_rng(seed).integers(0, 5000, labels.shape).astype(np.uint16)
    found = measure_intensity(labels, plane)
    if labels.any():
        table = skimage.regionprops_table(
            labels, plane, properties=("area", "intensity_mean", "intensity_min", "intensity_max")
        )
        for name in ("mean", "min", "max"):
            np.testing.assert_allclose(found[name], table[f"intensity_{name}"])
        np.testing.assert_allclose(found["sum"], table["intensity_mean"] * table["area"])


@settings(deadline=None, max_examples=60)
@given(label_images)
def test_neighbours_are_cells_within_reach(labels: np.ndarray) -> None:
    places = {int(c): np.argwhere(labels == c) for c in np.unique(labels) if c}
    found = measure_shapes(labels)
    for cell, count in zip(found.ids.tolist(), found.neighbours.tolist(), strict=True):
        near = sum(
            bool((np.abs(places[cell][:, None] - at[None]).max(2) <= NEIGHBOUR_GAP + 1).any())
            for other, at in places.items()
            if other != cell
        )
        assert count == near


def test_large_ids_are_measured_alike() -> None:
    labels = example_labels()[4]
    far = np.where(labels > 0, labels + 2**30, 0).astype(np.int32)
    a, b = measure_shapes(labels), measure_shapes(far)
    np.testing.assert_array_equal(a.ids + 2**30, b.ids)
    np.testing.assert_array_equal(a.perimeter, b.perimeter)
    np.testing.assert_array_equal(a.neighbours, b.neighbours)


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_has_pixels_and_physical_units(tmp_path: Path) -> None:
    tracked = example()
    rows = rows_of(export(tracked, tmp_path / "a.measurements.csv").path)
    assert len(rows) == 19
    row = next(r for r in rows if (r["cell"], r["frame"]) == ("4", "4"))
    image = example_labels()[4] == 4
    y, x = np.argwhere(image).mean(0)
    assert int(row["area [px]"]) == image.sum()
    assert float(row["area [um^2]"]) == pytest.approx(image.sum() * 0.25)
    assert float(row["centroid_y [px]"]) == pytest.approx(y)
    assert float(row["centroid_x [um]"]) == pytest.approx(x / 2)
    assert float(row["perimeter [um]"]) == pytest.approx(float(row["perimeter [px]"]) / 2)
    assert float(row["time [min]"]) == 20
    assert (row["parent"], row["state"], row["review"]) == ("1", "present", "unchecked")
    assert float(row["displacement [px]"]) == pytest.approx(1)
    assert float(row["speed [um/min]"]) == pytest.approx(0.1)
    for channel in (0, 1):
        values = tracked.movie.raw(4)[channel][image]  # type: ignore[union-attr]
        assert float(row[f"intensity_mean_ch{channel}"]) == pytest.approx(values.mean())
        assert float(row[f"intensity_sum_ch{channel}"]) == values.sum()
    again = next(r for r in rows if (r["cell"], r["frame"]) == ("2", "4"))  # after a gap of two frames
    assert float(again["displacement [px]"]) == pytest.approx(3)
    assert float(again["speed [px/frame]"]) == pytest.approx(1)
    first = next(r for r in rows if (r["cell"], r["frame"]) == ("4", "3"))
    assert first["displacement [px]"] == first["speed [um/min]"] == ""


def test_without_scale_and_movie_there_are_pixels_alone(tmp_path: Path) -> None:
    rows = rows_of(export(example_labels(), tmp_path / "a.measurements.csv").path)
    assert not any("um" in head or "intensity" in head or "time" in head for head in rows[0])
    assert rows[0]["score"] == rows[0]["state"] == ""


def test_pixels_that_are_not_square_have_no_physical_perimeter(tmp_path: Path) -> None:
    tracked = example(scale={"Y": 0.5, "X": 0.25})
    rows = rows_of(export(tracked, tmp_path / "a.measurements.csv").path)
    assert "perimeter [um]" not in rows[0]
    assert float(rows[0]["area [um^2]"]) == pytest.approx(int(rows[0]["area [px]"]) * 0.125)


def test_prompts_are_read_by_the_command_line(tmp_path: Path) -> None:
    from napari_sam2.cli.prompts import read_prompts

    path = export(example(), tmp_path / "a.prompts.csv").path
    found = [(p.cell, p.frame, p.kind, p.yx, p.yx2) for p in read_prompts(path)]
    assert found == [
        (1, 0, "click", (14.0, 15.0), None),
        (1, 0, "not", (2.5, 40.25), None),
        (2, 0, "box", (28.0, 13.0), (42.0, 27.0)),
    ]


# --- run lengths ----------------------------------------------------------------------------------------------------


@given(hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_run_lengths_come_back_and_are_packed_as_coco_does(mask: np.ndarray) -> None:
    runs = rle.encode(mask)
    packed = rle.pack(runs)
    assert rle.unpack(packed) == runs
    np.testing.assert_array_equal(rle.decode(runs, mask.shape), mask)
    if mask.any():
        ys, xs = np.nonzero(mask)
        crop = mask[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
        assert _runs(crop, (int(ys.min()), int(xs.min())), mask.shape) == runs
    coco = pytest.importorskip("pycocotools.mask")
    assert coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode() == packed


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=20))
def test_any_runs_are_packed_and_unpacked(runs: list[int]) -> None:
    assert rle.unpack(rle.pack(runs)) == runs


def test_damaged_run_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="add up to 5 pixels"):
        rle.decode([2, 3], (2, 2))
    with pytest.raises(ValueError, match="break off"):
        rle.unpack("X")
    with pytest.raises(ValueError, match="does not occur"):
        rle.unpack("\x00")


# --- pictures -------------------------------------------------------------------------------------------------------


def test_overlays_draw_outlines_and_nothing_else_where_asked() -> None:
    tracked = example(scale={}, units={})
    look = Look(ids=False, tails=False, scale_bar=False, time=False, side=64)
    overlay = Overlay(tracked, look)
    picture = overlay.frame(0)
    assert picture.shape == (48, 64, 3)
    changed = (picture != overlay.background(0)).any(2)
    np.testing.assert_array_equal(changed, outlines(example_labels()[0]))


def test_tails_follow_and_large_frames_are_thinned() -> None:
    tracked = example(movie=False)
    plain, tailed = Overlay(tracked, Look(tails=False)), Overlay(tracked)
    for t in range(3):
        a, b = plain.frame(t), tailed.frame(t)
    assert (a != b).any()
    big = Tracked(np.zeros((1, 2100, 700), np.int32))
    assert Overlay(big).frame(0).shape == (700, 234, 3)


@pytest.mark.parametrize(("length", "expected"), [(9.99, 5), (10, 10), (49, 20), (0.3, 0.2), (1234, 1000)])
def test_scale_bars_are_round(length: float, expected: float) -> None:
    assert round_length(length) == pytest.approx(expected)


def test_captions_say_the_time() -> None:
    assert caption(example(), 13) == "frame 13   1:05:00"
    assert caption(example(scale={}), 3) == "frame 3"


def test_sheets_show_a_cell_from_first_to_last(tmp_path: Path) -> None:
    path = export(example(), tmp_path / "a.sheet.png", cell=900, panels=3).path
    with Image.open(path) as picture:
        assert picture.width > 3 * picture.height * 0.8
    with pytest.raises(ValueError, match="cell 77 is on no frame"):
        export(example(), tmp_path / "b.sheet.png", cell=77)


def test_plots_of_chosen_cells(tmp_path: Path) -> None:
    from napari_sam2.export.jobs import Job
    from napari_sam2.export.plots import measure_curves

    curves = measure_curves(example(), Job(), [900, 2])
    assert curves.cells == [900, 2]
    titles = [title for title, _ in curves.panels]
    assert titles == ["area [um^2]", "mean intensity", "speed [um/min]", "object score"]
    assert np.isnan(curves.panels[0][1][1]).tolist() == [False, False, True, True, False, False]
    export(example(), tmp_path / "a.plots.png", cells=None)
    with pytest.raises(ValueError, match="cell 7 is on no frame"):
        measure_curves(example(), Job(), [7])


def test_a_movie_of_equal_frames_takes_as_long(tmp_path: Path) -> None:
    still = Tracked(np.repeat(example_labels()[:1], 4, 0), movie=Movie(np.zeros((4, 48, 64), np.uint8)))
    path = export(still, tmp_path / "a.gif", fps=1000 / 120, look=Look(time=False)).path
    with Image.open(path) as picture:
        shown = 0
        for number in range(getattr(picture, "n_frames", 1)):  # equal frames are joined into longer ones
            picture.seek(number)
            shown += picture.info["duration"]
    assert shown == 4 * 120  # GIF counts in hundredths of a second


def test_mp4_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ImportError, match="pip install imageio-ffmpeg"):
        export(example(), tmp_path / "a.mp4")


@settings(deadline=None, max_examples=20)
@given(label_images)
def test_places_are_part_of_shapes(labels: np.ndarray) -> None:
    a: Any = measure_places(labels)
    b: Any = measure_shapes(labels)
    for name in ("ids", "area", "y", "x", "box"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
