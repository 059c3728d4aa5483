"""Clicks, boxes and masks as tokens and as a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from napari_sam2.network.config import TOKEN_STRIDE, Sam2Config
from napari_sam2.network.layers import LayerNorm2d
from napari_sam2.network.positions import RandomFourier, frame_of

#: Labels of prompt points. PAD is the published "not a point" token; ABSENT points are masked out of every attention,
#: so that cells with different numbers of prompts share a batch without disturbing each other.
BACKGROUND, FOREGROUND, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT, PAD, ABSENT = 0, 1, 2, 3, -1, -2


@dataclass
class Prompts:
    """What was said about N cells on a frame.

    Parameters
    ----------
    points_npx2
        (N, P, 2) x and y in model pixels of each cell's window, pixel centres at whole numbers.
    labels_np
        (N, P) integers: 1 foreground, 0 background, 2 and 3 the corners of a box (these stand first), -1 a pad as
        published, -2 absent. The published trailing pad is added by the encoder.
    mask_logits_nhw
        (N, 4h, 4w) logits at stride 4 for a window of (h, w) tokens, or None.
    has_mask_n
        (N,) whether a row of `mask_logits_nhw` counts; all do when None.
    all_present
        Promise that no label is -2, which saves a mask in every attention.
    """

    points_npx2: Tensor
    labels_np: Tensor
    mask_logits_nhw: Tensor | None = None
    has_mask_n: Tensor | None = None
    all_present: bool = False

    @classmethod
    def none(cls, cells: int, device: torch.device | str = "cpu") -> Prompts:
        """No prompt at all for `cells` cells: a single pad each, as published."""
        points = torch.zeros(cells, 1, 2, device=device)
        return cls(points, torch.full((cells, 1), PAD, dtype=torch.long, device=device), all_present=True)


@dataclass
class PromptEmbedding:
    """Prompts as the mask decoder takes them.

    Parameters
    ----------
    tokens_npc
        (N, P + 1, C) sparse tokens, the published pad last.
    valid_np
        (N, P + 1) bool, false for absent points; None when all are present.
    dense_nchw
        (N or 1, C, h, w) what is added to the image features.
    grid_1chw
        (1, C, h, w) positions of the image tokens.
    """

    tokens_npc: Tensor
    valid_np: Tensor | None
    dense_nchw: Tensor
    grid_1chw: Tensor


class PromptEncoder(nn.Module):
    """SAM's prompt encoder (Kirillov et al. 2023)."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        width = config.width
        self.native = config.native_tokens
        self.pe_layer = RandomFourier(width)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, width) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, width)
        mask_width = 16  # published width of the mask's last stage before the 1x1 projection
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, mask_width // 4, kernel_size=2, stride=2),
            LayerNorm2d(mask_width // 4),
            nn.GELU(),
            nn.Conv2d(mask_width // 4, mask_width, kernel_size=2, stride=2),
            LayerNorm2d(mask_width),
            nn.GELU(),
            nn.Conv2d(mask_width, width, kernel_size=1),
        )
        self.no_mask_embed = nn.Embedding(1, width)

    def forward(self, prompts: Prompts, size: tuple[int, int]) -> PromptEmbedding:
        """Embed prompts for windows of ``size = (h, w)`` tokens."""
        labels = torch.nn.functional.pad(prompts.labels_np, (0, 1), value=PAD)
        points = torch.nn.functional.pad(prompts.points_npx2, (0, 0, 0, 1))
        valid = None if prompts.all_present else labels != ABSENT
        return PromptEmbedding(self._tokens(points, labels, size), valid, self._dense(prompts, size), self.grid(size))

    def grid(self, size: tuple[int, int]) -> Tensor:
        """Positions of the image tokens: (1, C, h, w)."""
        return self.pe_layer.grid(*size, self.native)[None].to(self.no_mask_embed.weight.dtype)

    def _tokens(self, points: Tensor, labels: Tensor, size: tuple[int, int]) -> Tensor:
        (top, span_y), (left, span_x) = frame_of(size[0], self.native), frame_of(size[1], self.native)
        origin = torch.tensor((left, top), device=points.device) * TOKEN_STRIDE
        span = torch.tensor((span_x, span_y), device=points.device) * TOKEN_STRIDE
        # Half a pixel: a click's whole number is a pixel's centre, the encoding counts from the pixel's corner.
        tokens = self.pe_layer((points.float() + 0.5 + origin) / span)
        tokens = torch.where((labels < 0)[..., None], torch.zeros_like(tokens), tokens)
        # Rows 0 to 3 by label, then, counted from the end, ABSENT = -2 and PAD = -1.
        embeddings = [*self.point_embeddings, self.not_a_point_embed, self.not_a_point_embed]
        table = torch.cat([cast(nn.Embedding, e).weight for e in embeddings])
        return (tokens + table[labels]).to(table.dtype)

    def _dense(self, prompts: Prompts, size: tuple[int, int]) -> Tensor:
        none = self.no_mask_embed.weight[:, :, None, None]
        if prompts.mask_logits_nhw is None:
            return none.expand(1, -1, *size)
        dense = self.mask_downscaling(prompts.mask_logits_nhw[:, None].to(none.dtype))
        if prompts.has_mask_n is None:
            return dense
        return torch.where(prompts.has_mask_n[:, None, None, None], dense, none.to(dense.dtype))
