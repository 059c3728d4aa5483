"""What a tracker begins with: the network, how it computes, and which mode suits it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.tracking.disk_cache import DiskCache
from napari_sam2.tracking.movie import Movie

if TYPE_CHECKING:
    from napari_sam2.network import Sam2


def load(model: str | os.PathLike[str] | Sam2, device: str, dtype: str | None) -> Sam2:
    if isinstance(model, (str, os.PathLike)):
        from napari_sam2.weights import load_model

        return load_model(model, device=device, dtype=dtype)
    return model.eval()


def disk_cache(folder: str | os.PathLike[str], movie: Movie, model: Sam2) -> DiskCache:
    from napari_sam2.weights import weights_hash

    return DiskCache(folder, movie.fingerprint(), movie.limits, movie.channels, weights_hash(model))


def check_diameter(value: float) -> float:
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"cell_diameter must be a positive number of pixels, got {value}")
    return float(value)


def for_inference(model: Sam2, choose_precision: bool) -> Sam2:
    """Copy a convolutional network for speed; the model itself stays as it was loaded, and so does its hash.

    On processors that compute in bfloat16 the copy does too, which is much faster and hardly changes a mask. Networks
    with other trunks are used as they are, in the precision they were loaded in.
    """
    from napari_sam2.network.fold import folded
    from napari_sam2.tracking.allocator import keep_freed_memory
    from napari_sam2.weights.device import has_native_bfloat16

    if model.device.type == "cpu":
        keep_freed_memory()
    network = folded(model)
    if network is not model and choose_precision and model.device.type == "cpu" and has_native_bfloat16():
        import torch

        network = network.to(torch.bfloat16)
    return network


def has_native_size(model: Sam2) -> bool:
    """Whether the network was trained on frames of one size (its trunk has position embeddings)."""
    return hasattr(model.image_encoder.trunk, "pos_embed")


def resolve_mode(mode: str, model: Sam2) -> str:
    known = ("auto", "windows", "exact", "reference")
    if mode not in known:
        raise ValueError(f"mode must be one of {', '.join(known)}; got {mode!r}")
    return ("exact" if has_native_size(model) else "windows") if mode == "auto" else mode
