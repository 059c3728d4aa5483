"""The measures of quality.py, on a movie whose truth and whose tracker's mistakes are known."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from tiny_ctc import FRAMES, SIDE, Oracle, make_truth, write_movie  # noqa: E402

from benchmarks._data import CtcMovie  # noqa: E402
from benchmarks._quality.clicked import Clicked, summarise_work, work_left  # noqa: E402
from benchmarks._quality.clicks import Overlaps, correction, interior_point, iou  # noqa: E402
from benchmarks._quality.follow import (  # noqa: E402
    auc,
    calibration_error,
    distance_curve,
    follow,
    summarise_follow,
    summarise_score,
)
from benchmarks._quality.one_click import one_click, summarise_one_click  # noqa: E402
from benchmarks._quality.trackers import TrackerLike, baseline_method  # noqa: E402
from benchmarks._quality.truth import Truth  # noqa: E402


def nothing(share: float) -> None:
    """Hear about progress."""


@pytest.fixture
def truth(tmp_path: Path) -> Truth:
    return Truth(CtcMovie(write_movie(tmp_path / "Tiny", make_truth())))


def oracle(**mistakes: Any) -> Callable[[Truth], TrackerLike]:
    return lambda truth: Oracle(make_truth(), **mistakes)


def test_the_middle_of_a_mask_counts_the_border_of_the_frame() -> None:
    mask = np.zeros((9, 9), bool)
    mask[0:5, 2:7] = True
    assert interior_point(mask) == (2.0, 4.0)
    with pytest.raises(ValueError, match="empty mask"):
        interior_point(np.zeros((3, 3), bool))


def test_corrections_go_to_the_largest_error() -> None:
    true = np.zeros((20, 20), bool)
    true[5:10, 5:10] = True
    missing, extra = true.copy(), true.copy()
    missing[5:10, 7:10] = False
    extra[5:10, 10:16] = True
    assert correction(missing, true) == ((7.0, 8.0), True)
    assert correction(extra, true)[1] is False
    elsewhere = np.zeros_like(true)
    elsewhere[12:20, 12:20] = True
    assert correction(elsewhere, true) == ((7.0, 7.0), True)


def test_overlaps_agree_with_masks() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 5, (2, 30, 30))
    overlaps = Overlaps.of(a, b)
    for cell in range(1, 5):
        assert overlaps.iou(cell) == pytest.approx(iou(a == cell, b == cell))
        assert overlaps.best(cell) == 1 + int(np.bincount(b[(a == cell) & (b > 0)], minlength=5)[1:].argmax())
    assert overlaps.iou(9) == 0 and overlaps.best(9) == 0


def test_the_truth_knows_lives_and_divisions(truth: Truth) -> None:
    assert truth.tracking_is_whole
    assert truth.cells == [1, 2, 3, 4, 5, 6]
    assert truth.parents == {4: 2, 5: 2}
    assert truth.lifetimes == {1: (0, 23), 2: (0, 9), 3: (0, 23), 4: (10, 23), 5: (10, 23), 6: (5, 23)}
    assert truth.first_cells == (0, [1, 2, 3])


def test_few_cells_and_frames_take_their_daughters_along(truth: Truth) -> None:
    assert Truth(truth.movie, max_cells=2).cells == [1, 3]
    assert Truth(truth.movie, max_frames=8).parents == {}
    assert Truth(truth.movie, max_frames=8, max_cells=9).cells == [1, 2, 3]


def test_markers_get_their_cells_from_the_segmentation(tmp_path: Path) -> None:
    whole = make_truth()
    truth = Truth(CtcMovie(write_movie(tmp_path / "Markers", whole, markers=True)))
    assert not truth.tracking_is_whole
    np.testing.assert_array_equal(truth.whole(12), whole[12])
    assert not truth.whole(5).any()
    assert truth.first_whole == {1: 0, 2: 0, 3: 0, 4: 12, 5: 12, 6: 12}
    y, x = truth.click(6, 5)
    assert whole[5, int(y), int(x)] == 6
    found = summarise_follow(follow(truth, oracle(), nothing))
    assert found["follow_cell_frames"] == 3 + 2
    assert found["follow_mean_iou"] == 1


def test_one_click_and_clicks_until_good(truth: Truth) -> None:
    data = one_click(truth, oracle(half=frozenset({2, 3})), nothing)
    assert data["cell"] == [1, 2, 3, 6, 4, 5]
    assert [len(each) for each in data["clicks"]] == [1, 3, 3, 1, 1, 1]
    found = summarise_one_click(data)
    assert found["click_median_iou"] == 1
    assert found["click_mean_iou"] == pytest.approx((4 + 2 * 0.5) / 6)
    assert found["click_share_80"] == pytest.approx(4 / 6)
    assert found["clicks_to_80"] == pytest.approx((4 + 2 * 3) / 6)
    assert found["share_80_in_3"] == 1


def test_a_faultless_tracker_is_called_so(truth: Truth) -> None:
    data = follow(truth, oracle(), nothing)
    found = summarise_follow(data)
    assert found["follow_cell_frames"] == 24 + 10 + 15
    assert found["follow_mean_iou"] == found["right_at_end"] == found["right_after_20"] == 1
    assert math.isnan(found["right_after_50"])
    assert found["switches"] == 0
    assert distance_curve(data) == (list(range(24)), [1.0] * 24)
    score = summarise_score(data)
    assert score["score_auc"] == score["score_auc_divided"] == score["score_auc_left"] == 1
    assert score["score_absent_frames"] == 14 + 9
    assert score["score_ece"] == pytest.approx(0.1)


def test_missing_and_swapped_cells_count(truth: Truth) -> None:
    wrong = {(1, t): 3 for t in (8, 9)} | {(3, t): 0 for t in range(12, 15)}
    found = summarise_follow(follow(truth, oracle(wrong=wrong), nothing))
    assert found["follow_mean_iou"] == pytest.approx((49 - 2 - 2 - 3) / 49)  # 3 is hidden under 1 on two frames
    assert found["switches"] == 2  # there and back
    assert found["right_at_end"] == pytest.approx(2 / 3)


def test_work_left_counts_the_corrections(truth: Truth) -> None:
    wrong = {(1, 8): 0, (1, 9): 0, (6, 20): 0}
    clicked = Clicked(truth, oracle(wrong=wrong), nothing)
    assert clicked.tracker.lifetimes[2] == (0, 9)
    data = work_left(clicked, nothing)
    assert data["wrong"] == [3, 1, 0]
    assert data["corrections"] == [0, 2, 3]
    assert data["cell_frames"] == 24 + 10 + 15 + 14 + 14 + 19
    assert summarise_work(data)["work_per_1000"] == pytest.approx(3000 / 96)


def test_work_that_cannot_be_done_ends(truth: Truth) -> None:
    class Deaf(Oracle):
        def add_click(self, cell: int, frame: int, *args: Any, **kwargs: Any) -> None:
            self.clicks.setdefault((cell, -1 if frame else 0), [])
            self.stale = True

    clicked = Clicked(truth, lambda t: Deaf(make_truth(), wrong={(1, 8): 0}), nothing)
    data = work_left(clicked, nothing, max_rounds=9)
    assert data["corrections"] == [0, 1, 2, 3] and data["wrong"] == [1] * 4


def test_the_challenge_measures(truth: Truth) -> None:
    pytest.importorskip("ctc_metrics")
    from benchmarks._quality.ctc import ctc_metrics

    perfect = ctc_metrics(truth, make_truth())
    assert perfect["SEG"] == perfect["DET"] == perfect["TRA"] == 1
    holed = make_truth()
    holed[8:10][holed[8:10] == 1] = 0
    found = ctc_metrics(truth, holed)
    assert found["SEG"] == pytest.approx(94 / 96)
    assert found["DET"] == pytest.approx(94 / 96)
    assert found["FN"] == 2
    assert ctc_metrics(truth, np.zeros_like(holed))["TRA"] == 0
    covered = make_truth()
    covered[3] = 1
    assert ctc_metrics(truth, covered)["NS"] == 2  # 1, 2 and 3 are one


def test_cells_in_the_rim_are_nobodys_mistake(truth: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ctc_metrics")
    from benchmarks._quality import ctc

    stray = make_truth()
    height = stray.shape[1]
    assert not stray[:, height - 2 :].any(), "the example must leave its rim free"
    stray[:, height - 2 :, 2:9] = stray.max() + 1
    assert ctc.ctc_metrics(truth, stray)["FP"] > 0
    monkeypatch.setitem(ctc.RIM, truth.name.split("/")[0], 2)
    assert ctc.ctc_metrics(truth, stray)["TRA"] == 1
    stray[4, height - 4 :, 2:9] = stray.max()  # one pixel further in it counts
    assert ctc.ctc_metrics(truth, stray)["FP"] > 0


def test_area_under_the_curve_and_calibration() -> None:
    assert auc(np.array([0.9, 0.8]), np.array([0.1, 0.8])) == pytest.approx(3.5 / 4)
    assert math.isnan(auc(np.array([0.9]), np.array([])))
    score = np.array([0.75] * 4 + [0.25] * 4)
    present = np.array([True, True, True, False] + [True, False, False, False])
    assert calibration_error(score, present) == pytest.approx(0)
    assert calibration_error(np.ones(4), np.array([True, True, False, False])) == pytest.approx(0.5)


def test_the_baseline_follows_bright_squares(truth: Truth) -> None:
    make = baseline_method().make
    assert summarise_one_click(one_click(truth, make, nothing))["click_median_iou"] > 0.7
    found = summarise_follow(follow(truth, make, nothing))
    assert found["follow_mean_iou"] > 0.7
    assert found["switches"] == 0


@pytest.mark.slow
def test_the_command_runs_and_goes_on_from_its_cache(truth: Truth, tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("ctc_metrics")
    pytest.importorskip("matplotlib")
    import benchmarks.quality as quality
    from napari_sam2.network.config import CELL
    from napari_sam2.network.model import Sam2
    from napari_sam2.weights import save_model

    weights, out = tmp_path / "random.safetensors", tmp_path / "out"
    save_model(Sam2(CELL), weights)
    arguments = [str(truth.movie.folder), "--model", str(weights), "--out", str(out)]
    arguments += ["--frames", "3", "--cells", "1", "--rounds", "1", "--threads", "1"]
    quality.main(arguments)
    content = json.loads((out / "quality.json").read_text())
    assert [row["method"] for row in content["rows"]] == ["random", "otsu + watershed"]
    assert {"click_median_iou", "follow_mean_iou", "tra", "work_per_1000", "score_ece"} <= set(content["rows"][0])
    assert content["circumstances"]["machine"]["torch"]
    for name in ("quality.csv", "quality.md", "quality.png"):
        assert (out / name).stat().st_size > 100
    assert len(list((out / "pictures").glob("*.png"))) == 4
    kept = {file: file.stat().st_mtime_ns for file in (out / ".cache").glob("*.json")}
    assert len(kept) == 8
    quality.main([*arguments, "--parts", "follow,ctc"])
    assert kept == {file: file.stat().st_mtime_ns for file in (out / ".cache").glob("*.json")}
    assert "## Follow" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        quality.main([*arguments, "--parts", "everything"])


def test_the_movie_is_as_small_as_promised() -> None:
    assert make_truth().shape == (FRAMES, SIDE, SIDE)
