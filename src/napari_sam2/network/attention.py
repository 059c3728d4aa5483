"""Attention between tokens: the plain one, and the shortcuts where one side has only few of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_sam2.network.layers import attend


class Attention(nn.Module):
    """Multi-head attention with separate projections and an optional narrower inner width.

    Parameters
    ----------
    width
        Width of queries and of the output.
    heads
        Number of heads.
    inner
        Width of the projected queries, keys and values; `width` when not given.
    key_width
        Width of incoming keys and values; `width` when not given.
    """

    def __init__(self, width: int, heads: int, inner: int | None = None, key_width: int | None = None) -> None:
        super().__init__()
        inner = width if inner is None else inner
        key_width = width if key_width is None else key_width
        self.heads = heads
        self.q_proj = nn.Linear(width, inner)
        self.k_proj = nn.Linear(key_width, inner)
        self.v_proj = nn.Linear(key_width, inner)
        self.out_proj = nn.Linear(inner, width)

    def split(self, x_bnc: Tensor) -> Tensor:
        """Return (B, N, C) as (B, heads, N, C / heads)."""
        return x_bnc.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, q_bnc: Tensor, k_bmc: Tensor, v_bmc: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend from (B, N, C) to (B, M, key_width).

        Parameters
        ----------
        q_bnc, k_bmc, v_bmc
            Queries, keys and values.
        mask
            Boolean, broadcastable to (B, heads, N, M), true where a key may be looked at.

        Returns
        -------
        Tensor
            (B, N, width).
        """
        q, k, v = self.split(self.q_proj(q_bnc)), self.split(self.k_proj(k_bmc)), self.split(self.v_proj(v_bmc))
        return self.out_proj(attend(q, k, v, mask).transpose(1, 2).flatten(2))

    def suits_few(self, tokens: int) -> bool:
        """Whether `from_few` and `to_few` are less work than `forward`; they are for inference."""
        return not torch.is_grad_enabled() and self.heads * tokens <= self.q_proj.out_features

    def from_few(self, q_bpc: Tensor, k_bnc: Tensor, v_bnc: Tensor) -> Tensor:
        """`forward` from few tokens (B, P, C) to many (B, N, C), of which none has to be projected.

        A query's products with projected keys are those of the query, brought back through the projection, with the
        keys themselves; what the bias of the projection adds to all of them alike, softmax takes away. Attention
        weights add up to one, so values are projected after the weighted sum.
        """
        q = self.split(self.q_proj(q_bpc)) * (self.q_proj.out_features // self.heads) ** -0.5
        asking = self._by_head(q) @ self.k_proj.weight.unflatten(0, (self.heads, -1))
        weights = (self._by_cell(asking, len(q_bpc)) @ k_bnc.transpose(1, 2)).softmax(-1)
        seen = self._by_head((weights @ v_bnc).unflatten(1, (self.heads, -1)))
        projection = self.v_proj.weight.unflatten(0, (self.heads, -1)).transpose(1, 2)
        values = torch.baddbmm(self.v_proj.bias.unflatten(0, (self.heads, 1, -1)), seen, projection)
        return self.out_proj(values.unflatten(1, (len(q_bpc), -1)).permute(1, 2, 0, 3).flatten(2))

    def to_few(self, q_bnc: Tensor, k_bpc: Tensor, v_bpc: Tensor, mask: Tensor | None = None) -> Tensor:
        """`forward` from many tokens (B, N, C) to few (B, P, C): the few are brought through all four projections."""
        k = self.split(self.k_proj(k_bpc)) * (self.q_proj.out_features // self.heads) ** -0.5
        asked = self._by_cell(self._by_head(k) @ self.q_proj.weight.unflatten(0, (self.heads, -1)), len(k_bpc))
        bias = (k * self.q_proj.bias.unflatten(0, (self.heads, 1, -1))).sum(-1).flatten(1)
        scores = torch.baddbmm(bias[..., None], asked, q_bnc.transpose(1, 2)).unflatten(1, (self.heads, -1))
        if mask is not None:
            scores = scores.masked_fill(~mask.transpose(2, 3), -torch.inf)
        weights = scores.softmax(2).flatten(1, 2)
        values = self._by_head(self.split(self.v_proj(v_bpc)))
        told = values @ self.out_proj.weight.unflatten(1, (self.heads, -1)).permute(1, 2, 0)
        told[0] += self.out_proj.bias  # weights of a head add up to one, so the bias comes in once
        return weights.transpose(1, 2) @ self._by_cell(told, len(k_bpc))

    @staticmethod
    def _by_head(x_bhpc: Tensor) -> Tensor:
        """(B, heads, P, C) as (heads, B * P, C)."""
        return x_bhpc.transpose(0, 1).flatten(1, 2)

    @staticmethod
    def _by_cell(x_hnc: Tensor, batch: int) -> Tensor:
        """(heads, B * P, C) as (B, heads * P, C)."""
        return x_hnc.unflatten(1, (batch, -1)).transpose(0, 1).flatten(1, 2)
