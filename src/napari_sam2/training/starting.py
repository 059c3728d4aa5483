"""Weights to start from: a model by name, a weights file, or an earlier run."""

from __future__ import annotations

from pathlib import Path

import torch

from napari_sam2.network.config import Sam2Config
from napari_sam2.training.checkpoint import NAME, load_checkpoint


def starting_weights(start: str) -> tuple[Sam2Config, dict[str, torch.Tensor]]:
    """Find weights to start from.

    Parameters
    ----------
    start : str
        The folder of a run (its averaged weights are taken), the name of a model, or the path of a weights file.

    Returns
    -------
    config : Sam2Config
    state : dict of str to Tensor
        float32.
    """
    folder = Path(start)
    if folder.is_dir() or folder.name == NAME:
        saved = load_checkpoint(folder)
        prefix = "model."
        state = {k.removeprefix(prefix): v for k, v in saved["average"].items() if k.startswith(prefix)}
        return Sam2Config.from_dict(saved["config"]), state
    from napari_sam2.weights import load_model

    model = load_model(start, device="cpu", dtype=torch.float32)
    return model.config, model.state_dict()
