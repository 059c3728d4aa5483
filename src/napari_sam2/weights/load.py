"""From a name or a file to a network that is ready to use."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_sam2.network.config import Sam2Config
from napari_sam2.network.model import Sam2
from napari_sam2.weights.catalogue import find_model, list_models
from napari_sam2.weights.device import resolve_device, resolve_dtype
from napari_sam2.weights.download import fetch
from napari_sam2.weights.errors import CheckpointError, UnknownModelError
from napari_sam2.weights.hashing import model_hash, remember_hash, tensors_hash
from napari_sam2.weights.progress import ProgressCallback
from napari_sam2.weights.reading import read_checkpoint
from napari_sam2.weights.recognise import recognise
from napari_sam2.weights.transformers_config import config_from_transformers
from napari_sam2.weights.transformers_layout import from_transformers, is_transformers_layout

#: Endings that mark a text as a path and not as a model's name.
SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")

#: The file looked for when a folder is given: what transformers' `save_pretrained` writes.
FOLDER_FILE = "model.safetensors"


def load_model(
    name_or_path: str | os.PathLike[str],
    device: str | torch.device = "auto",
    dtype: torch.dtype | str | None = None,
    *,
    config: Sam2Config | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: ProgressCallback | None = None,
) -> Sam2:
    """A SAM 2 network with trained parameters, in evaluation mode.

    Parameters
    ----------
    name_or_path
        A name of the catalogue (``"cell"``, ``"sam2.1-tiny"``, ...; see `list_models`), fetched first if it is not here
        yet; or the path of a checkpoint: ``.pt`` or ``.pth`` in the published layout, also with what DDP, Lightning or
        `torch.compile` add to it, ``.safetensors`` in that layout or in transformers', or a folder with such a
        ``model.safetensors``.
    device
        ``"auto"`` (cuda, else mps, else cpu) or a device; see `resolve_device`.
    dtype
        Number type of the parameters; None chooses by the device; see `resolve_dtype`.
    config
        The network's configuration, for files of an unknown size that do not bring it along.
    folder
        Where downloaded models are kept; the usual cache folder (`cache_folder`) when None.
    progress
        Told about a download; see `download_model`.

    Raises
    ------
    UnknownModelError
        If it is neither a name nor a file.
    CheckpointError
        If the file is damaged, unsafe or of another network. Nothing in it is executed.
    DownloadError, DownloadCancelled
        If it has to be fetched and cannot be.
    DeviceError
        If there is no such device or number type here.
    """
    where = resolve_device(device)
    number_type = resolve_dtype(dtype, where)
    path = locate(name_or_path, folder=folder, progress=progress)
    config, tensors = read_weights(path, config)
    model = _build(config, tensors).to(device=where, dtype=number_type).eval()
    if number_type != torch.float32:
        remember_hash(model, tensors)
    return model


def locate(
    name_or_path: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] | None = None,
    progress: ProgressCallback | None = None,
) -> Path:
    """The file of a model given by name (fetched if need be) or by path. Parameters as of `load_model`."""
    text = os.fspath(name_or_path)
    path = Path(text).expanduser()
    if path.is_dir() and (path / FOLDER_FILE).is_file():
        return path / FOLDER_FILE
    if path.is_file():
        return path
    looks_like_path = isinstance(name_or_path, os.PathLike) or path.suffix.lower() in SUFFIXES or len(path.parts) > 1
    if looks_like_path:
        raise UnknownModelError(f"there is no checkpoint {text!r}; models with a name: {_names()}")
    return fetch(find_model(text, folder), progress)


def read_weights(path: Path, config: Sam2Config | None = None) -> tuple[Sam2Config, dict[str, Tensor]]:
    """Read a checkpoint and recognise its network; tensors are named as published, on the CPU, as they are stored.

    Raises
    ------
    CheckpointError
        If the file is damaged, unsafe or of another network.
    """
    contents = read_checkpoint(path)
    tensors = contents.tensors
    try:
        if config is None and contents.config is not None:
            config = _config_from(contents.config)
        if is_transformers_layout(tensors):
            tensors = from_transformers(tensors)
            if config is None:
                config = _config_beside(path, tensors)
        config = recognise({name: tuple(tensor.shape) for name, tensor in tensors.items()}, config)
        _check_finite(tensors)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return config, tensors


def weights_hash(model_or_path: Sam2 | str | os.PathLike[str]) -> str:
    """A fingerprint of weights (SHA-256, hexadecimal): the same for a model and for the file it was loaded from.

    Parameters
    ----------
    model_or_path
        A network as `load_model` made it, whatever its device and number type, or a path or name as `load_model` takes
        it. A network cast to another number type afterwards counts as another one.
    """
    if isinstance(model_or_path, nn.Module):
        return model_hash(model_or_path)
    return tensors_hash(read_weights(locate(model_or_path))[1])


def _build(config: Sam2Config, tensors: Mapping[str, Tensor]) -> Sam2:
    # Made without memory or random numbers, then given the file's tensors: half the time and memory of the usual way.
    with torch.device("meta"):
        model = Sam2(config)
    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    model.load_state_dict(state, strict=True, assign=True)
    left = [name for name, tensor in chain(model.named_parameters(), model.named_buffers()) if tensor.is_meta]
    if left:
        raise AssertionError(f"not in any checkpoint, and so never made: {left}")
    return model


def _config_from(data: Mapping[str, Any]) -> Sam2Config | None:
    if "trunk" not in data:
        return None  # the settings of some training program, not ours
    try:
        config = Sam2Config.from_dict(dict(data))
        hash(config)
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise CheckpointError(f"the configuration in the file is not one of a SAM 2 network: {error}") from error
    return config


def _config_beside(path: Path, tensors: Mapping[str, Tensor]) -> Sam2Config | None:
    """What transformers wrote beside the tensors, needed only where they do not speak for themselves."""
    try:
        return recognise({name: tuple(tensor.shape) for name, tensor in tensors.items()})
    except CheckpointError:
        beside = path.with_name("config.json")
        if not beside.is_file():
            return None
    try:
        data = json.loads(beside.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{beside} cannot be read: {error}") from error
    return config_from_transformers(data if isinstance(data, dict) else {})


def _check_finite(tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"the tensor {name!r} holds NaN or infinity (did its training diverge?)")


def _names() -> str:
    return ", ".join(info.name for info in list_models())
