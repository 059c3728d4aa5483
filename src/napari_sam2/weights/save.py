"""Writing a network to a file that says itself what it is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch

from napari_sam2.network.model import Sam2

#: Marks the files that this project writes, in the safetensors metadata.
FORMAT = "napari-sam2"


def save_model(
    model: Sam2,
    path: str | os.PathLike[str],
    dtype: torch.dtype | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a network as safetensors, its configuration as JSON in the metadata. All or nothing.

    Parameters
    ----------
    model
        The network, on any device.
    path
        File to write, by custom ``*.safetensors``; replaced if it is there.
    dtype
        Number type to store the parameters in; as they are when None. Running statistics of batch normalisation stay
        in float32: they span more decades than float16 has.
    metadata
        Further text to keep, for instance where the training data came from.
    """
    from safetensors.torch import save_file

    target = Path(path)
    tensors = {}
    for name, tensor in model.state_dict().items():
        cast = dtype is not None and tensor.is_floating_point() and ".running_" not in name
        tensors[name] = tensor.detach().to(device="cpu", dtype=dtype if cast else tensor.dtype).contiguous().clone()
    text = {**(metadata or {}), "format": FORMAT, "config": json.dumps(model.config.to_dict())}
    unfinished = target.with_name(target.name + f".{os.getpid()}.part")
    try:
        save_file(tensors, unfinished, metadata=text)
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
    return target
