"""Small layers shared by the components."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: LayerNorm epsilons differ by component in the published model (see `docs/architecture.md`, numerical traps).
EPS_IMAGE = 1e-6
EPS_TRANSFORMER = 1e-5


class LayerNorm2d(nn.Module):
    """LayerNorm over the channels of a map laid out (B, C, H, W), with epsilon 1e-6."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return the normalised map, same shape."""
        x_bhwc = x_bchw.permute(0, 2, 3, 1)
        out = F.layer_norm(x_bhwc, (x_bhwc.shape[-1],), self.weight, self.bias, EPS_IMAGE)
        return out.permute(0, 3, 1, 2)


class Mlp(nn.Module):
    """A stack of linear layers with an activation between them.

    Parameters
    ----------
    widths
        Input width, hidden widths, output width.
    activation
        ``"relu"`` or ``"gelu"`` (exact).
    """

    def __init__(self, *widths: int, activation: str = "relu") -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True))
        self.activation: nn.Module = {"relu": nn.ReLU, "gelu": nn.GELU}[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers to the last axis."""
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)


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
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out_proj(out.transpose(1, 2).flatten(2))
