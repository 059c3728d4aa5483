"""A frame's features and a cell's mask, folded into a memory."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from napari_sam2.network.config import TOKEN_STRIDE, Sam2Config
from napari_sam2.network.layers import LayerNorm2d, feed_forward, gelu, some_at_a_time, upscaled

#: Mask probabilities are stretched to ``p * MASK_SCALE + MASK_BIAS`` before they are encoded.
MASK_SCALE, MASK_BIAS = 20.0, -10.0
#: Start of the layer scale where a network is trained from nothing (the published 1e-6 needs a long training to grow).
LAYER_SCALE_INIT = 0.1
#: Layers of a step of the mask's way down: convolution, normalisation, activation.
STEP = 3


class MaskDownsampler(nn.Module):
    """Four strided 3x3 convolutions from a mask at model resolution to stride 16."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        steps = TOKEN_STRIDE.bit_length() - 1
        for _ in range(steps):
            layers += [nn.Conv2d(channels, channels * 4, 3, stride=2, padding=1), LayerNorm2d(channels * 4), nn.GELU()]
            channels *= 4
        layers.append(nn.Conv2d(channels, width, kernel_size=1))
        self.encoder = nn.Sequential(*layers)

    def fine(self, masks_n1hw: Tensor) -> Tensor:
        """The first step, from (N, 1, 16h, 16w) to (N, 4, 8h, 8w)."""
        return self._through(list(self.encoder)[:STEP], masks_n1hw)

    def coarse(self, fine_nchw: Tensor) -> Tensor:
        """The other steps, to (N, C, h, w)."""
        return self._through(list(self.encoder)[STEP:], fine_nchw)

    @staticmethod
    def _through(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
        for layer in layers:
            x = gelu(x) if isinstance(layer, nn.GELU) else layer(x)
        return x

    def forward(self, masks_n1hw: Tensor) -> Tensor:
        """(N, 1, 16h, 16w) to (N, C, h, w)."""
        return self.coarse(self.fine(masks_n1hw))


class ConvNextBlock(nn.Module):
    """ConvNeXt block (Liu et al. 2022) with layer scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, kernel_size=7, padding=3, groups=width)
        self.norm = LayerNorm2d(width)
        self.pwconv1 = nn.Linear(width, 4 * width)
        self.pwconv2 = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.full((width,), LAYER_SCALE_INIT))

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Return a map of the same shape."""
        y = self.norm(self.dwconv(x_nchw)).permute(0, 2, 3, 1)
        y = self.gamma * feed_forward(y, self.pwconv1, gelu, self.pwconv2)
        return x_nchw + y.permute(0, 3, 1, 2)


class Fuser(nn.Module):
    """Two ConvNeXt blocks."""

    def __init__(self, width: int, depth: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ConvNextBlock(width) for _ in range(depth))

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Return a map of the same shape."""
        for layer in self.layers:
            x_nchw = layer(x_nchw)
        return x_nchw


class MemoryEncoder(nn.Module):
    """SAM 2's memory encoder (Ravi et al. 2024)."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        self.mask_downsampler = MaskDownsampler(config.width)
        self.pix_feat_proj = nn.Conv2d(config.width, config.width, kernel_size=1)
        self.fuser = Fuser(config.width)
        self.out_proj = nn.Conv2d(config.width, config.memory_width, kernel_size=1)

    def forward(self, features_nchw: Tensor, mask_logits_nhw: Tensor, hard_n: Tensor) -> Tensor:
        """Encode memories.

        Parameters
        ----------
        features_nchw
            (N, C, h, w) raw stride-16 features, not conditioned on memory.
        mask_logits_nhw
            (N, 16h, 16w) mask logits at model resolution, or (N, 4h, 4w) at stride 4, which are upscaled.
        hard_n
            (N,) bool: take the mask as 0 or 1 rather than as a probability (frames prompted by points or masks).

        Returns
        -------
        Tensor
            (N, memory_width, h, w).
        """
        some = some_at_a_time(hard_n, 4 * TOKEN_STRIDE**2 * features_nchw[:1, 0].numel())
        parts = zip(mask_logits_nhw.split(some), hard_n.split(some), strict=True)
        size = TOKEN_STRIDE * features_nchw.shape[-1]
        fine = [self._fine(*part, size, features_nchw.dtype) for part in parts]
        masks = self.mask_downsampler.coarse(torch.cat(fine) if len(fine) > 1 else fine[0])
        return self.out_proj(self.fuser(self.pix_feat_proj(features_nchw) + masks))

    def _fine(self, mask_logits_nhw: Tensor, hard_n: Tensor, size: int, dtype: torch.dtype) -> Tensor:
        """Masks (N, 4, 8h, 8w) after the first step, which works on maps that are large and soon small."""
        factor = size // mask_logits_nhw.shape[-1]
        logits = upscaled(mask_logits_nhw, factor) if factor > 1 else mask_logits_nhw.float()
        hard = (logits > 0).float() if hard_n.device.type != "cpu" or hard_n.any() else None
        mine = logits is not mask_logits_nhw and not torch.is_grad_enabled()  # then it may be written over
        masks = logits.sigmoid_() if mine else logits.sigmoid()
        if hard is not None:
            masks = torch.where(hard_n[:, None, None], hard, masks)
        return self.mask_downsampler.fine((masks * MASK_SCALE).add_(MASK_BIAS)[:, None].to(dtype))
