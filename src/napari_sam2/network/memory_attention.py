"""The current frame's features, conditioned on what is remembered of a cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam2.network.attention import Attention
from napari_sam2.network.config import Sam2Config
from napari_sam2.network.layers import EPS_TRANSFORMER, attend, feed_forward, relu, some_at_a_time
from napari_sam2.network.positions import rope_turns, rotate, sine_positions, window_turns

#: Weight of the position encoding that is added to the features before the first layer.
INPUT_POSITION_WEIGHT = 0.1


@dataclass
class MemoryBatch:
    """What is remembered of N cells; empty slots are marked invalid and never looked at.

    Parameters
    ----------
    spatial_nmchw
        (N, M, Cm, h, w) memories.
    spatial_time_nm
        (N, M) index into the temporal embedding: 6 for a conditioning frame, ``t - 1`` for the frame t steps ago.
    spatial_valid_nm
        (N, M) bool.
    spatial_origin_nm2
        (N, M, 2) row and column of each memory's first token in the field's token grid.
    query_origin_n2
        (N, 2) the same for the windows that look.
    pointers_npc
        (N, P, C) object pointers.
    pointer_time_np
        (N, P) signed distance in frames, positive for pointers of frames already passed.
    pointer_valid_np
        (N, P) bool.
    pointer_span
        Distance that the pointers' time encoding is relative to: the number of pointers looked at, less one.
    all_valid
        Promise that every slot is valid, which saves the attention mask.
    at_rest
        Promise that all windows lie where those of their memories lay, which saves turning the keys.
    slot_keys
        For each of the M slots (layers, N, h * w, C) of `MemoryAttention.memory_keys`, where they were kept; without
        gradients only. They are read, never written, so they may be views of what is kept.
    moved_k2
        (K, 2) row and slot of those memories whose windows lay elsewhere than the looking ones; None where that is not
        known, which turns all keys.
    """

    spatial_nmchw: Tensor
    spatial_time_nm: Tensor
    spatial_valid_nm: Tensor
    spatial_origin_nm2: Tensor
    query_origin_n2: Tensor
    pointers_npc: Tensor
    pointer_time_np: Tensor
    pointer_valid_np: Tensor
    pointer_span: float
    all_valid: bool = False
    at_rest: bool = False
    slot_keys: Sequence[Tensor] | None = None
    moved_k2: Tensor | None = None


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
            return self.out_proj(self._attend(x_bnc, k, self.v_proj(x_bnc), turns_nc, None))
        return self._attend(x_bnc, k, F.linear(x_bnc, *self._joined()), turns_nc, None)

    def look_back(
        self, x_bnc: Tensor, keys_blc: Tensor, values_blv: Tensor, turns_nc: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Attention from (B, N, C) to projected, rotated keys (B, L, C) and raw values (B, L, Cm).

        ``mask`` is (B, 1, 1, L) bool, true where a key may be looked at, or None.
        """
        seen = self._attend(x_bnc, keys_blc, values_blv.to(x_bnc.dtype), turns_nc, mask)
        if torch.is_grad_enabled():
            return self.out_proj(self.v_proj(seen))
        return F.linear(seen, *self._joined())

    def _attend(self, x_bnc: Tensor, k_blc: Tensor, v_blv: Tensor, turns_nc: Tensor, mask: Tensor | None) -> Tensor:
        q = self.q_proj(x_bnc)
        q = rotate(q, turns_nc * q.shape[-1] ** -0.5)
        return attend(q[:, None], k_blc[:, None], v_blv[:, None], mask, scaled=True)[:, 0]

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
        self, x_bnc: Tensor, keys_blc: Tensor, values_blv: Tensor, turns_nc: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Update the tokens (B, N, C) of windows; a single (1, N, C) stands for all B of them until they look back."""
        x_bnc = x_bnc + self.self_attn.look_around(self.norm1(x_bnc), turns_nc)
        x_bnc = x_bnc.expand(len(keys_blc), -1, -1)
        x_bnc = x_bnc + self.cross_attn_image.look_back(self.norm2(x_bnc), keys_blc, values_blv, turns_nc, mask)
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
                keys = torch.cat((spatial.flatten(1, 2), own), dim=1)
            else:
                keys = own.new_empty(len(own), values.shape[1], channels)
                keys[:, -own.shape[1] :] = own
                spatial = keys[:, : values.shape[1] - own.shape[1]].unflatten(1, (len(memory.slot_keys), h * w))
                self._kept_keys(spatial, [kept[i] for kept in memory.slot_keys], attention, memory, time_embed_tc)
            x = layer(x, keys, values, turns, mask)
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

    def _kept_keys(
        self,
        out_nmlc: Tensor,
        slots: Sequence[Tensor],
        attention: RotaryAttention,
        memory: MemoryBatch,
        time_embed_tc: Tensor,
    ) -> None:
        """Write kept keys (N, h * w, C) of each slot where they are looked at, with what their time adds."""
        h, w = memory.spatial_nmchw.shape[-2:]
        added = F.linear(time_embed_tc.to(attention.k_proj.weight.dtype), attention.k_proj.weight)
        turns = window_turns(h, w, added.shape[-1], added.device)
        table = rotate(added[:, None].expand(-1, h * w, -1).contiguous(), turns)
        times = memory.spatial_time_nm  # mostly one row for all cells
        table = table[times[:1] if times.stride(0) == 0 else times]
        for slot, kept in enumerate(slots):
            torch.add(kept, table[:, slot], out=out_nmlc[:, slot])
        if memory.at_rest:
            return
        if memory.moved_k2 is None:
            out_nmlc.copy_(rotate(out_nmlc, self._moved(memory, out_nmlc.shape[-1])))
        else:
            row, slot_of = memory.moved_k2.unbind(1)
            offset = memory.spatial_origin_nm2[row, slot_of] - memory.query_origin_n2[row]
            turned = rope_turns(offset[:, 0], offset[:, 1], out_nmlc.shape[-1])[:, None]
            out_nmlc[row, slot_of] = rotate(out_nmlc[row, slot_of], turned)

    def _moved(self, memory: MemoryBatch, channels: int) -> Tensor:
        """Turns (N, M, 1, C / 2) by the distance between the memories' windows and the looking one."""
        offset = memory.spatial_origin_nm2 - memory.query_origin_n2[:, None]
        return rope_turns(offset[..., 0], offset[..., 1], channels)[:, :, None]

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
