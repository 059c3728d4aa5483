"""A fingerprint of a model's weights: the same for a model and for the file it came from, in every file format."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Mapping

import torch
from torch import Tensor, nn

# What models were loaded from that do not hold the weights in full any more (bfloat16), so that they still tell which
# weights they were made from. The second entry is the state of the parameters' version counters then: training counts
# them up, and then the weights are others.
_loaded: weakref.WeakKeyDictionary[nn.Module, tuple[str, int]] = weakref.WeakKeyDictionary()


def tensors_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 (hexadecimal) over names, shapes and values in float32, in the order of the names.

    Independent of the order in the file, of its format, and of float16 or bfloat16 storage of the same values.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        values = tensor.to(device="cpu", dtype=torch.float32).contiguous().reshape(-1)
        digest.update(f"{name}{list(tensor.shape)};".encode())
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()


def remember_hash(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Note which weights a model was made from, just after it was cast to a smaller number type."""
    _loaded[model] = (tensors_hash(tensors), _version(model))


def model_hash(model: nn.Module) -> str:
    """The hash of the weights a model was loaded with, or of those it has now if it was changed or cast since."""
    known = _loaded.get(model)
    if known is not None and known[1] == _version(model):
        return known[0]
    return tensors_hash(model.state_dict())


def _version(model: nn.Module) -> int:
    return sum(tensor._version for tensor in (*model.parameters(), *model.buffers()))
