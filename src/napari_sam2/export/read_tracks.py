"""Tracks and points of other programs: CSV, TrackMate XML, GEFF."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

# What programs call the columns, lower case; the first that is there is taken.
_COLUMNS = {
    "cell": ("track_id", "trackid", "cell", "cell_id", "track", "particle", "id", "label", "axis-id"),
    "frame": ("t", "frame", "axis-0", "time_point", "timepoint", "position_t"),
    "y": ("y", "position_y", "axis-1", "centroid_y [px]", "centroid-0", "pos_y", "cy"),
    "x": ("x", "position_x", "axis-2", "centroid_x [px]", "centroid-1", "pos_x", "cx"),
}


@dataclass(frozen=True)
class Tracks:
    """Points with identities; coordinates in pixels, frames counted from 0.

    Attributes
    ----------
    cell, frame, y, x
        Each (N,), sorted by cell and frame.
    parents
        Daughter to mother.
    scale, units
        Where the file says them.
    """

    cell: npt.NDArray[np.int64]
    frame: npt.NDArray[np.int64]
    y: npt.NDArray[np.float64]
    x: npt.NDArray[np.float64]
    parents: Mapping[int, int] = field(default_factory=dict)
    scale: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int, float, float]], **known: Any) -> Tracks:
        """From (cell, frame, y, x)."""
        ordered = sorted(rows)
        table = np.array(ordered, np.float64).reshape(-1, 4)
        cells = np.array([row[0] for row in ordered], np.int64)
        return cls(cells, table[:, 1].astype(np.int64), table[:, 2], table[:, 3], **known)

    def __len__(self) -> int:
        return len(self.cell)


def read_tracks(path: str | Path, scale: Mapping[str, float] | None = None) -> Tracks:
    """Read tracks.

    Parameters
    ----------
    path
        ``.csv`` (also with semicolons or tabs; columns named as napari, TrackMate, btrack, trackpy or this program
        name them), ``.xml`` of TrackMate, or a ``.geff`` folder.
    scale
        Size of a pixel and a frame by axis, where a CSV has physical units; the files of the other formats say it.

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    ValueError
        Naming the line, spot or property that is wrong.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if path.is_dir():
        from napari_sam2.export.read_geff import read_geff

        return read_geff(path)
    if path.suffix.lower() == ".xml":
        from napari_sam2.export.read_trackmate import read_trackmate

        return read_trackmate(path)
    return read_csv(path, scale or {})


def read_csv(path: Path, scale: Mapping[str, float]) -> Tracks:
    """Read a table of tracks."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8: save the table as CSV (UTF-8)") from error
    kept = [(number, line) for number, line in enumerate(lines, 1) if line.strip(" \t,;") and line.lstrip()[0] != "#"]
    if not kept:
        raise ValueError(f"{path} is empty: its first line should name the columns track_id,t,y,x")
    delimiter = max(",;\t", key=kept[0][1].count)
    heads = [head.strip().lower() for head in next(csv.reader([kept[0][1]], delimiter=delimiter))]
    at = {what: next((heads.index(n) for n in names if n in heads), None) for what, names in _COLUMNS.items()}
    missing = [what for what, index in at.items() if index is None]
    if missing:
        wanted = ", ".join(f"{what} (such as {_COLUMNS[what][0]})" for what in missing)
        raise ValueError(f"{path}, line {kept[0][0]}: no column for {wanted} among {', '.join(heads)}")
    parent_at = heads.index("parent") if "parent" in heads else None
    rows: list[tuple[int, int, float, float]] = []
    parents: dict[int, int] = {}
    place_of: dict[tuple[int, int], int] = {}
    for number, line in kept[1:]:
        values = [value.strip() for value in next(csv.reader([line], delimiter=delimiter))]
        try:
            row = {what: _number(values, index, what) for what, index in at.items() if index is not None}
        except ValueError as error:
            if not rows and not any(re.fullmatch(r"-?[\d.]+", value) for value in values):
                continue  # TrackMate's lines of descriptions and units
            raise ValueError(f"{path}, line {number}: {error}") from None
        if not float(row["cell"]).is_integer() or row["cell"] < 0:
            raise ValueError(f"{path}, line {number}: {row['cell']:g} is no number of a track")
        cell, frame = int(row["cell"]), row["frame"] / scale.get("T", 1.0)
        if abs(frame - round(frame)) > 1e-6 or frame < 0:
            mend = "frames count from 0; give scale={'T': ...} where the column is a time"
            raise ValueError(f"{path}, line {number}: {row['frame']:g} is no frame number: {mend}")
        if (cell, round(frame)) in place_of:
            other = place_of[cell, round(frame)]
            raise ValueError(f"{path}, line {number}: track {cell} is on frame {round(frame)} already, in line {other}")
        place_of[cell, round(frame)] = number
        rows.append((cell, round(frame), row["y"] / scale.get("Y", 1.0), row["x"] / scale.get("X", 1.0)))
        if parent_at is not None and parent_at < len(values) and values[parent_at].isdigit():
            parents[cell] = int(values[parent_at])
    if not rows:
        raise ValueError(f"{path} names no points: after the first line there should be lines such as 1,0,120,84.5")
    return Tracks.of(_from_one(rows, parents), parents=_shift(parents, rows), scale=dict(scale))


def _from_one(
    rows: list[tuple[int, int, float, float]], parents: Mapping[int, int]
) -> list[tuple[int, int, float, float]]:
    """Tracks that are counted from 0 are counted from 1: 0 is the background of labels."""
    shift = int(any(row[0] == 0 for row in rows))
    return [(row[0] + shift, *row[1:]) for row in rows]


def _shift(parents: Mapping[int, int], rows: list[tuple[int, int, float, float]]) -> dict[int, int]:
    shift = int(any(row[0] == 0 for row in rows))
    return {d + shift: m + shift for d, m in parents.items() if m or shift}


def _number(values: list[str], index: int, what: str) -> float:
    text = values[index] if index < len(values) else ""
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{what} is {text!r}, it should be a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{what} is {text!r}, it should be a number")
    return number


def from_graph(
    nodes: Mapping[int, tuple[int, float, float]],
    edges: Iterable[tuple[int, ...]],
    named: Mapping[int, int] | None = None,
    **known: Any,
) -> Tracks:
    """Cells of a graph: by their names, or as the stretches between branchings.

    Parameters
    ----------
    nodes
        Number to (frame, y, x).
    edges
        (earlier, later) numbers.
    named
        Number to cell, where the graph says it.
    """
    after: dict[int, list[int]] = {}
    before: dict[int, list[int]] = {}
    for source, target in edges:
        after.setdefault(source, []).append(target)
        before.setdefault(target, []).append(source)
    cell_of: dict[int, int] = dict(named or {})
    if named is None:
        for node in sorted(nodes, key=lambda n: (nodes[n][0], n)):
            sources = before.get(node, [])
            goes_on = len(sources) == 1 and len(after[sources[0]]) == 1
            cell_of[node] = cell_of[sources[0]] if goes_on else max(cell_of.values(), default=0) + 1
    parents = {}
    for node, sources in before.items():
        mothers = {cell_of[source] for source in sources} - {cell_of[node]}
        if len(sources) == 1 and mothers:
            parents[cell_of[node]] = mothers.pop()
    seen: set[tuple[int, int]] = set()
    for node, (frame, _, _) in nodes.items():
        if (cell_of[node], frame) in seen:
            raise ValueError(f"cell {cell_of[node]} is twice on frame {frame}: tracks that merge cannot be read")
        seen.add((cell_of[node], frame))
    return Tracks.of(((cell_of[n], *place) for n, place in nodes.items()), parents=parents, **known)
