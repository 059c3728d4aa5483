"""Opens exported files with programs that are not ours, and prints what they say as JSON. Knows no code of ours.

Run by ``test_other_programs.py`` in whatever Python has the programs: some of them want older versions of packages than
the rest of the tests. ``python other_programs.py FOLDER``.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np


def summary(labels: Any) -> dict[str, Any]:
    labels = np.asarray(labels)
    ids, counts = np.unique(labels[labels > 0], return_counts=True)
    return {"shape": list(labels.shape), "areas": dict(zip(map(str, ids.tolist()), counts.tolist(), strict=True))}


def with_ome_zarr_py(path: Path) -> dict[str, Any]:
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    nodes = list(Reader(parse_url(path))())
    first = nodes[0]
    return {
        **summary(first.data[0].compute()),
        "levels": len(first.data),
        "axes": [axis["name"] for axis in first.metadata["axes"]],
        "units": [axis.get("unit") for axis in first.metadata["axes"]],
        "scale": first.metadata["coordinateTransformations"][0][0]["scale"],
        "nodes": [str(node.zarr) for node in nodes].__len__(),
        "colours": len(first.metadata.get("color", {})),
        "properties": {str(k): v for k, v in first.metadata.get("properties", {}).items()},
    }


def with_ome_zarr_models(path: Path) -> str:
    import zarr
    from ome_zarr_models import open_ome_zarr

    return type(open_ome_zarr(zarr.open_group(path, mode="r"))).__name__


def with_napari_ome_zarr(path: Path) -> list[dict[str, Any]]:
    from napari_ome_zarr import napari_get_reader

    layers = napari_get_reader(str(path))(str(path))
    out = []
    for layer in layers:
        data, options, kind = layer if len(layer) == 3 else (*layer, "image")
        full = data[0] if isinstance(data, list) else data
        scale = options.get("scale")
        out.append(
            {
                "kind": kind,
                "name": options.get("name"),
                "scale": None if scale is None else [float(s) for s in scale],
                "visible": options.get("visible"),
                **(summary(full.compute()) if kind == "labels" else {"shape": list(full.shape)}),
            }
        )
    return out


def with_yaozarrs(path: Path) -> str:
    import yaozarrs

    return type(yaozarrs.validate_zarr_store(path)).__name__


def with_geff(path: Path) -> dict[str, Any]:
    import geff
    from geff.core_io import read_to_memory
    from geff.validate.data import ValidationConfig, validate_data
    from geff.validate.segmentation import has_seg_ids_at_time_points, has_valid_seg_id
    from geff.validate.structure import validate_structure

    validate_structure(path)
    memory = read_to_memory(path)
    validate_data(memory, ValidationConfig(graph=True, lineage=True, tracklet=True))
    graph, metadata = geff.read(path)
    out: dict[str, Any] = {
        "nodes": graph.number_of_nodes(),
        "edges": graph.number_of_edges(),
        "version": metadata.geff_version,
        "axes": [[a.name, a.type, a.unit, a.scale, a.scaled_unit] for a in metadata.axes],
        "properties": sorted(metadata.node_props_metadata),
    }
    if metadata.related_objects:
        import zarr

        related = metadata.related_objects[0]
        group = zarr.open_group(path / related.path, mode="r")
        labels = group["0"][:]
        ids = memory["node_props"][related.label_prop]["values"]
        times = memory["node_props"]["t"]["values"]
        found, errors = has_seg_ids_at_time_points(labels, times.tolist(), ids.tolist(), metadata)
        out["labels"] = [found, has_valid_seg_id(memory, related.label_prop)[0], errors[:3]]
    return out


def with_geff_from_trackmate(path: Path) -> dict[str, Any]:
    import geff
    from geff.convert import from_trackmate_xml_to_geff

    target = path.with_suffix(".converted.geff")
    from_trackmate_xml_to_geff(path, target, overwrite=True)
    graph, metadata = geff.read(target)
    cells = {str(data["CELL_ID"]) for _, data in graph.nodes(data=True)}
    units = [[a.name, a.unit] for a in metadata.axes]
    return {"nodes": graph.number_of_nodes(), "edges": graph.number_of_edges(), "cells": sorted(cells), "units": units}


def with_pytrackmate(path: Path) -> dict[str, Any]:
    from pytrackmate import trackmate_peak_import

    spots = trackmate_peak_import(str(path))
    return {
        "spots": len(spots),
        "columns": sorted(map(str, spots.columns)),
        "tracks": int(spots["track_id"].nunique()) if "track_id" in spots else None,
    }


def with_pycellin(path: Path) -> dict[str, Any]:
    from pycellin.io.trackmate.loader import load_TrackMate_XML

    model = load_TrackMate_XML(str(path))
    lineages = list(model.data.cell_data.values())
    return {"lineages": len(lineages), "cells": sum(len(lineage) for lineage in lineages)}


def with_traccuracy(path: Path) -> dict[str, Any]:
    from traccuracy import run_metrics
    from traccuracy.loaders import load_ctc_data
    from traccuracy.matchers import CTCMatcher
    from traccuracy.metrics import CTCMetrics, DivisionMetrics

    data = load_ctc_data(str(path), str(path / "res_track.txt"), name="ours")
    again = load_ctc_data(str(path), str(path / "res_track.txt"), name="again")
    results, _ = run_metrics(
        gt_data=again, pred_data=data, matcher=CTCMatcher(), metrics=[CTCMetrics(), DivisionMetrics()]
    )
    return {
        "nodes": data.graph.number_of_nodes(),
        "TRA": float(results[0]["results"]["TRA"]),
        "divisions": int(results[1]["results"]["Frame Buffer 0"]["Total GT Divisions"]),
    }


def with_pycocotools(path: Path) -> dict[str, int]:
    from pycocotools.coco import COCO

    coco = COCO(str(path))
    areas: dict[str, int] = {}
    for annotation in coco.loadAnns(coco.getAnnIds()):
        cell = str(annotation["track_id"])
        areas[cell] = areas.get(cell, 0) + int(coco.annToMask(annotation).sum())
    return areas


def with_vos_benchmark(path: Path) -> dict[str, list[float]]:
    from vos_benchmark.benchmark import VideoEvaluator

    _, j, f = VideoEvaluator(str(path / "truth"), str(path / "found"))("cells")
    return {str(number): [float(j[number]), float(f[number])] for number in sorted(j)}


PROGRAMS = {
    "ome-zarr": (with_ome_zarr_py, ["cells.ome.zarr", "old.ome.zarr"]),
    "ome-zarr-models": (
        with_ome_zarr_models,
        ["cells.ome.zarr", "old.ome.zarr", "image.ome.zarr", "image.ome.zarr/labels/cells"],
    ),
    "napari-ome-zarr": (with_napari_ome_zarr, ["cells.ome.zarr", "old.ome.zarr", "image.ome.zarr", "image4.ome.zarr"]),
    "yaozarrs": (with_yaozarrs, ["cells.ome.zarr", "old.ome.zarr", "image.ome.zarr", "image4.ome.zarr"]),
    "geff": (with_geff, ["cells.geff"]),
    "geff (TrackMate)": (with_geff_from_trackmate, ["cells.xml"]),
    "pytrackmate": (with_pytrackmate, ["cells.xml"]),
    "pycellin": (with_pycellin, ["cells.xml"]),
    "traccuracy": (with_traccuracy, ["cells"]),
    "pycocotools": (with_pycocotools, ["cells.coco.json"]),
    "vos-benchmark": (with_vos_benchmark, ["davis"]),
}


def main(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for program, (open_with, names) in PROGRAMS.items():
        try:
            of = version(program.split(" ")[0])
        except ImportError:
            continue
        answers: dict[str, Any] = {}
        for name in names:
            try:
                answers[name] = open_with(folder / name)
            except Exception as error:  # noqa: BLE001  the test says what it makes of it
                answers[name] = f"{type(error).__name__}: {error}"
        found[program] = {"version": of, "answers": answers}
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    stdout, sys.stdout = sys.stdout, sys.stderr  # some of them print
    result = main(Path(sys.argv[1]))
    print(json.dumps(result, default=str), file=stdout)
