"""Which network a set of tensors belongs to, from their names and shapes alone.

Everything that sizes a network can be read off its tensors. Some things leave no trace in them: how many heads share an
attention's channels, the trunk's attention windows and which blocks look at the whole map, and the native image size.
These are known for the published trunks and for the bundled model; any other file has to bring its configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch

from napari_sam2.network.config import CONFIGS, HieraConfig, Sam2Config
from napari_sam2.network.model import Sam2
from napari_sam2.weights.errors import CheckpointError

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

#: Tensors that only version 2.1 has.
ONLY_IN_2_1 = ("no_obj_embed_spatial", "obj_ptr_tpos_proj.weight", "obj_ptr_tpos_proj.bias")

#: Largest native image side and attention window taken from a configuration; far beyond any sensible one.
MAX_IMAGE_SIZE = 16_384

#: How many names an error message lists.
_LISTED = 4

#: Other networks that people have under similar file names: (a piece of a tensor's name, what it is).
_FOREIGN = (
    ("image_encoder.blocks.0.", "a checkpoint of the first Segment Anything (SAM 1, micro-sam), not of SAM 2"),
    ("vision_encoder.layers.0.", "a checkpoint of the first Segment Anything in transformers' layout, not of SAM 2"),
    ("detector.", "a checkpoint of SAM 3, not of SAM 2"),
    ("detector_model.", "a checkpoint of SAM 3, not of SAM 2"),
    ("spatial_perceiver", "a checkpoint of EdgeTAM, not of SAM 2"),
)

_TRUNK = "image_encoder.trunk"


def recognise(shapes: Shapes, config: Sam2Config | None = None) -> Sam2Config:
    """The configuration of the network that tensors of these shapes belong to.

    Parameters
    ----------
    shapes
        Shape of every tensor, by its name in the published layout.
    config
        What the file or the user says. It is held against the tensors; None lets them speak for themselves.

    Raises
    ------
    CheckpointError
        If they are of another kind of network, do not determine it, contradict `config`, or if any tensor is
        missing, is one too many, or has another shape than that network's.
    """
    measured = measure(shapes)
    if config is None:
        config = _known(measured)
    else:
        _compare(measured, config)
    _check_complete(shapes, config)
    return config


def measure(shapes: Shapes) -> dict[str, Any]:
    """All fields of the configuration that shapes determine, under the names of `Sam2Config`'s fields.

    Those of the trunk stand under ``"trunk"``, with its ``"kind"``: ``"hiera"`` or ``"conv"``.
    """
    _check_kind(shapes)
    memories = _shape(shapes, "maskmem_tpos_enc", 4)
    return {
        "version": "2.1" if any(name in shapes for name in ONLY_IN_2_1) else "2.0",
        "width": _shape(shapes, "no_mem_embed", 3)[2],
        "memory_width": memories[3],
        "memory_frames": memories[0],
        "memory_layers": _count(shapes, "memory_attention.layers"),
        "memory_ffn": _shape(shapes, "memory_attention.layers.0.linear1.weight", 2)[0],
        "decoder_ffn": _shape(shapes, "sam_mask_decoder.transformer.layers.0.mlp.layers.0.weight", 2)[0],
        "head_hidden": _shape(shapes, "sam_mask_decoder.iou_prediction_head.layers.0.weight", 2)[0],
        "trunk": _measure_hiera(shapes) if f"{_TRUNK}.pos_embed" in shapes else _measure_conv(shapes),
    }


def expected_shapes(config: Sam2Config) -> dict[str, Shape]:
    """Shape of every tensor of a network, by name. Nothing is allocated."""
    return dict(_expected(config))


@lru_cache(maxsize=16)
def _expected(config: Sam2Config) -> tuple[tuple[str, Shape], ...]:
    with torch.device("meta"):
        state = Sam2(config).state_dict()
    return tuple((name, tuple(tensor.shape)) for name, tensor in state.items())


def _measure_hiera(shapes: Shapes) -> dict[str, Any]:
    count = _count(shapes, f"{_TRUNK}.blocks")
    # A block that changes the width opens a stage, and only such a block has a projection on its shortcut.
    starts = [0, *(i for i in range(1, count) if f"{_TRUNK}.blocks.{i}.proj.weight" in shapes), count]
    position = _shape(shapes, f"{_TRUNK}.pos_embed", 4)
    return {
        "kind": "hiera",
        "width": position[1],
        "blocks": tuple(b - a for a, b in zip(starts, starts[1:], strict=False)),
        "pos_embed_size": position[3],
        "first_window": _shape(shapes, f"{_TRUNK}.pos_embed_window", 4)[3],
    }


def _measure_conv(shapes: Shapes) -> dict[str, Any]:
    stages = _count(shapes, f"{_TRUNK}.stages")
    return {
        "kind": "conv",
        "widths": tuple(_shape(shapes, f"{_TRUNK}.stages.{i}.0.conv1.0.weight", 4)[0] for i in range(stages)),
        "blocks": tuple(_count(shapes, f"{_TRUNK}.stages.{i}") for i in range(stages)),
        "stem_width": _shape(shapes, f"{_TRUNK}.stem.0.0.weight", 4)[0],
    }


def measured_of(config: Sam2Config) -> dict[str, Any]:
    """What `measure` finds in the tensors of this configuration."""
    trunk = config.trunk
    if isinstance(trunk, HieraConfig):
        of_trunk: dict[str, Any] = {
            "kind": "hiera",
            "width": trunk.width,
            "blocks": tuple(trunk.blocks),
            "pos_embed_size": trunk.pos_embed_size,
            "first_window": trunk.windows[0],
        }
    else:
        of_trunk = {
            "kind": "conv",
            "widths": tuple(trunk.widths),
            "blocks": tuple(trunk.blocks),
            "stem_width": trunk.stem_width,
        }
    names = ("version", "width", "memory_width", "memory_frames", "memory_layers", "memory_ffn", "decoder_ffn")
    return {name: getattr(config, name) for name in (*names, "head_hidden")} | {"trunk": of_trunk}


def _known(measured: dict[str, Any]) -> Sam2Config:
    """The configuration with these measures among the known ones, or a known one with other parts behind its trunk."""
    for config in CONFIGS.values():
        if measured_of(config) == measured:
            return config
    for config in CONFIGS.values():
        known = measured_of(config)
        if all(known[name] == measured[name] for name in ("trunk", "width", "version")):
            sizes = {name: value for name, value in measured.items() if name != "trunk"}
            try:
                return replace(config, name=f"{config.name} (modified)", **sizes)
            except ValueError as error:
                raise CheckpointError(f"like {config.name}, but its sizes do not fit together: {error}") from error
    trunks = "; ".join(f"{config.name}: {_describe(measured_of(config))}" for config in CONFIGS.values())
    raise CheckpointError(
        f"a SAM {measured['version']} network of a size that is not known: {_describe(measured)}. "
        "Its tensors do not tell the attention heads, the windows or the image size. Give load_model the argument "
        f"config=Sam2Config(...), or keep the configuration in the file (save_model does). Known sizes: {trunks}"
    )


def _describe(measured: dict[str, Any]) -> str:
    trunk = measured["trunk"]
    width = trunk["width"] if trunk["kind"] == "hiera" else "/".join(map(str, trunk["widths"]))
    blocks = ",".join(map(str, trunk["blocks"]))
    return f"{trunk['kind']} trunk of width {width} and {blocks} blocks, features of width {measured['width']}"


def _compare(measured: dict[str, Any], config: Sam2Config) -> None:
    """Hold a configuration against what the tensors say, before anything of its size is built."""
    stated = measured_of(config)
    found = {**measured, **{f"trunk.{key}": value for key, value in measured["trunk"].items()}}
    said = {**stated, **{f"trunk.{key}": value for key, value in stated["trunk"].items()}}
    different = [
        f"{name} is {found.get(name)} by the tensors and {said[name]} by the configuration"
        for name in said
        if name != "trunk" and found.get(name) != said[name]
    ]
    if different:
        raise CheckpointError(f"the tensors are not those of the configuration {config.name!r}: {'; '.join(different)}")
    free = [config.image_size, config.decoder_heads, config.max_pointers]
    if isinstance(config.trunk, HieraConfig):
        free += [config.trunk.heads, *config.trunk.windows]
        if not all(isinstance(i, int) and 0 <= i < sum(config.trunk.blocks) for i in config.trunk.global_blocks):
            raise CheckpointError(f"the configuration {config.name!r} names global blocks that the trunk does not have")
        if len(config.trunk.windows) != len(config.trunk.blocks):
            raise CheckpointError(f"the configuration {config.name!r} has not one window for each stage of its trunk")
        if config.trunk.heads and config.trunk.width % config.trunk.heads:
            raise CheckpointError(f"the configuration {config.name!r} has heads that do not divide its trunk's width")
    if not all(isinstance(value, int) and 0 < value <= MAX_IMAGE_SIZE for value in free):
        raise CheckpointError(f"the configuration {config.name!r} holds absurd numbers: {free}")


def _check_kind(shapes: Shapes) -> None:
    landmarks = ("no_mem_embed", "maskmem_tpos_enc", "sam_mask_decoder.mask_tokens.weight", f"{_TRUNK}.")
    absent = [mark for mark in landmarks if not any(name.startswith(mark) for name in shapes)]
    if not absent:
        return
    for piece, what in _FOREIGN:
        if any(name.startswith(piece) for name in shapes):
            raise CheckpointError(f"these are the tensors of {what}")
    raise CheckpointError(
        f"these are not the tensors of a SAM 2 network: {len(shapes)} of them ({_some(sorted(shapes))}), none called "
        f"{' or '.join(repr(mark) for mark in absent)}"
    )


def _check_complete(shapes: Shapes, config: Sam2Config) -> None:
    expected = expected_shapes(config)
    missing = [name for name in expected if name not in shapes]
    extra = [name for name in shapes if name not in expected]
    other = [
        f"{name} is {list(shapes[name])}, expected {list(shape)}"
        for name, shape in expected.items()
        if name in shapes and tuple(shapes[name]) != shape
    ]
    faults = []
    if missing:
        faults.append(f"{len(missing)} tensors are missing ({_some(missing)})")
    if extra:
        faults.append(f"{len(extra)} tensors are not of this network ({_some(extra)})")
    if other:
        faults.append(f"{len(other)} tensors have another shape ({_some(other)})")
    if faults:
        raise CheckpointError(
            f"recognised as {config.name} (SAM {config.version}, {len(expected)} tensors), but {'; '.join(faults)}"
        )


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = len(listed) - _LISTED
    return ", ".join(listed[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _shape(shapes: Shapes, name: str, ndim: int) -> Shape:
    shape = shapes.get(name)
    if shape is None:
        raise CheckpointError(f"a SAM 2 checkpoint without the tensor {name!r}")
    if len(shape) != ndim:
        raise CheckpointError(f"the tensor {name!r} has the shape {list(shape)}, expected one of {ndim} axes")
    return shape


def _count(shapes: Shapes, module: str) -> int:
    """Entries of a list of modules: one more than the largest index."""
    pattern = re.compile(re.escape(module) + r"\.(\d{1,4})\.")
    indices = {int(match[1]) for name in shapes if (match := pattern.match(name))}
    if indices != set(range(len(indices))) or not indices:
        raise CheckpointError(f"{module} lacks some of its parts: there are {sorted(indices) or 'none'}")
    return len(indices)
