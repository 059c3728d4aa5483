"""What can be wrong with files of other programs is said with the file, the frame or line, and the mend."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_sam2.export import export
from napari_sam2.export.read_ctc import read_track_table
from napari_sam2.export.read_segmentation import open_segmentation
from napari_sam2.export.read_tracks import read_tracks
from napari_sam2.export.safe_xml import parse_xml
from tests.export.example import example, example_labels

BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<TrackMate><Model><AllSpots>&c;</AllSpots></Model></TrackMate>"""
THIEF = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><TrackMate>&f;</TrackMate>"""


def ctc(folder: Path, table: str | None = "1 0 2 0\n") -> Path:
    folder.mkdir()
    for t in range(3):
        image = np.zeros((8, 9), np.uint16)
        image[2:5, 2:5] = 1
        tifffile.imwrite(folder / f"mask{t:03d}.tif", image)
    if table is not None:
        (folder / "res_track.txt").write_text(table)
    return folder


# --- segmentations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.linspace(0, 1, 60, dtype=np.float32).reshape(3, 4, 5), r"a\.tif, frame 0 holds float32 with fractions"),
        (np.full((3, 4, 5), -2, np.int16), r"a\.tif, frame 0 holds negative numbers, down to -2"),
        (np.full((3, 4, 5), 2**31, np.uint32), r"a\.tif, frame 0 holds the id 2147483648.*renumber"),
    ],
)
def test_frames_that_are_no_labels(tmp_path: Path, image: np.ndarray, message: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", metadata={"axes": "TYX"})
    found = open_segmentation(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=message):
        found.frame(0)


def test_whole_numbers_as_floats_are_labels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", example_labels().astype(np.float32), metadata={"axes": "TYX"})
    np.testing.assert_array_equal(open_segmentation(tmp_path / "a.tif").frame(3), example_labels()[3])


def test_colours_are_no_labels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 8, 9, 3), np.uint8), photometric="rgb")
    with pytest.raises(ValueError, match="colour picture"):
        open_segmentation(tmp_path / "a.tif")
    (tmp_path / "folder").mkdir()
    for t in range(3):
        Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(tmp_path / "folder" / f"t{t}.png")
    with pytest.raises(ValueError, match="one channel"):
        open_segmentation(tmp_path / "folder")


def test_missing_frames_are_named(tmp_path: Path) -> None:
    folder = ctc(tmp_path / "a")
    (folder / "mask001.tif").unlink()
    with pytest.raises(ValueError, match=r"frames 1 are missing \(mask001\.tif\): put them there"):
        open_segmentation(folder)
    (tmp_path / "b").mkdir()
    for t in (0, 1, 3, 4):
        Image.fromarray(np.zeros((8, 9), np.uint8)).save(tmp_path / "b" / f"cells_{t:02d}.png")
    with pytest.raises(ValueError, match="frame 2 missing between 0 and 4"):
        open_segmentation(tmp_path / "b")


def test_a_truth_may_have_some_frames_only(tmp_path: Path) -> None:
    (tmp_path / "SEG").mkdir()
    tifffile.imwrite(tmp_path / "SEG" / "man_seg002.tif", np.full((4, 5), 3, np.uint16))
    found = open_segmentation(tmp_path / "SEG")
    assert found.shape == (3, 4, 5)
    assert [int(found.frame(t).max()) for t in range(3)] == [0, 0, 3]


def test_files_of_several_sizes_are_named(tmp_path: Path) -> None:
    folder = ctc(tmp_path / "a")
    tifffile.imwrite(folder / "mask002.tif", np.zeros((9, 9), np.uint16))
    with pytest.raises(ValueError, match=r"frame 2: mask002\.tif is \(9, 9\), mask000\.tif is \(8, 9\)"):
        open_segmentation(folder).frame(2)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    folder = ctc(tmp_path / "a")
    content = (folder / "mask001.tif").read_bytes()
    (folder / "mask001.tif").write_bytes(content[: len(content) // 3])
    with pytest.raises(ValueError, match=r"frame 1: .*mask001\.tif cannot be read.*is it complete"):
        open_segmentation(folder).frame(1)
    export(example(), tmp_path / "b.ome.zarr")
    chunk = next((tmp_path / "b.ome.zarr" / "0" / "c" / "2").rglob("0"))
    target = chunk if chunk.is_file() else next(f for f in chunk.rglob("*") if f.is_file())
    target.write_bytes(b"rubbish")
    with pytest.raises(ValueError, match=r"b\.ome\.zarr, frame 2 cannot be read.*damaged"):
        open_segmentation(tmp_path / "b.ome.zarr").frame(2)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("1 0 2\n", "line 1: '1 0 2' is not LABEL FIRST LAST PARENT"),
        ("1 0 2 0\n2 3 1 0\n", "line 2: '2 3 1 0' makes no sense"),
        ("1 0 2 0\n1 0 2 0\n", "line 2"),
        ("1 0 2 7\n", "the parent 7 of 1 has no line"),
        ("1 0 two 0\n", "line 1"),
    ],
)
def test_tables_of_tracks_that_make_no_sense(tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_segmentation(ctc(tmp_path / "a", table))


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=60))
def test_no_table_of_tracks_does_more_than_be_refused(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "res_track.txt"
        path.write_bytes(content)
        try:
            rows = read_track_table(path)
        except ValueError as error:
            assert str(path) in str(error)
        else:
            assert all(len(row) == 4 for row in rows)


def test_arrays_of_wrong_axes() -> None:
    with pytest.raises(ValueError, match="choose one channel"):
        open_segmentation(np.zeros((2, 3, 4, 5), int))
    assert open_segmentation(np.zeros((4, 5), int)).shape == (1, 4, 5)
    with pytest.raises(FileNotFoundError):
        open_segmentation("nowhere.tif")


def test_coco_that_is_incomplete(tmp_path: Path) -> None:
    path = export(example(), tmp_path / "a.coco.json").path
    data = json.loads(path.read_text())
    path.write_text(path.read_text()[:500])
    with pytest.raises(ValueError, match="no COCO JSON"):
        open_segmentation(path)
    data["annotations"][0]["segmentation"] = [[1, 2, 3, 4, 5, 6]]
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match="frame 0: a mask is given as polygons"):
        open_segmentation(path).frame(0)
    data["annotations"][0]["segmentation"] = {"size": [48, 64], "counts": "12"}
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match="frame 0: run lengths add up to"):
        open_segmentation(path).frame(0)


# --- tracks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [BOMB, THIEF])
def test_xml_bombs_and_thieves_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(ValueError, match="declares a document type.*refused"):
        read_tracks(tmp_path / "a.xml")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 4, 5), np.uint8), photometric="minisblack", description=text)
    assert open_segmentation(tmp_path / "a.tif").scale == {}


@settings(deadline=None)
@given(st.text(max_size=50))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse_xml(text.encode("utf-8", "surrogatepass"), "it")
    except ValueError as error:
        assert "it" in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("track_id,t,y\n1,0,3\n", "line 1: no column for x"),
        ("track_id,t,y,x\n", "names no points"),
        ("track_id,t,y,x\n1,0,3,4\n1,0,5,6\n", "line 3: track 1 is on frame 0 already, in line 2"),
        ("track_id,t,y,x\n1,0.5,3,4\n", r"line 2: 0\.5 is no frame number.*scale="),
        ("track_id,t,y,x\n1,0,3,4\n1,1,here,4\n", "line 3: y is 'here'"),
        ("track_id,t,y,x\n1,0,3,4\n1,1,nan,4\n", "line 3: y is 'nan'"),
        ("track_id,t,y,x\n1.5,0,3,4\n", "line 2: 1.5 is no number of a track"),
    ],
)
def test_tables_that_are_no_tracks(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_tracks(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("<TrackMate ", "<Other "), "no complete XML|no TrackMate file"),
        (('POSITION_X="', 'POSITION_X="a'), "the spot 0 cannot be read"),
        (('SPOT_TARGET_ID="', 'SPOT_TARGET_ID="99'), "leads to no spot"),
        (("</TrackMate>", ""), "no complete XML"),
        (('ID="1"', 'ID="0"'), "there are two of this ID"),
    ],
)
def test_trackmate_files_that_are_damaged(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = export(example(cells={}, table={}), tmp_path / "a.xml").path
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(ValueError, match=message):
        read_tracks(path)


def test_geff_that_is_damaged(tmp_path: Path) -> None:
    path = export(example(), tmp_path / "a.geff", labels=False).path
    with pytest.raises(ValueError, match="graph without labels"):
        open_segmentation(path)
    group = zarr.open_group(path, mode="a")
    group["edges/ids"][0] = (0, 1000)
    with pytest.raises(ValueError, match="node 1000, which is not there"):
        read_tracks(path)
    del group["nodes/props/y"]
    with pytest.raises(ValueError, match="no node property 'y'"):
        read_tracks(path)
    with pytest.raises(ValueError, match="no GEFF"):
        read_tracks(tmp_path)


pytestmark = pytest.mark.filterwarnings("ignore::napari_sam2.export.save.LossWarning")
