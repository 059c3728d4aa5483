"""Labels written frame by frame come back as they were; nothing is overwritten; a killed run keeps its frames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam2.export import LabelInfo, LabelWriter, open_label_writer, open_movie, save_labels
from napari_sam2.export.write import present_ids, split_name
from napari_sam2.export.write_ctc import split_gaps

RNG = np.random.default_rng(2)
NAMES = ["cells.ome.zarr", "cells.zarr", "cells.tif", "cells.ome.tif", "cells"]


def example(top: int = 9, frames: int = 4) -> np.ndarray:
    labels = RNG.integers(0, top + 1, (frames, 12, 15)).astype(np.int32)
    labels[:, 0, 0] = top
    return labels


def read_back(path: Path) -> np.ndarray:
    with open_movie(path / "mask*.tif" if (path / "mask000.tif").exists() else path) as opened:
        return np.asarray(opened.data)


@pytest.mark.parametrize("name", NAMES)
def test_labels_come_back(tmp_path: Path, name: str) -> None:
    labels = example()
    labels[:, :, 3:] = np.where(labels[:, :, 3:] == 5, 0, labels[:, :, 3:])
    path = save_labels(labels, tmp_path / "new" / name)
    assert path == tmp_path / "new" / name
    np.testing.assert_array_equal(read_back(path), labels)
    assert [child.name for child in path.parent.iterdir()] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_frames_in_any_order_and_the_last_one_counts(tmp_path: Path, name: str) -> None:
    labels = example()
    info = LabelInfo(labels.shape)  # type: ignore[arg-type]
    with open_label_writer(tmp_path / name, info) as writer:
        for frame in (2, 1, 2):
            writer.write(frame, labels[frame] if frame == 1 else labels[3])
        writer.write(2, labels[2])
    back = read_back(tmp_path / name)
    np.testing.assert_array_equal(back[1:3], labels[1:3])
    assert not back[[0, 3]].any()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_overwritten_unless_asked(tmp_path: Path, name: str) -> None:
    labels = example()
    save_labels(labels, tmp_path / name)
    with pytest.raises(FileExistsError, match="choose another name"):
        save_labels(labels * 0, tmp_path / name)
    np.testing.assert_array_equal(read_back(tmp_path / name), labels)
    save_labels(np.minimum(labels, 3), tmp_path / name, overwrite=True)
    np.testing.assert_array_equal(read_back(tmp_path / name), np.minimum(labels, 3))


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_is_cut_off_keeps_its_frames(tmp_path: Path, name: str) -> None:
    labels = example()
    info = LabelInfo(labels.shape)  # type: ignore[arg-type]

    def run() -> None:
        with open_label_writer(tmp_path / name, info) as writer:
            writer.write(0, labels[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        run()
    unfinished = next(tmp_path.iterdir())
    assert not (tmp_path / name).exists()
    assert "unfinished" in unfinished.name
    assert str(unfinished) in caught.value.__notes__[0]
    assert caught.value.__notes__[0].startswith("1 finished frame")
    np.testing.assert_array_equal(read_back(unfinished)[0], labels[0])
    with pytest.raises(FileExistsError, match="cut off"):
        open_label_writer(tmp_path / name, info)
    save_labels(labels, tmp_path / name, overwrite=True)
    assert [child.name for child in tmp_path.iterdir()] == [name]


def test_a_run_that_fails_before_its_first_frame_leaves_nothing(tmp_path: Path) -> None:
    for name in NAMES:
        with pytest.raises(RuntimeError), open_label_writer(tmp_path / name, LabelInfo((2, 4, 5))):
            raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_other_things_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="folder of other things"):
        save_labels(example(), tmp_path / "thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter1.txt").exists()


def test_a_file_put_there_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    writer = open_label_writer(tmp_path / "a.tif", LabelInfo((1, 3, 3)))
    (tmp_path / "a.tif").write_text("somebody else's")
    with pytest.raises(FileExistsError):
        writer.finish()
    assert (tmp_path / "a.tif").read_text() == "somebody else's"


@pytest.mark.parametrize("name", NAMES)
def test_frames_that_do_not_fit_are_refused(tmp_path: Path, name: str) -> None:
    writer = open_label_writer(tmp_path / name, LabelInfo((2, 4, 5)))
    with pytest.raises(IndexError, match="frames 0 to 1"):
        writer.write(2, np.zeros((4, 5), int))
    with pytest.raises(ValueError, match="shape"):
        writer.write(0, np.zeros((5, 4), int))
    with pytest.raises(ValueError, match="integers"):
        writer.write(0, np.zeros((4, 5)))
    with pytest.raises(ValueError, match="cannot hold"):
        writer.write(0, np.full((4, 5), 70000))
    with pytest.raises(ValueError, match="cannot hold"):
        writer.write(0, np.full((4, 5), -1))
    writer.write(0, np.ones((4, 5), bool))
    writer.close()


def test_unknown_formats_name_the_known(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="OME-Zarr labels"):
        save_labels(example(), tmp_path / "cells.xyz")


# --- each format's own ----------------------------------------------------------------------------------------------


def test_ome_zarr_metadata(tmp_path: Path) -> None:
    labels = example(top=3)
    labels[2:][labels[2:] == 2] = 0
    scale, units = {"T": 60.0, "Y": 0.5, "X": 0.5}, {"T": "second", "Y": "micrometer", "X": "micrometer"}
    save_labels(labels, tmp_path / "a.ome.zarr", scale=scale, units=units, parents={3: 1})
    opened = open_movie(tmp_path / "a.ome.zarr")
    assert opened.scale == scale
    assert opened.units == units
    ome = json.loads((tmp_path / "a.ome.zarr" / "zarr.json").read_text())["attributes"]["ome"]
    assert ome["version"] == "0.5"
    properties = {row["label-value"]: row for row in ome["image-label"]["properties"]}
    assert properties[3]["parent"] == 1
    assert (properties[2]["first-frame"], properties[2]["last-frame"]) == (0, 1)
    assert [len(colour["rgba"]) for colour in ome["image-label"]["colors"]] == [4, 4, 4]
    array = zarr.open_array(tmp_path / "a.ome.zarr" / "0", mode="r")
    assert array.chunks == (1, 12, 15)
    assert array.metadata.dimension_names == ("t", "y", "x")


@pytest.mark.parametrize("labels", [example(), np.zeros((2, 5, 5), int)], ids=["cells", "empty"])
def test_ome_zarr_by_an_independent_validator(tmp_path: Path, labels: np.ndarray) -> None:
    yaozarrs = pytest.importorskip("yaozarrs")
    save_labels(labels, tmp_path / "a.ome.zarr", scale={"T": 2.0}, units={"T": "second"})
    yaozarrs.validate_zarr_store(tmp_path / "a.ome.zarr")


def test_tiff_is_for_imagej_where_the_ids_fit(tmp_path: Path) -> None:
    scale, units = {"T": 60.0, "Y": 0.5, "X": 0.25}, {"T": "second", "Y": "micrometer", "X": "micrometer"}
    save_labels(example(), tmp_path / "a.tif", scale=scale, units=units)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_imagej
        assert tif.series[0].axes == "TYX"
        assert tif.series[0].dtype == np.uint16
    with open_movie(tmp_path / "a.tif") as opened:
        assert opened.scale == pytest.approx(scale)
        assert opened.units == units


def test_large_ids_become_ome_tiff(tmp_path: Path) -> None:
    labels = example(top=100_000)
    scale, units = {"T": 3.0, "Y": 0.5, "X": 0.25}, {"T": "minute", "Y": "micrometer", "X": "nanometer"}
    save_labels(labels, tmp_path / "a.tif", max_label=100_000, scale=scale, units=units)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_ome
    with open_movie(tmp_path / "a.tif") as opened:
        np.testing.assert_array_equal(np.asarray(opened.data), labels)
        assert (opened.scale, opened.units) == (scale, units)


def test_beyond_4_gib_it_is_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_sam2.export.write_tiff.MAX_CLASSIC_BYTES", 100)
    labels = example()
    save_labels(labels, tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_bigtiff
        assert tif.is_ome
    np.testing.assert_array_equal(read_back(tmp_path / "a.tif"), labels)


def test_ctc_tracks_without_gaps(tmp_path: Path) -> None:
    labels = np.zeros((6, 4, 5), int)
    labels[[0, 1, 4, 5], 0] = 1  # vanishes, and comes back
    labels[0:2, 1] = 2  # divides into 3 and 4
    labels[2:, 1, :2] = 3
    labels[2:, 1, 3:] = 4
    save_labels(labels, tmp_path / "res", parents={3: 2, 4: 2})
    rows = (tmp_path / "res" / "res_track.txt").read_text().split("\n")
    assert rows == ["1 0 1 0", "2 0 1 0", "3 2 5 2", "4 2 5 2", "5 4 5 1", ""]
    back = read_back(tmp_path / "res")
    assert (back[4:, 0] == 5).all()
    assert (back[:2, 0] == 1).all()
    assert back.dtype == np.uint16
    with pytest.raises(ValueError, match="16-bit"):
        save_labels(labels, tmp_path / "more", max_label=70000)


def test_ctc_takes_free_numbers_below_where_there_are_none_above(tmp_path: Path) -> None:
    labels = np.zeros((3, 6, 7), np.uint16)
    labels[0, 2:4, 2:4] = labels[2, 2:4, 2:4] = 65535
    labels[:, 0, 0] = 1
    with open_label_writer(tmp_path / "a", LabelInfo((3, 6, 7))) as writer:
        for frame, image in enumerate(labels):
            writer.write(frame, image)
    assert (tmp_path / "a" / "res_track.txt").read_text() == "1 0 2 0\n2 2 2 65535\n65535 0 0 0\n"
    assert set(np.unique(tifffile.imread(tmp_path / "a" / "mask002.tif"))) == {0, 1, 2}


def test_ctc_says_when_all_numbers_are_used_up() -> None:
    seen = {label: [0] for label in range(1, 65536)} | {7: [0, 2]}
    with pytest.raises(ValueError, match="more numbers than there are up to 65535"):
        split_gaps(seen, {})


@pytest.mark.parametrize("name", ["a.tif", "a.ome.zarr", "a"])
def test_frames_are_kept_and_named_where_finishing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(self: LabelWriter) -> None:
        raise ValueError("it cannot be finished")

    with pytest.raises(ValueError, match="cannot be finished") as error:
        with open_label_writer(tmp_path / name, LabelInfo((3, 6, 7))) as writer:
            monkeypatch.setattr(type(writer), "_finish", fail)
            writer.write(1, np.ones((6, 7), np.uint16))
    assert writer.unfinished.exists()
    assert error.value.__notes__ == [f"1 finished frame is in {writer.unfinished}"]


def test_ctc_mothers_end_before_their_daughters() -> None:
    rows, _ = split_gaps({1: [0, 1, 4, 5], 2: [3, 4], 3: [1, 2], 4: [7]}, {2: 1, 3: 1, 4: 1, 9: 1})
    assert {row[0]: row[3] for row in rows} == {1: 0, 2: 1, 3: 0, 4: 5, 5: 1}


@given(st.dictionaries(st.integers(1, 20), st.sets(st.integers(0, 12), min_size=1), max_size=6))
def test_ctc_pieces_cover_every_sighting_once(seen: dict[int, set[int]]) -> None:
    rows, renamed = split_gaps({label: sorted(frames) for label, frames in sorted(seen.items())}, {})
    assert len({row[0] for row in rows}) == len(rows)
    span = {row[0]: range(row[1], row[2] + 1) for row in rows}
    for label, frames in seen.items():
        for frame in range(13):
            name = renamed.get(frame, {}).get(label, label)
            if frame in frames:
                assert frame in span[name]
    assert sum(len(frames) for frames in seen.values()) == sum(len(frames) for frames in span.values())


# --- parts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.ome.zarr", ("a", ".ome.zarr")),
        ("a.b.OME.TIF", ("a.b", ".OME.TIF")),
        ("a.tif", ("a", ".tif")),
        ("a", ("a", "")),
        (".ome.zarr", (".ome", ".zarr")),
    ],
)
def test_compound_suffixes(name: str, parts: tuple[str, str]) -> None:
    assert split_name(Path(name)) == parts


@given(hnp.arrays(st.sampled_from([np.uint8, np.int32, np.int64]), (3, 4)))
def test_present_ids(labels: np.ndarray) -> None:
    assert present_ids(labels) == [int(label) for label in np.unique(labels) if label]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    labels=hnp.arrays(np.uint16, hnp.array_shapes(min_dims=3, max_dims=3, max_side=5), elements=st.integers(0, 65535)),
    name=st.sampled_from(["p.ome.zarr", "p.tif", "p.ome.tif"]),
)
def test_round_trip_of_any_labels(tmp_path: Path, labels: np.ndarray, name: str) -> None:
    save_labels(labels, tmp_path / name, overwrite=True)
    np.testing.assert_array_equal(read_back(tmp_path / name).reshape(labels.shape), labels)
