"""Shortcuts of whole components at inference, each held to what the same component does in training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napari_sam2.network import Prompts, Sam2
from napari_sam2.network.fold import folded
from napari_sam2.network.mask_decoder import DecoderOutput
from napari_sam2.network.prompt_encoder import ABSENT, FOREGROUND
from tests.network.formula_weights import MINI_CELL, formula_model


@pytest.fixture(scope="module")
def model() -> Sam2:
    return formula_model(MINI_CELL).eval()


@pytest.mark.parametrize("points", [1, 3, 12])
def test_decoder_says_the_same_with_and_without_gradients(model: Sam2, points: int) -> None:
    torch.manual_seed(points)
    config = model.config
    maps = [
        torch.randn(3, config.width // k, 4 * side, 6 * side).to(memory_format=torch.channels_last)
        for k, side in ((1, 1), (4, 2), (8, 4))
    ]
    labels = torch.full((3, points), FOREGROUND)
    if points > 1:
        labels[1, 1:] = ABSENT
    prompts = Prompts(torch.rand(3, points, 2) * 64, labels, all_present=points == 1)
    embedding = model.embed_prompts(prompts, (4, 6))
    expected = model.decode(*maps, embedding)
    with torch.inference_mode():
        got = model.decode(*maps, embedding)
    assert expected.logits_nmhw.requires_grad and not got.logits_nmhw.requires_grad
    for name, value in vars(expected).items():
        torch.testing.assert_close(getattr(got, name), value.detach(), atol=2e-4, rtol=1e-4, msg=name)


def test_images_are_encoded_the_same_with_and_without_gradients(model: Sam2) -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 3, 64, 96)
    before, expected = images.clone(), model.encode_image(images)
    for network in (model, folded(model)):
        with torch.inference_mode():
            got = network.encode_image(images)
        for name, value in vars(expected).items():
            torch.testing.assert_close(getattr(got, name), value.detach(), atol=1e-4, rtol=1e-4, msg=name)
    assert torch.equal(images, before)


@pytest.mark.parametrize("stride", [1, 4])
def test_folded_memories_are_those_of_the_published_layers(model: Sam2, stride: int) -> None:
    torch.manual_seed(0)
    quick = folded(model)
    steps = quick.memory_encoder.mask_downsampler.encoder
    assert steps[0].weight.mean(0).abs().max() < 1e-6, "the mean has been taken off"
    features = torch.randn(5, model.config.width, 4, 4).to(memory_format=torch.channels_last)
    logits = torch.randn(5, 64 // stride, 64 // stride) * 5
    hard = torch.tensor([True, False, False, True, False])
    before = logits.clone()
    for which in (hard, torch.zeros_like(hard)):
        expected = model.memory_encoder(features, logits, which)
        with torch.inference_mode():
            got = quick.memory_encoder(features, logits, which)
        torch.testing.assert_close(got, expected.detach(), atol=1e-4, rtol=1e-4)
    assert torch.equal(logits, before), "what was given is not written over"
    assert model.memory_encoder.mask_downsampler.encoder[0].weight.mean(0).abs().max() > 1e-3, "the model is as it was"


@pytest.mark.parametrize(("threshold", "index"), [(0.98, 2), (0.0, 0)])
def test_a_threshold_of_nothing_keeps_the_single_mask_however_unstable(threshold: float, index: int) -> None:
    model = formula_model(replace(MINI_CELL, stability_threshold=threshold)).eval()
    with torch.inference_mode():
        logits = torch.full((1, 4, 16, 16), -5.0)
        logits[:, 0, :8] = 0.01  # nearly all of it lies between the two thresholds
        tokens = torch.randn(1, 4, MINI_CELL.width, generator=torch.Generator().manual_seed(1))
        output = DecoderOutput(logits, torch.tensor([[0.9, 0.1, 0.8, 0.2]]), torch.ones(1), tokens)
        assert model.select(output, torch.tensor([False])).index_n.tolist() == [index]
