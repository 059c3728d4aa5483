"""Which device and which number type to compute with."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from napari_sam2.weights.errors import DeviceError

#: Names a user may write for a number type.
DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "float16": torch.float16,
    "fp16": torch.float16,
    "half": torch.float16,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
}


def available_devices() -> list[str]:
    """The devices torch can compute on here, best first; always ends in ``"cpu"``."""
    found = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """The device to compute on.

    Parameters
    ----------
    device
        ``"auto"`` takes the first of cuda, mps and cpu that works here; otherwise a name such as ``"cpu"``,
        ``"cuda"``, ``"cuda:1"``, ``"mps"``, or a `torch.device`.

    Raises
    ------
    DeviceError
        If the name is not one of these, or there is no such device here. The message lists those there are.
    """
    available = available_devices()
    if isinstance(device, str) and device.strip().lower() == "auto":
        return torch.device("cuda" if available[0].startswith("cuda") else available[0])
    listed = ", ".join(["auto", *available])
    try:
        wanted = torch.device(device.strip().lower() if isinstance(device, str) else device)
    except (RuntimeError, TypeError) as error:
        raise DeviceError(f"{device!r} is not a device; here there are: {listed}") from error
    if wanted.type not in ("cpu", "cuda", "mps"):
        raise DeviceError(f"models do not run on {str(wanted)!r}; here there are: {listed}")
    if wanted.type == "cuda":
        name = f"cuda:{wanted.index or 0}"
        if name not in available:
            hint = "" if torch.version.cuda or torch.version.hip else " (this build of torch is for the CPU only)"
            raise DeviceError(f"there is no {str(wanted)!r} here{hint}; here there are: {listed}")
    elif wanted.type not in available:
        raise DeviceError(f"there is no {str(wanted)!r} here; here there are: {listed}")
    return wanted


def resolve_dtype(dtype: Any = None, device: torch.device | None = None) -> torch.dtype:
    """The number type to compute with.

    Parameters
    ----------
    dtype
        A `torch.dtype`, a name (``"float32"``, ``"float16"``, ``"bfloat16"`` and the usual short forms), or None or
        ``"auto"``: bfloat16 on a CUDA device with hardware for it, float32 on every other device.
    device
        The device that the choice is for; None counts as the CPU.

    Raises
    ------
    DeviceError
        If it is none of the three types.
    """
    if dtype is None or (isinstance(dtype, str) and dtype.strip().lower() == "auto"):
        if device is not None and device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
            return torch.bfloat16  # Ampere and later; older cards only emulate it
        return torch.float32
    wanted = DTYPES.get(dtype.strip().lower().removeprefix("torch.")) if isinstance(dtype, str) else dtype
    if wanted not in (torch.float32, torch.float16, torch.bfloat16):
        raise DeviceError(f"{dtype!r} is no number type to compute with; expected float32, float16 or bfloat16")
    return wanted


@lru_cache(maxsize=1)
def has_native_bfloat16() -> bool:
    """Whether this computer's processor multiplies bfloat16 numbers itself.

    Told by the flags that Linux reports; elsewhere False, where torch would have to emulate it at a loss.
    """
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(words)
