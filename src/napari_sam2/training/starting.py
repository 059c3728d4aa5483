"""Weights to start from: a model by name, a weights file, an earlier run, or the mean of several of them."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from napari_sam2.network.config import Sam2Config
from napari_sam2.training.checkpoint import load_checkpoint

#: What the network's weights are called within the trainee, whose other weights are heads used in training only.
NETWORK = "model."


def starting_weights(starts: Sequence[str]) -> tuple[Sam2Config, dict[str, torch.Tensor]]:
    """Find weights to start from.

    The mean of weights that were trained apart from a common ancestor is often better than each of them (Wortsman et
    al. 2022, "model soups"), and a place to go on from.

    Parameters
    ----------
    starts : sequence of str
        One or more of: the folder of a run (its averaged weights are taken, with the heads that only training has),
        the name of a model, the path of a weights file. Several are averaged; a head is averaged over those that have
        it.

    Returns
    -------
    config : Sam2Config
        Of the last one.
    state : dict of str to Tensor
        float32, named as in the trainee: the network's with `NETWORK` in front.

    Raises
    ------
    ValueError
        If they are not weights of one network.
    """
    found = [_weights_of(start) for start in starts]
    config, state = found[-1]
    tensors = {name: [tensor] for name, tensor in state.items()}
    for start, (_, other) in zip(starts, found[:-1], strict=False):
        for name in {n for n in (*other, *state) if n.startswith(NETWORK)}:
            if name not in other or name not in state or other[name].shape != state[name].shape:
                raise ValueError(
                    f"{start} and {starts[-1]} are not weights of one network ({name} differs): only runs of one "
                    "network can be averaged"
                )
        for name, tensor in other.items():
            tensors.setdefault(name, []).append(tensor)
    return config, {name: _mean(several) for name, several in tensors.items()}


def _mean(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    if len(tensors) == 1 or not tensors[0].is_floating_point():
        return tensors[0]
    return torch.stack([t.double() for t in tensors]).mean(0).to(tensors[0].dtype)


def _weights_of(start: str) -> tuple[Sam2Config, dict[str, torch.Tensor]]:
    """Configuration and weights of one run, model or file."""
    path = Path(start).expanduser()
    saved = _saved_run(path)
    if saved is not None:
        return Sam2Config.from_dict(saved["config"]), dict(saved["average"])
    from napari_sam2.weights import load_model

    model = load_model(start, device="cpu", dtype=torch.float32)
    return model.config, {NETWORK + name: tensor for name, tensor in model.state_dict().items()}


def _saved_run(path: Path) -> dict[str, Any] | None:
    """What the checkpoint of a run holds, whatever its name; None for any other file, and for a model's name."""
    from napari_sam2.weights.load import FOLDER_FILE

    if path.is_dir() and not (path / FOLDER_FILE).is_file():
        return load_checkpoint(path)
    if not path.is_file() or not zipfile.is_zipfile(path):
        return None
    try:
        saved = load_checkpoint(path)
    except Exception:  # noqa: BLE001 (load_model says what is wrong with the file)
        return None
    return saved if isinstance(saved, dict) and isinstance(saved.get("average"), dict) and "config" in saved else None


def take_weights(trainee: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Load weights, named as `starting_weights` names them, into the trainee; heads may be missing.

    Raises
    ------
    ValueError
        If they are of another network.
    """
    missing, unknown = trainee.load_state_dict(weights, strict=False)
    missing = [name for name in missing if name.startswith(NETWORK)]
    if missing or unknown:
        raise ValueError(f"weights to start from are of another network: missing {missing[:3]}, unknown {unknown[:3]}")
