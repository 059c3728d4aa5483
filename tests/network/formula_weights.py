"""Weights made by a formula from each tensor's name, so that any implementation can recompute them."""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import cache

import numpy as np
import torch

from napari_sam2.network import CONFIGS, ConvTrunkConfig, HieraConfig, Sam2, Sam2Config

#: The small network that the parity fixtures were made with: 1,470,610 parameters (2.1).
MINI = Sam2Config(
    name="mini",
    trunk=HieraConfig(
        width=16, heads=1, blocks=(1, 2, 3, 1), windows=(8, 4, 6, 3), global_blocks=(4,), pos_embed_size=7
    ),
    image_size=128,
    width=64,
    memory_width=16,
    memory_layers=2,
    memory_ffn=128,
)
#: A small network of the bundled model's kind.
MINI_CELL = Sam2Config(
    name="mini-cell",
    trunk=ConvTrunkConfig(widths=(16, 24, 32, 48), blocks=(1, 1, 1, 1), stem_width=8),
    image_size=128,
    width=64,
    memory_width=16,
    memory_layers=2,
    memory_ffn=128,
    decoder_heads=4,
    decoder_ffn=128,
    head_hidden=64,
    pointer_span=15.0,
)
MINI_CONFIGS = {"2.1": MINI, "2.0": replace(MINI, name="mini-2.0", version="2.0")}


def formula_tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The float32 tensor that the parity recipe gives for a name and shape."""
    bits = np.random.Philox(key=zlib.crc32(name.encode())).random_raw(int(np.prod(shape)))
    u = ((bits >> np.uint64(11)) * 2.0**-53 * 2 - 1).reshape(shape)
    parts = name.split(".")
    if len(shape) <= 1 and name.endswith("weight"):
        value = 1 + 0.1 * u
    elif name.endswith("bias"):
        value = 0.05 * u
    elif name.endswith("gamma"):
        value = 0.5 + 0.1 * u
    elif "positional_encoding_gaussian_matrix" in name:
        value = 2 * u
    elif name.endswith("running_var"):  # none in the published networks
        value = 1 + 0.5 * u
    elif len(shape) >= 2 and name.endswith("weight") and "embed" not in parts[-2]:
        value = u * np.sqrt(3 / np.prod(shape[1:]))
    else:
        value = 0.5 * u
    return torch.from_numpy(np.asarray(value, np.float32))


def formula_model(config: Sam2Config) -> Sam2:
    """A network in eval mode whose every tensor is made by the formula."""
    with torch.device("meta"):
        model = Sam2(config)
    state = {name: formula_tensor(name, tuple(t.shape)).to(t.dtype) for name, t in model.state_dict().items()}
    model.load_state_dict(state, strict=True, assign=True)
    return model.eval()


@cache
def mini_model(version: str) -> Sam2:
    """The small network, made once."""
    return formula_model(MINI_CONFIGS[version])


@cache
def mini_cell_model() -> Sam2:
    """The small network of the bundled model's kind, made once."""
    return formula_model(MINI_CELL)


def full_model(name: str) -> Sam2:
    """A network of a published size."""
    return formula_model(CONFIGS[name])
