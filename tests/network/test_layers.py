"""Shortcuts of single layers, each held to the plain formula."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from napari_sam2.network.attention import Attention
from napari_sam2.network.layers import (
    EPS_IMAGE,
    FEW_CHANNELS,
    FEW_KEYS,
    SOME_CHANNELS,
    LayerNorm2d,
    attend,
    deconvolved,
    gelu,
    relu,
)


def _formula(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    scores = q.double() @ k.double().transpose(-1, -2) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(-1) @ v.double()


@pytest.mark.parametrize("keys", [1, 8, FEW_KEYS, FEW_KEYS + 1, 300])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
def test_attention_is_the_formula_on_every_way(
    keys: int, masked: bool, gradients: bool, dtype: torch.dtype, bound: float
) -> None:
    rng = torch.Generator().manual_seed(keys)
    q, k, v = (torch.randn(3, 2, n, c, generator=rng).to(dtype) for n, c in ((17, 16), (keys, 16), (keys, 8)))
    mask = None
    if masked:
        mask = torch.rand(3, 1, 1, keys, generator=rng) > 0.5
        mask[..., 0] = True
    with torch.set_grad_enabled(gradients):
        got = attend(q, k, v, mask)
    assert got.dtype == dtype and got.shape == (3, 2, 17, 8)
    torch.testing.assert_close(got.double(), _formula(q, k, v, mask), atol=bound, rtol=0)


@pytest.mark.parametrize("masked", ["", "every", "shared", "queries"])
@pytest.mark.parametrize("together", [1, 2, 3])
def test_batches_that_are_attended_to_in_turns_are_the_same(
    masked: str, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    q, k, v = (torch.randn(5, 2, n, c).bfloat16() for n, c in ((17, 16), (40, 16), (40, 8)))
    mask = {
        "": None,
        "every": torch.rand(5, 1, 1, 40) > 0.5,
        "shared": torch.rand(1, 1, 1, 40) > 0.5,
        "queries": torch.rand(5, 2, 17, 40) > 0.5,
    }[masked]
    if mask is not None:
        mask[..., 0] = True
    with torch.inference_mode():
        whole = attend(q, k, v, mask)
        monkeypatch.setattr("napari_sam2.network.layers.CACHED", together * 2 * 17 * 40)
        assert torch.equal(attend(q, k, v, mask), whole)
        # A single one may be too much: then its queries take turns. Products of other sizes round a little differently.
        monkeypatch.setattr("napari_sam2.network.layers.FEWEST_QUERIES", 5)
        monkeypatch.setattr("napari_sam2.network.layers.CACHED", 2 * 7 * 40 * together // 3)
        torch.testing.assert_close(attend(q, k, v, mask), whole, atol=1e-2, rtol=0)


def test_maps_that_are_normalised_in_turns_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    norm, x = LayerNorm2d(FEW_CHANNELS), torch.randn(5, FEW_CHANNELS, 6, 7)
    with torch.inference_mode():
        whole = norm(x)
        monkeypatch.setattr("napari_sam2.network.layers.CACHED", 4 * 2 * FEW_CHANNELS * 6 * 7)
        assert torch.equal(norm(x), whole)


def test_masked_keys_do_not_matter() -> None:
    q, k, v = torch.randn(1, 1, 5, 8), torch.randn(1, 1, 40, 8), torch.randn(1, 1, 40, 8)
    mask = torch.arange(40)[None, None, None] < 30
    with torch.inference_mode():
        for dtype, keys in ((torch.float32, 40), (torch.bfloat16, 40)):
            got = attend(q.to(dtype), k.to(dtype), v.to(dtype), mask[..., :keys])
            alone = attend(q.to(dtype), k[:, :, :30].to(dtype), v[:, :, :30].to(dtype))
            torch.testing.assert_close(got, alone, atol=2e-2 if dtype == torch.bfloat16 else 1e-6, rtol=0)


@pytest.mark.parametrize("channels", [1, FEW_CHANNELS, FEW_CHANNELS + 1])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_few_channels_are_normalised_like_many(channels: int, layout: torch.memory_format) -> None:
    rng = torch.Generator().manual_seed(0)
    norm = LayerNorm2d(channels)
    with torch.no_grad():
        norm.weight.copy_(torch.rand(channels, generator=rng) + 0.5)
        norm.bias.copy_(torch.randn(channels, generator=rng))
        x = (torch.randn(2, channels, 6, 7, generator=rng) * 30 + 5).to(memory_format=layout)
        got = norm(x)
    mean, var = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    expected = (x - mean) / torch.sqrt(var + EPS_IMAGE) * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)
    assert norm(x).requires_grad, "training goes the usual way"


@pytest.mark.parametrize("channels", [FEW_CHANNELS, SOME_CHANNELS, SOME_CHANNELS + 16])
@pytest.mark.parametrize("together", [1, 3, 99])
def test_maps_without_a_mean_are_normalised_alike(
    channels: int, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = torch.Generator().manual_seed(channels)
    norm = LayerNorm2d(channels)
    x = (torch.randn(5, channels, 6, 7, generator=rng) * 9).to(memory_format=torch.channels_last)
    x -= x.mean(1, keepdim=True)
    with torch.no_grad():
        norm.weight.copy_(torch.rand(channels, generator=rng) + 0.5)
        norm.bias.copy_(torch.randn(channels, generator=rng))
        expected = torch.nn.functional.layer_norm(
            x.permute(0, 2, 3, 1), (channels,), norm.weight, norm.bias, EPS_IMAGE
        ).permute(0, 3, 1, 2)
        norm.centred = True
        monkeypatch.setattr("napari_sam2.network.layers.CACHED", together * 4 * channels * 6 * 7)
        got = norm(x)
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
        plain = norm(x.contiguous())
    torch.testing.assert_close(plain, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_attention_between_few_and_many_needs_no_projection_of_the_many(
    masked: bool, dtype: torch.dtype, bound: float
) -> None:
    torch.manual_seed(0)
    attention = Attention(32, heads=4, inner=16)
    few, many, others = (torch.randn(3, n, 32).to(dtype) for n in (4, 50, 50))
    mask = torch.tensor([[True, True, False, True], [True] * 4, [False, False, True, True]]) if masked else None
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter += 0.2 * torch.randn_like(parameter)  # biases matter
        attention.to(dtype)
        assert attention.suits_few(4) and not attention.suits_few(5)
        # The plain formula, by the same call in double precision.
        plain = copy.deepcopy(attention).double()
        key_mask = None if mask is None else mask[:, None, None]
        from_few = attention.from_few(few, many, others)
        torch.testing.assert_close(
            from_few.double(), plain(few.double(), many.double(), others.double()), atol=bound, rtol=0
        )
        to_few = attention.to_few(many, few, few.flip(1), key_mask)
        expected = plain(many.double(), few.double(), few.flip(1).double(), key_mask)
        torch.testing.assert_close(to_few.double(), expected, atol=bound, rtol=0)
    assert from_few.dtype == to_few.dtype == dtype
    assert not attention.suits_few(1), "training goes the usual way"


def test_transposed_convolution_is_a_product() -> None:
    torch.manual_seed(0)
    layer = torch.nn.ConvTranspose2d(6, 5, kernel_size=2, stride=2)
    x, added = torch.randn(2, 3, 4, 6), torch.randn(2, 6, 8, 5)
    with torch.no_grad():
        expected = layer(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) + added
        torch.testing.assert_close(deconvolved(x, layer, added), expected)
        laid_out = added.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
        torch.testing.assert_close(deconvolved(x, layer, laid_out), expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_activations_are_put_in_place_only_without_gradients(layout: torch.memory_format) -> None:
    x = torch.randn(2, 3, 4, 5).to(memory_format=layout)
    for ours, theirs in ((gelu, torch.nn.functional.gelu), (relu, torch.relu)):
        expected = theirs(x)
        kept = x.clone(memory_format=torch.preserve_format)
        torch.testing.assert_close(ours(kept), expected)
        assert torch.equal(kept, x), "gradients need what came in"
        with torch.no_grad():
            got = ours(kept)
        torch.testing.assert_close(got, expected)
        assert got.data_ptr() == kept.data_ptr() and got.shape == x.shape


def test_relu_of_every_bfloat16_number() -> None:
    bits = torch.arange(-(1 << 15), 1 << 15, dtype=torch.int32).to(torch.int16)
    numbers = bits.view(torch.bfloat16)
    numbers = numbers[~numbers.isnan()]
    expected = torch.relu(numbers)
    with torch.inference_mode():
        got = relu(numbers.clone().view(2, -1).t())  # of any layout
    assert torch.equal(got.t().flatten(), expected)
    assert not torch.signbit(got).any()


def test_attention_where_some_rows_may_not_look_everywhere() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(6, 1, n, 8, generator=generator).bfloat16() for n in (40, 50, 50))
    mask = torch.ones(6, 1, 1, 50, dtype=torch.bool)
    mask[3, ..., 10:] = False
    with torch.inference_mode():
        got = attend(q, k, v, mask)
        assert torch.equal(got[:3], attend(q[:3], k[:3], v[:3]))
        assert torch.equal(got[3:4], attend(q[3:4], k[3:4], v[3:4], mask[3:4]))
        alone = attend(q[3:4], k[3:4, :, :10].repeat(1, 1, 4, 1), v[3:4, :, :10].repeat(1, 1, 4, 1))
    torch.testing.assert_close(got[3:4], alone, atol=0.03, rtol=0.03)
