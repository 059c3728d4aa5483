"""A movie and prompts in, masklets out: the movie, the geometry, the memory bank, the propagation.

No widgets and no files: `network` and `weights` are the only rooms it builds on, and it never imports Qt or napari.
`session`, the widgets, `training` and the command line import it. Its names are looked up when they are first used
(:pep:`562`), so that `Movie`, which is numpy alone, costs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam2.tracking.movie import Movie
    from napari_sam2.tracking.propagate import FrameResult
    from napari_sam2.tracking.settings import EXACT, REFERENCE, Settings
    from napari_sam2.tracking.tracker import CellTracker

__all__ = ["EXACT", "REFERENCE", "CellTracker", "FrameResult", "Movie", "Settings"]

_FILE_OF = {
    "CellTracker": "tracker",
    "EXACT": "settings",
    "FrameResult": "propagate",
    "Movie": "movie",
    "REFERENCE": "settings",
    "Settings": "settings",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its file, on first use."""
    if name not in _FILE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_FILE_OF[name]}"), name)
    globals()[name] = value
    return value
