"""A plain residual convolutional trunk: the bundled model's, quick on a CPU and the same at every place of a field.

It has no position embedding and no operation that looks at the whole map, so a tile with a halo of at least
`ConvTrunk.reach` model pixels has, inside the halo, exactly the features of the whole field.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_sam2.network.config import ConvTrunkConfig
from napari_sam2.network.layers import relu


class ConvNorm(nn.Sequential):
    """3x3 (or 1x1) convolution without bias, then batch normalisation."""

    def __init__(self, width_in: int, width: int, stride: int = 1, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(width_in, width, kernel, stride=stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(width)
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016)."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width_in, width, stride)
        self.conv2 = ConvNorm(width, width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or width != width_in:
            self.shortcut = ConvNorm(width_in, width, stride, kernel=1)

    def forward(self, x_bchw: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C, H / stride, W / stride)."""
        change = self.conv2(relu(self.conv1(x_bchw)))
        kept = self.shortcut(x_bchw)
        return relu(kept + change if torch.is_grad_enabled() else change.add_(kept))


class ConvTrunk(nn.Module):
    """Residual stages at strides 4, 8, 16 and 32."""

    def __init__(self, config: ConvTrunkConfig) -> None:
        super().__init__()
        self.widths = config.widths
        self.stem = nn.ModuleList((ConvNorm(3, config.stem_width, 2), ConvNorm(config.stem_width, config.widths[0], 2)))
        self.stages = nn.ModuleList()
        width_in = config.widths[0]
        for stage, (width, blocks) in enumerate(zip(config.widths, config.blocks, strict=True)):
            first_stride = 1 if stage == 0 else 2
            self.stages.append(
                nn.Sequential(
                    *(
                        ResidualBlock(width_in if i == 0 else width, width, first_stride if i == 0 else 1)
                        for i in range(blocks)
                    )
                )
            )
            width_in = width
        # Radius of what a feature sees: stem 1 + 2 px, then one element of the own stride for every 3x3 convolution
        # (an entry convolution works on the finer stride of the stage before).
        reach = 1 + 2
        for stage, blocks in enumerate(config.blocks):
            stride = 4 * 2**stage
            reach += 2 * blocks * stride - (stride // 2 if stage else 0)
        self.reach = reach

    def forward(self, x_bchw: Tensor) -> list[Tensor]:
        """Return the maps (B, C, h, w) at strides 4, 8, 16 and 32."""
        x = x_bchw
        for layer in self.stem:
            x = relu(layer(x))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps
