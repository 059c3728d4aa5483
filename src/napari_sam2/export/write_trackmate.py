"""TrackMate's XML file (Fiji): spots with radius and measurements, links, lineages.

https://imagej.net/plugins/trackmate/. Spots are discs there: the masks themselves stay behind. A track of TrackMate is
a whole family; the cells are told apart by the spot feature ``CELL_ID``.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from napari_sam2.export.graph import Graph, make_graph
from napari_sam2.export.jobs import Job, whole_or_nothing
from napari_sam2.export.tracked import Tracked

VERSION = "7.14.0"
"""Version of TrackMate whose layout of the file this is."""
CELL_FEATURE = "CELL_ID"
_UNITS = {"micrometer": "micron", "second": "sec", "minute": "min", "hour": "h", "nanometer": "nm", "millimeter": "mm"}
# Of a feature: its key, its name, its short name, its dimension, and whether it is a whole number.
_UNPRINTABLE = re.compile("[^\\t\\n\\r -\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
SPOT_FEATURES = (
    ("QUALITY", "Quality", "Quality", "QUALITY", False),
    ("POSITION_X", "X", "X", "POSITION", False),
    ("POSITION_Y", "Y", "Y", "POSITION", False),
    ("POSITION_Z", "Z", "Z", "POSITION", False),
    ("POSITION_T", "T", "T", "TIME", False),
    ("FRAME", "Frame", "Frame", "NONE", True),
    ("RADIUS", "Radius", "R", "LENGTH", False),
    ("VISIBILITY", "Visibility", "Visibility", "NONE", True),
    ("AREA", "Area", "Area", "AREA", False),
    ("PREDICTED_IOU", "Predicted IoU", "IoU", "NONE", False),
    ("CELL_STATE", "State of the cell", "State", "NONE", True),
    (CELL_FEATURE, "Cell", "Cell", "NONE", True),
)
EDGE_FEATURES = (
    ("SPOT_SOURCE_ID", "Source spot ID", "Source ID", "NONE", True),
    ("SPOT_TARGET_ID", "Target spot ID", "Target ID", "NONE", True),
    ("LINK_COST", "Edge cost", "Cost", "COST", False),
)
TRACK_FEATURES = (
    ("TRACK_INDEX", "Track index", "Index", "NONE", True),
    ("TRACK_ID", "Track ID", "ID", "NONE", True),
    ("NUMBER_SPOTS", "Number of spots in track", "N spots", "NONE", True),
)


def export_trackmate(tracked: Tracked, path: Path, job: Job, *, overwrite: bool = False) -> None:
    """Write the file line by line."""
    job.expect(tracked.shape[0])
    with whole_or_nothing(path, overwrite) as temporary:
        write_lines(make_graph(tracked, job), tracked, temporary)


def write_lines(graph: Graph, tracked: Tracked, path: Path) -> None:
    """Write the file of a graph."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for line in _lines(graph, tracked):
            file.write(line + "\n")


def _lines(graph: Graph, tracked: Tracked) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<TrackMate version="{VERSION}">'
    yield "  <Log>Written by napari-sam2.</Log>"
    units = {axis: _UNITS.get(tracked.units.get(axis, ""), tracked.units.get(axis, "")) for axis in "TYX"}
    yield f"  <Model{_attributes(spatialunits=units['X'] or 'pixel', timeunits=units['T'] or 'frame')}>"
    yield from _declarations()
    yield from _spots(graph, tracked)
    yield from _tracks(graph)
    yield "  </Model>"
    yield from _settings(tracked)
    yield '  <GUIState state="ConfigureViews" />'
    yield "</TrackMate>"


def _declarations() -> Iterator[str]:
    yield "    <FeatureDeclarations>"
    for element, features in (
        ("SpotFeatures", SPOT_FEATURES),
        ("EdgeFeatures", EDGE_FEATURES),
        ("TrackFeatures", TRACK_FEATURES),
    ):
        yield f"      <{element}>"
        for feature, name, short, dimension, whole in features:
            declared = _attributes(
                feature=feature, name=name, shortname=short, dimension=dimension, isint=str(whole).lower()
            )
            yield f"        <Feature{declared} />"
        yield f"      </{element}>"
    yield "    </FeatureDeclarations>"


def _spots(graph: Graph, tracked: Tracked) -> Iterator[str]:
    step = {axis: float(tracked.scale.get(axis, 1.0)) for axis in "TYX"}
    names = {cell: info.name for cell, info in tracked.cells.items() if info.name}
    yield f'    <AllSpots nspots="{len(graph)}">'
    edges = np.searchsorted(graph.frame, np.arange(tracked.shape[0] + 1))
    for frame in range(tracked.shape[0]):
        yield f'      <SpotsInFrame frame="{frame}">'
        for node in range(edges[frame], edges[frame + 1]):
            cell, record = int(graph.cell[node]), graph.record[node]
            area = float(graph.area[node]) * step["Y"] * step["X"]
            spot: dict[str, Any] = {
                "ID": node,
                "name": names.get(cell, f"cell {cell}"),
                "QUALITY": _known(record["score"]),
                "POSITION_X": float(graph.x[node]) * step["X"],
                "POSITION_Y": float(graph.y[node]) * step["Y"],
                "POSITION_Z": 0.0,
                "POSITION_T": frame * step["T"],
                "FRAME": frame,
                "RADIUS": math.sqrt(area / math.pi),
                "VISIBILITY": 1,
                "AREA": area,
                "PREDICTED_IOU": _known(record["iou"]),
                "CELL_STATE": int(record["state"]),
                CELL_FEATURE: cell,
            }
            yield f"        <Spot{_attributes(**spot)} />"
        yield "      </SpotsInFrame>"
    yield "    </AllSpots>"


def _tracks(graph: Graph) -> Iterator[str]:
    """A track for each family with at least one link: spots without any are in none."""
    families = graph.families()
    links: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for source, target in graph.edges().tolist():
        links[int(families[source])].append((source, target))
    yield "    <AllTracks>"
    for index, family in enumerate(sorted(links)):
        count = int((families == family).sum())
        named = _attributes(name=f"Track_{family}", TRACK_INDEX=index, TRACK_ID=family, NUMBER_SPOTS=count)
        yield f"      <Track{named}>"
        for source, target in links[family]:
            yield f"        <Edge{_attributes(SPOT_SOURCE_ID=source, SPOT_TARGET_ID=target, LINK_COST=-1.0)} />"
        yield "      </Track>"
    yield "    </AllTracks>"
    yield "    <FilteredTracks>"
    for family in sorted(links):
        yield f'      <TrackID TRACK_ID="{family}" />'
    yield "    </FilteredTracks>"


def _settings(tracked: Tracked) -> Iterator[str]:
    frames, height, width = tracked.shape
    step = {axis: float(tracked.scale.get(axis, 1.0)) for axis in "TYX"}
    image = _attributes(
        filename=f"{tracked.name}.tif",
        folder="",
        width=width,
        height=height,
        nslices=1,
        nframes=frames,
        pixelwidth=step["X"],
        pixelheight=step["Y"],
        voxeldepth=1.0,
        timeinterval=step["T"],
    )
    ends = _attributes(xstart=0, xend=width - 1, ystart=0, yend=height - 1, zstart=0, zend=0, tstart=0, tend=frames - 1)
    yield "  <Settings>"
    yield f"    <ImageData{image} />"
    yield f"    <BasicSettings{ends} />"
    yield '    <DetectorSettings DETECTOR_NAME="MANUAL_DETECTOR" RADIUS="5.0" />'
    yield '    <InitialSpotFilter feature="QUALITY" value="0.0" isabove="true" />'
    yield "    <SpotFilterCollection />"
    yield '    <TrackerSettings TRACKER_NAME="MANUAL_TRACKER" />'
    yield "    <TrackFilterCollection />"
    yield "    <AnalyzerCollection><SpotAnalyzers /><EdgeAnalyzers /><TrackAnalyzers /></AnalyzerCollection>"
    yield "  </Settings>"


def _known(value: Any) -> float:
    """A score, or -1 where there is none: TrackMate's features are numbers."""
    number = float(value)
    return number if math.isfinite(number) else -1.0


def _attributes(**values: Any) -> str:
    quoted = (f'"{v}"' if isinstance(v, int | float) else quoteattr(_printable(str(v))) for v in values.values())
    return "".join(f" {name}={value}" for name, value in zip(values, quoted, strict=True))


def _printable(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return _UNPRINTABLE.sub("", text)
