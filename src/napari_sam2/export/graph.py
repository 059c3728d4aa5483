"""Cells as a graph: a node for each cell on each frame that shows it, an edge from each node to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.jobs import Job
from napari_sam2.export.measure import measure_places
from napari_sam2.export.tracked import RECORD, Tracked

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Graph:
    """Nodes, each (N,), sorted by frame and then by cell; coordinates in pixels.

    Attributes
    ----------
    cell, frame, y, x, area
        Of each node. Its number is its place.
    record
        (N,) of `RECORD`.
    parents
        Daughter to mother, of cells that have nodes.
    """

    cell: Ints
    frame: Ints
    y: Floats
    x: Floats
    area: Ints
    record: npt.NDArray[np.void]
    parents: Mapping[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.cell)

    def nodes_of(self) -> dict[int, Ints]:
        """Nodes of each cell, in order of time."""
        order = np.lexsort((self.frame, self.cell))
        cells, starts = np.unique(self.cell[order], return_index=True)
        return {int(c): part for c, part in zip(cells, np.split(order, starts[1:]), strict=True)} if len(self) else {}

    def edges(self) -> Ints:
        """(E, 2) nodes: from each to the cell's next, over gaps too, and from a mother's last before a daughter."""
        nodes = self.nodes_of()
        found = [np.stack((of[:-1], of[1:]), 1) for of in nodes.values()]
        found.append(np.array(self.births(nodes), np.int64).reshape(-1, 2))
        return np.concatenate(found) if found else np.zeros((0, 2), np.int64)

    def births(self, nodes: Mapping[int, Ints]) -> list[tuple[int, int]]:
        """(mother's node, daughter's first node)."""
        out = []
        for daughter, mother in sorted(self.parents.items()):
            if daughter in nodes and mother in nodes:
                first = nodes[daughter][0]
                before = nodes[mother][self.frame[nodes[mother]] < self.frame[first]]
                if len(before):
                    out.append((int(before[-1]), int(first)))
        return out

    def families(self) -> Ints:
        """(N,) number of the tree that each node is in, from 0, in the order of the trees' smallest cells."""
        root = {cell: cell for cell in self.nodes_of()}

        def find(cell: int) -> int:
            while root[cell] != cell:
                root[cell] = root[root[cell]]
                cell = root[cell]
            return cell

        for daughter, mother in self.parents.items():
            if daughter in root and mother in root:
                a, b = find(daughter), find(mother)
                root[max(a, b)] = min(a, b)
        number = {first: i for i, first in enumerate(sorted({find(cell) for cell in root}))}
        return np.array([number[find(int(cell))] for cell in self.cell], np.int64)


def make_graph(tracked: Tracked, job: Job) -> Graph:
    """Measure where each cell is on each frame, in one pass."""
    frames = tracked.shape[0]
    parts: dict[str, list[npt.NDArray[Any]]] = {n: [] for n in ("cell", "frame", "y", "x", "area", "record")}
    for t in job.frames(frames):
        here = measure_places(tracked.frame(t))
        records = np.zeros(len(here.ids), RECORD)
        records["score"] = records["iou"] = np.nan
        records["state"] = 1
        for i, cell in enumerate(here.ids):
            known = tracked.record(int(cell), t)
            if known is not None:
                records[i] = known
        parts["cell"].append(here.ids)
        parts["frame"].append(np.full(len(here.ids), t))
        parts["y"].append(here.y)
        parts["x"].append(here.x)
        parts["area"].append(here.area)
        parts["record"].append(records)
    joined = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    present = set(joined["cell"].tolist())
    parents = {d: m for d, m in tracked.parents.items() if d in present and m in present}
    return Graph(
        joined["cell"].astype(np.int64),
        joined["frame"].astype(np.int64),
        joined["y"],
        joined["x"],
        joined["area"].astype(np.int64),
        joined["record"],
        parents,
    )
