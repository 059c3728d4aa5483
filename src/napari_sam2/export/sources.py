"""What can be exported: a session, a tracker or an array, as a `Tracked`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.export.tracked import REVIEWS, STATES, CellInfo, Prompted, Records, Tracked, empty_records


def from_array(labels: Any, **known: Any) -> Tracked:
    """Labels (T, Y, X), or (Y, X) of one frame, and whatever else of `Tracked` is known.

    ``parents={daughter: mother}`` may stand for ``cells``.
    """
    parents = known.pop("parents", None) or {}
    cells = dict(known.pop("cells", None) or {})
    for daughter, mother in parents.items():
        cells[int(daughter)] = replace(cells.get(int(daughter), CellInfo()), parent=int(mother))
        cells.setdefault(int(mother), CellInfo())
    if len(labels.shape) == 2:
        labels = np.asarray(labels)[None]
    return Tracked(labels, cells=cells, **known)


def from_tracker(tracker: Any, results: Iterable[Any] = (), **known: Any) -> Tracked:
    """What a `CellTracker` has: labels, prompts and the movie.

    Parameters
    ----------
    tracker
        The tracker.
    results
        What ``tracker.track()`` gave: the tracker keeps no scores itself.
    known
        scale, units, parents, cells, name.
    """
    frames = int(tracker.labels.shape[0])
    table: dict[int, Records] = {}
    for result in results:
        for cell, score in result.scores.items():
            row = table.setdefault(cell, empty_records(frames))[result.frame]
            row["score"], row["iou"] = score, result.ious.get(cell, np.nan)
            row["state"] = STATES.index("present" if result.areas.get(cell) else "none")
            row["review"] = REVIEWS.index("suspect" if cell in result.suspects else "unchecked")
    prompts = tuple(Prompted(cell, frame, said) for cell, frame, said in tracker.prompts)
    return from_array(tracker.labels, table=table, prompts=prompts, movie=tracker.movie, **known)


def from_session(session: Any) -> Tracked:
    """Everything that a session has."""
    table = {}
    cells = {}
    prompts = []
    for cell, info in session.cells.items():
        parent = None if info.parent is None else int(info.parent)
        cells[cell] = CellInfo(parent, info.name, info.category, info.notes)
        rows = session.measurements(cell)
        records = empty_records(len(rows))
        unknown = (rows["score"] == 0) & (rows["iou"] == 0) & (rows["made"] == 0)
        for name in ("score", "iou"):
            records[name] = np.where(unknown, np.nan, rows[name])
        for name in ("state", "review", "locked"):
            records[name] = rows[name]
        table[cell] = records
        prompts += [Prompted(cell, frame, said.prompts) for frame, said in session.prompts(cell).items()]
    steps = dict(zip("TYX", session.meta.get("scale", ()), strict=False))
    units = {axis: str(unit) for axis, unit in zip("TYX", session.meta.get("units", ()), strict=False) if unit}
    scale = {axis: float(step) for axis, step in steps.items() if step and (step != 1 or axis in units)}
    address = session.meta["movie"]["address"]
    movie_path = Path(address) if address else None
    name = session.path.name.removesuffix(session.path.suffix)
    return Tracked(session.labels, scale, units, cells, table, tuple(prompts), session.movie, name, movie_path)


def as_tracked(source: Any, **known: Any) -> Tracked:
    """Take a session, a tracker, labels (T, Y, X) or a `Tracked` as what is exported.

    Raises
    ------
    TypeError
        If it is none of these.
    """
    if isinstance(source, Tracked):
        return replace(source, **known) if known else source
    if hasattr(source, "measurements") and hasattr(source, "cells"):
        found = from_session(source)
        return replace(found, **known) if known else found
    if hasattr(source, "prompts") and hasattr(source, "track"):
        return from_tracker(source, **known)
    if hasattr(source, "shape") and hasattr(source, "__getitem__"):
        return from_array(source, **known)
    raise TypeError(f"a session, a CellTracker or an array (T, Y, X) of labels can be exported, not {source!r}")
