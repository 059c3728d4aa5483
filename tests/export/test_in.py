"""Segmentations and tracks become prompts of a tracker or a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.export import export
from napari_sam2.export.as_prompts import add_segmentation, add_tracks
from napari_sam2.export.link import Linked, match
from napari_sam2.export.read_tracks import Tracks, read_tracks
from napari_sam2.tracking.prompts import PromptBook
from tests.export.example import example, example_labels

pytestmark = pytest.mark.filterwarnings("ignore::napari_sam2.export.save.LossWarning")


class Tracker:
    """What of a `CellTracker` is needed, with its real book of prompts."""

    def __init__(self, shape: tuple[int, ...] = (6, 48, 64)) -> None:
        self.labels = np.zeros(shape, np.int32)
        self.prompts = PromptBook(shape[0], (shape[1], shape[2]))

    def add_mask(self, cell: int, frame: int, mask: np.ndarray) -> None:
        self.prompts.add_mask(cell, frame, mask)

    def add_click(self, cell: int, frame: int, yx: tuple[float, float]) -> None:
        self.prompts.add_clicks(cell, frame, [(*yx, True)])


def given_to(tracker: Tracker) -> list[tuple[int, int]]:
    return [(cell, frame) for cell, frame, _ in tracker.prompts]


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tif", "ctc", "a.geff", "a.coco.json", "array"])
def test_any_segmentation_becomes_masks(tmp_path: Path, name: str) -> None:
    source: Any = example_labels()
    if name != "array":
        source = export(example(), tmp_path / name).path
    tracker = Tracker()
    given_cells = add_segmentation(tracker, source)
    assert {1, 2, 3, 4, 900} <= set(given_cells)
    assert given_to(tracker)[:4] == [(1, 0), (2, 0), (3, 3), (4, 3)]
    mask = tracker.prompts[4, 3].mask
    assert mask is not None
    np.testing.assert_array_equal(mask.full((48, 64)), example_labels()[3] == 4)


def test_frames_and_all_of_them() -> None:
    tracker = Tracker()
    add_segmentation(tracker, example_labels(), frames=[1, 3], prompts="all")
    assert given_to(tracker) == [(1, 1), (2, 1), (3, 3), (4, 3), (900, 1), (900, 3)]


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.zeros((6, 64, 48), int), {}, "swapped"),
        (np.zeros((7, 48, 64), int), {}, "the movie's own size"),
        (np.zeros((6, 48, 64), int), {}, "no cell in it"),
        (example_labels(), {"frames": [9]}, "no frame 9"),
        (example_labels(), {"prompts": "some"}, "'first' or 'all'"),
        (example_labels(), {"link": True, "min_overlap": 0.0}, "IoU above 0"),
    ],
)
def test_what_does_not_fit_is_said(labels: np.ndarray, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        add_segmentation(Tracker(), labels, **options)


def test_frames_segmented_one_by_one_are_linked() -> None:
    labels = example_labels()
    rng = np.random.default_rng(0)
    shuffled = np.zeros_like(labels)
    for t, image in enumerate(labels):
        ids = [i for i in np.unique(image) if i]
        for old, new in zip(ids, rng.permutation(len(ids)) + 1, strict=True):
            shuffled[t][image == old] = new
    linked = Linked(shuffled)
    found = np.stack([linked[t] for t in range(6)])
    # cell 900 is followed through; 2 comes back as another; the mother goes on as one daughter or as none
    assert len({int(found[t][labels[t] == 900][0]) for t in range(6)}) == 1
    assert len({int(found[t][labels[t] == 2][0]) for t in (0, 1)}) == 1
    assert int(found[4][labels[4] == 2][0]) != int(found[0][labels[0] == 2][0])
    np.testing.assert_array_equal(found > 0, labels > 0)
    tracker = Tracker()
    numbers = add_segmentation(tracker, shuffled, link=True)
    assert sorted(numbers) == sorted(set(np.unique(found)) - {0})


@settings(deadline=None)
@given(st.permutations([1, 2, 3, 4]), st.integers(0, 2))
def test_matching_undoes_any_renumbering(order: list[int], shift: int) -> None:
    before = np.zeros((12, 40), np.int32)
    for i in range(4):
        before[2:10, 2 + 10 * i : 9 + 10 * i] = i + 1
    here = np.zeros_like(before)
    for i, new in enumerate(order):
        here[np.roll(before, shift, 1) == i + 1] = new
    assert match(before, here, 0.1) == {new: i + 1 for i, new in enumerate(order)}


def test_a_session_takes_labels_and_mothers_over(tmp_path: Path) -> None:
    stub = pytest.importorskip("tests.session.stub")
    from napari_sam2.session import new_session

    movie = np.zeros((6, 48, 64), np.uint16)
    source = export(example(), tmp_path / "a.ome.zarr").path
    with new_session(movie, tmp_path / "s", make_engine=stub.DiscEngine, limits=(0, 1)) as session:
        numbers = add_segmentation(session, source)
        assert numbers == {1: 1, 2: 2, 3: 3, 4: 4, 900: 900}
        np.testing.assert_array_equal(session.labels[:], example_labels())
        assert session.cells[3].parent == 1
        session.undo()
        assert not session.cells


# --- tracks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.tracks.csv", "a.xml", "a.geff"])
def test_points_become_clicks(tmp_path: Path, name: str) -> None:
    path = export(example(), tmp_path / name).path
    tracker = Tracker()
    add_tracks(tracker, path)
    assert given_to(tracker) == [(1, 0), (2, 0), (3, 3), (4, 3), (900, 0)]
    (round_,) = tracker.prompts[4, 3].rounds
    np.testing.assert_allclose(round_.clicks[0][:2], np.argwhere(example_labels()[3] == 4).mean(0), atol=1e-6)
    tracker = Tracker()
    add_tracks(tracker, path, which=2, cells=[900])
    assert given_to(tracker) == [(900, 0), (900, 2), (900, 4)]


def test_points_outside_are_refused_before_any_is_given() -> None:
    tracker = Tracker()
    tracks = Tracks.of([(1, 0, 5.0, 5.0), (2, 0, 100.0, 5.0)])
    with pytest.raises(ValueError, match="track 2 on frame 0 .* outside the movie .* physical"):
        add_tracks(tracker, tracks)
    assert given_to(tracker) == []
    with pytest.raises(ValueError, match="which is"):
        add_tracks(tracker, tracks, which=0)


def test_a_session_takes_points_and_mothers(tmp_path: Path) -> None:
    stub = pytest.importorskip("tests.session.stub")
    from napari_sam2.session import new_session

    with new_session(np.zeros((6, 48, 64), np.uint16), tmp_path / "s", make_engine=stub.DiscEngine) as session:
        session.add_click(1, 0, (3.0, 3.0))
        tracks = Tracks.of([(1, 0, 5.0, 5.0), (7, 3, 9.0, 5.0)], parents={7: 1})
        numbers = add_tracks(session, tracks)
        assert numbers == {1: 2, 7: 7}
        assert session.cells[7].parent == 2


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("ID,T,Y,X\n1,0,2,3\n1,1,4,5\n", {}),
        ("index,axis-0,axis-1,axis-2,track\n0,0,2,3,1\n1,1,4,5,1\n", {}),
        ("track;frame;x;y\n1;0;3;2\n1;1;5;4\n", {}),
        (
            (
                "LABEL,TRACK_ID,POSITION_X,POSITION_Y,FRAME\nLabel,Track ID,X,Y,Frame\n,,(micron),(micron),\n"
                "ID0,0,1.5,1,0\nID1,0,2.5,2,1\n"
            ),
            {"Y": 0.5, "X": 0.5},
        ),
        ("# a note\n\nparticle\ty\tx\tframe\n1\t2\t3\t0\n1\t4\t5\t1\n", {}),
    ],
)
def test_columns_of_several_programs(tmp_path: Path, text: str, scale: dict[str, float]) -> None:
    (tmp_path / "a.csv").write_text(text)
    tracks = read_tracks(tmp_path / "a.csv", scale)
    assert tracks.cell.tolist() == [1, 1]
    assert tracks.frame.tolist() == [0, 1]
    assert np.stack((tracks.y, tracks.x), 1).tolist() == [[2, 3], [4, 5]]


def test_tracks_of_trackmate_itself_are_cut_where_they_branch(tmp_path: Path) -> None:
    """Without our feature CELL_ID: stretches between branchings, daughters of those before."""
    path = export(example(), tmp_path / "a.xml").path
    path.write_text(path.read_text().replace("CELL_ID=", "OTHER=").replace('"CELL_ID"', '"OTHER"'))
    tracks = read_tracks(path)
    assert len(set(tracks.cell.tolist())) == 5
    assert sorted(tracks.parents.values()) == [1, 1]


def test_a_label_image_is_read_from_cellpose_like_files(tmp_path: Path) -> None:
    """One file a frame, ids of their own in each, as programs for single images write them."""
    for t, image in enumerate(example_labels()):
        tifffile.imwrite(tmp_path / f"frame_{t:03d}_cp_masks.tif", image.astype(np.uint16))
    assert add_segmentation(Tracker(), tmp_path)[900] == 900
