"""Layers folded into the convolution before them: the same network with fewer passes over its maps."""

from __future__ import annotations

import copy

import torch
from torch import nn

from napari_sam2.network.conv_trunk import ConvNorm, ConvTrunk
from napari_sam2.network.layers import LayerNorm2d
from napari_sam2.network.model import Sam2


def folded(model: Sam2) -> Sam2:
    """Make an inference copy of a network whose trunk has batch normalisations, folded into its convolutions.

    The two 1x1 convolutions that lead to each of the finer maps become one as well, and the convolutions on a mask's
    way to its memory give maps that need no mean taken away. Parameters of the copy have other names and shapes, so it
    cannot be saved as a checkpoint.

    Returns
    -------
    Sam2
        A copy in channels-last layout; the model itself where there is nothing to fold.
    """
    if not isinstance(model.image_encoder.trunk, ConvTrunk):
        return model
    # torch's own types do not know this keyword of modules
    copied: Sam2 = copy.deepcopy(model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for module in copied.modules():
        if isinstance(module, ConvNorm) and isinstance(module[1], nn.BatchNorm2d):
            _fold(module)
    decoder, laterals = copied.sam_mask_decoder, list(copied.image_encoder.neck.convs)
    for lateral, name in ((laterals[-1], "conv_s0"), (laterals[-2], "conv_s1")):
        lateral.conv = _joined(lateral.conv, getattr(decoder, name))  # type: ignore[arg-type]
        setattr(decoder, name, nn.Identity())
    steps = list(copied.memory_encoder.mask_downsampler.encoder)
    for conv, norm in zip(steps[:-1], steps[1:], strict=True):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, LayerNorm2d):
            _centre(conv, norm)
    return copied


@torch.no_grad()
def _centre(conv: nn.Conv2d, norm: LayerNorm2d) -> None:
    """Take the mean over the channels off a convolution, since the normalisation takes it off what comes out."""
    if conv.bias is None:
        raise TypeError("expected a convolution with a bias")
    weight, bias = conv.weight.double(), conv.bias.double()
    single = conv.in_channels == 1  # whose layout would make an output with the channels last, which are few
    layout = torch.contiguous_format if single else torch.channels_last
    centred = torch.empty_like(conv.weight, memory_format=layout)
    conv.weight = nn.Parameter(centred.copy_(weight - weight.mean(0)), requires_grad=False)
    conv.bias = nn.Parameter((bias - bias.mean()).to(conv.bias), requires_grad=False)
    norm.centred = True


@torch.no_grad()
def _joined(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d:
    """One 1x1 convolution instead of two."""
    if first.bias is None or second.bias is None:
        raise TypeError("expected convolutions with a bias")
    a, b = (conv.weight[:, :, 0, 0].double() for conv in (first, second))
    joined = nn.Conv2d(first.in_channels, second.out_channels, kernel_size=1)
    joined.weight = nn.Parameter((b @ a)[:, :, None, None].to(first.weight), requires_grad=False)
    joined.bias = nn.Parameter((b @ first.bias.double() + second.bias.double()).to(first.bias), requires_grad=False)
    return joined.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@torch.no_grad()
def _fold(pair: ConvNorm) -> None:
    conv, norm = pair[0], pair[1]
    if not isinstance(conv, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
        raise TypeError(f"expected a convolution and its normalisation, got {type(conv)} and {type(norm)}")
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch normalisation without running statistics cannot be folded")
    gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    bias = norm.bias.double() - norm.running_mean.double() * gain
    dtype = conv.weight.dtype
    conv.weight = nn.Parameter((conv.weight.double() * gain[:, None, None, None]).to(dtype), requires_grad=False)
    conv.bias = nn.Parameter(bias.to(dtype), requires_grad=False)
    pair[1] = nn.Identity()
