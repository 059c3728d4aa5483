"""The folder that downloaded models are kept in."""

from __future__ import annotations

import os
from pathlib import Path

#: Names the folder; wins over the setting and over the platform's own cache folder.
CACHE_VARIABLE = "NAPARI_SAM2_CACHE"

_setting: Path | None = None


def set_cache_folder(folder: str | os.PathLike[str] | None) -> None:
    """Keep downloaded models in `folder` from now on, in this process; None returns to the default."""
    global _setting
    _setting = None if folder is None else Path(folder).expanduser()


def cache_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """Where downloaded models are kept. The folder need not exist yet.

    Parameters
    ----------
    folder
        A folder named by the caller. Otherwise the first that is set of: the environment variable
        ``NAPARI_SAM2_CACHE``, the folder given to `set_cache_folder`, and the platform's cache folder
        (``~/.cache/napari-sam2`` on Linux, ``~/Library/Caches/napari-sam2`` on macOS,
        ``%LOCALAPPDATA%\\napari-sam2\\Cache`` on Windows).
    """
    if folder is not None:
        return Path(folder).expanduser()
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser()
    if _setting is not None:
        return _setting
    import pooch

    return Path(pooch.os_cache("napari-sam2"))
