"""A tracked mask that lies on another object: who points at the right one gets that, however far away it is."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.tracking import CellTracker

HERE, THERE = (80, 60), (80, 300)


@pytest.fixture(scope="module")
def movie() -> np.ndarray:
    y, x = np.indices((160, 360))
    discs = sum(1 / (1 + np.exp((np.hypot(y - cy, x - cx) - 14) / 1.5)) for cy, cx in (HERE, THERE))
    noise = np.random.default_rng(0).normal(100, 15, (3, 160, 360))
    return (noise + 400 * discs).clip(0, 65535).astype(np.uint16)


@pytest.mark.parametrize("how", ["click", "click, and one on the background", "box"])
def test_a_cell_is_taken_from_where_it_was_lost_to_where_it_is(movie: np.ndarray, how: str) -> None:
    tracker = CellTracker(movie, device="cpu", cell_diameter=28.0)
    tracker.add_click(1, 0, HERE)
    for _ in tracker.track("forward"):
        pass
    if how == "click":
        tracker.add_click(1, 2, THERE)
    elif how == "box":
        tracker.prompts.add_box(1, 2, ((66, 286), (94, 314)), base=tracker._tracked(1, 2))
    else:
        tracker.add_clicks(1, 2, [THERE, HERE], [True, False])
    found = tracker.segment(2) == 1
    assert 500 < np.count_nonzero(found[:, 240:]) < 900 and not found[:, :240].any()
