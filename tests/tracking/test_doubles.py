"""Two cells on one object: the one prompted nearer in time has it, whichever of them was painted first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.tracking.arbitrate import Claims, paint, settle_doubles, settle_with_present

SHAPE = (40, 50)


def _disc(y: float, x: float, radius: float) -> np.ndarray:
    rows, columns = np.indices(SHAPE)
    return np.hypot(rows - y, columns - x) < radius


def _claims(*masks: np.ndarray, logit: float = 2.0) -> Claims:
    parts = [np.flatnonzero(mask) for mask in masks]
    which = np.concatenate([np.full(len(at), i) for i, at in enumerate(parts)])
    at = np.concatenate(parts)
    return Claims(which, at, np.full(len(at), logit, np.float32))


def _painted(
    labels: np.ndarray,
    cell: int,
    mask: np.ndarray,
    age: int,
    ages: dict[int, int],
    locked: frozenset[int] = frozenset(),
    logit: float = 2.0,
) -> np.ndarray:
    """What merging does: settle, then paint, into a copy."""
    out = labels.astype(np.int32)
    claims = settle_with_present(out, _claims(mask, logit=logit), [age], ages.get, locked)
    paint(out, [cell], claims, locked)
    return out


CELL, OTHER = _disc(20, 20, 8), _disc(20, 22, 8)


def test_a_correction_takes_a_cell_back_from_another_one_that_drifted_onto_it() -> None:
    found = _painted(np.where(OTHER, 7, 0), 3, CELL, age=0, ages={7: 12})
    assert np.array_equal(found == 3, CELL)
    assert not (found == 7).any(), "of the other one only a rim is left, which nobody meant"


def test_who_was_prompted_longer_ago_does_not_take_it() -> None:
    before = np.where(OTHER, 7, 0)
    assert np.array_equal(_painted(before, 3, CELL, age=12, ages={7: 2}, logit=50.0), before)


@pytest.mark.parametrize("ages", [{7: 5}, {}])
def test_equal_and_unknown_ages_leave_it_to_the_logits(ages: dict[int, int]) -> None:
    found = _painted(np.where(OTHER, 7, 0), 3, CELL, age=5, ages=ages)
    assert (found == 3)[CELL & ~OTHER].all()
    deep = _disc(20, 22, 2)
    assert (found == 7)[deep].all(), "the inside of a kept cell defends itself"


def test_locked_cells_never_give_way() -> None:
    before = np.where(OTHER, 7, 0)
    found = _painted(before, 3, CELL, age=0, ages={7: 12}, locked=frozenset({7}))
    assert np.array_equal(found == 7, OTHER)


def test_neighbours_that_only_touch_are_no_doubles() -> None:
    beside = _disc(20, 33, 8)
    found = _painted(np.where(beside, 7, 0), 3, CELL, age=0, ages={7: 12})
    assert np.count_nonzero(found == 7) > 0.8 * beside.sum()


def test_of_a_mask_over_two_cells_the_older_part_stays() -> None:
    """One that swallowed its neighbour gives back the neighbour, and keeps itself."""
    own = _disc(20, 38, 10)
    found = _painted(np.where(own | CELL, 7, 0), 3, CELL, age=0, ages={7: 4})
    assert np.array_equal(found == 3, CELL)
    assert np.array_equal(found == 7, own & ~CELL)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_it_does_not_matter_who_was_painted_first(seed: int) -> None:
    """Two overlapping cells of different age: together, or one after the other, in both orders."""
    rng = np.random.default_rng(seed)
    masks = [_disc(*rng.uniform(12, 28, 2), rng.uniform(5, 9)) for _ in range(2)]
    ages = {1: 0, 2: int(rng.integers(1, 9))}
    shared = np.count_nonzero(masks[0] & masks[1])
    if shared <= 0.5 * min(mask.sum() for mask in masks):
        return  # no doubles: those are left to the logits
    together = np.zeros(SHAPE, np.int32)
    paint(together, [1, 2], settle_doubles(_claims(*masks), 2, [ages[1], ages[2]]))
    age_of: Callable[[int], int | None] = ages.get
    for order in ((0, 1), (1, 0)):
        one_by_one = np.zeros(SHAPE, np.int32)
        for i in order:
            claims = settle_with_present(one_by_one, _claims(masks[i]), [ages[i + 1]], age_of)
            paint(one_by_one, [i + 1], claims)
        assert np.array_equal(one_by_one, together)
