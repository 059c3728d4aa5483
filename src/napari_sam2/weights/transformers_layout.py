"""The names that Hugging Face transformers gives the same tensors, in both directions.

``Sam2VideoModel`` of transformers computes the same network from the same numbers under other names. Two things are not
mere names: the four point embeddings are one tensor there, and the random-Fourier matrix is kept twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from napari_sam2.weights.errors import CheckpointError

#: A tensor that only the transformers layout has, and that every model in it has.
LANDMARK = "memory_temporal_positional_encoding"

_FOURIER = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_FOURIER_COPIES = (
    "prompt_encoder.shared_embedding.positional_embedding",
    "shared_image_embedding.positional_embedding",
)
_POINTS = "sam_prompt_encoder.point_embeddings.{}.weight"
_POINTS_THERE = "prompt_encoder.point_embed.weight"
_N_POINTS = 4

Pairs = list[tuple[str, str]]


def _attention(ours: str, theirs: str) -> Pairs:
    same: Pairs = [(f"{ours}.{part}_proj", f"{theirs}.{part}_proj") for part in "qkv"]
    return [*same, (f"{ours}.out_proj", f"{theirs}.o_proj")]


def _mlp(ours: str, theirs: str, depth: int) -> Pairs:
    there = ["proj_in", *(f"layers.{i}" for i in range(depth - 2)), "proj_out"]
    return [(f"{ours}.layers.{i}", f"{theirs}.{name}") for i, name in enumerate(there)]


def _norms(ours: str, theirs: str, count: int) -> Pairs:
    return [(f"{ours}.norm{i}", f"{theirs}.layer_norm{i}") for i in range(1, count + 1)]


_TRUNK, _TRUNK_THERE = "image_encoder.trunk", "vision_encoder.backbone"
_TWO_WAY, _TWO_WAY_THERE = "sam_mask_decoder.transformer", "mask_decoder.transformer"
_MEMORY = "memory_attention.layers.#"
_MASKS, _MASKS_THERE = "memory_encoder.mask_downsampler", "memory_encoder.mask_downsampler"
_FUSER, _FUSER_THERE = "memory_encoder.fuser.layers.#", "memory_encoder.memory_fuser.layers.#"

#: Modules, or parameters that stand alone: (name here and in the published checkpoints, name in transformers).
#: ``#`` is any index, the same on both sides.
TABLE: tuple[tuple[str, str], ...] = (
    ("no_mem_embed", "no_memory_embedding"),
    ("no_mem_pos_enc", "no_memory_positional_encoding"),
    ("maskmem_tpos_enc", LANDMARK),
    ("no_obj_ptr", "no_object_pointer"),
    ("no_obj_embed_spatial", "occlusion_spatial_embedding_parameter"),
    ("mask_downsample", "mask_downsample"),
    ("obj_ptr_tpos_proj", "temporal_positional_encoding_projection_layer"),
    *_mlp("obj_ptr_proj", "object_pointer_proj", 3),
    # image encoder
    (f"{_TRUNK}.pos_embed", f"{_TRUNK_THERE}.pos_embed"),
    (f"{_TRUNK}.pos_embed_window", f"{_TRUNK_THERE}.pos_embed_window"),
    (f"{_TRUNK}.patch_embed.proj", f"{_TRUNK_THERE}.patch_embed.projection"),
    (f"{_TRUNK}.blocks.#.attn.qkv", f"{_TRUNK_THERE}.blocks.#.attn.qkv"),
    (f"{_TRUNK}.blocks.#.attn.proj", f"{_TRUNK_THERE}.blocks.#.attn.proj"),
    (f"{_TRUNK}.blocks.#.proj", f"{_TRUNK_THERE}.blocks.#.proj"),
    *_norms(f"{_TRUNK}.blocks.#", f"{_TRUNK_THERE}.blocks.#", 2),
    *_mlp(f"{_TRUNK}.blocks.#.mlp", f"{_TRUNK_THERE}.blocks.#.mlp", 2),
    ("image_encoder.neck.convs.#.conv", "vision_encoder.neck.convs.#"),
    # prompt encoder
    ("sam_prompt_encoder.mask_downscaling.0", "prompt_encoder.mask_embed.conv1"),
    ("sam_prompt_encoder.mask_downscaling.1", "prompt_encoder.mask_embed.layer_norm1"),
    ("sam_prompt_encoder.mask_downscaling.3", "prompt_encoder.mask_embed.conv2"),
    ("sam_prompt_encoder.mask_downscaling.4", "prompt_encoder.mask_embed.layer_norm2"),
    ("sam_prompt_encoder.mask_downscaling.6", "prompt_encoder.mask_embed.conv3"),
    ("sam_prompt_encoder.no_mask_embed", "prompt_encoder.no_mask_embed"),
    ("sam_prompt_encoder.not_a_point_embed", "prompt_encoder.not_a_point_embed"),
    # mask decoder
    *((f"sam_mask_decoder.{name}", f"mask_decoder.{name}")
      for name in ("iou_token", "mask_tokens", "obj_score_token", "conv_s0", "conv_s1")),
    *(pair for name in ("self_attn", "cross_attn_token_to_image", "cross_attn_image_to_token")
      for pair in _attention(f"{_TWO_WAY}.layers.#.{name}", f"{_TWO_WAY_THERE}.layers.#.{name}")),
    *_attention(f"{_TWO_WAY}.final_attn_token_to_image", f"{_TWO_WAY_THERE}.final_attn_token_to_image"),
    *_norms(f"{_TWO_WAY}.layers.#", f"{_TWO_WAY_THERE}.layers.#", 4),
    (f"{_TWO_WAY}.norm_final_attn", f"{_TWO_WAY_THERE}.layer_norm_final_attn"),
    *_mlp(f"{_TWO_WAY}.layers.#.mlp", f"{_TWO_WAY_THERE}.layers.#.mlp", 2),
    ("sam_mask_decoder.output_upscaling.0", "mask_decoder.upscale_conv1"),
    ("sam_mask_decoder.output_upscaling.1", "mask_decoder.upscale_layer_norm"),
    ("sam_mask_decoder.output_upscaling.3", "mask_decoder.upscale_conv2"),
    *_mlp("sam_mask_decoder.output_hypernetworks_mlps.#", "mask_decoder.output_hypernetworks_mlps.#", 3),
    *_mlp("sam_mask_decoder.iou_prediction_head", "mask_decoder.iou_prediction_head", 3),
    *_mlp("sam_mask_decoder.pred_obj_score_head", "mask_decoder.pred_obj_score_head", 3),
    # memory attention
    *_attention(f"{_MEMORY}.self_attn", f"{_MEMORY}.self_attn"),
    *_attention(f"{_MEMORY}.cross_attn_image", f"{_MEMORY}.cross_attn_image"),
    *_norms(_MEMORY, _MEMORY, 3),
    *((f"{_MEMORY}.linear{i}", f"{_MEMORY}.linear{i}") for i in (1, 2)),
    ("memory_attention.norm", "memory_attention.layer_norm"),
    # memory encoder
    *((f"{_MASKS}.encoder.{3 * i}", f"{_MASKS_THERE}.layers.{i}.conv") for i in range(4)),
    *((f"{_MASKS}.encoder.{3 * i + 1}", f"{_MASKS_THERE}.layers.{i}.layer_norm") for i in range(4)),
    (f"{_MASKS}.encoder.12", f"{_MASKS_THERE}.final_conv"),
    ("memory_encoder.pix_feat_proj", "memory_encoder.feature_projection"),
    (f"{_FUSER}.gamma", f"{_FUSER_THERE}.scale"),
    (f"{_FUSER}.dwconv", f"{_FUSER_THERE}.depthwise_conv"),
    (f"{_FUSER}.norm", f"{_FUSER_THERE}.layer_norm"),
    *((f"{_FUSER}.pwconv{i}", f"{_FUSER_THERE}.pointwise_conv{i}") for i in (1, 2)),
    ("memory_encoder.out_proj", "memory_encoder.projection"),
)  # fmt: skip


class _Renaming:
    """One direction of the table."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._rules = [
            (re.compile(re.escape(source).replace(r"\#", r"(\d+)") + r"((?:\.weight|\.bias)?)"), target)
            for source, target in pairs
        ]

    def __call__(self, name: str) -> str | None:
        for pattern, target in self._rules:
            match = pattern.fullmatch(name)
            if match:
                *indices, suffix = match.groups()
                for index in indices:
                    target = target.replace("#", index, 1)
                return target + suffix
        return None


_there = _Renaming(TABLE)
_here = _Renaming((theirs, ours) for ours, theirs in TABLE)


def is_transformers_layout(names: Iterable[str]) -> bool:
    """Whether tensors of these names are laid out like transformers' ``Sam2VideoModel``."""
    return LANDMARK in names


def from_transformers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a ``Sam2VideoModel`` under the names of the published checkpoints.

    Raises
    ------
    CheckpointError
        If a name is not one of that model's, or its two copies of the random-Fourier matrix differ.
    """
    out: dict[str, Tensor] = {}
    unknown = []
    for name, tensor in tensors.items():
        if name in _FOURIER_COPIES:
            if _FOURIER in out and not torch.equal(out[_FOURIER], tensor):
                raise CheckpointError(f"{' and '.join(_FOURIER_COPIES)} differ, expected one matrix kept twice")
            out[_FOURIER] = tensor
        elif name == _POINTS_THERE:
            out.update({_POINTS.format(i): row.clone() for i, row in enumerate(tensor.split(1))})
        elif (ours := _here(name)) is not None:
            out[ours] = tensor
        else:
            unknown.append(name)
    if unknown:
        raise CheckpointError(
            f"in the layout of transformers' Sam2VideoModel, but with {len(unknown)} tensors it does not have: "
            + ", ".join(unknown[:5])
        )
    return out


def to_transformers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors named as in the published checkpoints, under the names of transformers' ``Sam2VideoModel``.

    Raises
    ------
    CheckpointError
        If a name has no counterpart there (the convolutional trunk of the bundled model has none).
    """
    out: dict[str, Tensor] = {}
    points = {_POINTS.format(i): i for i in range(_N_POINTS)}
    for name, tensor in tensors.items():
        if name == _FOURIER:
            out.update({copy: tensor.clone() for copy in _FOURIER_COPIES})
        elif name in points:
            continue
        elif (theirs := _there(name)) is not None:
            out[theirs] = tensor
        else:
            raise CheckpointError(f"{name!r} has no counterpart in transformers' Sam2VideoModel")
    if points.keys() <= tensors.keys():
        out[_POINTS_THERE] = torch.cat([tensors[name] for name in points])
    return out
