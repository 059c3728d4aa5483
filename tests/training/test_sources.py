"""Clips from real images: ids persist, intensities fit, nothing held out or kept for measuring gets in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sam2.training.bank import MovieBank
from napari_sam2.training.clip import Clip
from napari_sam2.training.dense import dense_targets
from napari_sam2.training.motion import animate, fill_background
from napari_sam2.training.pack import PackWriter, clean_steps, pack_directory, read_pack, write_pack
from napari_sam2.training.sources import MixedSource, PackSource, to_and_fro

from .helpers import DiscSource, disc_pack, discs


@pytest.mark.parametrize(("kind", "movies", "length"), [("fluo", False, 1), ("fluo", False, 4), ("phase", True, 3)])
def test_clips_have_the_right_shape_range_and_type(kind: str, movies: bool, length: int) -> None:
    source = PackSource(disc_pack(), [kind], movies=movies)
    for seed in range(6):
        clip = source.sample(np.random.default_rng(seed), 128, length)
        assert clip.frames.shape == clip.labels.shape == (length, 128, 128)
        assert clip.frames.dtype == np.float32 and clip.labels.dtype == np.int32
        assert clip.frames.min() >= 0 and clip.frames.max() <= 1
        assert np.isfinite(clip.frames).all()


def test_the_same_seed_gives_the_same_clip() -> None:
    source = PackSource(disc_pack(), ["fluo"])
    one, two = (source.sample(np.random.default_rng(4), 128, 3) for _ in range(2))
    assert np.array_equal(one.frames, two.frames) and np.array_equal(one.labels, two.labels)


def test_ids_persist_when_a_still_is_set_in_motion() -> None:
    # Every disc gets a grey level of its own: where a label says cell i, the picture must show cell i.
    _, labels = discs(1, side=192, cells=10)
    levels = np.concatenate([[0.0], np.linspace(0.3, 1.0, labels.max())]).astype(np.float32)
    image = levels[labels]
    for seed in range(4):
        frames, tracks = animate(image, labels.astype(np.int32), np.random.default_rng(seed), 5, 128, 20.0)
        for cell in set(np.unique(tracks).tolist()) & set(np.unique(labels).tolist()) - {0}:
            shown = [np.median(frames[t][tracks[t] == cell]) for t in range(5) if (tracks[t] == cell).sum() > 60]
            assert np.allclose(shown, levels[cell], atol=0.06)


def test_a_divided_cell_is_gone_and_two_smaller_ones_stand_beside_its_place() -> None:
    _, labels = discs(1, side=192, cells=10)
    levels = np.concatenate([[0.0], np.linspace(0.3, 1.0, labels.max())]).astype(np.float32)
    image = levels[labels]
    seen = 0
    for seed in range(12):
        frames, tracks = animate(image, labels.astype(np.int32), np.random.default_rng(seed), 6, 128, 20.0)
        born = sorted(set(np.unique(tracks).tolist()) - set(np.unique(labels).tolist()))
        assert not np.isin(tracks[0], born).any()  # the first frame is the still itself
        for one, other in zip(born[::2], born[1::2], strict=False):
            frame = int(np.flatnonzero((tracks == one).any((1, 2)) & (tracks == other).any((1, 2)))[:1].sum())
            if other != one + 1 or frame == 0:
                continue  # a sister never came into the field
            areas = [(tracks[frame] == cell).sum() for cell in (one, other)]
            level, twin = (np.percentile(frames[frame][tracks[frame] == cell], 85) for cell in (one, other))
            mother = int(np.argmin(np.abs(levels[1:] - level))) + 1
            if min(areas) < 60 or (tracks[0] == mother).sum() < 200:
                continue  # cut by the rim, or covered
            assert np.isclose(twin, levels[mother], atol=0.06)
            assert not (tracks[frame:] == mother).any()
            assert max(areas) < 0.75 * (tracks[0] == mother).sum()
            seen += 1
    assert seen >= 2


def test_cells_move_by_themselves_and_some_vanish() -> None:
    image, labels = discs(2, side=192, cells=14)
    moved, vanished = 0, 0
    for seed in range(6):
        _, tracks = animate(
            image.astype(np.float32), labels.astype(np.int32), np.random.default_rng(seed), 5, 128, 20.0
        )
        for cell in np.unique(tracks[0])[1:]:
            areas = (tracks == cell).sum((1, 2))
            vanished += int((areas == 0).any())
            moved += int((tracks[0] == cell)[tracks[-1] == cell].sum() < areas[0])
    assert moved > 10
    assert vanished > 0


def test_background_is_filled_with_what_surrounds_a_cell() -> None:
    image = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    cells = np.zeros((64, 64), bool)
    cells[20:40, 20:40] = True
    spoiled = np.where(cells, 5.0, image).astype(np.float32)
    filled = fill_background(spoiled, cells, np.random.default_rng(0))
    assert np.abs(filled - image)[cells].max() < 0.25
    assert np.array_equal(filled[~cells], image[~cells])


def test_held_out_images_are_never_drawn() -> None:
    pack = disc_pack()
    training = PackSource(pack, ["fluo"])
    held_out = PackSource(pack, ["fluo"], validation=True)
    assert {r.name for r in training._records}.isdisjoint(r.name for r in held_out._records)
    assert len(training) == 3 and len(held_out) == 1


def test_measuring_data_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "eval"
    folder.mkdir()
    with pytest.raises(ValueError, match="never train"):
        pack_directory(folder)


def test_real_pack_holds_no_measuring_data(shared_dir: Path) -> None:
    with np.load(shared_dir / "data" / "train" / "usiigaci_nih3t3.npz") as file:
        names = {k.split("/")[0] for k in file.files}
    assert all(n.startswith(("train_", "val_")) for n in names)


def test_a_pack_survives_the_disk_and_packs_to_the_same_bytes(tmp_path: Path) -> None:
    pack = disc_pack()
    for name in ("a.npz", "b.npz"):
        write_pack(pack, tmp_path / name)
    again = read_pack(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert again.records == pack.records and again.digest() == pack.digest()
    for record in pack.records:
        assert np.array_equal(again.image(record), pack.image(record))
        assert np.array_equal(again.label(record), pack.label(record))


def test_cells_of_a_movie_are_as_large_as_those_of_its_frames() -> None:
    image, labels = discs(3, side=300, radius=26, cells=6)  # larger than a pack keeps
    writer = PackWriter()
    for name, frames in (("still", 1), ("movie", 5)):
        writer.add(name, "fluo", np.stack([image] * frames), np.stack([labels] * frames), False)
    still, movie = writer.pack().records
    assert movie.diameter == still.diameter == pytest.approx(44)
    assert movie.shape[1:] == still.shape[1:] and still.shape[1] < 300


def test_a_label_that_a_pack_cannot_keep_is_refused() -> None:
    labels = np.full((1, 20, 20), 65_537)
    with pytest.raises(ValueError, match="a label of 65537"):
        PackWriter().add("wide", "fluo", labels.astype(np.uint8), labels, False)


@pytest.mark.parametrize(("total", "length"), [(2, 5), (3, 5), (4, 8)])
def test_a_short_movie_is_played_to_and_fro(total: int, length: int) -> None:
    for seed in range(8):
        frames = to_and_fro(total, length, np.random.default_rng(seed))
        assert len(frames) == length and set(frames) == set(range(total))
        assert (np.abs(np.diff(frames)) == 1).all()
    writer = PackWriter()
    _, labels = discs(99)
    shown = [np.where(labels > 0, 90 + 30 * t, 20).astype(np.uint8) for t in range(total)]  # brighter and brighter
    tracks = [labels] * (total - 1) + [np.where(labels == 1, 0, labels)]  # cell 1 is gone from the last frame
    writer.add("short", "own", np.stack(shown), np.stack(tracks), False)
    for seed in range(4):
        clip = PackSource(writer.pack(), ["own"], movies=True).sample(np.random.default_rng(seed), 128, length)
        assert clip.frames.shape == clip.labels.shape == (length, 128, 128)
        assert clip.labels.max() > 0 and not (clip.labels == 1).any()  # all frames count, so 1 is never trusted


def test_unclean_tracks_are_found() -> None:
    labels = np.zeros((2, 20, 20), np.uint16)
    labels[:, 2:8, 2:8] = 1  # rests
    labels[0, 10:16, 2:8] = 2
    labels[1, 10:16, 12:18] = 2  # jumps
    labels[0, 10:16, 9:12] = 3  # vanishes
    assert clean_steps(labels) == ((1,),)


def test_mixed_sources_follow_their_weights() -> None:
    class Named:
        def __init__(self, kind: str) -> None:
            self.kind = kind

        def sample(self, rng: np.random.Generator, size: int, length: int) -> Clip:
            return Clip(np.zeros((1, 4, 4), np.float32), np.zeros((1, 4, 4), np.int32), {}, self.kind)

    rng = np.random.default_rng(0)
    mixed = MixedSource([Named("a"), Named("b")], [3, 1])
    share = np.mean([mixed.sample(rng, 4, 1).kind == "a" for _ in range(400)])
    assert 0.68 < share < 0.82


def test_the_bank_makes_each_movie_once() -> None:
    class Counting(DiscSource):
        made = 0

        def sample(self, rng: np.random.Generator, size: int, length: int) -> Clip:
            Counting.made += 1
            return super().sample(rng, size, length)

    bank = MovieBank(Counting(), 2, seed=0, size=160, length=6)
    rng = np.random.default_rng(0)
    clips = [bank.sample(rng, 128, 3) for _ in range(12)]
    assert Counting.made == 2
    assert all(c.frames.shape == (3, 128, 128) for c in clips)
    with pytest.raises(ValueError, match="6 frames"):
        bank.sample(rng, 128, 7)


def test_dense_targets_point_to_the_centre_of_the_own_cell() -> None:
    labels = np.zeros((64, 64), np.int32)
    labels[8:40, 16:48] = 7
    out = dense_targets(labels).astype(np.float32)
    assert out.shape == (5, 16, 16)
    inside = out[0] > 0
    assert inside.sum() == 64
    rows, cols = np.nonzero(inside)
    reached = rows + out[2][inside] * 32 / 4, cols + out[3][inside] * 32 / 4
    assert np.allclose(reached[0], reached[0][0], atol=0.05) and np.allclose(reached[1], reached[1][0], atol=0.05)
    assert (out[1] > 0)[~inside].sum() == 0 and 0 < (out[1] > 0).sum() < 64
