"""Looking at an installation. Nothing here judges, and nothing raises: the report says what could not be found out."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import metadata, util
from pathlib import Path
from typing import Any

from .trial import Trial, try_tracking
from .window import Window, look_at_window

PACKAGES = (
    "torch", "numpy", "scipy", "scikit-image", "zarr", "numcodecs", "tifffile", "imagecodecs", "safetensors", "typer",
    "napari", "npe2", "magicgui", "superqt", "qtpy", "vispy", "dask",
)  # fmt: skip
"""Packages whose versions explain most problems."""
BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")


@dataclass(frozen=True)
class Device:
    """Something torch computes on.

    Parameters
    ----------
    name
        As the ``--device`` option takes it.
    what
        The product's name.
    bytes
        Its memory, where it has its own.
    chosen
        Whether ``auto`` takes it.
    """

    name: str
    what: str
    bytes: int | None
    chosen: bool


@dataclass(frozen=True)
class Model:
    """A model that is here, or was begun to be downloaded.

    Parameters
    ----------
    name, path
        Which, and where.
    bytes
        Of the file.
    check
        ``"right"``: the checksum is that of the catalogue, or of the installed package; ``"wrong"``; ``"unfinished"``;
        ``"unknown"``: there is nothing to compare with (an editable installation).
    sha256
        Of the file.
    """

    name: str
    path: str
    bytes: int
    check: str
    sha256: str | None


@dataclass(frozen=True)
class Folder:
    """A folder that is written to.

    Parameters
    ----------
    path
        Where.
    bytes
        What its files take.
    free
        Room on its disk.
    writable
        Whether files can be made there.
    """

    path: str
    bytes: int
    free: int | None
    writable: bool


@dataclass(frozen=True)
class Report:
    """Everything that was found; `as_dict` makes it plain data for JSON."""

    version: str
    installed_at: str
    python: str
    executable: str
    system: str
    bits: int
    packages: dict[str, str | None]
    bindings: dict[str, str]
    torch_build: str | None
    torch_error: str | None
    threads: int | None
    devices: tuple[Device, ...]
    models: tuple[Model, ...]
    cache: Folder
    temporary: Folder
    trial: Trial
    window: Window
    settings: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def examine(tell: Callable[[str], object] = lambda _: None) -> Report:
    """Look at this installation; takes some seconds, because it loads torch and follows a cell.

    Parameters
    ----------
    tell
        Called with what is being looked at.
    """
    import napari_sam2
    from napari_sam2.weights import cache_folder

    tell("packages")
    packages = {name: version_of(name) for name in PACKAGES}
    bindings = {
        name: found for name in BINDINGS if (found := version_of(name) or version_of(f"{name}-Essentials")) is not None
    }
    tell("devices")
    build, error, threads, devices = _torch()
    tell("models")
    models = tuple(_models())
    tell("a trial run")
    trial = try_tracking() if error is None else Trial(False, error="torch cannot be imported")
    tell("Qt and OpenGL")
    window = look_at_window()
    import tempfile

    return Report(
        version=napari_sam2.__version__,
        installed_at=str(Path(napari_sam2.__file__).parent),
        python=platform.python_version(),
        executable=sys.executable,
        system=platform.platform(),
        bits=64 if sys.maxsize > 2**32 else 32,
        packages=packages,
        bindings=bindings,
        torch_build=build,
        torch_error=error,
        threads=threads,
        devices=devices,
        models=models,
        cache=look_at_folder(cache_folder()),
        temporary=look_at_folder(Path(tempfile.gettempdir()), count=False),
        trial=trial,
        window=window,
        settings={name: value for name, value in sorted(os.environ.items()) if _matters(name)},
    )


def version_of(name: str) -> str | None:
    """Version of an installed package; None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def look_at_folder(path: Path, *, count: bool = True) -> Folder:
    """Size, room and rights of a folder, which need not exist yet; `count` adds its files up."""
    existing = path
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    try:
        free: int | None = shutil.disk_usage(existing).free
    except OSError:
        free = None
    used = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if count and path.is_dir() else 0
    return Folder(str(path), used, free, existing.is_dir() and os.access(existing, os.W_OK | os.X_OK))


def _torch() -> tuple[str | None, str | None, int | None, tuple[Device, ...]]:
    if util.find_spec("torch") is None:
        return None, "torch is not installed", None, ()
    try:
        import torch

        from napari_sam2.weights import available_devices, resolve_device

        chosen = resolve_device("auto")
        found = tuple(_device(name, chosen) for name in available_devices())
    except Exception as error:  # noqa: BLE001 - a broken installation raises anything; it is reported
        return None, f"{type(error).__name__}: {error}", None, ()
    if torch.version.cuda:
        build = f"CUDA {torch.version.cuda}"
    elif torch.version.hip:
        build = f"ROCm {torch.version.hip}"
    else:
        build = "Metal and CPU" if sys.platform == "darwin" else "CPU only"
    return build, None, torch.get_num_threads(), found


def _device(name: str, chosen: Any) -> Device:
    import torch

    if name.startswith("cuda"):
        properties = torch.cuda.get_device_properties(name)
        taken = chosen.type == "cuda" and name == f"cuda:{chosen.index or 0}"
        return Device(name, str(properties.name), int(properties.total_memory), taken)
    what = platform.machine() if name == "cpu" else "Apple GPU"
    return Device(name, f"{what}, {os.cpu_count()} cores" if name == "cpu" else what, None, chosen.type == name)


def _models() -> list[Model]:
    from napari_sam2.weights import list_models
    from napari_sam2.weights.download import part_of
    from napari_sam2.weights.transfer import file_sha256

    found = []
    for info in list_models():
        if info.path is None:
            continue
        part = part_of(info.path)
        if not info.path.is_file():
            if part.is_file():
                found.append(Model(info.name, str(part), part.stat().st_size, "unfinished", None))
            elif info.bundled:
                found.append(Model(info.name, str(info.path), 0, "wrong", None))
            continue
        sha256 = file_sha256(info.path)
        wanted = info.sha256 if info.sha256 is not None else _recorded(info.path)
        check = "unknown" if wanted is None else ("right" if wanted == sha256 else "wrong")
        found.append(Model(info.name, str(info.path), info.path.stat().st_size, check, sha256))
    return found


def _recorded(path: Path) -> str | None:
    """The checksum that the installed package's own list (RECORD) has for a file of it, in hexadecimal."""
    import base64

    try:
        files = metadata.files("napari-sam2") or ()
    except metadata.PackageNotFoundError:
        return None
    for entry in files:
        if entry.name == path.name and entry.hash is not None and Path(str(entry.locate())).resolve() == path.resolve():
            digest = entry.hash.value
            return base64.urlsafe_b64decode(digest + "=" * (-len(digest) % 4)).hex()
    return None


def _matters(name: str) -> bool:
    return name.startswith(("NAPARI_SAM2_", "QT_", "OMP_", "PYTORCH_", "CUDA_VISIBLE")) or name in (
        "DISPLAY", "WAYLAND_DISPLAY", "LIBGL_ALWAYS_SOFTWARE", "NAPARI_ASYNC", "XDG_SESSION_TYPE",
    )  # fmt: skip
