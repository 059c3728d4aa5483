"""Simulated prompts: clicks lie where they claim to lie, corrections where the error is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2.training.prompts import (
    ABSENT,
    BACKGROUND,
    BOX,
    BOX_BOTTOM_RIGHT,
    BOX_TOP_LEFT,
    CENTRE,
    CLICK,
    CLICK_AND_NOT,
    FOREGROUND,
    MASK,
    click_in,
    correction_clicks,
    draw_prompt,
)

from .helpers import discs


def test_clicks_lie_inside_the_cell() -> None:
    _, labels = discs(3)
    rng = np.random.default_rng(0)
    for cell in np.unique(labels)[1:]:
        for kind in (CLICK, CENTRE, CLICK_AND_NOT):
            for _ in range(5):
                prompt = draw_prompt(labels, int(cell), rng, kind)
                x, y = prompt.points[0].astype(int)
                assert prompt.labels[0] == FOREGROUND
                assert labels[y, x] == cell
                if prompt.labels[1] == BACKGROUND:
                    x, y = prompt.points[1].astype(int)
                    assert labels[y, x] != cell


def test_the_centre_click_is_the_most_interior_point() -> None:
    mask = np.zeros((40, 40), bool)
    mask[5:26, 8:29] = True
    assert click_in(mask, np.random.default_rng(0), most_interior=True) == (18.0, 15.0)


def test_an_empty_mask_cannot_be_clicked() -> None:
    with pytest.raises(ValueError, match="empty mask"):
        click_in(np.zeros((4, 4), bool), np.random.default_rng(0))


def test_boxes_stand_in_order_near_the_cell_and_inside_the_window() -> None:
    _, labels = discs(5)
    rng = np.random.default_rng(1)
    for cell in np.unique(labels)[1:]:
        prompt = draw_prompt(labels, int(cell), rng, BOX)
        assert list(prompt.labels[:3]) == [BOX_TOP_LEFT, BOX_BOTTOM_RIGHT, ABSENT]
        (x0, y0), (x1, y1) = prompt.points[:2]
        rows, cols = np.nonzero(labels == cell)
        assert 0 <= x0 < x1 < labels.shape[1] and 0 <= y0 < y1 < labels.shape[0]
        assert np.abs(np.array([x0 - cols.min(), x1 - cols.max(), y0 - rows.min(), y1 - rows.max()])).max() < 15


def test_stills_get_a_click_where_a_mask_would_be_drawn() -> None:
    _, labels = discs(5)
    rng = np.random.default_rng(1)
    assert draw_prompt(labels, 1, rng, MASK).use_mask
    assert not draw_prompt(labels, 1, rng, MASK, allow_mask=False).use_mask


def test_corrections_lie_in_the_larger_error() -> None:
    target = torch.zeros(3, 64, 64)
    target[:, 20:40, 20:40] = 1
    logits = torch.where(target > 0, 5.0, -5.0)
    logits[0, 30:40, 20:40] = -5  # lacks its lower half
    logits[1, 20:40, 45:60] = 5  # swallowed a neighbour
    points, labels = correction_clicks(logits, target, torch.Generator().manual_seed(0))
    assert labels.tolist() == [1, 0, 1]  # the third has no error: a click inside
    x, y = (points / 4).long().unbind(1)
    assert 20 <= x[0] < 40 and 30 <= y[0] < 40
    assert 45 <= x[1] < 60 and 20 <= y[1] < 40
    assert target[2, y[2], x[2]] == 1


def test_nothing_there_and_nothing_drawn_gets_no_click() -> None:
    points, labels = correction_clicks(torch.full((1, 8, 8), -3.0), torch.zeros(1, 8, 8), torch.Generator())
    assert labels.tolist() == [ABSENT]
