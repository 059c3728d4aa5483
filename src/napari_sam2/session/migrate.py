"""Bringing sessions of older layouts up to the present one, one version at a time.

A migration is a function from the folder and the content of ``session.json`` to the content one version later; it may
rewrite other files (atomically). Before the first one, the small files are copied to ``before-version-N``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.session.errors import DamagedSession, ReadOnlySession
from napari_sam2.session.storage import explained, write_json
from napari_sam2.session.table import CHUNK_ROWS, FIRST_CAPACITY, ROW, SHAPE
from napari_sam2.session.zarr_files import ChunkedArray

Meta = dict[str, Any]


def _from_0(folder: Path, meta: Meta) -> Meta:
    """Version 0, of the first development builds, had neither scale nor units, and one line count for all files."""
    meta.setdefault("scale", [1.0, 1.0, 1.0])
    meta.setdefault("units", ["", "", ""])
    meta.setdefault("rejected_divisions", [])
    meta.setdefault("labels_through", meta.get("through", 0))
    return meta


def _from_1(folder: Path, meta: Meta) -> Meta:
    """Version 1 did not measure shapes: every cell that is there gets "not measured yet" for them."""
    frames, rows = int(meta["shape"][0]), int(meta["next_row"])
    capacity = max(FIRST_CAPACITY, -(-rows // CHUNK_ROWS) * CHUNK_ROWS)

    def column(name: str) -> ChunkedArray:
        return ChunkedArray(folder / "table" / name, (capacity, frames), ROW[name], CHUNK_ROWS, ("cell", "t"))

    for name in SHAPE:
        column(name).create()
        for chunk in range(capacity // CHUNK_ROWS):
            there = column("area").read(chunk) > 0
            if there.any():
                column(name).write(chunk, np.where(there, np.nan, 0.0).astype(ROW[name]))
    return meta


MIGRATIONS: dict[int, Callable[[Path, Meta], Meta]] = {0: _from_0, 1: _from_1}
"""The migration away from each version."""
_NEEDED = {"shape", "next_row", "through", "used", "movie", "model"}
_SMALL = ("session.json", "cells.json", "prompts.json", "log.jsonl")


def migrate(folder: Path, meta: Meta, version: int, read_only: bool) -> Meta:
    """Return the content of ``session.json`` in a newer layout, and bring the folder there.

    Raises
    ------
    ReadOnlySession
        If that would need writing and the session is opened for reading only.
    DamagedSession
        If there is no way from its version.
    """
    if read_only:
        raise ReadOnlySession(f"{folder} has an older layout and must be brought up to date: open it for writing once")
    if not set(meta) >= _NEEDED:
        missing = ", ".join(sorted(_NEEDED - set(meta)))
        raise DamagedSession(folder / "session.json", f"{missing} missing: it cannot be brought up to date")
    with explained(folder):
        aside = folder / f"before-version-{meta['version'] + 1}"
        aside.mkdir(exist_ok=True)
        for name in _SMALL:
            if (folder / name).exists() and not (aside / name).exists():
                shutil.copy2(folder / name, aside / name)
    while meta["version"] < version:
        if meta["version"] not in MIGRATIONS:
            raise DamagedSession(folder / "session.json", f"there never was a version {meta['version']}")
        meta = {**MIGRATIONS[meta["version"]](folder, dict(meta)), "version": meta["version"] + 1}
    write_json(folder / "session.json", meta, sync=True)
    return meta
