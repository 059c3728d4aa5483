"""Saving points with identities, without masks: GEFF, TrackMate XML, CSV."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.export.formats import find_format
from napari_sam2.export.graph import Graph
from napari_sam2.export.jobs import whole_or_nothing
from napari_sam2.export.read_tracks import Tracks
from napari_sam2.export.tracked import RECORD, STATES, CellInfo, Tracked
from napari_sam2.export.write_geff import write_graph
from napari_sam2.export.write_tables import text
from napari_sam2.export.write_trackmate import write_lines

RADIUS = 5.0
"""Pixels; drawn by TrackMate where nothing is known of a cell's size."""


def save_tracks(tracks: Tracks, path: str | os.PathLike[str], *, name: str = "tracks", overwrite: bool = True) -> Path:
    """Save tracks in the format that the suffix says: ``.geff``, ``.xml`` (TrackMate) or ``.csv``.

    Raises
    ------
    ValueError
        For any other suffix.
    """
    path = Path(path).expanduser()
    known = find_format(path).name
    if known not in ("geff", "trackmate", "tracks"):
        raise ValueError(f"{path.name}: tracks are saved as NAME.geff, NAME.xml (TrackMate) or NAME.csv")
    graph = _graph(tracks)
    with whole_or_nothing(path, overwrite) as temporary:
        if known == "tracks":
            _write_csv(tracks, temporary)
        elif known == "geff":
            write_graph(graph, _described(tracks, name), temporary, None)
        else:
            write_lines(graph, _described(tracks, name), temporary)
    return path


def _graph(tracks: Tracks) -> Graph:
    order = np.lexsort((tracks.cell, tracks.frame))
    records = np.zeros(len(tracks), RECORD)
    records["score"] = records["iou"] = np.nan
    records["state"] = STATES.index("present")
    area = np.full(len(tracks), round(np.pi * RADIUS**2), np.int64)
    return Graph(
        tracks.cell[order], tracks.frame[order], tracks.y[order], tracks.x[order], area, records, dict(tracks.parents)
    )


def _described(tracks: Tracks, name: str) -> Tracked:
    frames = int(tracks.frame.max(initial=0)) + 1
    height, width = (int(np.ceil(values.max(initial=0))) + 1 for values in (tracks.y, tracks.x))
    cells = {daughter: CellInfo(parent=mother) for daughter, mother in tracks.parents.items()}
    labels: Any = np.broadcast_to(np.zeros((), np.int32), (frames, height, width))
    return Tracked(labels, tracks.scale, tracks.units, cells, name=name)


def _write_csv(tracks: Tracks, path: Path) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("track_id", "t", "y", "x", "parent"))
        for cell, frame, y, x in zip(tracks.cell, tracks.frame, tracks.y, tracks.x, strict=True):
            writer.writerow((int(cell), int(frame), text(y), text(x), tracks.parents.get(int(cell), "")))
