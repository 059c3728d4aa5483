"""What the demo draws, and how it counts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from napari_sam2.cli.demo import click_at_first_sight
from napari_sam2.cli.picture import MIN_PANEL, draw_panel, draw_strip, outlines, save_picture
from napari_sam2.cli.score import Score


def square(*cells: tuple[int, int, int, int], size: int = 24) -> np.ndarray:
    labels = np.zeros((size, size), np.int32)
    for label, y, x, side in cells:
        labels[y : y + side, x : x + side] = label
    return labels


def test_score_counts_overlap_per_cell_and_frame() -> None:
    truth = square((1, 0, 0, 8), (2, 10, 10, 8))
    found = square((1, 0, 4, 8), (3, 10, 10, 8))  # cell 1 half beside it, cell 2 never found
    score = Score({1: 0, 2: 0})
    score.add(0, truth, truth)
    score.add(1, found, truth)
    assert score.ious == {(1, 0): 1.0, (2, 0): 1.0, (1, 1): pytest.approx(1 / 3), (2, 1): 0.0}
    assert score.mean_iou == pytest.approx((1 + 1 + 1 / 3) / 4)
    assert score.followed == []


def test_score_ignores_frames_before_the_click_and_without_the_cell() -> None:
    score = Score({1: 1})
    score.add(0, square(), square((1, 0, 0, 8)))
    assert math.isnan(score.mean_iou)
    score.add(1, square((1, 0, 0, 8)), square((1, 0, 0, 8)))
    score.add(2, square((1, 0, 0, 8)), square())
    assert score.mean_iou == 1.0
    assert score.followed == [1]


def test_clicks_are_inside_and_at_first_sight() -> None:
    ring = square((1, 4, 4, 16))
    ring[8:16, 8:16] = 0  # the middle of the box is not the cell
    movie = np.stack([ring, ring + square((2, 0, 0, 3)), square((2, 0, 0, 9), (3, 0, 0, 2))])
    prompts = {prompt.cell: prompt for prompt in click_at_first_sight(movie)}
    assert {cell: prompt.frame for cell, prompt in prompts.items()} == {1: 0, 2: 2}
    for cell, prompt in prompts.items():
        assert movie[prompt.frame][tuple(int(value) for value in prompt.yx)] == cell


def test_outlines_stay_inside_and_touch_neighbours() -> None:
    labels = square((1, 4, 4, 8), (2, 4, 12, 8))
    edge = outlines(labels)
    assert not edge[labels == 0].any()
    assert edge[4, 4:20].all()
    assert edge[8, 11]
    assert edge[8, 12]
    assert not edge[8, 8]


@pytest.mark.parametrize("size", [24, 1600])
def test_strips_are_large_enough_to_look_at(tmp_path: Path, size: int) -> None:
    frames = [np.full((size, size, 3), 0.5)] * 4
    labels = [square((5, size // 4, size // 4, size // 3), size=size)] * 4
    image = draw_strip(frames, labels, [f"frame {t}" for t in range(4)], [{5: (size / 3, size / 3)}, {}, {}, {}])
    assert image.dtype == np.uint8
    assert MIN_PANEL * 3 < image.shape[1] < 2600
    assert image.shape[0] > MIN_PANEL * 2
    save_picture(tmp_path / "strip.png", image)
    assert (tmp_path / "strip.png").stat().st_size > 0


def test_a_click_at_the_very_edge_is_drawn() -> None:
    panel = draw_panel(np.zeros((24, 24, 3)), square(), "", {1: (-0.5, 23.5)})
    assert panel.max() > 0
