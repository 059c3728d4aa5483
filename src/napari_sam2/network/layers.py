"""Small layers shared by the components."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: LayerNorm epsilons differ by component in the published model (see `docs/architecture.md`, numerical traps).
EPS_IMAGE = 1e-6
EPS_TRANSFORMER = 1e-5


#: Maps with at most so many channels are normalised plane by plane on a CPU: its LayerNorm goes from place to place,
#: which is slow where places are many and channels few (the memory encoder's first map).
FEW_CHANNELS = 4
#: Maps with at most so many channels, whose mean is 0 already, are divided by their root mean square on a CPU.
SOME_CHANNELS = 16
#: Attention to at most so many keys is computed with the keys outermost on a CPU: softmax over a short last axis, as
#: that of image tokens over a few prompt tokens, takes several times as long as everything else.
FEW_KEYS = 32
#: Elements of intermediate results that are worked on at a time on a CPU: what stays in its caches need not be fetched
#: again, and memory that is used again need not be asked for, which costs more than the arithmetic.
CACHED = 1 << 20
#: Queries that are worked on at a time however many keys there are, since small products are slow.
FEWEST_QUERIES = 256


class LayerNorm2d(nn.Module):
    """LayerNorm over the channels of a map laid out (B, C, H, W), with epsilon 1e-6.

    Attributes
    ----------
    centred
        Promise that the mean over the channels is 0 at every place (see `fold.folded`).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.centred = False

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return the normalised map, same shape."""
        quick = x_bchw.device.type == "cpu" and not torch.is_grad_enabled()
        if quick and x_bchw.shape[1] <= FEW_CHANNELS:
            return self._plane_by_plane(x_bchw)
        x_bhwc = x_bchw.permute(0, 2, 3, 1)
        if quick and self.centred and x_bchw.shape[1] <= SOME_CHANNELS and x_bhwc.is_contiguous():
            return self._without_mean(x_bhwc).permute(0, 3, 1, 2)
        return self.last(x_bhwc).permute(0, 3, 1, 2)

    def last(self, x_bhwc: Tensor) -> Tensor:
        """The same of a map laid out (B, H, W, C)."""
        return F.layer_norm(x_bhwc, (x_bhwc.shape[-1],), self.weight, self.bias, EPS_IMAGE)

    def _without_mean(self, x_bhwc: Tensor) -> Tensor:
        out = torch.empty_like(x_bhwc)
        bias = self.bias.repeat(x_bhwc.shape[2])  # of a row: channels alone make short loops
        some = some_at_a_time(x_bhwc, 4 * x_bhwc[:1].numel())
        for part, target in zip(x_bhwc.split(some), out.split(some), strict=True):
            scaled = F.rms_norm(part, (part.shape[-1],), self.weight, EPS_IMAGE)
            torch.add(scaled.flatten(2), bias, out=target.flatten(2))
        return out

    def _plane_by_plane(self, x_bchw: Tensor) -> Tensor:
        out = torch.empty(x_bchw.shape, dtype=x_bchw.dtype)
        weight, bias = self.weight.float().view(-1, 1, 1), self.bias.float().view(-1, 1, 1)
        some = some_at_a_time(x_bchw, 4 * x_bchw[:1].numel())
        for part, target in zip(x_bchw.split(some), out.split(some), strict=True):
            x = part.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
            if not self.centred:
                x -= x.mean(1, keepdim=True)
            scale = x.square().mean(1, keepdim=True).add_(EPS_IMAGE).rsqrt_()
            target.copy_(x.mul_(scale).mul_(weight).add_(bias))
        return out


def some_at_a_time(x: Tensor, elements: int) -> int:
    """Rows of a batch that are worked on together on a CPU where each needs so many elements; elsewhere all of them."""
    alone = x.device.type == "cpu" and not torch.is_grad_enabled()
    return max(1, CACHED // max(1, elements)) if alone else max(1, len(x))


def gelu(x: Tensor) -> Tensor:
    """Exact GELU of a result that nobody else needs: in its place, where no gradients are wanted."""
    if torch.is_grad_enabled():
        return F.gelu(x)
    if x.dim() == 4 and not x.is_contiguous():  # twice as fast on a CPU where torch sees the channels at the end
        return torch.ops.aten.gelu_(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return torch.ops.aten.gelu_(x)


def relu(x: Tensor) -> Tensor:
    """ReLU of a result that nobody else needs: in its place, where no gradients are wanted.

    torch brings bfloat16 numbers to float32 and back for it. Read as integers they are negative just where they are as
    numbers, so the larger of them and 0 is the same, six times as fast on a CPU.
    """
    if torch.is_grad_enabled():
        return F.relu(x)
    if x.device.type == "cpu" and x.dtype == torch.bfloat16:
        x.view(torch.int16).clamp_min_(0)
        return x
    return F.relu_(x)


def feed_forward(x_nlc: Tensor, into: nn.Linear, activation: Callable[[Tensor], Tensor], back: nn.Linear) -> Tensor:
    """Two linear layers (N, L, C) with an activation between them, whose wide result is never there as a whole."""
    some = some_at_a_time(x_nlc, x_nlc[:1, ..., 0].numel() * into.out_features)
    if some >= len(x_nlc):
        return back(activation(into(x_nlc)))
    out = x_nlc.new_empty(*x_nlc.shape[:-1], back.out_features)
    for part, target in zip(x_nlc.split(some), out.split(some), strict=True):
        target.copy_(back(activation(into(part))))
    return out


def upscaled(logits_nhw: Tensor, factor: int) -> Tensor:
    """Bilinear upscaling in float32."""
    return F.interpolate(logits_nhw[:, None].float(), scale_factor=factor, mode="bilinear", align_corners=False)[:, 0]


def attend(q_bhnc: Tensor, k_bhmc: Tensor, v_bhmv: Tensor, mask: Tensor | None = None, scaled: bool = False) -> Tensor:
    """Scaled dot-product attention, with the kernels that are quickest on the device.

    Parameters
    ----------
    q_bhnc, k_bhmc, v_bhmv
        Queries (B, heads, N, C), keys (B, heads, M, C) and values (B, heads, M, V); V may differ from C.
    mask
        Boolean, broadcastable to (B, heads, N, M), true where a key may be looked at; every query needs one such key.
    scaled
        Promise that queries have been divided by the root of C already.

    Returns
    -------
    Tensor
        (B, heads, N, V).

    Notes
    -----
    torch's fused kernel for CPUs gains nothing from bfloat16 processors, so there plain products are more than twice as
    fast, though they round the scores to bfloat16. With gradients the fused kernel is kept, which stores no scores.
    """
    few = k_bhmc.shape[2] <= FEW_KEYS
    if q_bhnc.device.type == "cpu" and not torch.is_grad_enabled() and (few or q_bhnc.dtype == torch.bfloat16):
        asking = q_bhnc if scaled else q_bhnc * q_bhnc.shape[-1] ** -0.5
        if not few:
            return _attend_some_at_a_time(asking, k_bhmc, v_bhmv, mask)
        turned = k_bhmc @ asking.transpose(2, 3)
        if mask is not None:
            turned = turned.masked_fill(~mask.transpose(2, 3), -torch.inf)
        return turned.softmax(2).transpose(2, 3) @ v_bhmv
    narrow, scale = q_bhnc.shape[-1] - v_bhmv.shape[-1], 1.0 if scaled else None
    if not narrow:
        return F.scaled_dot_product_attention(q_bhnc, k_bhmc, v_bhmv, attn_mask=mask, scale=scale)
    padded = F.pad(v_bhmv, (0, narrow))  # fused kernels want equal widths
    found = F.scaled_dot_product_attention(q_bhnc, k_bhmc, padded, attn_mask=mask, scale=scale)
    return found[..., : v_bhmv.shape[-1]]


def _attend_some_at_a_time(scaled_bhnc: Tensor, k_bhmc: Tensor, v_bhmv: Tensor, mask: Tensor | None) -> Tensor:
    """`attend` by plain products, for as many batches or queries at a time as stay in the caches."""
    batches, heads, n, _ = scaled_bhnc.shape
    m = k_bhmc.shape[2]
    q, k, v = (x.flatten(0, 1) for x in (scaled_bhnc, k_bhmc, v_bhmv))
    some = min(batches, max(1, CACHED // (heads * n * m)))
    rows = min(n, max(FEWEST_QUERIES, CACHED // (some * heads * m)))
    out = v.new_empty(batches * heads, n, v.shape[-1])
    scores = q.new_empty(some * heads * rows * m)
    weights = torch.empty_like(scores)
    for first in range(0, batches, some):
        at = slice(first * heads, min(first + some, batches) * heads)
        shown = None if mask is None else mask[first : first + some] if len(mask) > 1 else mask
        hidden = None if shown is None or shown.all() else ~shown  # most cells have all their memories
        for top in range(0, n, rows):
            asking = q[at, top : top + rows]
            shape = (*asking.shape[:2], m)
            here, w = (x[: math.prod(shape)].view(shape) for x in (scores, weights))
            torch.bmm(asking, k[at].transpose(1, 2), out=here)
            if hidden is not None:
                part = hidden[:, :, top : top + rows] if hidden.shape[2] > 1 else hidden
                here.unflatten(0, (-1, heads)).masked_fill_(part, -torch.inf)
            torch.softmax(here, -1, out=w)
            torch.bmm(w, v[at], out=out[at, top : top + rows])
    return out.unflatten(0, (batches, heads))


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


def deconvolved(x_bhwc: Tensor, layer: nn.ConvTranspose2d, added_bhwc: Tensor) -> Tensor:
    """A 2x2 transposed convolution of stride 2 as a product, and a map that is added: for inference.

    Parameters
    ----------
    x_bhwc
        (B, h, w, C).
    layer
        The convolution.
    added_bhwc
        (B, 2h, 2w, C').

    Returns
    -------
    Tensor
        (B, 2h, 2w, C').
    """
    weight = layer.weight.permute(2, 3, 1, 0)
    bias = None if layer.bias is None else layer.bias.repeat(4)
    pixels = F.linear(x_bhwc, weight.flatten(0, 2), bias).unflatten(-1, weight.shape[:3]).transpose(2, 3)
    out = torch.empty_like(pixels, memory_format=torch.contiguous_format)
    apart = added_bhwc.unflatten(2, (-1, 2)).unflatten(1, (-1, 2))
    torch.add(pixels, apart, out=out)
    return out.flatten(3, 4).flatten(1, 2)
