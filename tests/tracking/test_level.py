"""A click on the rim of a blurred mask moves the rim; one on a sharp mask or beside it does not."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.network.prompt_encoder import ABSENT, BACKGROUND, BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, FOREGROUND
from napari_sam2.tracking import CellTracker
from napari_sam2.tracking.level import ABOVE, SLOPE, lower_to_clicks

from .test_hold import PLACES, SIDE, blob, model_px

ON_AND_OFF = torch.tensor([[FOREGROUND, BACKGROUND]])


def test_the_slope_of_a_blurred_cell_moves_all_around() -> None:
    blurred = blob(radius=16, steep=0.25)[None]
    kept = lower_to_clicks(blurred, blurred, model_px((32, 32), (32, 40)), ON_AND_OFF)[0] > 0
    far = np.hypot(*(np.mgrid[:SIDE, :SIDE] - 32))
    assert kept[torch.tensor(far < 7.5)].all() and not kept[torch.tensor(far > 8.5)].any()


def test_a_sharp_cell_keeps_its_edge_where_another_one_is_clicked_away() -> None:
    cell, tongue = blob(32, 24, 10, steep=3.0), blob(32, 40, 7, steep=0.3)
    both = torch.maximum(cell, tongue)[None]
    kept = lower_to_clicks(both, both, model_px((32, 24), (32, 41)), ON_AND_OFF)[0] > 0
    assert not kept[32, 41]
    lost = (cell > 0) & ~kept
    assert lost.sum() < 0.15 * (cell > 0).sum(), "less than a pixel of its outline"


def test_what_the_network_found_with_help_stays() -> None:
    untold, told = blob(32, 32, 16, steep=0.25)[None], torch.maximum(blob(32, 32, 8), blob(32, 56, 5))[None]
    kept = lower_to_clicks(told, untold, model_px((32, 32), (32, 40)), ON_AND_OFF)
    assert torch.equal(kept[untold <= 0], told[untold <= 0]) and (kept[0, 30:35, 55:58] > 0).all()


def test_clicks_on_ground_that_was_no_cell_change_nothing() -> None:
    logits = torch.stack([blob(), blob(), blob()])
    points = torch.cat([model_px((32, 32), (2, 2)), model_px((20, 20), (44, 44)), model_px((32, 32), (0, 0))])
    labels = torch.tensor([
        [FOREGROUND, BACKGROUND],
        [BOX_TOP_LEFT, BOX_BOTTOM_RIGHT],
        [FOREGROUND, ABSENT],
    ])  # fmt: skip
    assert torch.equal(lower_to_clicks(logits, logits, points, labels), logits)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(PLACES, st.booleans()), min_size=1, max_size=6), st.floats(0.1, 2.0))
def test_places_clicked_as_the_cell_stay_and_nothing_is_added(
    clicks: list[tuple[tuple[int, int], bool]], steep: float
) -> None:
    logits = blob(radius=20, steep=steep)[None]
    labels = torch.tensor([[FOREGROUND if on else BACKGROUND for _, on in clicks]])
    kept = lower_to_clicks(logits, logits, model_px(*[yx for yx, _ in clicks]), labels)
    assert (kept <= logits).all() and not (kept[logits <= 0] != logits[logits <= 0]).any()
    for (y, x), on in clicks:
        before = float(logits[0, y, x])
        if on and before > 0:
            assert kept[0, y, x] >= min(before, ABOVE) - 1e-3
    if not any(on for _, on in clicks):
        low = [(y, x) for (y, x), _ in clicks if logits[0, y, x] <= SLOPE * logits.max()]
        assert all(kept[0, y, x] <= 1e-3 for y, x in low)


def test_a_neighbour_of_one_height_that_is_clicked_away_takes_nothing_of_the_cell_with_it() -> None:
    cell, neighbour = blob(32, 20, 9, steep=0.8), blob(32, 38, 10, steep=0.8)
    untold = torch.maximum(cell, neighbour)[None]
    kept = lower_to_clicks(cell[None], untold, model_px((32, 20), (32, 40)), ON_AND_OFF)
    assert torch.equal(kept[0], cell)


def test_a_hole_that_is_clicked_away_in_a_box_leaves_the_rest() -> None:
    untold = blob(32, 32, 16)
    ring = torch.minimum(untold, -blob(32, 32, 5))[None]
    points = model_px((16, 16), (48, 48), (32, 32))
    labels = torch.tensor([[BOX_TOP_LEFT, BOX_BOTTOM_RIGHT, BACKGROUND]])
    assert torch.equal(lower_to_clicks(ring, untold[None], points, labels)[0], ring[0])


def test_one_click_on_the_rim_of_a_blurred_nucleus_draws_it_in_on_the_other_side_too() -> None:
    far = np.hypot(*(np.mgrid[:160, :160] - 80))
    movie = np.random.default_rng(0).normal(np.exp(-((far / 16) ** 2)) * 100 + 20, 4)[None].astype(np.float32)
    tracker = CellTracker(movie, cell_diameter=44)
    tracker.add_click(1, 0, (80, 80))
    before = tracker.segment(0) == 1
    right = int(np.flatnonzero(before[80]).max())
    tracker.add_click(1, 0, (80, right - 5), foreground=False)
    after = tracker.segment(0) == 1
    assert after[80, 80] and not after[80, right - 5 :].any()
    drawn_in = np.flatnonzero(after[80]).min() - np.flatnonzero(before[80]).min()
    assert drawn_in >= 3 and not (after & ~before).any()
