"""Weights to start from: a model by name, a weights file, an earlier run, or the mean of several of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from napari_sam2.network.config import Sam2Config
from napari_sam2.training.checkpoint import NAME, load_checkpoint

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
    folder = Path(start)
    if folder.is_dir() or folder.name == NAME:
        saved = load_checkpoint(folder)
        return Sam2Config.from_dict(saved["config"]), dict(saved["average"])
    from napari_sam2.weights import load_model

    model = load_model(start, device="cpu", dtype=torch.float32)
    return model.config, {NETWORK + name: tensor for name, tensor in model.state_dict().items()}
