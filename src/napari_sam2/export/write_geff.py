"""GEFF, the graph exchange file format of tracking programs, version 1.3: https://github.com/live-image-tracking-tools/geff

A zarr group: node ids, node properties, edges. Written with zarr alone, in its version 2, which the Java programs that
read GEFF know too. Positions are pixels and frame numbers, with the scale to physical units beside them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.graph import Graph, make_graph
from napari_sam2.export.jobs import Job, whole_or_nothing
from napari_sam2.export.tracked import REVIEWS, STATES, Tracked
from napari_sam2.export.write_zarr import ZarrLabelWriter

GEFF_VERSION = "1.3"
SEGMENTATION = "segmentation"
"""Group inside the file that holds the labels themselves."""
CELL = "cell"
"""Node property that is the id in the labels."""


def export_geff(
    tracked: Tracked,
    path: Path,
    job: Job,
    *,
    overwrite: bool = False,
    labels: str | os.PathLike[str] | bool = True,
) -> None:
    """Write the graph, and link it to the labels.

    Parameters
    ----------
    labels
        True writes the labels into the file, as OME-Zarr; a path links to labels that were exported there; False
        writes the graph alone.
    """
    from napari_sam2.export.export_labels import label_info

    job.expect(tracked.shape[0])
    if labels is True:
        info = label_info(tracked, job)
    with whole_or_nothing(path, overwrite) as temporary:
        graph = make_graph(tracked, job)
        related = None
        if labels is True:
            related = SEGMENTATION
        elif labels:
            related = Path(os.path.relpath(Path(labels).expanduser().absolute(), path.absolute())).as_posix()
        write_graph(graph, tracked, temporary, related)
        if labels is True:
            with ZarrLabelWriter(temporary / SEGMENTATION, info, version="0.4") as writer:
                for frame in job.frames(tracked.shape[0]):
                    writer.write(frame, tracked.frame(frame))


def write_graph(graph: Graph, tracked: Tracked, path: Path, related: str | None) -> None:
    """Write nodes, edges and metadata."""
    import zarr

    group = zarr.open_group(path, mode="w-", zarr_format=2)
    record = graph.record
    names = {cell: info.name for cell, info in tracked.cells.items() if info.name}
    properties: dict[str, tuple[npt.NDArray[Any], str | None]] = {
        "t": (graph.frame, "frame"),
        "y": (graph.y, "pixel"),
        "x": (graph.x, "pixel"),
        CELL: (graph.cell, None),
        "lineage": (graph.families(), None),
        "area": (graph.area, "pixel"),
        "score": (record["score"].astype(np.float32), None),
        "iou": (record["iou"].astype(np.float32), None),
        "state": (np.array(STATES)[record["state"]], None),
        "review": (np.array(REVIEWS)[record["review"]], None),
        "locked": (record["locked"].astype(np.uint8), None),
    }
    if names:
        properties["name"] = (np.array([names.get(int(cell), "") for cell in graph.cell], dtype=np.str_), None)
    nodes = group.create_group("nodes")
    _array(nodes, "ids", np.arange(len(graph), dtype=np.uint64))
    for name, (values, _) in properties.items():
        prop = nodes.create_group(f"props/{name}")
        if name in ("score", "iou"):
            _array(prop, "missing", np.isnan(values))
            values = np.nan_to_num(values)
        _array(prop, "values", values)
    edges = group.create_group("edges")
    _array(edges, "ids", graph.edges().astype(np.uint64))
    edges.create_group("props")
    group.attrs["geff"] = {
        "geff_version": GEFF_VERSION,
        "directed": True,
        "axes": [_axis(name, values, tracked) for name, values in (("t", graph.frame), ("y", graph.y), ("x", graph.x))],
        "node_props_metadata": {name: _property(name, *of) for name, of in properties.items()},
        "edge_props_metadata": {},
        "track_node_props": {"lineage": "lineage", **({"tracklet": CELL} if _maximal(graph) else {})},
        "related_objects": [{"type": "labels", "path": related, "label_prop": CELL}] if related else None,
        "extra": {"napari-sam2": {"shape": list(tracked.shape)}},
    }


def _array(group: Any, name: str, values: npt.NDArray[Any]) -> None:
    chunks = tuple(max(1, min(n, 1 << 20)) for n in values.shape)
    group.create_array(name, data=np.ascontiguousarray(values), chunks=chunks)


def _axis(name: str, values: npt.NDArray[Any], tracked: Tracked) -> dict[str, Any]:
    letter = name.upper()
    axis: dict[str, Any] = {"name": name, "type": "time" if name == "t" else "space"}
    axis["unit"] = "frame" if name == "t" else "pixel"
    if values.size:
        axis["min"], axis["max"] = float(values.min()), float(values.max())
    if letter in tracked.scale:
        axis["scale"] = float(tracked.scale[letter])
        if letter in tracked.units:
            axis["scaled_unit"] = tracked.units[letter]
    return axis


def _property(name: str, values: npt.NDArray[Any], unit: str | None) -> dict[str, Any]:
    kind = "str" if values.dtype.kind == "U" else values.dtype.name
    return {"identifier": name, "dtype": kind, "varlength": False, "unit": unit}


def _maximal(graph: Graph) -> bool:
    """Whether cells are what GEFF calls tracklets: paths that end only where something branches or ends."""
    mothers = list(graph.parents.values())
    nodes = graph.nodes_of()
    born = graph.births(nodes)
    last = {int(of[-1]) for of in nodes.values()}
    return all(mothers.count(mother) > 1 for mother in mothers) and all(node in last for node, _ in born)
