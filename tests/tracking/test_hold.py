"""Clicks hold, and nothing else changes."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from napari_sam2.network.prompt_encoder import ABSENT, BACKGROUND, BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, FOREGROUND
from napari_sam2.tracking.hold import hold_clicks

SIDE = 64
PLACES = st.tuples(st.integers(0, SIDE - 1), st.integers(0, SIDE - 1))


def blob(y: float = 32, x: float = 32, radius: float = 9, steep: float = 1.5) -> Tensor:
    """Logits of a disc: positive inside, (64, 64)."""
    yy, xx = np.mgrid[:SIDE, :SIDE]
    return torch.tensor((radius - np.hypot(yy - y, xx - x)) * steep, dtype=torch.float32).clamp(-12, 12)


def model_px(*yx: tuple[float, float]) -> Tensor:
    """Places on the logits as points (1, P, 2), x first, in model pixels."""
    return torch.tensor([[(x * 4 + 1.5, y * 4 + 1.5) for y, x in yx]])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(PLACES, st.booleans()), min_size=1, max_size=6), st.integers(2, 20))
def test_every_click_holds_whatever_the_mask(clicks: list[tuple[tuple[int, int], bool]], radius: int) -> None:
    apart: list[tuple[tuple[int, int], bool]] = []
    for yx, on in clicks:
        if all(np.hypot(yx[0] - y, yx[1] - x) >= 8 for (y, x), _ in apart):
            apart.append((yx, on))
    labels = torch.tensor([[FOREGROUND if on else BACKGROUND for _, on in apart]])
    held = hold_clicks(blob(radius=radius)[None], model_px(*[yx for yx, _ in apart]), labels)[0]
    assert torch.isfinite(held).all()
    for (y, x), on in apart:
        assert (held[y, x] > 0.5) if on else (held[y, x] < -0.5)


def test_a_click_bites_where_it_is_and_not_elsewhere() -> None:
    before = blob()
    points, labels = model_px((32, 32), (32, 39)), torch.tensor([[FOREGROUND, BACKGROUND]])
    held = hold_clicks(before[None], points, labels)[0]
    assert held[32, 39] < 0 < held[32, 32]
    gone = (before > 0) & (held <= 0)
    assert 4 < gone.sum() < 0.4 * (before > 0).sum()
    assert gone[:, :32].sum() == 0 and not ((before <= 0) & (held > 0)).any()
    assert torch.equal(held[:, :20], before[:, :20])


def test_a_click_beside_the_mask_grows_it_there() -> None:
    before = blob()
    held = hold_clicks(before[None], model_px((32, 32), (32, 44)), torch.tensor([[FOREGROUND, FOREGROUND]]))[0]
    assert held[32, 44] > 0 and (held[32, 32:45] > 0).all(), "the new part hangs together with the cell"
    assert not ((before > 0) & (held <= 0)).any()


def test_what_holds_already_and_boxes_and_pads_change_nothing() -> None:
    logits = torch.stack([blob(), blob(), torch.full((SIDE, SIDE), -1024.0)])
    points = torch.cat([model_px((32, 32), (5, 5), (60, 60)), *[model_px((2, 2), (50, 50), (32, 32))] * 2])
    labels = torch.tensor([
        [FOREGROUND, BACKGROUND, ABSENT],
        [BOX_TOP_LEFT, BOX_BOTTOM_RIGHT, FOREGROUND],
        [ABSENT, ABSENT, FOREGROUND],  # said to be absent: there is nothing to bend
    ])  # fmt: skip
    assert torch.equal(hold_clicks(logits, points, labels), logits)


def test_cells_of_a_batch_do_not_matter_to_each_other() -> None:
    logits = torch.stack([blob(), blob(20, 40, 6), blob(40, 20, 15)])
    points = torch.cat([model_px((32, 39), (32, 32)), model_px((20, 40), (21, 44)), model_px((1, 1), (40, 20))])
    labels = torch.tensor([[BACKGROUND, FOREGROUND], [FOREGROUND, BACKGROUND], [ABSENT, FOREGROUND]])
    together = hold_clicks(logits, points, labels)
    for i in range(3):
        alone = hold_clicks(logits[i : i + 1], points[i : i + 1], labels[i : i + 1])[0]
        assert torch.allclose(together[i], alone, atol=1e-4)


def test_the_same_place_clicked_both_ways_is_not_an_error() -> None:
    held = hold_clicks(blob()[None], model_px((32, 36), (32, 36)), torch.tensor([[FOREGROUND, BACKGROUND]]))
    assert torch.isfinite(held).all()
