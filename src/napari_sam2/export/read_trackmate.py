"""Reading TrackMate's XML files."""

from __future__ import annotations

import math
from pathlib import Path

from napari_sam2.export.read_tiff import UNIT_NAMES
from napari_sam2.export.read_tracks import Tracks, from_graph
from napari_sam2.export.safe_xml import parse_xml_file


def read_trackmate(path: Path) -> Tracks:
    """Read the spots and links of a TrackMate file.

    A track of TrackMate may branch: each stretch between branchings becomes a cell, the later ones daughters of the
    earlier. Where our own spot feature ``CELL_ID`` is there it names the cells.
    """
    root = parse_xml_file(path)
    model = root.find("Model")
    spots = model.find("AllSpots") if model is not None else None
    if root.tag != "TrackMate" or model is None or spots is None:
        raise ValueError(
            f"{path} is no TrackMate file: it has no TrackMate, Model, AllSpots. Save it with TrackMate's Save"
        )
    image = root.find("Settings/ImageData")
    steps = {"X": "pixelwidth", "Y": "pixelheight", "T": "timeinterval"}
    scale = dict.fromkeys(steps, 1.0)
    for axis, name in steps.items():
        try:
            step = float(image.get(name, "1") if image is not None else "1")
        except ValueError:
            step = 1.0
        scale[axis] = step if math.isfinite(step) and step > 0 else 1.0
    nodes: dict[int, tuple[int, float, float]] = {}
    named: dict[int, int] = {}
    for spot in spots.iter("Spot"):
        try:
            number, frame = int(spot.attrib["ID"]), float(spot.attrib["FRAME"])
            y, x = float(spot.attrib["POSITION_Y"]) / scale["Y"], float(spot.attrib["POSITION_X"]) / scale["X"]
            if not (math.isfinite(y) and math.isfinite(x) and frame >= 0 and frame.is_integer()):
                raise ValueError("it has no place")
            if number in nodes:
                raise ValueError("there are two of this ID")
            nodes[number] = (int(frame), y, x)
            if "CELL_ID" in spot.attrib:
                named[number] = int(float(spot.attrib["CELL_ID"]))
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path}: the spot {spot.get('ID', 'without ID')} cannot be read ({error})") from error
    edges = []
    shown = {element.get("TRACK_ID") for element in model.iterfind("FilteredTracks/TrackID")}
    for track in model.iterfind("AllTracks/Track"):
        if shown and track.get("TRACK_ID") not in shown:
            continue
        for edge in track.iter("Edge"):
            try:
                ends = (int(edge.attrib["SPOT_SOURCE_ID"]), int(edge.attrib["SPOT_TARGET_ID"]))
                edges.append(tuple(sorted(ends, key=lambda n: nodes[n][0])))
            except (KeyError, ValueError) as error:
                raise ValueError(f"{path}: a link of track {track.get('name')} leads to no spot ({error})") from error
    units = {}
    for axis, name in (("X", "spatialunits"), ("Y", "spatialunits"), ("T", "timeunits")):
        unit = UNIT_NAMES.get(str(model.get(name, "")).strip().lower())
        if unit is not None:
            units[axis] = unit
    known = {axis: step for axis, step in scale.items() if step != 1 or axis in units}
    return from_graph(nodes, edges, named if len(named) == len(nodes) else None, scale=known, units=units)
