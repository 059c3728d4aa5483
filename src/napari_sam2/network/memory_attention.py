"""The current frame's features, conditioned on what is remembered of a cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam2.network.config import Sam2Config
from napari_sam2.network.layers import EPS_TRANSFORMER, Attention
from napari_sam2.network.positions import rope_angles, rotate, sine_positions

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


def _attend(q_bnc: Tensor, k_blc: Tensor, v_blv: Tensor, mask: Tensor | None) -> Tensor:
    """Single-head attention; values narrower than the queries are padded, since fused kernels want equal widths."""
    v_blv = v_blv.to(q_bnc.dtype)
    padded = F.pad(v_blv, (0, q_bnc.shape[-1] - v_blv.shape[-1]))
    out = F.scaled_dot_product_attention(q_bnc[:, None], k_blc[:, None], padded[:, None], attn_mask=mask)
    return out[:, 0, :, : v_blv.shape[-1]]


class RotaryAttention(Attention):
    """Single-head attention whose queries and keys are rotated by their places.

    Values of the cross-attention come from narrow memories, and attention weights add up to one, so the value
    projection is applied after the weighted sum instead of to every memory token: the same result for less work.
    """

    def forward_rotary(
        self,
        x_bnc: Tensor,
        memory: tuple[Tensor, Tensor] | None,
        q_angles: Tensor,
        k_angles: Tensor,
        mask: Tensor | None,
    ) -> Tensor:
        """Attend with rotary positions.

        Parameters
        ----------
        x_bnc
            Queries (and keys and values of a self-attention).
        memory
            Keys' and values' inputs (B, L, Cm), or None for self-attention.
        q_angles, k_angles
            (B or 1, N, C/2) and (B or 1, Lr, C/2); the keys from Lr on (object pointers) are not rotated.
        mask
            (B, 1, 1, L) bool, or None.
        """
        q = rotate(self.q_proj(x_bnc), q_angles)
        keys, values = (x_bnc, x_bnc) if memory is None else memory
        k = self.k_proj(keys)
        rotated = k_angles.shape[1]
        if rotated == k.shape[1]:
            k = rotate(k, k_angles)
        else:
            k = torch.cat((rotate(k[:, :rotated], k_angles), k[:, rotated:]), dim=1)
        if memory is None:
            return self.out_proj(_attend(q, k, self.v_proj(values), mask))
        return self.out_proj(self.v_proj(_attend(q, k, values, mask)))


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

    def look_around(self, x_bnc: Tensor, angles: Tensor) -> Tensor:
        """Self-attention with its residual."""
        return x_bnc + self.self_attn.forward_rotary(self.norm1(x_bnc), None, angles, angles, None)

    def look_back(
        self, x_bnc: Tensor, memory: tuple[Tensor, Tensor], q_angles: Tensor, k_angles: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Attention to the memories and feed-forward, each with its residual."""
        x_bnc = x_bnc + self.cross_attn_image.forward_rotary(self.norm2(x_bnc), memory, q_angles, k_angles, mask)
        return x_bnc + self.linear2(F.relu(self.linear1(self.norm3(x_bnc))))


class MemoryAttention(nn.Module):
    """SAM 2's memory attention (Ravi et al. 2024), with absolute token coordinates."""

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
        n, channels, h, w = x_nchw.shape
        position = sine_positions(h, w, channels, self.native, x_nchw.device).to(x_nchw.dtype)
        x = (x_nchw + INPUT_POSITION_WEIGHT * position).flatten(2).transpose(1, 2)
        q_angles = self._angles(memory.query_origin_n2, h, w, channels)
        memory_h, memory_w = memory.spatial_nmchw.shape[-2:]
        k_angles = self._angles(memory.spatial_origin_nm2, memory_h, memory_w, channels).flatten(1, 2)
        keys_values = self.memory_tokens(memory, time_embed_tc, pointer_position_npc)
        mask = None if memory.all_valid else self._mask(memory)
        # Rotary attention of a window to itself depends on distances only, so its angles may start anywhere.
        own_angles = self._angles(torch.zeros(1, 2, device=x.device), h, w, channels)
        for layer in self.blocks():
            x = layer.look_around(x, own_angles)
            x = layer.look_back(x, keys_values, q_angles, k_angles, mask)
        return self.norm(x).transpose(1, 2).unflatten(2, (h, w))

    def blocks(self) -> Iterator[MemoryAttentionLayer]:
        """The layers, with their type."""
        return (cast(MemoryAttentionLayer, layer) for layer in self.layers)

    def memory_tokens(
        self, memory: MemoryBatch, time_embed_tc: Tensor, pointer_position_npc: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Keys' and values' inputs: spatial tokens first, then the pointers cut into memory-wide tokens; (N, L, Cm)."""
        n, m, cm, h, w = memory.spatial_nmchw.shape
        spatial = memory.spatial_nmchw.flatten(3).transpose(2, 3)
        sine = sine_positions(h, w, cm, self.native, spatial.device).flatten(1).T
        place = sine.to(spatial.dtype) + time_embed_tc[memory.spatial_time_nm][:, :, None].to(spatial.dtype)
        pieces = memory.pointers_npc.shape[-1] // cm
        pointers = memory.pointers_npc.unflatten(-1, (pieces, cm)).flatten(1, 2).to(spatial.dtype)
        pointer_place = pointer_position_npc.repeat_interleave(pieces, dim=1).to(spatial.dtype)
        values = torch.cat((spatial.flatten(1, 2), pointers), dim=1)
        keys = torch.cat(((spatial + place).flatten(1, 2), pointers + pointer_place), dim=1)
        return keys, values

    def _mask(self, memory: MemoryBatch) -> Tensor:
        tokens = memory.spatial_nmchw.shape[-2] * memory.spatial_nmchw.shape[-1]
        pieces = memory.pointers_npc.shape[-1] // self.memory_width
        spatial = memory.spatial_valid_nm.repeat_interleave(tokens, dim=1)
        pointers = memory.pointer_valid_np.repeat_interleave(pieces, dim=1)
        return torch.cat((spatial, pointers), dim=1)[:, None, None, :]

    @staticmethod
    def _angles(origin_n2: Tensor, height: int, width: int, channels: int) -> Tensor:
        """Rotary angles of windows (..., 2) of height x width tokens: (..., height * width, channels / 2)."""
        device = origin_n2.device
        rows = (origin_n2[..., 0, None] + torch.arange(height, device=device))[..., :, None].expand(
            *origin_n2.shape[:-1], height, width
        )
        columns = (origin_n2[..., 1, None] + torch.arange(width, device=device))[..., None, :].expand_as(rows)
        return rope_angles(rows.flatten(-2), columns.flatten(-2), channels)
