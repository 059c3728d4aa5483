"""The Hiera trunk of the published models, channels-last inside."""

from __future__ import annotations

from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam2.network.config import HieraConfig
from napari_sam2.network.layers import EPS_IMAGE, Mlp

#: Side of the learned window embedding that is tiled over the map.
WINDOW_EMBED_STAGE = 0


def _pool(x_bhwc: Tensor) -> Tensor:
    """Max-pool 2x2 a channels-last map."""
    return F.max_pool2d(x_bhwc.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def _cut(x_bhwc: Tensor, window: int) -> Tensor:
    """Zero-pad to whole windows and return them as (B * windows, window, window, C); padded tokens are not masked."""
    b, h, w, c = x_bhwc.shape
    x_bhwc = F.pad(x_bhwc, (0, 0, 0, -w % window, 0, -h % window))
    rows, columns = x_bhwc.shape[1] // window, x_bhwc.shape[2] // window
    return x_bhwc.view(b, rows, window, columns, window, c).transpose(2, 3).reshape(-1, window, window, c)


def _join(windows: Tensor, height: int, width: int) -> Tensor:
    """Undo `_cut`: (B, height, width, C)."""
    window = windows.shape[1]
    rows, columns = -(-height // window), -(-width // window)
    x = windows.view(-1, rows, columns, window, window, windows.shape[-1]).transpose(2, 3)
    return x.reshape(x.shape[0], rows * window, columns * window, -1)[:, :height, :width]


class HieraAttention(nn.Module):
    """Attention over the tokens of a window; at a stage change the queries, and only they, are max-pooled 2x2."""

    def __init__(self, width_in: int, width: int, heads: int, pool: bool) -> None:
        super().__init__()
        self.heads = heads
        self.pool = pool
        self.qkv = nn.Linear(width_in, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x_bhwc: Tensor) -> Tensor:
        """(B, H, W, C_in) to (B, H, W, C), or half the height and width where it pools."""
        b, h, w, _ = x_bhwc.shape
        q, k, v = self.qkv(x_bhwc).chunk(3, dim=-1)
        if self.pool:
            q = _pool(q)
            h, w = q.shape[1:3]
        q, k, v = (t.reshape(b, -1, self.heads, t.shape[-1] // self.heads).transpose(1, 2) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.proj(out.transpose(1, 2).reshape(b, h, w, -1))


class HieraBlock(nn.Module):
    """One transformer block; `window` 0 attends to the whole map."""

    def __init__(self, width_in: int, width: int, heads: int, window: int, pool: bool) -> None:
        super().__init__()
        self.window = window
        self.pool = pool
        self.norm1 = nn.LayerNorm(width_in, eps=EPS_IMAGE)
        self.attn = HieraAttention(width_in, width, heads, pool)
        self.norm2 = nn.LayerNorm(width, eps=EPS_IMAGE)
        self.mlp = Mlp(width, 4 * width, width, activation="gelu")
        if width != width_in:
            self.proj = nn.Linear(width_in, width)

    def forward(self, x_bhwc: Tensor) -> Tensor:
        """(B, H, W, C_in) to (B, H, W, C), halved in height and width where it pools."""
        y = self.norm1(x_bhwc)
        shortcut = self.proj(y) if hasattr(self, "proj") else x_bhwc
        if self.pool:
            shortcut = _pool(shortcut)
        if self.window:
            height, width = shortcut.shape[1:3]
            y = _join(self.attn(_cut(y, self.window)), height, width)
        else:
            y = self.attn(y)
        x_bhwc = shortcut + y
        return x_bhwc + self.mlp(self.norm2(x_bhwc))


class PatchEmbed(nn.Module):
    """Overlapping patches: one 7x7 convolution of stride 4; returns (B, H/4, W/4, C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=7, stride=4, padding=3)

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Embed an image (B, 3, H, W)."""
        return self.proj(x_bchw).permute(0, 2, 3, 1)


class Hiera(nn.Module):
    """Hierarchical vision transformer (Ryali et al. 2023; Bolya et al. 2023 for the position embedding)."""

    def __init__(self, config: HieraConfig) -> None:
        super().__init__()
        self.widths = config.widths
        self.patch_embed = PatchEmbed(config.width)
        side = config.windows[WINDOW_EMBED_STAGE]
        self.pos_embed = nn.Parameter(torch.zeros(1, config.width, config.pos_embed_size, config.pos_embed_size))
        self.pos_embed_window = nn.Parameter(torch.zeros(1, config.width, side, side))
        ends = [n - 1 for n in accumulate(config.blocks)]
        self.stage_ends = frozenset(ends)
        self.blocks = nn.ModuleList()
        stage, width, heads = 0, config.width, config.heads
        for i in range(sum(config.blocks)):
            # The first block of a stage still has the window of the stage before, and doubles width and heads.
            window = 0 if i in config.global_blocks else config.windows[stage]
            first = i - 1 in ends
            width_in = width
            if first:
                stage, width, heads = stage + 1, width * 2, heads * 2
            self.blocks.append(HieraBlock(width_in, width, heads, window, pool=first))

    def positions(self, height: int, width: int) -> Tensor:
        """Position embedding of a stride-4 map: (1, height, width, C)."""
        stretched = F.interpolate(self.pos_embed.float(), size=(height, width), mode="bicubic")
        window = self.pos_embed_window.float()
        repeats = (1, 1, -(-height // window.shape[2]), -(-width // window.shape[3]))
        return (stretched + window.tile(repeats)[..., :height, :width]).permute(0, 2, 3, 1)

    def forward(self, x_bchw: Tensor) -> list[Tensor]:
        """Return the maps (B, C, h, w) at strides 4, 8, 16 and 32."""
        x = self.patch_embed(x_bchw)
        x = x + self.positions(*x.shape[1:3]).to(x.dtype)
        maps = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.stage_ends:
                maps.append(x.permute(0, 3, 1, 2))
        return maps
