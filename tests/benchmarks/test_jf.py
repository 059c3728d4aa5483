"""J and F against the published definitions, written out pixel by pixel; and both layouts of video data."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from benchmarks import jf
from napari_sam2.export import rle
from napari_sam2.export.read_vos import open_videos

masks = hnp.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)))
pairs = st.tuples(st.integers(1, 14), st.integers(1, 14)).flatmap(
    lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
)


def published_boundary(seg: np.ndarray) -> np.ndarray:
    """The boundary map of the DAVIS evaluation: differences to the east, south and south-east, zeros beyond."""
    height, width = seg.shape
    out = np.zeros(seg.shape, bool)
    for y in range(height):
        for x in range(width):
            east = seg[y, x + 1] if x + 1 < width else False
            south = seg[y + 1, x] if y + 1 < height else False
            corner = seg[y + 1, x + 1] if y + 1 < height and x + 1 < width else False
            out[y, x] = (seg[y, x] != east) or (seg[y, x] != south) or (seg[y, x] != corner)
            if x == width - 1:
                out[y, x] = seg[y, x] != south
            if y == height - 1:
                out[y, x] = seg[y, x] != east
    out[-1, -1] = False
    return out


def published_f(truth: np.ndarray, found: np.ndarray) -> float:
    """The boundary measure of the DAVIS evaluation, dilating with a disc."""
    reach = math.ceil(0.008 * math.hypot(*truth.shape))
    disc = [
        (dy, dx) for dy in range(-reach, reach + 1) for dx in range(-reach, reach + 1) if dy * dy + dx * dx <= reach**2
    ]

    def dilated(edge: np.ndarray) -> np.ndarray:
        out = np.zeros_like(edge)
        for y, x in np.argwhere(edge):
            for dy, dx in disc:
                if 0 <= y + dy < edge.shape[0] and 0 <= x + dx < edge.shape[1]:
                    out[y + dy, x + dx] = True
        return out

    edge_truth, edge_found = published_boundary(truth), published_boundary(found)
    n_truth, n_found = edge_truth.sum(), edge_found.sum()
    if n_found == 0 and n_truth > 0:
        precision, recall = 1.0, 0.0
    elif n_found > 0 and n_truth == 0:
        precision, recall = 0.0, 1.0
    elif n_found == 0 and n_truth == 0:
        precision, recall = 1.0, 1.0
    else:
        precision = (edge_found & dilated(edge_truth)).sum() / n_found
        recall = (edge_truth & dilated(edge_found)).sum() / n_truth
    return 0.0 if precision + recall == 0 else float(2 * precision * recall / (precision + recall))


def published_j(truth: np.ndarray, found: np.ndarray) -> float:
    union = (truth | found).sum()
    return 1.0 if union == 0 else float((truth & found).sum() / union)


@settings(deadline=None)
@given(masks)
def test_boundary_is_the_published_one(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(jf.boundary(mask), published_boundary(mask))


@settings(deadline=None)
@given(pairs)
def test_j_and_f_are_the_published_ones(pair: tuple[np.ndarray, np.ndarray]) -> None:
    truth, found = pair
    assert jf.jaccard(truth, found) == pytest.approx(published_j(truth, found), abs=1e-12)
    assert jf.boundary_f(truth, found) == pytest.approx(published_f(truth, found), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_f_on_frames_large_enough_for_a_real_disc(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, x = np.ogrid[:240, :320]
    truth = (y - 120) ** 2 + (x - 160) ** 2 < 60**2
    found = (y - 120 - rng.integers(-6, 7)) ** 2 + ((x - 160) * 1.1) ** 2 < rng.integers(50, 70) ** 2
    assert jf.boundary_f(truth, found) == pytest.approx(published_f(truth, found), abs=1e-12)
    assert 0 < jf.boundary_f(truth, found) < 1


def discs(frames: int = 5) -> np.ndarray:
    """(T, Y, X): object 1 moves, object 2 comes on frame 2."""
    y, x = np.ogrid[:40, :50]
    labels = np.zeros((frames, 40, 50), np.uint8)
    for t in range(frames):
        labels[t][(y - 15) ** 2 + (x - 10 - t) ** 2 < 60] = 1
        if t >= 2:
            labels[t][(y - 30) ** 2 + (x - 35) ** 2 < 40] = 2
    return labels


def write_davis(folder: Path, labels: np.ndarray, name: str = "cells") -> Path:
    (folder / name).mkdir(parents=True)
    for t, image in enumerate(labels):
        picture = Image.fromarray(image, mode="P")
        picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [0] * (3 * 253))
        picture.save(folder / name / f"{t:05d}.png")
    return folder


def write_sav(folder: Path, labels: np.ndarray, name: str = "sav_000001") -> Path:
    for number in (1, 2):
        (folder / name / f"{number:03d}").mkdir(parents=True)
        for t, image in enumerate(labels):
            Image.fromarray((image == number).astype(np.uint8) * 255).save(
                folder / name / f"{number:03d}" / f"{4 * t:05d}.png"
            )
    return folder


@pytest.mark.filterwarnings("ignore:.*mode.*:DeprecationWarning")
@pytest.mark.parametrize("write", [write_davis, write_sav])
def test_folders_are_scored_without_first_and_last_frame(tmp_path: Path, write: object) -> None:
    truth, found = discs(), np.roll(discs(), 2, axis=2)
    a, b = write(tmp_path / "truth", truth), write(tmp_path / "found", found)  # type: ignore[operator]
    scores = jf.main(["score", "--truth", str(a), "--found", str(b), "--out", str(tmp_path / "scores.json")])
    for (_, number), (j, f) in scores.of.items():
        own = [(truth[t] == number, found[t] == number) for t in (1, 2, 3)]
        assert j == pytest.approx(np.mean([published_j(*pair) for pair in own]))
        assert f == pytest.approx(np.mean([published_f(*pair) for pair in own]))
    assert len(scores.of) == 2
    written = json.loads((tmp_path / "scores.json").read_text())
    assert written["J&F"] == pytest.approx((scores.j + scores.f) / 2)
    assert jf.score_folders(a, a).jf == 1.0


def test_the_training_part_of_sav_is_run_lengths(tmp_path: Path) -> None:
    labels = discs()
    masklet = [
        [{"size": [40, 50], "counts": rle.pack(rle.encode(image == number))} for number in (1, 2)] for image in labels
    ]
    data = {"video_id": "sav_000001", "masklet_id": [0, 1], "masklet": masklet}
    (tmp_path / "sav_000001_manual.json").write_text(json.dumps(data))
    video = open_videos(tmp_path)["sav_000001"]
    assert video.frames == [0, 4, 8, 12, 16]
    mask = video.mask(1, 12)
    assert mask is not None
    np.testing.assert_array_equal(mask, labels[3] == 2)
    (tmp_path / "sav_000001_manual.json").write_text(json.dumps({**data, "masklet": 3}))
    with pytest.raises(ValueError, match=r"_manual\.json is no annotation of SA-V"):
        open_videos(tmp_path)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="layout of DAVIS or SA-V"):
        open_videos(tmp_path)
    truth, found = write_sav(tmp_path / "truth", discs()), write_sav(tmp_path / "found", discs())
    for number in ("001", "002"):
        (found / "sav_000001" / number / "00008.png").unlink()
    with pytest.raises(ValueError, match=r"lacks the frames \[8\]"):
        jf.score_folders(truth, found)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(truth / "sav_000001" / "001" / "00004.png")
    with pytest.raises(ValueError, match="00004.png is a colour picture"):
        jf.score_folders(truth, truth)


def test_following_gives_first_masks_and_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = discs()
    truth = write_sav(tmp_path / "truth", labels)
    (tmp_path / "pictures" / "sav_000001").mkdir(parents=True)
    for t in range(17):
        Image.fromarray(np.full((40, 50, 3), t, np.uint8)).save(tmp_path / "pictures" / "sav_000001" / f"{t:05d}.jpg")
    given: list[tuple[int, int]] = []

    class Result:
        def __init__(self, frame: int) -> None:
            self.frame, self.labels = frame, labels[min(frame // 4, 4)]

    class Tracker:
        def __init__(self, movie: object, **_: object) -> None:
            assert movie.shape == (17, 3, 40, 50)  # type: ignore[attr-defined]
            assert movie.limits == ((0, 255),) * 3  # type: ignore[attr-defined]

        def add_mask(self, cell: int, frame: int, mask: np.ndarray) -> None:
            given.append((cell, frame))

        def track(self, direction: str) -> list[Result]:
            return [Result(t) for t in range(17)]

    monkeypatch.setattr("napari_sam2.CellTracker", Tracker, raising=False)
    scores = jf.run(truth, tmp_path / "pictures", "any")
    assert given == [(1, 0), (2, 8)]
    assert scores.jf == 1.0
