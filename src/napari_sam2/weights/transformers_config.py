"""Configurations as transformers writes them (``config.json`` of a ``Sam2VideoModel``), in both directions.

As there, what a file leaves out has the value of the tiny SAM 2.1 model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_sam2.network.config import HieraConfig, Sam2Config
from napari_sam2.weights.errors import CheckpointError

#: Width of a memory in transformers' memory attention, where it is not configurable.
MEMORY_WIDTH_THERE = 64

_TINY = HieraConfig()
_DEFAULT = Sam2Config()


def config_from_transformers(data: Mapping[str, Any]) -> Sam2Config:
    """The network that a ``config.json`` of transformers describes.

    Raises
    ------
    CheckpointError
        If it describes another kind of model, or a network that cannot be built here.
    """
    kind = data.get("model_type")
    if kind not in ("sam2_video", "sam2"):
        raise CheckpointError(f"config.json is of a {kind!r} model, expected 'sam2_video'")
    vision = data.get("vision_config") or {}
    trunk = vision.get("backbone_config") or {}
    decoder = data.get("mask_decoder_config") or {}
    prompts = data.get("prompt_encoder_config") or {}
    multimask = bool(data.get("multimask_output_in_sam", _DEFAULT.multimask_clicks))
    try:
        heads = trunk.get("num_attention_heads_per_stage") or [trunk.get("num_attention_heads", _TINY.heads)]
        widths = trunk.get("embed_dim_per_stage") or [trunk.get("hidden_size", _TINY.width)]
        background = trunk.get("window_positional_embedding_background_size", _TINY.pos_embed_size)
        return Sam2Config(
            name="from transformers",
            trunk=HieraConfig(
                width=widths[0],
                heads=heads[0],
                blocks=_four(trunk.get("blocks_per_stage", _TINY.blocks)),
                windows=_four(trunk.get("window_size_per_stage", _TINY.windows)),
                global_blocks=tuple(trunk.get("global_attention_blocks", _TINY.global_blocks)),
                pos_embed_size=_side(background),
            ),
            image_size=_side(data.get("image_size", prompts.get("image_size", _DEFAULT.image_size))),
            width=vision.get("fpn_hidden_size", _DEFAULT.width),
            memory_width=data.get("memory_encoder_output_channels", _DEFAULT.memory_width),
            memory_layers=data.get("memory_attention_num_layers", _DEFAULT.memory_layers),
            memory_ffn=data.get("memory_attention_feed_forward_hidden_size", _DEFAULT.memory_ffn),
            decoder_heads=decoder.get("num_attention_heads", _DEFAULT.decoder_heads),
            decoder_ffn=decoder.get("mlp_dim", _DEFAULT.decoder_ffn),
            head_hidden=decoder.get("iou_head_hidden_dim", _DEFAULT.head_hidden),
            memory_frames=data.get("num_maskmem", _DEFAULT.memory_frames),
            max_pointers=data.get("max_object_pointers_in_encoder", _DEFAULT.max_pointers),
            version="2.1" if data.get("enable_occlusion_spatial_embedding", True) else "2.0",
            stability_delta=decoder.get("dynamic_multimask_stability_delta", _DEFAULT.stability_delta),
            stability_threshold=decoder.get("dynamic_multimask_stability_thresh", _DEFAULT.stability_threshold),
            multimask_clicks=multimask,
            multimask_tracking=multimask
            and bool(data.get("multimask_output_for_tracking", _DEFAULT.multimask_tracking)),
        )
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise CheckpointError(f"config.json does not describe a SAM 2 network: {error}") from error


def config_to_transformers(config: Sam2Config) -> dict[str, Any]:
    """Keyword arguments of transformers' ``Sam2VideoConfig`` for this network.

    Raises
    ------
    CheckpointError
        If transformers has no such network: the trunk is not a Hiera, or a memory is not 64 channels wide.
    """
    trunk = config.trunk
    if not isinstance(trunk, HieraConfig):
        raise CheckpointError(f"transformers' Sam2VideoModel has no trunk like that of {config.name!r}")
    if config.memory_width != MEMORY_WIDTH_THERE:
        raise CheckpointError(
            f"transformers' Sam2VideoModel has memories 64 wide, {config.name!r} {config.memory_width}"
        )
    maps = [config.image_size // stride for stride in (4, 8, 16)]
    newer = config.version == "2.1"
    return {
        "image_size": config.image_size,
        "vision_config": {
            "model_type": "sam2_vision_model",
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "hidden_size": trunk.width,
                "num_attention_heads": trunk.heads,
                "image_size": [config.image_size, config.image_size],
                "blocks_per_stage": list(trunk.blocks),
                "embed_dim_per_stage": list(trunk.widths),
                "num_attention_heads_per_stage": [trunk.heads * 2**stage for stage in range(len(trunk.blocks))],
                "window_size_per_stage": list(trunk.windows),
                "global_attention_blocks": list(trunk.global_blocks),
                "window_positional_embedding_background_size": [trunk.pos_embed_size, trunk.pos_embed_size],
            },
            "backbone_channel_list": list(reversed(trunk.widths)),
            "backbone_feature_sizes": [[side, side] for side in maps],
            "fpn_hidden_size": config.width,
        },
        "prompt_encoder_config": {"hidden_size": config.width, "image_size": config.image_size},
        "mask_decoder_config": {
            "hidden_size": config.width,
            "num_attention_heads": config.decoder_heads,
            "mlp_dim": config.decoder_ffn,
            "iou_head_hidden_dim": config.head_hidden,
            "dynamic_multimask_stability_delta": config.stability_delta,
            "dynamic_multimask_stability_thresh": config.stability_threshold,
        },
        "num_maskmem": config.memory_frames,
        "max_object_pointers_in_encoder": config.max_pointers,
        "multimask_output_in_sam": config.multimask_clicks,
        "multimask_output_for_tracking": config.multimask_tracking,
        "enable_occlusion_spatial_embedding": newer,
        "enable_temporal_pos_encoding_for_object_pointers": newer,
        "memory_attention_hidden_size": config.width,
        "memory_attention_num_layers": config.memory_layers,
        "memory_attention_feed_forward_hidden_size": config.memory_ffn,
        "memory_attention_rope_feat_sizes": [config.native_tokens, config.native_tokens],
        "memory_encoder_hidden_size": config.width,
        "memory_encoder_output_channels": config.memory_width,
        "mask_downsampler_embed_dim": config.width,
        "memory_fuser_embed_dim": config.width,
        "memory_fuser_intermediate_dim": 4 * config.width,
    }


def _four(values: Any) -> tuple[int, int, int, int]:
    first, second, third, fourth = values
    return (first, second, third, fourth)


def _side(value: Any) -> int:
    """The side of a square given as one number or as two."""
    if isinstance(value, int):
        return value
    height, width = value
    if height != width:
        raise ValueError(f"a square was expected, not {height} x {width}")
    return int(height)
