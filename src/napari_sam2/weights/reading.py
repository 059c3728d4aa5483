"""Tensors out of a file that may be anything: nothing in it is executed, and no more is read than it holds."""

from __future__ import annotations

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_sam2.weights.errors import CheckpointError

EXPECTED = "expected a SAM 2 checkpoint: .pt or .pth as torch.save writes it, or .safetensors"

#: Keys under which training programs keep the state dict; looked into in this order.
CONTAINERS = ("model", "state_dict", "model_state_dict", "module", "ema")

#: Beside the state dict, where the runs of `napari_sam2.training` keep the averaged weights: those are the ones to use.
AVERAGE = "average"

#: Most entries a torch archive may have, and most bytes its pickled index may take. Large SAM 2 has 903 tensors and an
#: index of about 0.1 MB; a training checkpoint with the optimiser's state three times that.
MAX_ENTRIES = 20_000
MAX_INDEX_BYTES = 32 * 1024 * 1024

#: Most bytes of a safetensors header (the format's own limit).
MAX_HEADER_BYTES = 100_000_000

#: How the first bytes of files that people take for checkpoints look, and what to tell them.
_OLD_PICKLE = (
    "it is a bare pickle, or torch's file format of before version 1.6, which is not read because it cannot be checked "
    "beforehand; save it again with a current torch.save"
)
_LOOKALIKES = (
    (b"version https://git-lfs", "it is a Git LFS pointer, not the file it points to: fetch it with `git lfs pull`"),
    (b"<", "it is a web page or XML: the download went wrong"),
    (b"\x89HDF\r\n", "it is an HDF5 file"),
    (b"\x93NUMPY", "it is a NumPy array"),
    (b"\x80", _OLD_PICKLE),
)

# What torch.load raises on damaged or hostile input, as far as seen; anything else is a fault of ours.
_TORCH_LOAD_ERRORS = (
    pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, IndexError, AttributeError, TypeError,
    AssertionError, OverflowError, MemoryError, UnicodeDecodeError, ImportError,
)  # fmt: skip


@dataclass(frozen=True)
class Contents:
    """What was read: tensors by name, on the CPU, and the file's own account of the network if it has one.

    Attributes
    ----------
    tensors
        By name, prefixes that training wrappers leave already removed.
    config
        The configuration kept in the file (`Sam2Config.to_dict`), or None.
    metadata
        Further text kept in a safetensors file.
    """

    tensors: dict[str, Tensor]
    config: dict[str, Any] | None = None
    metadata: dict[str, str] = field(default_factory=dict)


def read_checkpoint(path: Path) -> Contents:
    """Read a checkpoint of any of the formats that are understood, told apart by content and not by name.

    Raises
    ------
    CheckpointError
        If the file is missing, empty, truncated, of another kind, or would have run code.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file")
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        raise CheckpointError(f"{path}: the file is empty; {EXPECTED}")
    if head.startswith(b"PK\x03\x04"):
        contents = _read_torch(path, size)
    elif len(head) > 8 and head[8:9] == b"{":
        contents = _read_safetensors(path, size, int.from_bytes(head[:8], "little"))
    else:
        for start, what in _LOOKALIKES:
            if head.lstrip().startswith(start) or head.startswith(start):
                raise CheckpointError(f"{path}: {what}; {EXPECTED}")
        raise CheckpointError(f"{path}: an unknown kind of file (it begins with {head[:8]!r}); {EXPECTED}")
    tensors = strip_prefixes(contents.tensors)
    _check_tensors(path, tensors)
    return Contents(tensors, contents.config, contents.metadata)


def _read_safetensors(path: Path, size: int, header_bytes: int) -> Contents:
    from safetensors import SafetensorError, safe_open

    if header_bytes > min(size - 8, MAX_HEADER_BYTES):
        raise CheckpointError(f"{path}: truncated: a header of {header_bytes} bytes in a file of {size}; {EXPECTED}")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, ValueError, KeyError, OSError, RuntimeError) as error:
        raise CheckpointError(f"{path}: truncated or damaged safetensors file ({error}); {EXPECTED}") from error
    config = None
    if "config" in metadata:
        try:
            config = json.loads(metadata["config"])
        except json.JSONDecodeError as error:
            raise CheckpointError(f"{path}: the configuration in its metadata is not JSON ({error})") from error
    return Contents(tensors, config if isinstance(config, dict) else None, metadata)


def _read_torch(path: Path, size: int) -> Contents:
    _check_archive(path, size)
    try:
        # The file and not its path, because torch.load goes by a path's ending. Its warnings about odd pickles are not
        # for our users: what matters of them ends as an error below.
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except _TORCH_LOAD_ERRORS as error:
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        if refused:
            raise CheckpointError(
                f"{path}: it asks to run {refused[1]} when loaded, which was refused; nothing of it was executed. "
                'A checkpoint holds tensors only: save {"model": model.state_dict()}'
            ) from error
        first_line = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{path}: damaged torch file ({type(error).__name__}: {first_line}); {EXPECTED}"
        ) from error
    if not isinstance(loaded, Mapping):
        raise CheckpointError(f"{path}: it holds a {type(loaded).__name__}, not a state dict; {EXPECTED}")
    config = loaded.get("config")
    state: Mapping[Any, Any] = loaded
    for key in CONTAINERS:
        if isinstance(loaded.get(key), Mapping):
            state = loaded[key]
            averaged = loaded.get(AVERAGE)
            if isinstance(averaged, Mapping) and averaged.keys() == state.keys():
                state = averaged
            break
    tensors = {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not tensors:
        keys = ", ".join(sorted(map(str, loaded))[:8]) or "nothing"
        raise CheckpointError(f"{path}: no tensors in it (its keys: {keys}); {EXPECTED}")
    return Contents(tensors, dict(config) if isinstance(config, Mapping) else None)


def _check_archive(path: Path, size: int) -> None:
    """Look at a torch archive's table of contents before anything is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(f"{path}: truncated or damaged ({error}); {EXPECTED}") from error
    names = {entry.filename.rpartition("/")[2] for entry in entries}
    if "constants.pkl" in names:
        raise CheckpointError(f"{path}: it is a TorchScript program, not a checkpoint; {EXPECTED}")
    if "data.pkl" not in names:
        raise CheckpointError(f"{path}: it is a ZIP archive, but not one of torch.save; {EXPECTED}")
    # torch stores its entries as they are. Compressed ones could unpack to any size, so they are not accepted.
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(f"{path}: its entries are compressed, which torch.save never does; {EXPECTED}")
    index = sum(entry.file_size for entry in entries if entry.filename.endswith(".pkl"))
    if len(entries) > MAX_ENTRIES or index > MAX_INDEX_BYTES or sum(entry.file_size for entry in entries) > size:
        raise CheckpointError(f"{path}: its table of contents claims more than a checkpoint of {size} bytes can hold")


def _check_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        plain = tensor.layout == torch.strided and not tensor.is_quantized and tensor.device.type == "cpu"
        # A stride of nought makes a tensor of any shape from four bytes.
        if not plain or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise CheckpointError(f"{path}: the tensor {name!r} is not a plain dense one; {EXPECTED}")
        whole = tensor.dtype == torch.int64 and tensor.ndim == 0  # the counters of batch normalisation
        if not (whole or tensor.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)):
            raise CheckpointError(f"{path}: the tensor {name!r} holds {tensor.dtype}, expected floating-point numbers")


#: Tensors at the top level of the network, in the published layout and in transformers': what stands before one of
#: them is a wrapper's prefix.
LANDMARKS = ("maskmem_tpos_enc", "no_mem_embed", "memory_temporal_positional_encoding", "no_memory_embedding")


def strip_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove what wrappers put before the names: ``module.`` (DDP), ``model.`` (Lightning), ``_orig_mod.`` (compile).

    Tensors that stand outside the prefix (a Lightning module's loss or metrics) are dropped. Without a prefix, nothing
    is.
    """
    names = {name: name.replace("_orig_mod.", "") for name in tensors}
    prefix = next(_prefixes(names.values()), "")
    return {
        plain.removeprefix(prefix): tensors[name] for name, plain in names.items() if plain.startswith(prefix)
    }  # fmt: skip


def _prefixes(names: Any) -> Iterator[str]:
    for name in names:
        for landmark in LANDMARKS:
            if name == landmark or name.endswith("." + landmark):
                yield name[: -len(landmark)]
