"""Cells in a batch do not see each other: N at once are N one at a time; and other precisions stay near float32."""

from __future__ import annotations

import copy
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from napari_sam2.network import ImageFeatures, MemoryBatch, Prompts, Sam2
from napari_sam2.network.model import upscale_logits
from napari_sam2.network.positions import rope_turns, rotate

from .formula_weights import mini_cell_model, mini_model

MODELS = {"2.1": lambda: mini_model("2.1"), "2.0": lambda: mini_model("2.0"), "cell": mini_cell_model}
CELLS, WINDOW, SLOTS, POINTERS = 5, 6, 4, 5
#: Memories and pointers of the five cells: none at all, one of each, only pointers, and more.
SPATIAL = torch.tensor([[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1], [0, 1, 1, 1]], dtype=torch.bool)
POINTING = torch.tensor(
    [[0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], dtype=torch.bool
)
#: Float32 sums in another order.
SAME = {"rtol": 1e-5, "atol": 1e-4}  # processors add up in different orders


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Sam2:
    """Each kind of network in turn."""
    return MODELS[request.param]()


def _features(model: Sam2) -> ImageFeatures:
    """Windows of five cells, all different."""
    torch.manual_seed(0)
    with torch.inference_mode():
        return model.encode_image(torch.randn(CELLS, 3, WINDOW * 16 + 32, WINDOW * 16)[:, :, : WINDOW * 16])


def _prompts() -> Prompts:
    torch.manual_seed(1)
    labels = torch.tensor([[1, -2, -2], [1, 0, -2], [2, 3, -2], [2, 3, 1], [-1, -2, -2]])
    return Prompts(
        torch.rand(CELLS, 3, 2) * WINDOW * 16,
        labels,
        torch.randn(CELLS, WINDOW * 4, WINDOW * 4) * 5,
        torch.tensor([False, True, False, True, False]),
    )


def _memory(model: Sam2) -> MemoryBatch:
    torch.manual_seed(2)
    config = model.config
    return MemoryBatch(
        spatial_nmchw=torch.randn(CELLS, SLOTS, config.memory_width, WINDOW, WINDOW),
        spatial_time_nm=torch.tensor([config.memory_frames - 1, 0, 1, 2]).expand(CELLS, -1),
        spatial_valid_nm=SPATIAL,
        spatial_origin_nm2=torch.randint(0, 40, (CELLS, SLOTS, 2)),
        query_origin_n2=torch.randint(0, 40, (CELLS, 2)),
        pointers_npc=torch.randn(CELLS, POINTERS, config.width),
        pointer_time_np=torch.randint(1, 15, (CELLS, POINTERS)).float(),
        pointer_valid_np=POINTING,
        pointer_span=15.0,
    )


def _rows(batch: MemoryBatch, at: list[int]) -> MemoryBatch:
    """Some rows of a batch."""
    tensors = {f.name: getattr(batch, f.name) for f in fields(batch)}
    return MemoryBatch(**{name: t[at] if isinstance(t, Tensor) else t for name, t in tensors.items()})


def _prompt_rows(prompts: Prompts, at: list[int]) -> Prompts:
    assert prompts.mask_logits_nhw is not None and prompts.has_mask_n is not None
    return Prompts(prompts.points_npx2[at], prompts.labels_np[at], prompts.mask_logits_nhw[at], prompts.has_mask_n[at])


def _step(
    model: Sam2, features: ImageFeatures, memory: MemoryBatch | None, prompts: Prompts, multimask: Tensor
) -> dict[str, Tensor]:
    """Everything from features to the next memory."""
    with torch.inference_mode():
        conditioned = model.attend(features.stride16, memory)
        size = (features.stride16.shape[-2], features.stride16.shape[-1])
        output = model.decode(conditioned, features.stride8, features.stride4, model.embed_prompts(prompts, size))
        chosen = model.select(output, multimask)
        full = output.logits_nmhw[:, 1].repeat_interleave(4, 1).repeat_interleave(4, 2)
        memories = model.encode_memory(features.stride16, full, output.object_logits_n, ~multimask)
    return {
        "conditioned": conditioned,
        "logits": output.logits_nmhw,
        "iou": output.iou_nm,
        "object": output.object_logits_n,
        "chosen": chosen.logits_nhw,
        "pointer": chosen.pointer_nc,
        "memory": memories,
    }


def test_many_cells_at_once_are_the_same_as_one_at_a_time(model: Sam2) -> None:
    features, memory, prompts = _features(model), _memory(model), _prompts()
    multimask = torch.tensor([True, False, False, True, True])
    together = _step(model, features, memory, prompts, multimask)
    for i in range(CELLS):
        own = ImageFeatures(*(t[i : i + 1] for t in vars(features).values()))
        alone = _step(model, own, _rows(memory, [i]), _prompt_rows(prompts, [i]), multimask[i : i + 1])
        for name, value in alone.items():
            torch.testing.assert_close(
                together[name][i], value[0], msg=lambda m, n=name, c=i: f"cell {c}, {n}: {m}", **SAME
            )
    spread = together["logits"].std(0).mean()
    assert spread > 0.05, "the cells must differ, or the test says nothing"


def test_masks_are_encoded_the_same_in_turns(model: Sam2, monkeypatch: pytest.MonkeyPatch) -> None:
    stride16 = _features(model).stride16
    torch.manual_seed(3)
    logits, scores = torch.randn(CELLS, WINDOW * 16, WINDOW * 16) * 5, torch.tensor([1.0, -1.0, 1.0, 1.0, 1.0])
    hard = torch.tensor([False, False, True, False, True])
    with torch.inference_mode():
        whole = model.encode_memory(stride16, logits, scores, hard)
        assert not torch.allclose(model.encode_memory(stride16, logits, scores, ~hard), whole, atol=1e-3)
        coarse = torch.randn(CELLS, WINDOW * 4, WINDOW * 4) * 5
        alike = model.encode_memory(stride16, upscale_logits(coarse), scores, hard)
        torch.testing.assert_close(model.encode_memory(stride16, coarse, scores, hard), alike, **SAME)
        monkeypatch.setattr("napari_sam2.network.layers.CACHED", 4 * 2 * logits[0].numel())
        torch.testing.assert_close(model.encode_memory(stride16, logits, scores, hard), whole, **SAME)
        monkeypatch.setattr("napari_sam2.network.layers.CACHED", 1)
        torch.testing.assert_close(model.encode_memory(stride16, logits, scores, hard), whole, **SAME)
        torch.testing.assert_close(model.encode_memory(stride16, coarse, scores, hard), alike, **SAME)


def test_feeding_forward_and_keys_in_turns_are_the_same(model: Sam2, monkeypatch: pytest.MonkeyPatch) -> None:
    features, memory = _features(model), _memory(model)
    with torch.inference_mode():
        conditioned = model.attend(features.stride16, memory)
        keys = model.memory_attention.memory_keys(memory.spatial_nmchw[:, 0])
        monkeypatch.setattr("napari_sam2.network.layers.CACHED", 1)
        torch.testing.assert_close(model.attend(features.stride16, memory), conditioned, **SAME)
        torch.testing.assert_close(model.memory_attention.memory_keys(memory.spatial_nmchw[:, 0]), keys, **SAME)


def test_joined_projections_and_turns_in_place_are_what_training_does(model: Sam2) -> None:
    features, memory = _features(model), _memory(model)
    expected = model.attend(features.stride16, memory)
    assert expected.requires_grad
    with torch.inference_mode():
        torch.testing.assert_close(model.attend(features.stride16, memory), expected.detach(), **SAME)


def test_kept_keys_are_the_same_as_projecting_memories_anew(model: Sam2) -> None:
    """A stored memory's keys are projected and rotated once; its time and the window's moves are added when looking."""
    features, memory = _features(model), _memory(model)
    with torch.inference_mode():
        every = model.memory_attention.memory_keys(memory.spatial_nmchw.flatten(0, 1)).unflatten(1, (CELLS, SLOTS))
        keys = every.unbind(2)
        before = every.clone()
        expected = model.attend(features.stride16, memory)
        actual = model.attend(features.stride16, replace(memory, slot_keys=keys))
        torch.testing.assert_close(actual, expected, **SAME)
        assert torch.equal(every, before), "what is kept must stay as it is"
        # Times may differ between the cells of a batch.
        other = replace(memory, spatial_time_nm=(memory.spatial_time_nm + torch.arange(CELLS)[:, None]) % 3)
        expected_then = model.attend(features.stride16, other)
        assert not torch.allclose(expected_then, expected, atol=1e-3)
        torch.testing.assert_close(
            model.attend(features.stride16, replace(other, slot_keys=keys)), expected_then, **SAME
        )
        # Where it is known which windows have moved, only their keys are turned.
        origins = memory.spatial_origin_nm2.clone()
        origins[1:3] = memory.query_origin_n2[1:3, None]
        origins[0, 1] = memory.query_origin_n2[0]
        some = replace(memory, spatial_origin_nm2=origins)
        expected = model.attend(features.stride16, some)
        moved = (origins != memory.query_origin_n2[:, None]).any(2).nonzero()
        actual = model.attend(features.stride16, replace(some, slot_keys=keys, moved_k2=moved))
        assert 0 < len(moved) < CELLS * SLOTS
        torch.testing.assert_close(actual, expected, **SAME)
        # At rest the turning is saved.
        still = replace(memory, spatial_origin_nm2=memory.query_origin_n2[:, None].expand(-1, SLOTS, -1))
        expected = model.attend(features.stride16, still)
        actual = model.attend(features.stride16, replace(still, slot_keys=keys, at_rest=True))
        torch.testing.assert_close(actual, expected, **SAME)


def test_what_all_cells_see_alike_is_looked_at_once(model: Sam2, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first self-attention depends on the field alone where every window is the whole field (exact mode)."""
    features, memory = _features(model), _memory(model)
    shared = features.stride16[2:3].expand(CELLS, -1, -1, -1)
    sizes: list[list[int]] = []
    for layer in model.memory_attention.blocks():
        sizes.append([])
        look, seen = layer.self_attn.look_around, sizes[-1]
        monkeypatch.setattr(
            layer.self_attn,
            "look_around",
            lambda x, turns, look=look, seen=seen: (seen.append(len(x)), look(x, turns))[1],
        )
    with torch.inference_mode():
        expected = model.attend(shared.contiguous(), memory)
        actual = model.attend(shared, memory)
    assert sizes[0] == [CELLS, 1] and all(later == [CELLS, CELLS] for later in sizes[1:])
    torch.testing.assert_close(actual, expected, **SAME)


def test_a_cell_with_less_to_remember_is_the_same_without_the_empty_slots(model: Sam2) -> None:
    features, memory = _features(model), _memory(model)
    i, spatial, pointers = 3, [0, 1, 3], [0, 1, 2, 3, 4]
    one = _rows(memory, [i])
    trimmed = replace(
        one,
        spatial_nmchw=one.spatial_nmchw[:, spatial],
        spatial_time_nm=one.spatial_time_nm[:, spatial],
        spatial_valid_nm=one.spatial_valid_nm[:, spatial],
        spatial_origin_nm2=one.spatial_origin_nm2[:, spatial],
        pointers_npc=one.pointers_npc[:, pointers],
        all_valid=True,
    )
    with torch.inference_mode():
        padded = model.attend(features.stride16, memory)[i]
        exact = model.attend(features.stride16[i : i + 1], trimmed)[0]
    torch.testing.assert_close(padded, exact, **SAME)


def test_what_lies_in_empty_slots_does_not_matter(model: Sam2) -> None:
    features, memory = _features(model), _memory(model)
    rubbish = replace(
        memory,
        spatial_nmchw=torch.where(SPATIAL[:, :, None, None, None], memory.spatial_nmchw, torch.tensor(77.0)),
        pointers_npc=torch.where(POINTING[:, :, None], memory.pointers_npc, torch.tensor(-55.0)),
        pointer_time_np=torch.where(POINTING, memory.pointer_time_np, torch.tensor(1e4)),
        spatial_origin_nm2=torch.where(SPATIAL[:, :, None], memory.spatial_origin_nm2, torch.tensor(-9)),
    )
    with torch.inference_mode():
        expected, actual = (model.attend(features.stride16, m) for m in (memory, rubbish))
    torch.testing.assert_close(actual, expected, **SAME)


def test_rows_without_memory_are_as_if_there_were_none_at_all(model: Sam2) -> None:
    features, memory = _features(model), _memory(model)
    with torch.inference_mode():
        mixed = model.attend(features.stride16, memory)
        plain = model.without_memory(features.stride16)
        assert torch.equal(model.attend(features.stride16, None), plain)
    empty = ~(SPATIAL.any(1) | POINTING.any(1))
    assert empty.tolist() == [True, False, False, False, False]
    assert torch.equal(mixed[empty], plain[empty])
    assert ((mixed - plain).flatten(1).abs().amax(1)[~empty] > 0.1).all()


def test_absent_points_change_nothing(model: Sam2) -> None:
    features, prompts = _features(model), _prompts()
    torch.manual_seed(3)
    longer = replace(
        prompts,
        points_npx2=torch.cat((prompts.points_npx2, torch.randn(CELLS, 4, 2) * 1000), dim=1),
        labels_np=torch.cat((prompts.labels_np, torch.full((CELLS, 4), -2)), dim=1),
    )
    multimask = torch.zeros(CELLS, dtype=torch.bool)
    expected, actual = (_step(model, features, None, p, multimask) for p in (prompts, longer))
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value, **SAME)
    with_click = replace(longer, labels_np=torch.where(longer.labels_np == -2, 1, longer.labels_np))
    assert (_step(model, features, None, with_click, multimask)["logits"] - expected["logits"]).abs().max() > 0.05


def test_all_present_is_only_a_promise(model: Sam2) -> None:
    features = _features(model)
    prompts = Prompts(torch.rand(CELLS, 2, 2) * 90, torch.tensor([[1, 0]] * CELLS))
    multimask = torch.zeros(CELLS, dtype=torch.bool)
    expected = _step(model, features, None, prompts, multimask)
    actual = _step(model, features, None, replace(prompts, all_present=True), multimask)
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value, **SAME)


#: Largest difference from float32 that is allowed, relative to the largest value. Reached: bfloat16 0.05, float16 0.01.
NEAR = {torch.bfloat16: 0.12, torch.float16: 0.03}


@pytest.mark.parametrize("dtype", NEAR, ids=str)
def test_half_precisions_run_and_stay_near_float32(model: Sam2, dtype: torch.dtype) -> None:
    half = copy.deepcopy(model).to(dtype)
    torch.manual_seed(4)
    image = torch.randn(CELLS, 3, WINDOW * 16, WINDOW * 16)
    multimask = torch.ones(CELLS, dtype=torch.bool)
    results = []
    for network in (model, half):
        kind = network.dtype
        with torch.inference_mode():
            features = network.encode_image(image.to(kind))
        assert features.stride16.dtype == kind
        memory = _memory(network)
        memory = replace(memory, spatial_nmchw=memory.spatial_nmchw.to(kind), pointers_npc=memory.pointers_npc.to(kind))
        results.append(_step(network, features, memory, _prompts(), multimask))
    exact, rough = results
    for name in ("conditioned", "logits", "iou", "object", "memory"):
        assert torch.isfinite(rough[name]).all(), name
        error = (rough[name].float() - exact[name]).abs().max() / exact[name].abs().max()
        assert error < NEAR[dtype], f"{name}: {error:.3f}"


def test_places_far_out_are_rotated_in_float32_also_in_bfloat16() -> None:
    """In bfloat16 token 517 would be token 516: the angles and the rotation must not be computed in it."""
    torch.manual_seed(5)
    x = torch.randn(3, 7, 32)
    turns = rope_turns(torch.full((7,), 517), torch.arange(500, 507), 32)
    assert turns.dtype == torch.complex64
    low = x.bfloat16()
    assert torch.equal(rotate(low, turns), rotate(low.float(), turns).bfloat16())


def test_gradients_are_finite_also_where_a_row_has_nothing_to_look_at(model: Sam2) -> None:
    trained = copy.deepcopy(model)
    features = _features(model).stride16.clone().requires_grad_()
    memory = _memory(model)
    memory.spatial_nmchw.requires_grad_()
    trained.attend(features, memory).square().mean().backward()
    for name, gradient in (("features", features.grad), ("memories", memory.spatial_nmchw.grad)):
        assert gradient is not None and torch.isfinite(gradient).all(), name
        assert gradient.abs().sum() > 0
    for name, parameter in trained.memory_attention.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
