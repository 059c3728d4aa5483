"""Click cells in a time-lapse movie and have SAM 2 follow all of them.

This module is the scripting face. Nothing heavy is imported here: the names below are looked up when they are first
used (:pep:`562`), so that ``import napari_sam2`` costs neither torch nor Qt.

>>> from napari_sam2 import CellTracker
>>> tracker = CellTracker(movie, model="cell")
>>> tracker.add_click(cell=1, frame=0, yx=(120.0, 84.5))
>>> frames = [result.frame for result in tracker.track()]
>>> tracker.labels[0].dtype
dtype('int32')
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import version as _version

    from napari_sam2.session import new_session, open_session
    from napari_sam2.tracking import CellTracker
    from napari_sam2.weights import list_models
    from napari_sam2.widgets.current import current_session

    __version__ = _version("napari-sam2")

__all__ = ["CellTracker", "__version__", "current_session", "list_models", "new_session", "open_session"]

_ROOM_OF = {
    "CellTracker": "napari_sam2.tracking",
    "current_session": "napari_sam2.widgets.current",
    "list_models": "napari_sam2.weights",
    "new_session": "napari_sam2.session",
    "open_session": "napari_sam2.session",
}


def __getattr__(name: str) -> Any:
    """Import a public name from the room it lives in, on first use."""
    if name in _ROOM_OF:
        value = getattr(importlib.import_module(_ROOM_OF[name]), name)
    elif name == "__version__":
        from importlib.metadata import version

        value = version("napari-sam2")
    else:
        raise AttributeError(f"module 'napari_sam2' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
