"""Batch normalisation folded into the convolution before it: the same network with fewer passes over its maps."""

from __future__ import annotations

import torch
from torch import nn

from napari_sam2.network.conv_trunk import ConvNorm
from napari_sam2.network.model import Sam2


def fold_norms(model: Sam2) -> Sam2:
    """Fold the batch normalisations of a convolutional trunk into its convolutions, in place.

    Only for inference, and only once: names of parameters change, so the model can no longer be saved as a checkpoint.
    Other trunks are left as they are.

    Returns
    -------
    Sam2
        The same model.
    """
    for module in model.modules():
        if isinstance(module, ConvNorm) and isinstance(module[1], nn.BatchNorm2d):
            _fold(module)
    return model


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
