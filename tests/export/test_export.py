"""One call for every format: whole or nothing, never over what is there, with progress, cancel and plain words."""

from __future__ import annotations

import hashlib
import shutil
import warnings
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2.export import (
    FORMATS,
    Cancelled,
    CellInfo,
    LabelInfo,
    LossWarning,
    export,
    open_label_writer,
)
from napari_sam2.export.formats import find_format, losses
from napari_sam2.export.into_image import ImageLabelWriter
from napari_sam2.export.read_segmentation import open_segmentation
from napari_sam2.export.sources import as_tracked, from_session
from napari_sam2.export.tracked import REVIEWS, STATES
from tests.export.example import example, example_labels, make_image

ALL = [name for name in FORMATS if name != "mp4"]
pytestmark = pytest.mark.filterwarnings("ignore::napari_sam2.export.save.LossWarning")


def name_for(known: str) -> str:
    return f"cells{FORMATS[known].suffixes[0]}"


@pytest.mark.parametrize("known", ALL)
def test_every_format_is_found_by_its_suffix(tmp_path: Path, known: str) -> None:
    done = export(example(), tmp_path / "new" / name_for(known))
    assert done.format == known
    assert done.bytes > 0
    assert [child.name for child in done.path.parent.iterdir()] == [name_for(known)]


@pytest.mark.parametrize("known", ALL)
def test_nothing_is_overwritten_unless_asked(tmp_path: Path, known: str) -> None:
    path = tmp_path / name_for(known)
    export(example(), path)
    before = fingerprint(path)
    with pytest.raises(FileExistsError, match="choose another name"):
        export(example(frames=3), path)
    assert fingerprint(path) == before
    export(example(frames=4), path, overwrite=True)
    if known != "prompts":
        assert fingerprint(path) != before
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("known", [name for name in ALL if name != "prompts"])
def test_cancelled_or_broken_nothing_is_left(tmp_path: Path, known: str) -> None:
    steps: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        steps.append((done, total))

    with pytest.raises(Cancelled):
        export(example(), tmp_path / name_for(known), progress=progress, cancelled=lambda: len(steps) >= 4)
    assert len(steps) == 4
    assert list(tmp_path.iterdir()) == []

    class Broken:
        shape = (6, 48, 64)

        def __getitem__(self, t: int) -> np.ndarray:
            if t == 3:
                raise RuntimeError("the disk is on fire")
            return example_labels()[t]

    with pytest.raises(RuntimeError, match="on fire"):
        export(example(labels=Broken()), tmp_path / name_for(known))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("known", [name for name in ALL if name not in ("prompts", "sheet")])
def test_progress_reaches_its_end(tmp_path: Path, known: str) -> None:
    steps: list[tuple[int, int]] = []
    export(example(), tmp_path / name_for(known), progress=lambda *step: steps.append(step))
    assert steps[-1][0] == steps[-1][1]
    assert [done for done, _ in steps] == list(range(1, len(steps) + 1))


@pytest.mark.parametrize("known", ALL)
def test_frames_are_read_one_at_a_time(tmp_path: Path, known: str) -> None:
    class Counting:
        shape = (6, 48, 64)

        def __getitem__(self, key: Any) -> np.ndarray:
            assert isinstance(key, int | np.integer)
            return example_labels()[key]

    export(example(labels=Counting()), tmp_path / name_for(known))


def test_a_disk_that_is_full_is_said_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(OSError, match="make room"):
        export(example(), tmp_path / "a.ome.zarr")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    room = iter([10**9, 10**9])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 0, next(room, 10**6)))
    monkeypatch.setattr("napari_sam2.export.jobs.CHECK_EVERY", 1)
    with pytest.raises(OSError, match="make room"):
        export(example(), tmp_path / "a.geff")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_other_things_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "thesis.tex").write_text("years")
    with pytest.raises(FileExistsError, match="other things"):
        export(example(), tmp_path / "cells", overwrite=True)
    assert (tmp_path / "cells" / "thesis.tex").exists()


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_a_movie_is_never_replaced_by_its_labels(tmp_path: Path, version: str) -> None:
    make_image(tmp_path / "movie.ome.zarr", version)
    before = fingerprint(tmp_path / "movie.ome.zarr")
    with pytest.raises(FileExistsError, match="other things"):
        export(example(), tmp_path / "movie.ome.zarr", overwrite=True)
    assert fingerprint(tmp_path / "movie.ome.zarr") == before


# --- what is lost ---------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("default::napari_sam2.export.save.LossWarning")
def test_what_is_lost_is_named(tmp_path: Path) -> None:
    with pytest.warns(LossWarning, match="ImageJ.*mothers and daughters.*scores") as caught:
        export(example(), tmp_path / "a.tif")
    assert caught[0].filename == __file__
    with pytest.warns(LossWarning, match=r"vanish and come back \(here 2\)"):
        export(example(), tmp_path / "ctc")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert export(example(), tmp_path / "a.ome.zarr").lost == ()
        assert export(example_labels(), tmp_path / "plain.tif").lost == ()


def test_ctc_names_mothers_it_cannot_hold(tmp_path: Path) -> None:
    labels = np.zeros((3, 8, 8), np.int32)
    labels[:, 0], labels[1:, 3], labels[0:, 6] = 1, 2, 3
    lost = export(labels, tmp_path / "a", known={"parents": {2: 1, 3: 1}}).lost
    assert any("mothers that live on (daughters 2)" in text for text in lost)
    assert any("not seen before their daughters (daughters 3)" in text for text in lost)


def test_chosen_cells_are_there(tmp_path: Path) -> None:
    for cells, said in (([], "no cell was chosen"), ([1, 77], "there is no cell 77")):
        with pytest.raises(ValueError, match=said):
            export(example_labels(), tmp_path / "a.ome.zarr", cells=cells)
    assert not list(tmp_path.iterdir())
    known = {"parents": {3: 1}}  # which says nothing of the others
    export(example_labels(), tmp_path / "a.ome.zarr", cells=[2, 3], known=known)
    assert set(np.unique(open_segmentation(tmp_path / "a.ome.zarr").frame(4))) == {0, 2, 3}


def test_pictures_lose_nothing_that_anybody_expects() -> None:
    for name in ("mp4", "gif", "sheet", "plots", "prompts"):
        assert losses(example(), FORMATS[name]) == []


def test_the_table_of_the_docs_is_this_one() -> None:
    from napari_sam2.export.formats import table_for_docs

    page = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
    assert table_for_docs() in page.read_text(encoding="utf-8")


# --- refusals that offer something ----------------------------------------------------------------------------------


def test_more_than_65535_ids_are_offered_ome_tiff(tmp_path: Path) -> None:
    labels = example_labels()
    labels[labels == 900] = 70_000
    for name, offer in (("a.tif", r"OME-TIFF \(NAME.ome.tif\)"), ("a", "OME-Zarr or TIFF")):
        with pytest.raises(ValueError, match=offer):
            export(labels, tmp_path / name)
    export(labels, tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.series[0].dtype == np.uint32


def test_beyond_4_gib_it_is_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_sam2.export.export_labels.MAX_CLASSIC_BYTES", 1000)
    with pytest.raises(ValueError, match="ends at 4"):
        export(example(), tmp_path / "a.tif")
    export(example(), tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.is_bigtiff
        np.testing.assert_array_equal(tif.asarray(), example_labels())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full((2, 4, 4), 0.5), "fractions"),
        (np.full((2, 4, 4), -3), "negative"),
        (np.full((2, 4, 4), 2**40), "renumber"),
        (np.zeros((2, 4, 4), complex), "whole numbers"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"\(T, Y, X\)"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path: Path, labels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        export(labels, tmp_path / "a.ome.zarr")
    assert list(tmp_path.iterdir()) == []


def test_unknown_formats_sources_options_and_cells_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="OME-Zarr labels"):
        export(example(), tmp_path / "a.xyz")
    with pytest.raises(ValueError, match="known are"):
        export(example(), tmp_path / "a.tif", format="tif")
    with pytest.raises(TypeError, match="CellTracker"):
        export("labels", tmp_path / "a.tif")
    with pytest.raises(ValueError, match="no such option"):
        export(example(), tmp_path / "a.tif", colour="red")
    with pytest.raises(ValueError, match="no cell 5"):
        export(example(), tmp_path / "a.tif", cells=[5])
    with pytest.raises(ValueError, match=r"0\.5 or 0\.4"):
        export(example(), tmp_path / "a.ome.zarr", version="0.3")


def test_only_some_cells(tmp_path: Path) -> None:
    export(example(), tmp_path / "a.ome.zarr", cells=[3, 900])
    back = open_segmentation(tmp_path / "a.ome.zarr")
    assert set(np.unique([back.frame(t) for t in range(6)])) == {0, 3, 900}
    assert set(back.cells) == {3, 900}
    assert back.parents == {}


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("a.csv", "tracks"),
        ("a.measurements.csv", "measurements"),
        ("a.prompts.csv", "prompts"),
        ("A.OME.TIF", "ome-tiff"),
    ],
)
def test_the_longest_suffix_counts(name: str, known: str) -> None:
    assert find_format(Path(name)).name == known


# --- labels inside an image -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_labels_are_added_to_an_image_without_touching_it(tmp_path: Path, version: str) -> None:
    image = tmp_path / "image.ome.zarr"
    make_image(image, version)
    before = fingerprint(image)
    for name in ("cells", "again"):
        export(example(), image / "labels" / name)
    after = fingerprint(image)
    assert {file: after[file] for file in before} == before
    attributes = dict(zarr.open_group(image / "labels", mode="r").attrs)
    listed = attributes["ome"] if version == "0.5" else attributes
    assert listed["labels"] == ["cells", "again"]
    group = zarr.open_group(image / "labels" / "cells", mode="r")
    assert [group[str(level)].shape for level in range(2)] == [(6, 1, 48, 64), (6, 1, 24, 32)]
    np.testing.assert_array_equal(group["0"][:, 0], example_labels())
    assert open_segmentation(image / "labels" / "cells").scale == {"T": 300.0, "Y": 0.5, "X": 0.5}
    with pytest.raises(ValueError, match="has several labels"):
        open_segmentation(image)
    with pytest.raises(FileExistsError):
        export(example(), image / "labels" / "cells")


def test_labels_of_another_size_are_not_added(tmp_path: Path) -> None:
    make_image(tmp_path / "image.ome.zarr", "0.5")
    with pytest.raises(ValueError, match="same frames and size"):
        export(example(frames=5), tmp_path / "image.ome.zarr" / "labels" / "cells")
    assert not (tmp_path / "image.ome.zarr" / "labels").exists() or not list(
        (tmp_path / "image.ome.zarr" / "labels").iterdir()
    )


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_labels_that_come_frame_by_frame_are_added_to_an_image_when_they_are_finished(
    tmp_path: Path, version: str
) -> None:
    image = tmp_path / "image.ome.zarr"
    make_image(image, version)
    before, labels = fingerprint(image), example_labels()
    with open_label_writer(image / "labels" / "cells", LabelInfo(labels.shape)) as writer:
        writer.write(5, labels[5])
        assert not any((image / "labels" / name).exists() for name in ("zarr.json", ".zgroup")), "not named before"
        for frame in range(5):
            writer.write(frame, labels[frame])
    after = fingerprint(image)
    assert {file: after[file] for file in before} == before
    attributes = dict(zarr.open_group(image / "labels", mode="r").attrs)
    assert (attributes["ome"] if version == "0.5" else attributes)["labels"] == ["cells"]
    np.testing.assert_array_equal(zarr.open_group(image / "labels" / "cells", mode="r")["0"][:, 0], labels)


def test_labels_that_cannot_be_named_in_the_image_are_said_to_be_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, labels = tmp_path / "image.ome.zarr", example_labels()
    make_image(image, "0.5")

    def register(image: Path, name: str) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr("napari_sam2.export.into_image.register", register)
    with pytest.raises(OSError, match="is complete, but could not be named among the labels") as caught:
        with open_label_writer(image / "labels" / "cells", LabelInfo(labels.shape)) as writer:
            writer.write(0, labels[0])
    assert not getattr(caught.value, "__notes__", []), "nothing is unfinished"
    assert [child.name for child in (image / "labels").iterdir()] == ["cells"]


def test_a_folder_named_labels_that_is_in_no_image_is_a_folder_like_others(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    assert find_format(tmp_path / "labels" / "cells").name == "ctc"
    for typo in (tmp_path / "typo.ome.zarr", tmp_path / "empty.zarr"):
        with pytest.raises(ValueError, match="there is no OME-Zarr image"):
            find_format(typo / "labels" / "cells")
        with pytest.raises(ValueError, match="there is no OME-Zarr image"):
            open_label_writer(typo / "labels" / "cells", LabelInfo((2, 6, 8)))
        assert not typo.exists()
    with pytest.raises(ValueError, match="in no OME-Zarr image"):
        ImageLabelWriter(tmp_path / "labels" / "cells", LabelInfo((2, 6, 8)))


def test_large_frames_have_levels_tiles_and_shards(tmp_path: Path) -> None:
    labels = np.zeros((2, 1100, 1030), np.uint16)
    labels[1, 500:600, 400:] = 7
    export(labels, tmp_path / "a.ome.zarr")
    group = zarr.open_group(tmp_path / "a.ome.zarr", mode="r")
    assert [group[str(level)].shape for level in range(3)] == [(2, 1100, 1030), (2, 550, 515), (2, 275, 258)]
    assert group["0"].chunks == (1, 1024, 1024)
    assert group["0"].shards == (1, 2048, 2048)
    np.testing.assert_array_equal(group["0"][:], labels)
    np.testing.assert_array_equal(group["1"][:], labels[:, ::2, ::2])


# --- sources --------------------------------------------------------------------------------------------------------


def test_a_session_brings_everything(tmp_path: Path) -> None:
    stub = pytest.importorskip("tests.session.stub")
    from napari_sam2.session import table

    assert (STATES, REVIEWS) == (table.STATES, table.REVIEWS)
    movie = np.random.default_rng(0).integers(0, 200, (stub.FRAMES, stub.HEIGHT, stub.WIDTH)).astype(np.uint16)
    from napari_sam2.session import new_session

    scale, units = (2.0, 0.5, 0.5), ("minute", "micrometer", "micrometer")
    with new_session(movie, tmp_path / "s", scale=scale, units=units, make_engine=stub.DiscEngine) as session:
        session.add_click(1, 0, (10.0, 10.0))
        session.add_click(4, 2, (30.0, 20.0))
        session.run()
        session.describe(1, name="first", notes="a note", category="HeLa")
        session.set_state(4, 3, "suspect")
        tracked = from_session(session)
        assert tracked.cells[1] == CellInfo(None, "first", "HeLa", "a note")
        assert dict(tracked.scale) == {"T": 2.0, "Y": 0.5, "X": 0.5}
        assert tracked.table[4]["review"][3] == REVIEWS.index("suspect")
        assert [(p.cell, p.frame) for p in tracked.prompts] == [(1, 0), (4, 2)]
        assert tracked.movie is session.movie
        export(session, tmp_path / "a.ome.zarr")
        np.testing.assert_array_equal(open_segmentation(tmp_path / "a.ome.zarr").labels[:], session.labels[:])
        export(session, tmp_path / "a.prompts.csv")
    assert (tmp_path / "a.prompts.csv").read_text().splitlines()[1:] == ["1,0,click,10,10,,", "4,2,click,30,20,,"]


def test_a_tracker_brings_labels_prompts_and_what_it_is_told(tmp_path: Path) -> None:
    class Result:
        frame, scores, ious, areas, suspects = 1, {1: 0.5}, {1: 0.75}, {1: 12}, {1: "it jumped"}

    class Tracker:
        labels, movie, track = example_labels(), example().movie, None
        prompts = [(p.cell, p.frame, p.prompts) for p in example().prompts]

    tracked = as_tracked(Tracker(), results=[Result()], parents={3: 1})
    assert tracked.parents == {3: 1}
    record = tracked.record(1, 1)
    assert (float(record["score"]), REVIEWS[record["review"]], STATES[record["state"]]) == (0.5, "suspect", "present")
    assert np.isnan(tracked.record(1, 0)["score"])
    assert tracked.prompts == example().prompts
    export(Tracker(), tmp_path / "a.measurements.csv")


def test_a_single_image_is_a_movie_of_one_frame(tmp_path: Path) -> None:
    export(example_labels()[0], tmp_path / "a.ome.zarr")
    assert open_segmentation(tmp_path / "a.ome.zarr").shape == (1, 48, 64)


def test_no_cell_at_all(tmp_path: Path) -> None:
    empty = np.zeros((2, 8, 8), np.int32)
    for known in ALL:
        if known not in ("sheet", "plots"):
            export(empty, tmp_path / name_for(known))
    for known in ("sheet", "plots"):
        with pytest.raises(ValueError, match="no cell on any frame"):
            export(empty, tmp_path / name_for(known))


def fingerprint(path: Path) -> dict[str, str]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
