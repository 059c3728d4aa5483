"""Doubtful masks are named and not remembered; lost cells are looked for, at a bounded cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from napari_sam2.tracking import CellTracker
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.guard import ABSENT, GREW, JUMPED, POOR, SHRANK, Guard
from napari_sam2.tracking.masks import Masks, join_masks
from napari_sam2.tracking.search import Search

from .small import SETTINGS, discs_movie, run, tracker_for

SIDE = 8 * 4  # logits of a window of 8 tokens


def _mask(
    centre: tuple[float, float] = (16, 16),
    radius: float = 5,
    iou: float = 0.9,
    present: bool = True,
    origin: tuple[int, int] = (0, 0),
) -> Masks:
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
    logits = torch.where(inside, 5.0, -5.0)[None] if present else torch.full((1, SIDE, SIDE), -1024.0)
    score = torch.tensor([3.0 if present else -3.0])
    return Masks(np.array([origin]), logits, torch.tensor([iou]), score, torch.zeros(1, 4), {})


def _judge(guard: Guard, masks: Masks) -> str | None:
    return guard.judge(np.array([0]), masks, masks.centres(np.zeros((1, 2)))).get(0)


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        ({}, None),
        ({"radius": 6.5}, None),
        ({"radius": 4}, None),
        ({"centre": (20, 19)}, None),
        ({"radius": 10}, GREW),
        ({"radius": 2}, SHRANK),
        ({"iou": 0.1}, POOR),
        ({"present": False}, ABSENT),
        ({"centre": (16, 4), "radius": 5, "origin": (0, 8)}, JUMPED),
    ],
)
def test_a_mask_is_doubted_for_a_reason(now: dict[str, Any], reason: str | None) -> None:
    guard = Guard(1, SETTINGS)
    before = _mask()
    guard.start(0, before, before.centres(np.zeros((1, 2)))[0])
    masks = _mask(**now)
    assert _judge(guard, masks) == reason
    assert _judge(Guard(1, replace(SETTINGS, guard=False)), masks) is None


def test_slow_growth_is_never_doubted() -> None:
    guard = Guard(1, SETTINGS)
    guard.start(0, _mask(radius=3), np.array([16.0, 16.0]) * 4 + 1.5)
    for radius in np.arange(3.2, 15, 0.6):
        assert _judge(guard, _mask(radius=float(radius))) is None


def test_a_doubtful_mask_is_not_the_new_measure_and_patience_grows() -> None:
    guard = Guard(1, SETTINGS)
    before = _mask(radius=4)
    guard.start(0, before, before.centres(np.zeros((1, 2)))[0])
    assert _judge(guard, _mask(radius=9)) == GREW
    assert _judge(guard, _mask(radius=4)) is None, "compared with the last trusted one"
    reasons = [_judge(guard, _mask(radius=9)) for _ in range(6)]
    assert reasons[0] == GREW and None in reasons, "whoever keeps being large is large"


def test_suspects_are_told_and_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = tracker_for(discs_movie(6, (140, 180), seed=3), settings=replace(SETTINGS, min_iou=1.1))
    tracker.add_click(1, 0, (40.0, 50.0))
    results = run(tracker)
    assert not results[0].suspects, "what the user said is not doubted"
    assert all(set(r.suspects) == {1} and isinstance(r.suspects[1], str) for r in results[1:])
    unguarded = tracker_for(discs_movie(6, (140, 180), seed=3), settings=replace(SETTINGS, guard=False))
    unguarded.add_click(1, 0, (40.0, 50.0))
    assert not any(r.suspects for r in run(unguarded))
    assert np.array_equal(tracker.labels[:2], unguarded.labels[:2]), "the first frame has only the prompt to look at"
    assert not np.array_equal(tracker.labels[2:], unguarded.labels[2:])


GEOMETRY = Geometry.windowed((640, 640), 1.0, 8)


def nobody() -> np.ndarray:
    return np.zeros((640, 640), bool)


class Field:
    """Cells seen only in windows around one place."""

    def __init__(self, place: tuple[int, int]) -> None:
        self.place = np.array(place)
        self.looked: list[int] = []

    def __call__(self, rows: np.ndarray, origins: np.ndarray) -> Masks:
        self.looked.append(len(rows))
        parts = []
        for origin in origins:
            at = self.place - origin * 4
            seen = bool((at >= 4).all() and (at < SIDE - 4).all())
            parts.append(_mask(centre=tuple(at), present=seen, origin=tuple(origin)))
        return join_masks(parts)


def test_a_lost_cell_is_found_outside_its_window() -> None:
    far = Field((6, 6))
    search = Search(2, SETTINGS)
    lost = _mask(present=False, origin=(8, 8))
    other = _mask(centre=(3, 3), radius=2, origin=(8, 8))
    found = search.again(join_masks([other, lost]), np.array([0, 1]), GEOMETRY, Field((18 * 4, 17 * 4)), nobody)
    assert found.object_logits_n[1] > 0 and found.origins[1].tolist() == [12, 12]
    assert torch.equal(found.logits_nhw[0], other.logits_nhw[0]) and found.origins[0].tolist() == [8, 8]
    away = search.again(join_masks([other, lost]), np.array([0, 1]), GEOMETRY, far, nobody)
    assert away.object_logits_n[1] < 0, "too far away to be seen, and not invented"


def test_a_place_that_somebody_holds_is_not_taken() -> None:
    holder = _mask(centre=(8, 4), radius=6, origin=(16, 16))  # at logits (72, 68) of the field
    lost = _mask(present=False, origin=(8, 8))
    found = Search(2, SETTINGS).again(join_masks([holder, lost]), np.array([0, 1]), GEOMETRY, Field((72, 68)), nobody)
    assert found.object_logits_n[1] < 0


@pytest.mark.parametrize(("scale", "held"), [(1.0, True), (0.5, True), (1.0, False)])
def test_nor_is_one_that_a_cell_of_the_labels_holds(scale: float, held: bool) -> None:
    """It may be tracked in a field of another scale, or not at all now."""
    shape = (round(640 / scale), round(640 / scale))
    geometry = Geometry.windowed(shape, scale, 8)
    yx = (np.array([72, 68]) * 4 + 1.5 + 0.5) / geometry.scale - 0.5  # the middle of the place, in frame pixels
    y, x = np.indices(shape)
    disc = np.hypot(y - yx[0], x - yx[1] - (0 if held else 12 / scale)) < (20 if held else 8) / scale
    lost, field = _mask(present=False, origin=(8, 8)), Field((72, 68))
    found = Search(1, SETTINGS).again(lost, np.array([0]), geometry, field, lambda: disc)
    assert (found.object_logits_n[0] < 0) == held


def test_two_lost_cells_do_not_take_one_place() -> None:
    class Sure(Field):
        def __call__(self, rows: np.ndarray, origins: np.ndarray) -> Masks:
            masks = super().__call__(rows, origins)
            masks.object_logits_n[torch.from_numpy(rows == 1)] *= 2
            return masks

    lost = join_masks([_mask(present=False, origin=(8, 8)), _mask(present=False, origin=(10, 8))])
    found = Search(2, SETTINGS).again(lost, np.array([0, 1]), GEOMETRY, Sure((18 * 4, 17 * 4)), nobody)
    assert found.object_logits_n[1] > 0, "the surer one has it"
    assert found.object_logits_n[0] < 0


def test_labels_are_read_only_where_a_lost_cell_was_seen() -> None:
    def read() -> np.ndarray:
        raise AssertionError("a frame is read for nothing")

    lost = _mask(present=False, origin=(8, 8))
    assert Search(1, SETTINGS).again(_mask(), np.array([0]), GEOMETRY, Field((72, 68)), read).object_logits_n[0] > 0
    assert Search(1, SETTINGS).again(lost, np.array([0]), GEOMETRY, Field((-500, -500)), read).object_logits_n[0] < 0


def test_a_lost_cell_that_is_tracked_again_alone_does_not_settle_on_another_one() -> None:
    rng = np.random.default_rng(0)
    y, x = np.indices((160, 280))
    discs = [100 + 400 * (np.hypot(y - 80, x - (80 if t < 2 else 170)) < 14) for t in range(4)]
    movie = np.stack([rng.normal(disc, 15) for disc in discs]).clip(0).astype(np.uint16)
    tracker = CellTracker(movie, device="cpu", cell_diameter=28.0)
    tracker.add_click(1, 0, (80, 80))
    tracker.add_click(2, 2, (80, 170))
    for _ in tracker.track("forward", cells=[2]):
        pass
    scores = {r.frame: r.scores[1] for r in tracker.track("forward", cells=[1])}
    assert scores[1] > 0.5 and max(scores[2], scores[3]) < 0.5, scores


def test_searching_is_bounded() -> None:
    n = 30
    masks = join_masks([_mask(present=False, origin=(8, 8)) for _ in range(n)])
    search, field = Search(n, SETTINGS), Field((-500, -500))
    for _ in range(20):
        search.again(masks, np.arange(n), GEOMETRY, field, nobody)
    assert max(field.looked) <= 8 * SETTINGS.search_cells
    assert len(field.looked) <= SETTINGS.search_frames + 20 // SETTINGS.search_frames, "then only now and then"
    quiet = Field((0, 0))
    Search(n, replace(SETTINGS, search_cells=0)).again(masks, np.arange(n), GEOMETRY, quiet, nobody)
    assert not quiet.looked


def test_nobody_is_searched_for_while_all_are_seen() -> None:
    field = Field((0, 0))
    Search(1, SETTINGS).again(_mask(), np.array([0]), GEOMETRY, field, nobody)
    assert not field.looked
