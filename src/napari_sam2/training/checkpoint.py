"""Checkpoints of a run: written whole or not at all, and enough to go on exactly."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

NAME = "checkpoint.pt"


def save_checkpoint(directory: Path, state: dict[str, Any], name: str = NAME) -> Path:
    """Write a checkpoint atomically; the previous one stays until the new one is complete."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return path


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint (a file, or the directory of a run); only tensors and plain values are accepted.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    path = path / NAME if path.is_dir() else path
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint at {path}: give the directory that `train --out` wrote to")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
