"""From a run to the file that is shipped: averaged weights, half precision, and how they came about."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import torch

from napari_sam2.training.checkpoint import load_checkpoint
from napari_sam2.weights.reading import read_checkpoint

LICENCE = "BSD-3-Clause"
ALIGNMENT = 8  # bytes; the safetensors header is padded to it
_NAMES = {torch.float16: "F16", torch.float32: "F32", torch.int64: "I64"}


def export_weights(run: Path, out: Path, other: Path | None = None, share: float = 0.5) -> str:
    """Write the averaged weights of a run as safetensors, if asked mixed with others.

    Weights of one network that were reached from a common beginning may be averaged, and the average is often better
    than either (Wortsman et al. 2022, "Model soups").

    Parameters
    ----------
    run : Path
        Folder of the run, or a checkpoint file.
    out : Path
        File to write.
    other : Path, optional
        Exported weights to mix in.
    share : float
        Their share, 0..1.

    Returns
    -------
    str
        What was written, with its SHA-256: the same checkpoint gives the same bytes.

    Raises
    ------
    FileNotFoundError
        If there is no checkpoint.
    ValueError
        If a weight does not fit half precision, the other weights are of another network, or the share lies
        outside 0..1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share of the other weights is {share:g}; it must lie in 0..1")
    saved = load_checkpoint(run)
    prefix = "model."
    tensors = {k.removeprefix(prefix): v for k, v in saved["average"].items() if k.startswith(prefix)}
    record = training_record(saved)
    small = {name: half(name, tensor) for name, tensor in tensors.items()}
    if other is not None:
        small, record["mixed_with"] = _mix(small, other, share)
    metadata = {
        "config": json.dumps(saved["config"], sort_keys=True),
        "training": json.dumps(record, sort_keys=True),
        "licence": LICENCE,
        "format": "pt",
    }
    content = serialise(small, metadata)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_suffix(".part")
    part.write_bytes(content)
    part.replace(out)
    digest = hashlib.sha256(content).hexdigest()
    return f"{out}: {len(content) / 1e6:.1f} MB after {saved['step']} steps, sha256 {digest}"


def _mix(small: dict[str, torch.Tensor], other: Path, share: float) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Weights mixed with those of a file, in single precision, and what is recorded of that file."""
    contents = read_checkpoint(other)
    if {k: v.shape for k, v in contents.tensors.items()} != {k: v.shape for k, v in small.items()}:
        raise ValueError(f"{other} has the weights of another network: only runs of one network can be mixed")
    mixed = {}
    for name, tensor in small.items():
        if tensor.is_floating_point():
            both = (1 - share) * tensor.float() + share * contents.tensors[name].float()
            mixed[name] = both.to(tensor.dtype)
        else:
            mixed[name] = tensor
    told = {
        "share": share,
        "sha256": hashlib.sha256(other.read_bytes()).hexdigest(),
        "training": json.loads(contents.metadata.get("training", "null")),
    }
    return mixed, told


def training_record(saved: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint tells about its making: commands, seed, data hash, steps, time, settings."""
    return {
        "commands": [_without_folders(command) for command in saved["commands"]],
        "seed": saved["settings"]["seed"],
        "data_hash": saved["data_hash"],
        "steps": saved["step"],
        "minutes": round(saved["seconds"] / 60, 1),
        "settings": saved["settings"],
        "torch": saved["torch"],
    }


def half(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """A tensor in half precision; statistics of normalisations stay in single, counters as they are."""
    if not tensor.is_floating_point() or "running_" in name:
        return tensor.contiguous()
    small = tensor.to(torch.float16).contiguous()
    if not bool(torch.isfinite(small).all()):
        raise ValueError(f"{name} does not fit half precision: the run has diverged, export an earlier checkpoint")
    return small


def serialise(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> bytes:
    """The safetensors format, written here because the library orders metadata by chance.

    See https://github.com/huggingface/safetensors#format.
    """
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    parts, offset = [], 0
    # Wide types first keeps every tensor aligned.
    for name, tensor in sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0])):
        data = tensor.cpu().numpy().tobytes()
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        parts.append(data)
        offset += len(data)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % ALIGNMENT)
    return struct.pack("<Q", len(head)) + head + b"".join(parts)


def _without_folders(command: str) -> str:
    """Drop the folders of absolute paths: weights that are passed on do not tell where they were made."""
    return re.sub(r"(?<![^\s'\"=])/(?:[^\s'\"]*/)?([^\s'\"/]+)", r"\1", command)
