"""Rotary positions with absolute token coordinates, and the other position encodings."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_sam2.network import MemoryBatch, Sam2, gather_windows, memory_attention
from napari_sam2.network.positions import rope_turns, rotate, sine_1d, sine_positions

from .formula_weights import formula_model, mini_cell_model, mini_model

H, W = 6, 6
CPU = torch.device("cpu")


def _batch(model: Sam2, query: list[int], memories: list[list[int]], size: tuple[int, int] = (H, W)) -> MemoryBatch:
    torch.manual_seed(0)
    m, config = len(memories), model.config
    return MemoryBatch(
        spatial_nmchw=torch.randn(1, m, config.memory_width, *size),
        spatial_time_nm=torch.arange(m)[None],
        spatial_valid_nm=torch.ones(1, m, dtype=torch.bool),
        spatial_origin_nm2=torch.tensor([memories]),
        query_origin_n2=torch.tensor([query]),
        pointers_npc=torch.randn(1, 2, config.width),
        pointer_time_np=torch.tensor([[1.0, 4.0]]),
        pointer_valid_np=torch.ones(1, 2, dtype=torch.bool),
        pointer_span=15.0,
        all_valid=True,
    )


def _without_pointers(batch: MemoryBatch) -> MemoryBatch:
    return replace(batch, pointer_valid_np=torch.zeros_like(batch.pointer_valid_np), all_valid=False)


@pytest.mark.parametrize("make", [lambda: mini_model("2.1"), mini_cell_model], ids=["hiera", "cell"])
@pytest.mark.parametrize("shift", [(5, 0), (0, 9), (123, 310)])
def test_only_distances_count(make, shift: tuple[int, int]) -> None:
    model = make()
    torch.manual_seed(1)
    x = torch.randn(1, model.config.width, H, W)
    here = _batch(model, [3, 4], [[3, 4], [2, 6]])
    there = replace(
        here,
        query_origin_n2=here.query_origin_n2 + torch.tensor(shift),
        spatial_origin_nm2=here.spatial_origin_nm2 + torch.tensor(shift),
    )
    with torch.inference_mode():
        torch.testing.assert_close(model.attend(x, there), model.attend(x, here), atol=2e-4, rtol=0)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_window_that_moves_away_from_its_memory_sees_other_distances(axis: int) -> None:
    model = mini_model("2.1")
    torch.manual_seed(1)
    x = torch.randn(1, model.config.width, H, W)
    query = [3, 4]
    here = _batch(model, query, [[3, 4]])
    query[axis] += 2
    with torch.inference_mode():
        moved = model.attend(x, replace(here, query_origin_n2=torch.tensor([query])))
        assert (moved - model.attend(x, here)).abs().max() > 0.01


@pytest.mark.parametrize("axis", [0, 1])
def test_a_window_sees_the_field_as_the_whole_field_does(axis: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking back from a part of the field gives that part of looking back from all of it, rows as rows.

    What a window sees of itself and of pointers, which have no place, depends on where its corner is, so both are
    switched off here.
    """
    monkeypatch.setattr(memory_attention, "INPUT_POSITION_WEIGHT", 0.0)
    model = formula_model(mini_model("2.1").config)
    with torch.no_grad():
        for layer in list(model.memory_attention.blocks()):
            layer.self_attn.out_proj.weight.zero_()
            layer.self_attn.out_proj.bias.zero_()
        torch.manual_seed(1)
        x = torch.randn(1, model.config.width, 8, 8)
        whole = model.attend(x, _without_pointers(_batch(model, [1, 2], [[1, 2], [4, 0]])))
        origin = [1, 2]
        origin[axis] += 2
        cut = (slice(None), slice(None), *(slice(2, None) if a == axis else slice(None) for a in (0, 1)))
        part = model.attend(x[cut], _without_pointers(_batch(model, origin, [[1, 2], [4, 0]])))
    torch.testing.assert_close(part, whole[cut], atol=1e-4, rtol=0)


def test_angles_follow_the_formula() -> None:
    """64 pairs for x, then 64 for y; theta 10,000 (Heo et al. 2024)."""
    channels, row, column = 32, 7, 11
    turns = rope_turns(torch.tensor(row), torch.tensor(column), channels)
    pairs = channels // 4
    angles = np.array([place * 10_000 ** (-4 * i / channels) for place in (column, row) for i in range(pairs)])
    np.testing.assert_allclose(turns, np.exp(1j * angles), atol=1e-6)


def test_rotation_turns_adjacent_pairs() -> None:
    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    angles = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    turned = rotate(x, torch.complex(angles.cos(), angles.sin()))
    for n in range(5):
        for i in range(4):
            a, b, phi = x[n, 2 * i], x[n, 2 * i + 1], angles[n, i]
            expected = (a * phi.cos() - b * phi.sin(), a * phi.sin() + b * phi.cos())
            torch.testing.assert_close(turned[n, 2 * i : 2 * i + 2], torch.stack(expected))


def test_sine_positions_follow_the_formula() -> None:
    """Places from 1, over (last + 1e-6), times 2 pi; y first, sine and cosine in turn (Carion et al. 2020)."""
    channels, height, width = 16, 8, 8
    got = sine_positions(height, width, channels, 8, CPU)
    for row, column in ((0, 0), (3, 6), (7, 7)):
        expected = []
        for place in (row + 1, column + 1):
            phase = place / (8 + 1e-6) * 2 * math.pi
            for i in range(channels // 4):
                angle = phase / 10_000 ** (2 * i / (channels // 2))
                expected += [math.sin(angle), math.cos(angle)]
        np.testing.assert_allclose(got[:, row, column], expected, atol=1e-5)


def test_a_small_map_lies_in_the_middle_of_the_native_one() -> None:
    whole = sine_positions(8, 8, 16, 8, CPU)
    torch.testing.assert_close(sine_positions(4, 6, 16, 8, CPU), whole[:, 2:6, 1:7])
    encoder = mini_model("2.1").sam_prompt_encoder
    torch.testing.assert_close(encoder.grid((4, 6)), encoder.grid((8, 8))[:, :, 2:6, 1:7])


def test_one_dimensional_encoding_is_sines_then_cosines() -> None:
    got = sine_1d(torch.tensor([0.0, 0.5]), 8)
    assert got.shape == (2, 8)
    np.testing.assert_allclose(got[0], [0] * 4 + [1] * 4)
    np.testing.assert_allclose(got[1, [0, 4]], [math.sin(0.5), math.cos(0.5)], rtol=1e-6)


def test_windows_are_cut_where_they_lie() -> None:
    field = torch.arange(2 * 3 * 10 * 12, dtype=torch.float32).view(2, 3, 10, 12)
    origins = torch.tensor([[0, 0], [6, 2], [3, 8]])
    maps = torch.tensor([1, 0, 1])
    got = gather_windows(field, maps, origins, 4)
    for i in range(3):
        y, x = origins[i].tolist()
        assert torch.equal(got[i], field[maps[i], :, y : y + 4, x : x + 4])
    assert torch.equal(gather_windows(field, maps, origins[:1].expand(3, -1) * 0, (10, 12)), field[maps])
