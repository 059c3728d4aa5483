"""The image encoder: trunk and feature-pyramid neck."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam2.network.config import ConvTrunkConfig, Sam2Config
from napari_sam2.network.conv_trunk import ConvTrunk
from napari_sam2.network.hiera import Hiera


class LateralConv(nn.Module):
    """A 1x1 convolution, named as in the published checkpoints (``convs.i.conv``)."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width_in, width, kernel_size=1)

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Project the channels of a map."""
        return self.conv(x_bchw)


class FpnNeck(nn.Module):
    """Feature-pyramid neck (Lin et al. 2017) with top-down addition into stride 16 only.

    The published neck adds into strides 32 and 16 and drops stride 32, so that only stride 16 is changed.
    """

    def __init__(self, trunk_widths: tuple[int, ...], width: int) -> None:
        super().__init__()
        # convs.0 is the coarsest level.
        self.convs = nn.ModuleList(LateralConv(c, width) for c in reversed(trunk_widths))

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the maps at strides 4, 8 and 16, each with the width of the neck."""
        finest_first = list(self.convs)[::-1]
        stride4, stride8, stride16, stride32 = (conv(x) for conv, x in zip(finest_first, maps, strict=True))
        coarse = F.interpolate(stride32.float(), scale_factor=2.0, mode="nearest")
        return stride4, stride8, stride16 + coarse.to(stride16.dtype)


class ImageEncoder(nn.Module):
    """Trunk and neck."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        trunk = config.trunk
        self.trunk: Hiera | ConvTrunk = ConvTrunk(trunk) if isinstance(trunk, ConvTrunkConfig) else Hiera(trunk)
        self.neck = FpnNeck(self.trunk.widths, config.width)

    def forward(self, images_bchw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the maps at strides 4, 8 and 16."""
        return self.neck(self.trunk(images_bchw))
