"""Checkpoints of a run: written whole or not at all, and enough to go on exactly."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Any

import torch

NAME = "checkpoint.pt"


class NotSavedError(OSError):
    """A checkpoint could not be written; the one before it is untouched, and nothing is left lying about."""


def save_checkpoint(directory: Path, state: dict[str, Any], name: str = NAME) -> Path:
    """Write a checkpoint atomically; the previous one stays until the new one is complete.

    Raises
    ------
    NotSavedError
        If it cannot be written; the message says why.
    """
    path = directory / name
    part = path.with_suffix(".part")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:  # the latter is what torch makes of a full disk
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise NotSavedError(f"{path} could not be written: {_why(error)}") from error
    return path


def check_data(saved: dict[str, Any], directory: Path, data_hash: str, pack_hash: str) -> None:
    """Refuse to go on with a run on other data than it was begun on.

    Parameters
    ----------
    saved : dict
        Its checkpoint.
    directory : Path
        Its folder, for the message.
    data_hash, pack_hash : str
        Of all data given now, and of the pack alone: own data did not count in checkpoints of earlier versions.

    Raises
    ------
    ValueError
    """
    noted, given = saved["data_hash"], data_hash if "pack_hash" in saved else pack_hash
    if noted == given:
        return
    commands = saved.get("commands") or ["(not noted)"]
    raise ValueError(
        f"the run in {directory} was begun on other data ({noted[:12] or 'none'}, not {given[:12] or 'none'}): give "
        f"the same --pack and --own, with the same files in them, as its last command did ({commands[-1]}); or begin a "
        f"new run on this data with another --out and --start-from {directory}"
    )


def _why(error: BaseException) -> str:
    """What an error comes from: torch wraps that of the disk."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            full = cause.errno in (errno.ENOSPC, errno.EDQUOT)
            return "the disk is full" if full else str(cause)
        cause = cause.__cause__ or cause.__context__
    return str(error)


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
