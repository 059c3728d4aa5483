"""Fine-tuning data: both folder layouts, and errors that say what was expected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tifffile import imwrite

from napari_sam2.training.own_data import challenge_movies, own_pack, own_source, to_uint8

from .helpers import discs


def write_challenge(folder: Path, frames: int) -> None:
    image, labels = discs(0)
    (folder / "01").mkdir(parents=True)
    (folder / "01_GT" / "SEG").mkdir(parents=True)
    for t in range(frames):
        imwrite(folder / "01" / f"t{t:03}.tif", (image.astype(np.uint16) + t) * 100)
        if t != 2:  # a gap in the truth
            imwrite(folder / "01_GT" / "SEG" / f"man_seg{t:03}.tif", labels)


def test_a_challenge_folder_becomes_runs_of_frames_with_masks(tmp_path: Path) -> None:
    write_challenge(tmp_path, 5)
    assert [len(m.frames) for m in challenge_movies(tmp_path)] == [2, 2]
    clip = own_source(own_pack([tmp_path])).sample(np.random.default_rng(0), 128, 2)
    assert clip.kind == "own" and clip.labels.max() > 0


def test_pairs_of_files_are_found(tmp_path: Path) -> None:
    image, labels = discs(1)
    imwrite(tmp_path / "a.tif", image)
    imwrite(tmp_path / "a_labels.tif", labels)
    pack = own_pack([tmp_path])
    assert [r.shape for r in pack.records] == [(1, 160, 160)]
    assert own_source(pack).sample(np.random.default_rng(0), 128, 3).frames.shape == (3, 128, 128)


def test_errors_name_the_folder_and_the_layouts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="man_seg000"):
        own_pack([tmp_path])
    _, labels = discs(1)
    imwrite(tmp_path / "b_labels.tif", labels)
    with pytest.raises(ValueError, match=r"expected b\.tif"):
        own_pack([tmp_path])
    imwrite(tmp_path / "b.tif", labels[:50].astype(np.uint8))
    with pytest.raises(ValueError, match="differ in size"):
        own_pack([tmp_path])


def write_pair(folder: Path, labels: np.ndarray, name: str = "a") -> None:
    """An image of the labels, and the label file beside it."""
    imwrite(folder / f"{name}.tif", np.where(labels > 0, 170, 30).astype(np.uint8))
    imwrite(folder / f"{name}_labels.tif", labels)


@pytest.mark.parametrize(("kind", "gap"), [("uint32", 70_000), ("uint64", 2**40), ("float32", 70_000)])
def test_ids_of_any_size_stay_apart_and_mean_the_same_on_all_frames(tmp_path: Path, kind: str, gap: int) -> None:
    first = discs(1)[1].astype(np.uint64)
    second = np.where(first == 1, 0, first)  # the smallest id is absent there
    wide = np.stack([first, second]) * gap  # as uint16, 70000 and 4464 would be one
    write_pair(tmp_path, wide.astype(kind))
    pack = own_pack([tmp_path])
    labels = pack.label(pack.records[0])
    assert len(np.unique(labels)) == len(np.unique(first))
    assert np.array_equal(labels[1], np.where(labels[0] == labels[0][first == 1][0], 0, labels[0]))


def test_a_mask_of_all_cells_is_refused_by_its_name(tmp_path: Path) -> None:
    _, labels = discs(1)
    write_pair(tmp_path, np.where(labels > 0, 255, 0).astype(np.uint8), "mask")
    with pytest.raises(ValueError, match=r"mask_labels\.tif: on frame 0 the number 255 stands for \d+ separate places"):
        own_pack([tmp_path])
    write_pair(tmp_path, labels > 0, "mask")
    with pytest.raises(ValueError, match="label the connected parts first"):
        own_pack([tmp_path])


def test_classes_are_refused_and_cells_in_pieces_are_not(tmp_path: Path) -> None:
    _, labels = discs(1)
    write_pair(tmp_path, np.where(labels > 0, 1 + labels % 2, 0).astype(np.uint8), "classes")
    with pytest.raises(ValueError, match="classes_labels"):
        own_pack([tmp_path])
    (tmp_path / "sound").mkdir()
    pieces = labels.copy()
    centre = round(np.nonzero(labels == 1)[1].mean())
    pieces[:, centre][labels[:, centre] == 1] = 0  # something lies across one cell
    write_pair(tmp_path / "sound", pieces, "pieces")
    alone = np.where(labels == 1, 1, 0).astype(np.uint8)
    alone[0, 0] = 1  # a slip of the brush
    write_pair(tmp_path / "sound", alone, "alone")
    assert len(own_pack([tmp_path / "sound"]).records) == 2


def test_the_only_cell_of_a_challenge_movie_may_be_in_pieces(tmp_path: Path) -> None:
    image, labels = discs(1)
    alone = np.where(labels == 1, 1, 0).astype(np.uint16)
    centre = round(np.nonzero(alone)[1].mean())
    alone[:, centre] = 0
    for kind, name, frame in (("01", "t000.tif", image), ("01_GT/SEG", "man_seg000.tif", alone)):
        (tmp_path / kind).mkdir(parents=True)
        imwrite(tmp_path / kind / name, frame)
    assert len(own_pack([tmp_path]).records) == 1


@pytest.mark.parametrize(
    ("value", "complaint"), [(0.5, "whole numbers"), (np.nan, "whole numbers"), (-1.0, "start at 0")]
)
def test_what_is_no_label_image_is_refused_by_its_name(tmp_path: Path, value: float, complaint: str) -> None:
    labels = discs(1)[1].astype(np.float32)
    labels[0, 0] = value
    write_pair(tmp_path, labels)
    with pytest.raises(ValueError, match=rf"a_labels\.tif: .*{complaint}"):
        own_pack([tmp_path])


def test_a_pixel_without_a_value_does_not_cost_the_picture() -> None:
    sound = discs(1)[0].astype(np.float32)[None]
    spoiled = sound.copy()
    spoiled[0, 4, :6] = np.nan, np.inf, -np.inf, np.nan, np.inf, -np.inf
    scaled = to_uint8(spoiled)
    assert (scaled[0, 4, :6] == 0).all()
    assert np.abs(scaled[0, 5:].astype(int) - to_uint8(sound)[0, 5:]).max() <= 2
    assert not to_uint8(np.full((2, 8, 8), np.nan, np.float32)).any()


def test_a_blank_image_costs_nothing_and_blank_ones_alone_are_told(tmp_path: Path) -> None:
    labels = discs(1)[1]
    write_pair(tmp_path, np.zeros_like(labels), "blank")
    with pytest.raises(ValueError, match=f"no labelled cells in {tmp_path}"):
        own_pack([tmp_path])
    write_pair(tmp_path, np.stack([labels] * 2), "movie")
    source = own_source(own_pack([tmp_path]))
    assert all(source.sample(np.random.default_rng(seed), 128, 1).labels.any() for seed in range(6))


def test_ids_of_label_files_are_trusted_and_those_of_single_masks_only_where_they_stay(tmp_path: Path) -> None:
    labels = discs(1)[1]
    fast = np.stack([labels, np.roll(labels, 40, 1)])  # every cell leaves its place
    write_pair(tmp_path, fast)
    pack = own_pack([tmp_path])
    assert pack.records[0].clean == ()
    clip = own_source(pack).sample(np.random.default_rng(0), 128, 2)
    assert clip.labels.max() > 0 and clip.labels.min() == 0
    challenge = tmp_path / "challenge"
    (challenge / "01").mkdir(parents=True)
    (challenge / "01_GT" / "SEG").mkdir(parents=True)
    for t, frame in enumerate(fast):
        imwrite(challenge / "01" / f"t{t:03}.tif", frame)
        imwrite(challenge / "01_GT" / "SEG" / f"man_seg{t:03}.tif", frame)
    assert own_source(own_pack([challenge])).sample(np.random.default_rng(0), 128, 2).labels.max() == 0
