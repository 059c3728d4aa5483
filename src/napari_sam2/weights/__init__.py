"""Where parameters come from: the catalogue, downloads with a checksum, loading, and the bundled cell model.

Imports `network` only. `tracking`, `training`, the widgets and the command line import it. Names that need torch are
looked up when they are first used (:pep:`562`), so that listing and downloading models cost no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from napari_sam2.weights.cache import CACHE_VARIABLE, cache_folder, set_cache_folder
from napari_sam2.weights.catalogue import ModelInfo, find_model, list_models
from napari_sam2.weights.download import by_hand, download_model
from napari_sam2.weights.errors import (
    CheckpointError,
    DeviceError,
    DownloadCancelled,
    DownloadError,
    UnknownModelError,
    WeightsError,
)
from napari_sam2.weights.progress import DownloadProgress, ProgressCallback
from napari_sam2.weights.transfer import RetryPolicy

if TYPE_CHECKING:
    from napari_sam2.weights.device import available_devices, resolve_device, resolve_dtype
    from napari_sam2.weights.load import load_model, weights_hash
    from napari_sam2.weights.save import save_model

__all__ = [
    "CACHE_VARIABLE",
    "CheckpointError",
    "DeviceError",
    "DownloadCancelled",
    "DownloadError",
    "DownloadProgress",
    "ModelInfo",
    "ProgressCallback",
    "RetryPolicy",
    "UnknownModelError",
    "WeightsError",
    "available_devices",
    "by_hand",
    "cache_folder",
    "download_model",
    "find_model",
    "list_models",
    "load_model",
    "resolve_device",
    "resolve_dtype",
    "save_model",
    "set_cache_folder",
    "weights_hash",
]

_NEED_TORCH = {
    "available_devices": "device",
    "load_model": "load",
    "resolve_device": "device",
    "resolve_dtype": "device",
    "save_model": "save",
    "weights_hash": "load",
}


def __getattr__(name: str) -> Any:
    """Import a name that needs torch from the file it lives in, on first use."""
    if name not in _NEED_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_NEED_TORCH[name]}"), name)
    globals()[name] = value
    return value
