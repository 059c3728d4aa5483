"""The memory bank against the simplest thing that does the same: a dictionary that keeps everything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.network import MemoryBatch
from napari_sam2.tracking.memory import MemoryBank
from tests.network.formula_weights import MINI, MINI_CELL

CONFIG = replace(MINI_CELL, width=16, memory_width=8)
WINDOW = (2, 3)
CELLS, SLOTS = 3, 2
CONDITIONING = CONFIG.memory_frames - 1

Seen = set[tuple[float, ...]]


def _bank(cells: int = CELLS, frames: int = 1000, keys: bool = False) -> MemoryBank:
    return MemoryBank(CONFIG, cells, WINDOW, frames, SLOTS, keep_keys=keys)


def _mark(cell: int, frame: int) -> float:
    """A value by which a memory is known again."""
    return float(cell * 1000 + frame)


def _memory(value: float) -> torch.Tensor:
    return torch.full((CONFIG.memory_width, *WINDOW), value)


def _pointer(value: float) -> torch.Tensor:
    return torch.full((CONFIG.width,), -value)


def _seen(batch: MemoryBatch | None, row: int) -> tuple[Seen, Seen]:
    """What a row may look at: memories as (time index, row, column, value), pointers as (distance, value)."""
    if batch is None:
        return set(), set()
    valid, pointing = batch.spatial_valid_nm[row], batch.pointer_valid_np[row]
    values = batch.spatial_nmchw[row].flatten(1)
    assert torch.equal(values.amin(1), values.amax(1)), "a memory is torn"
    spatial = {
        (float(batch.spatial_time_nm[row, i]), *map(float, batch.spatial_origin_nm2[row, i]), float(values[i, 0]))
        for i in torch.where(valid)[0].tolist()
    }
    pointers = {
        (float(batch.pointer_time_np[row, i]), float(batch.pointers_npc[row, i, 0]))
        for i in torch.where(pointing)[0].tolist()
    }
    assert len(spatial) == valid.sum() and len(pointers) == pointing.sum(), "something is there twice"
    return spatial, pointers


class Naive:
    """Keeps every frame of every cell for ever."""

    def __init__(self) -> None:
        self.fixed: dict[int, dict[int, tuple[int, tuple[int, int]]]] = {}
        self.frames: dict[int, dict[int, tuple[int, int]]] = {}

    def look(self, cell: int, frame: int, step: int) -> tuple[Seen, Seen]:
        fixed, frames = self.fixed.get(cell, {}), self.frames.get(cell, {})
        spatial = {(float(CONDITIONING), *map(float, o), _mark(cell, t)) for t, o in fixed.values()}
        pointers = {(float((frame - t) * step), -_mark(cell, t)) for t, _ in fixed.values() if (frame - t) * step >= 0}
        for ago in range(1, CONFIG.max_pointers):
            t = frame - step * ago
            if t in frames:
                pointers.add((float(ago), -_mark(cell, t)))
                if ago <= CONFIG.recent_frames:
                    spatial.add((float(ago - 1), *map(float, frames[t]), _mark(cell, t)))
        return spatial, pointers


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from([1, -1]), st.booleans())
def test_it_shows_what_a_dictionary_of_everything_would(seed: int, step: int, keys: bool) -> None:
    rng = np.random.default_rng(seed)
    bank, naive = _bank(keys=keys), Naive()
    start = int(rng.integers(0, 900))
    for at in range(start, start + 40):
        frame = at if step > 0 else 960 - at
        for cell in range(CELLS):
            if rng.random() < 0.1 or at == start:  # a new stretch begins
                bank.restart(cell)
                naive.fixed[cell], naive.frames[cell] = {}, {}
                for slot in range(int(rng.integers(1, SLOTS + 1))):
                    # The other prompt lies beyond the stretch, or before it.
                    other = int(rng.choice([rng.integers(-30, 0), rng.integers(50, 90)]))
                    t = frame if slot == 0 else frame + step * other
                    place = (int(rng.integers(0, 50)), int(rng.integers(0, 50)))
                    value = _mark(cell, t)
                    bank.condition(cell, slot, t, _memory(value), np.array(place), _pointer(value))
                    naive.fixed[cell][slot] = (t, place)
        rows = np.flatnonzero(rng.random(CELLS) < 0.8)
        if not len(rows):
            continue
        origins = rng.integers(0, 50, (len(rows), 2))
        now = frame + step
        batch = bank.look(rows, now, step, origins)
        assert batch is not None
        assert np.array_equal(batch.query_origin_n2.numpy(), origins)
        for i, cell in enumerate(rows.tolist()):
            assert _seen(batch, i) == naive.look(cell, now, step)
        if batch.all_valid:
            assert batch.spatial_valid_nm.all() and batch.pointer_valid_np.all()
        if batch.at_rest:
            still = (batch.spatial_origin_nm2 == batch.query_origin_n2[:, None]).all(2)
            assert still[batch.spatial_valid_nm].all()
        kept = rows[rng.random(len(rows)) < 0.8]
        values = [_mark(cell, now) for cell in kept.tolist()]
        if len(kept):
            places = rng.integers(0, 50, (len(kept), 2))
            bank.remember(
                kept, now, torch.stack([_memory(v) for v in values]), places, torch.stack([_pointer(v) for v in values])
            )
            for cell, place in zip(kept.tolist(), places.tolist(), strict=True):
                naive.frames[cell][now] = tuple(place)
        skipped = np.setdiff1d(rows, kept)
        if len(skipped):
            bank.skip(skipped, now)


@pytest.mark.parametrize("keys", [False, True])
def test_it_does_not_grow_with_the_movie(keys: bool) -> None:
    held = {frames: _bank(frames=frames, keys=keys).nbytes for frames in (20, 10_000_000)}
    assert len(set(held.values())) == 1
    bank = _bank(frames=5000, keys=keys)
    before = bank.nbytes
    rows = np.arange(CELLS)
    for frame in range(200):
        memories = torch.zeros(CELLS, CONFIG.memory_width, *WINDOW)
        bank.remember(rows, frame, memories, np.zeros((CELLS, 2), np.int64), torch.zeros(CELLS, CONFIG.width))
    assert bank.nbytes == before
    assert _bank(2 * CELLS, keys=keys).nbytes == 2 * _bank(CELLS, keys=keys).nbytes
    one = _bank(1).nbytes
    slots = CONFIG.recent_frames + SLOTS
    assert one == 4 * (slots * CONFIG.memory_width * 6 + (CONFIG.max_pointers + SLOTS) * CONFIG.width)


def test_nothing_is_seen_before_anything_was_remembered() -> None:
    assert _bank().look(np.arange(CELLS), 5, 1, np.zeros((CELLS, 2), np.int64)) is None


def test_a_restarted_cell_remembers_nothing_and_the_others_all() -> None:
    bank = _bank()
    for cell in range(CELLS):
        bank.condition(cell, 0, 3, _memory(_mark(cell, 3)), np.zeros(2, np.int64), _pointer(_mark(cell, 3)))
    bank.restart(1)
    batch = bank.look(np.arange(CELLS), 4, 1, np.zeros((CELLS, 2), np.int64))
    assert [len(_seen(batch, row)[0]) for row in range(CELLS)] == [1, 0, 1]


def test_kept_keys_stay_with_their_memories() -> None:
    bank = _bank(keys=True)
    tokens, layers = WINDOW[0] * WINDOW[1], CONFIG.memory_layers
    rows = np.arange(CELLS)
    nowhere = np.zeros((CELLS, 2), np.int64)

    def keys(frame: int) -> torch.Tensor:
        value = torch.tensor([_mark(cell, frame) for cell in range(CELLS)]).view(1, CELLS, 1, 1)
        return (value + 0.25 * torch.arange(layers).view(-1, 1, 1, 1)).expand(-1, -1, tokens, CONFIG.width)

    def memories(frame: int) -> torch.Tensor:
        return torch.stack([_memory(_mark(cell, frame)) for cell in range(CELLS)])

    pointers = torch.zeros(CELLS, CONFIG.width)
    for cell in range(CELLS):
        value = _mark(cell, 0)
        bank.condition(cell, 0, 0, _memory(value), nowhere[0], _pointer(value), keys(0)[:, cell])
    for frame in range(1, 12):
        bank.remember(rows, frame, memories(frame), nowhere, pointers, keys(frame))
    for some in ([2, 0], [1, 2], [2]):  # also such as follow each other, which are not copied
        batch = bank.look(np.array(some), 12, 1, nowhere[: len(some)])
        assert batch is not None and batch.slot_keys is not None
        assert len(batch.slot_keys) == batch.spatial_nmchw.shape[1]
        for slot, kept in enumerate(batch.slot_keys):
            for layer in range(layers):
                expected = batch.spatial_nmchw[:, slot, 0, 0, 0] + 0.25 * layer
                assert torch.equal(kept[layer, :, 0, 0], expected)


def test_it_says_which_memories_lie_elsewhere() -> None:
    bank = _bank(keys=True)
    places = np.array([(0, 0), (4, 0), (0, 4)])
    for cell in range(CELLS):
        bank.condition(cell, 0, 0, _memory(_mark(cell, 0)), places[cell], _pointer(0.0))
    bank.remember(
        np.array([0, 1]), 1, torch.stack([_memory(1.0)] * 2), places[[0, 1]] + 1, torch.stack([_pointer(1.0)] * 2)
    )
    batch = bank.look(np.arange(CELLS), 2, 1, places)
    assert batch is not None and batch.moved_k2 is not None and not batch.at_rest
    # The third cell has no recent memory: whatever its slot holds is no memory that lies elsewhere.
    assert batch.moved_k2.tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize(("frames", "pointers"), [(3, 3), (16, 16), (500, 16)])
def test_pointers_of_a_published_model_depend_on_the_length_of_the_movie(frames: int, pointers: int) -> None:
    """As published: at most min(number of frames, 16), and their time is relative to one less."""
    bank = MemoryBank(MINI, 1, WINDOW, frames, 1)
    assert (bank.max_pointers, bank.pointer_span) == (pointers, pointers - 1)
    fixed = MemoryBank(CONFIG, 1, WINDOW, frames, 1)
    assert (fixed.max_pointers, fixed.pointer_span) == (16, CONFIG.pointer_span)
