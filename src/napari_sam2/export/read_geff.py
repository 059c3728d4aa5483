"""Reading GEFF, the graph exchange file format, versions 0.x and 1.x; with zarr alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.export.read_tracks import Tracks, from_graph

_CELL_PROPERTIES = ("cell", "track_id", "tracklet_id", "tracklet")


def read_geff(path: Path) -> Tracks:
    """Read the nodes and edges of a GEFF as tracks, in pixels where it gives the scale.

    Raises
    ------
    ValueError
        If it is no GEFF, or has no axes of time, y and x.
    """
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
        metadata: dict[str, Any] = dict(group.attrs)["geff"]
        ids = np.asarray(group["nodes/ids"][:])
        edges = np.asarray(group["edges/ids"][:]).reshape(-1, 2)
    except Exception as error:  # noqa: BLE001  zarr raises a different error for every kind of damage
        raise ValueError(f"{path} is no GEFF with nodes and edges ({error}): is it complete?") from error
    axes = {axis["name"]: axis for axis in metadata.get("axes") or []}
    time = next((name for name, axis in axes.items() if axis.get("type") == "time"), "t")
    names = {"T": time, "Y": "y", "X": "x"}
    values = {}
    for letter, name in names.items():
        try:
            values[letter] = np.asarray(group[f"nodes/props/{name}/values"][:], np.float64)
        except Exception as error:  # noqa: BLE001
            raise ValueError(f"{path} has no node property {name!r}: time, y and x are needed") from error
        if len(values[letter]) != len(ids) or not np.isfinite(values[letter]).all():
            raise ValueError(f"{path}: the node property {name!r} is not known for all {len(ids)} nodes")
    scale = {a: float(axes[n]["scale"]) for a, n in names.items() if axes.get(n, {}).get("scale")}
    units = {a: str(axes[n]["scaled_unit"]) for a, n in names.items() if axes.get(n, {}).get("scaled_unit")}
    frames = values["T"].round().astype(int)
    if (abs(values["T"] - frames) > 1e-6).any():
        raise ValueError(f"{path}: the times are no frame numbers")
    named = None
    declared = (metadata.get("track_node_props") or {}).get("tracklet")
    candidates = (declared, *_CELL_PROPERTIES) if declared else _CELL_PROPERTIES
    for name in candidates:
        prop = f"nodes/props/{name}"
        if prop in group and np.asarray(group[f"{prop}/values"][:]).dtype.kind in "iu":
            cells = np.asarray(group[f"{prop}/values"][:]).astype(np.int64)
            if len(cells) == len(ids) and (cells > 0).all():
                named = dict(zip(ids.tolist(), cells.tolist(), strict=True))
                break
    places = zip(frames.tolist(), values["Y"].tolist(), values["X"].tolist(), strict=True)
    nodes = dict(zip(ids.tolist(), places, strict=True))
    unknown = set(edges.ravel().tolist()) - set(nodes)
    if unknown:
        raise ValueError(f"{path}: an edge leads to node {min(unknown)}, which is not there")
    return from_graph(nodes, [tuple(edge) for edge in edges.tolist()], named, scale=scale, units=units)
