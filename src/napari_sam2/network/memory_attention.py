"""The current frame's features, conditioned on what is remembered of a cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam2.network.attention import Attention
from napari_sam2.network.config import Sam2Config
from napari_sam2.network.layers import EPS_TRANSFORMER, attend, feed_forward, relu, some_at_a_time
from napari_sam2.network.memory_batch import KeptKeys, KeysOf, MemoryBatch, turns_between
from napari_sam2.network.positions import rotate, sine_positions, window_turns

#: Weight of the position encoding that is added to the features before the first layer.
INPUT_POSITION_WEIGHT = 0.1


class RotaryAttention(Attention):
    """Single-head attention whose queries and keys are rotated by their places.

    Attention weights add up to one. So where values come from narrow memories, they are projected after the weighted
    sum instead of every memory token: the same result for less work. And since there is one head, that projection and
    the one of the output are a single one.
    """

    def look_around(self, x_bnc: Tensor, turns_nc: Tensor) -> Tensor:
        """Self-attention of windows (B, N, C)."""
        k = rotate(self.k_proj(x_bnc), turns_nc)
        if torch.is_grad_enabled():
            return self.out_proj(self._attend(x_bnc, k, self.v_proj(x_bnc), turns_nc))
        return self._attend(x_bnc, k, F.linear(x_bnc, *self._joined()), turns_nc)

    def look_back(
        self, x_bnc: Tensor, keys_of: KeysOf, values_blv: Tensor, turns_nc: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Attention from (B, N, C) to projected, rotated keys (B, L, C) and raw values (B, L, Cm).

        ``keys_of`` gives the keys of some rows; on a CPU they are wanted for a few rows at a time, whose keys stay in
        its caches. ``mask`` is (B, 1, 1, L) bool, true where a key may be looked at, or None.
        """
        rows, values = len(x_bnc), values_blv.to(x_bnc.dtype)
        q = self._asking(x_bnc, turns_nc)
        some = some_at_a_time(x_bnc, x_bnc.shape[1] * values.shape[1])
        seen = []
        for first in range(0, rows, some):
            part = slice(first, min(first + some, rows))
            shown = mask if mask is None or len(mask) == 1 else mask[part]
            seen.append(attend(q[part, None], keys_of(part)[:, None], values[part, None], shown, scaled=True)[:, 0])
        found = torch.cat(seen) if len(seen) > 1 else seen[0]
        if torch.is_grad_enabled():
            return self.out_proj(self.v_proj(found))
        return F.linear(found, *self._joined())

    def _attend(self, x_bnc: Tensor, k_blc: Tensor, v_blv: Tensor, turns_nc: Tensor) -> Tensor:
        return attend(self._asking(x_bnc, turns_nc)[:, None], k_blc[:, None], v_blv[:, None], scaled=True)[:, 0]

    def _asking(self, x_bnc: Tensor, turns_nc: Tensor) -> Tensor:
        """Projected, rotated queries (B, N, C), divided by the root of C."""
        q = self.q_proj(x_bnc)
        return rotate(q, turns_nc * q.shape[-1] ** -0.5)

    def _joined(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the projections of values and output, one after the other."""
        weight = self.out_proj.weight @ self.v_proj.weight
        return weight, torch.addmv(self.out_proj.bias, self.out_proj.weight, self.v_proj.bias)


class MemoryAttentionLayer(nn.Module):
    """Self-attention, attention to the memories, feed-forward; normalised before each."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        width = config.width
        self.self_attn = RotaryAttention(width, heads=1)
        self.cross_attn_image = RotaryAttention(width, heads=1, key_width=config.memory_width)
        self.linear1 = nn.Linear(width, config.memory_ffn)
        self.linear2 = nn.Linear(config.memory_ffn, width)
        self.norm1 = nn.LayerNorm(width, eps=EPS_TRANSFORMER)
        self.norm2 = nn.LayerNorm(width, eps=EPS_TRANSFORMER)
        self.norm3 = nn.LayerNorm(width, eps=EPS_TRANSFORMER)

    def forward(
        self, x_bnc: Tensor, keys_of: KeysOf, values_blv: Tensor, turns_nc: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Update the tokens (B, N, C) of windows; a single (1, N, C) stands for all B of them until they look back."""
        x_bnc = x_bnc + self.self_attn.look_around(self.norm1(x_bnc), turns_nc)
        x_bnc = x_bnc.expand(len(values_blv), -1, -1)
        x_bnc = x_bnc + self.cross_attn_image.look_back(self.norm2(x_bnc), keys_of, values_blv, turns_nc, mask)
        return x_bnc + feed_forward(self.norm3(x_bnc), self.linear1, relu, self.linear2)


class MemoryAttention(nn.Module):
    """SAM 2's memory attention (Ravi et al. 2024), with absolute token coordinates.

    Rotary attention depends on distances only. So a window's own tokens are rotated as if it lay at the origin, and
    keys of a memory by the distance between its window and the one that looks, which is mostly nothing at all.
    """

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        self.native = config.native_tokens
        self.memory_width = config.memory_width
        self.layers = nn.ModuleList(MemoryAttentionLayer(config) for _ in range(config.memory_layers))
        self.norm = nn.LayerNorm(config.width, eps=EPS_TRANSFORMER)

    def forward(
        self, x_nchw: Tensor, memory: MemoryBatch, time_embed_tc: Tensor, pointer_position_npc: Tensor
    ) -> Tensor:
        """Condition the features of N windows.

        Parameters
        ----------
        x_nchw
            (N, C, h, w) raw stride-16 features.
        memory
            What is remembered; every row needs at least one valid slot.
        time_embed_tc
            (memory_frames, Cm) temporal embedding of the spatial memories.
        pointer_position_npc
            (N, P, Cm) time encoding of the pointers.
        """
        channels, (h, w) = x_nchw.shape[1], x_nchw.shape[2:]
        if x_nchw.stride(0) == 0:  # all see the same, as in exact mode: until they look back, once is enough
            x_nchw = x_nchw[:1]
        position = sine_positions(h, w, channels, self.native, x_nchw.device).to(x_nchw.dtype)
        x = (x_nchw + INPUT_POSITION_WEIGHT * position).flatten(2).transpose(1, 2)
        turns = window_turns(h, w, channels, x.device)
        pointers, pointer_keys = self._pointer_tokens(memory, pointer_position_npc)
        values = torch.cat((memory.spatial_nmchw.flatten(3).transpose(2, 3).flatten(1, 2), pointers), dim=1)
        mask = None if memory.all_valid else self._mask(memory)
        for i, layer in enumerate(self.blocks()):
            attention = layer.cross_attn_image
            own = attention.k_proj(pointer_keys)
            if memory.slot_keys is None:
                spatial = self._spatial_keys(attention, memory, time_embed_tc)
                if not memory.at_rest:
                    spatial = rotate(spatial, self._moved(memory, channels))
                keys_of: KeysOf = torch.cat((spatial.flatten(1, 2), own), dim=1).__getitem__
            else:
                kept = [slot[i] for slot in memory.slot_keys]
                keys_of = KeptKeys(memory, kept, own, self._time_keys(attention, time_embed_tc, (h, w)))
            x = layer(x, keys_of, values, turns, mask)
        return self.norm(x).transpose(1, 2).unflatten(2, (h, w))

    def blocks(self) -> Iterator[MemoryAttentionLayer]:
        """The layers, with their type."""
        return (cast(MemoryAttentionLayer, layer) for layer in self.layers)

    def memory_keys(self, spatial_nchw: Tensor) -> Tensor:
        """Keys of memories (N, Cm, h, w) for every layer, without their time: (layers, N, h * w, C).

        Projected and rotated once, they can be looked at for as long as the memory lives.
        """
        tokens, turns = self._placed(spatial_nchw[:, None])
        tokens = tokens[:, 0]
        projections = [layer.cross_attn_image.k_proj for layer in self.blocks()]
        some = some_at_a_time(tokens, 2 * tokens.shape[1] * projections[0].out_features)
        keys = tokens.new_empty(len(projections), *tokens.shape[:2], projections[0].out_features)
        for projection, of_layer in zip(projections, keys, strict=True):
            for part, target in zip(tokens.split(some), of_layer.split(some), strict=True):
                target.copy_(rotate(projection(part), turns))
        return keys

    def _placed(self, spatial_nmchw: Tensor) -> tuple[Tensor, Tensor]:
        """Memory tokens (N, M, h * w, Cm) with their place, and the turns of their keys."""
        cm, h, w = spatial_nmchw.shape[2:]
        sine = sine_positions(h, w, cm, self.native, spatial_nmchw.device).flatten(1).T
        tokens = spatial_nmchw.flatten(3).transpose(2, 3)
        channels = next(self.blocks()).norm1.normalized_shape[0]
        return tokens + sine.to(tokens.dtype), window_turns(h, w, channels, tokens.device)

    def _spatial_keys(self, attention: RotaryAttention, memory: MemoryBatch, time_embed_tc: Tensor) -> Tensor:
        tokens, turns = self._placed(memory.spatial_nmchw)
        time = time_embed_tc[memory.spatial_time_nm][:, :, None].to(tokens.dtype)
        return rotate(attention.k_proj(tokens + time), turns)

    def _time_keys(self, attention: RotaryAttention, time_embed_tc: Tensor, size: tuple[int, int]) -> Tensor:
        """What each time adds to the keys of a memory: (memory_frames, h * w, C), rotated as they are."""
        added = F.linear(time_embed_tc.to(attention.k_proj.weight.dtype), attention.k_proj.weight)
        turns = window_turns(*size, added.shape[-1], added.device)
        return rotate(added[:, None].expand(-1, turns.shape[0], -1).contiguous(), turns)

    def _moved(self, memory: MemoryBatch, channels: int) -> Tensor:
        """Turns (N, M, 1, C / 2) by the distance between the memories' windows and the looking one."""
        return turns_between(memory.spatial_origin_nm2, memory.query_origin_n2[:, None], channels)[:, :, None]

    def _pointer_tokens(self, memory: MemoryBatch, position_npc: Tensor) -> tuple[Tensor, Tensor]:
        """Pointers cut into memory-wide tokens (N, P * C / Cm, Cm): as values, and as keys' inputs with their time."""
        pieces = memory.pointers_npc.shape[-1] // self.memory_width
        values = memory.pointers_npc.unflatten(-1, (pieces, self.memory_width)).flatten(1, 2)
        values = values.to(memory.spatial_nmchw.dtype)
        return values, values + position_npc.repeat_interleave(pieces, dim=1).to(values.dtype)

    def _mask(self, memory: MemoryBatch) -> Tensor:
        tokens = memory.spatial_nmchw.shape[-2] * memory.spatial_nmchw.shape[-1]
        pieces = memory.pointers_npc.shape[-1] // self.memory_width
        spatial = memory.spatial_valid_nm.repeat_interleave(tokens, dim=1)
        pointers = memory.pointer_valid_np.repeat_interleave(pieces, dim=1)
        return torch.cat((spatial, pointers), dim=1)[:, None, None, :]
