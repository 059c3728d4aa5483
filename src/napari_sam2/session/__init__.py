"""The document that a user works on: cells, prompts, labels, lineage, states, undo, autosave.

Builds on `tracking`, and opens movies through `export`; knows no widgets. The widgets and the command line import it.
Its names are looked up when they are first used (:pep:`562`). The layout of a session's folder is described in
``docs/session-layout.md``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam2.session.cells import Cell, Division
    from napari_sam2.session.create import new_session, open_session
    from napari_sam2.session.errors import (
        DamagedSession,
        MovieNotFound,
        NewerSession,
        ReadOnlySession,
        Refused,
        SessionError,
        SessionInUse,
        StorageProblem,
        WrongMovie,
    )
    from napari_sam2.session.events import Changed, Signal
    from napari_sam2.session.proposal import Proposal
    from napari_sam2.session.review import Suspect
    from napari_sam2.session.session import Session

_FILE_OF = {
    "Cell": "cells",
    "Changed": "events",
    "DamagedSession": "errors",
    "Division": "cells",
    "MovieNotFound": "errors",
    "NewerSession": "errors",
    "Proposal": "proposal",
    "ReadOnlySession": "errors",
    "Refused": "errors",
    "Session": "session",
    "SessionError": "errors",
    "SessionInUse": "errors",
    "Signal": "events",
    "StorageProblem": "errors",
    "Suspect": "review",
    "WrongMovie": "errors",
    "new_session": "create",
    "open_session": "create",
}

__all__ = [
    "Cell",
    "Changed",
    "DamagedSession",
    "Division",
    "MovieNotFound",
    "NewerSession",
    "Proposal",
    "ReadOnlySession",
    "Refused",
    "Session",
    "SessionError",
    "SessionInUse",
    "Signal",
    "StorageProblem",
    "Suspect",
    "WrongMovie",
    "new_session",
    "open_session",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its file, on first use."""
    if name not in _FILE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_FILE_OF[name]}"), name)
    globals()[name] = value
    return value
