"""COCO JSON: an annotation for each cell and frame, its mask as packed run lengths; ``track_id`` names the cell.

https://cocodataset.org/#format-data. Written annotation by annotation, so that no movie is held.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.export import rle
from napari_sam2.export.jobs import Job, whole_or_nothing
from napari_sam2.export.measure import measure_places
from napari_sam2.export.tracked import STATES, Tracked


def export_coco(tracked: Tracked, path: Path, job: Job, *, overwrite: bool = False) -> None:
    """Write the file."""
    frames, height, width = tracked.shape
    job.expect(frames)
    digits = len(str(frames - 1))
    head = {
        "info": {
            "description": tracked.name,
            "napari-sam2": {
                "scale": dict(tracked.scale),
                "units": dict(tracked.units),
                "cells": {str(c): {k: v for k, v in vars(i).items() if v} for c, i in sorted(tracked.cells.items())},
            },
        },
        "categories": [{"id": 1, "name": "cell"}],
        "images": [
            {"id": t + 1, "frame": t, "file_name": f"{tracked.name}_t{t:0{digits}d}", "height": height, "width": width}
            for t in range(frames)
        ],
    }
    number = 0
    with whole_or_nothing(path, overwrite) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(json.dumps(head)[:-1] + ', "annotations": [')
        for t in job.frames(frames):
            image = tracked.frame(t)
            places = measure_places(image)
            for i, cell in enumerate(places.ids.tolist()):
                number += 1
                y0, x0, y1, x1 = places.box[i].tolist()
                annotation: dict[str, Any] = {
                    "id": number,
                    "image_id": t + 1,
                    "category_id": 1,
                    "track_id": cell,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": int(places.area[i]),
                    "iscrowd": 0,
                    "segmentation": {
                        "size": [height, width],
                        "counts": rle.pack(_runs(image[y0:y1, x0:x1] == cell, (y0, x0), (height, width))),
                    },
                }
                record = tracked.record(cell, t)
                if record is not None:
                    for name in ("score", "iou"):
                        if np.isfinite(record[name]):
                            annotation[name] = round(float(record[name]), 6)
                    annotation["state"] = STATES[record["state"]]
                file.write(("," if number > 1 else "") + "\n" + json.dumps(annotation))
        file.write("\n]}\n")


def _runs(crop: Any, origin: tuple[int, int], shape: tuple[int, int]) -> list[int]:
    """Run lengths in the frame of a mask given as a crop: as of the frame, but without going through all of it."""
    columns = np.pad(crop.T, ((0, 0), (1, 1)))  # background between columns, so that each run ends in its own
    edges = np.flatnonzero(np.diff(columns.astype(np.int8).ravel()) != 0)
    length = crop.shape[0] + 2
    column, row = np.divmod(edges, length)
    flat = (column + origin[1]) * shape[0] + row + origin[0]
    starts, ends = flat[0::2], flat[1::2]
    joined = starts[1:] != ends[:-1]
    starts = starts[np.concatenate(([True], joined))]
    ends = ends[np.concatenate((joined, [True]))]
    border = np.stack((starts, ends), 1).ravel()
    runs = np.diff(np.concatenate(([0], border, [shape[0] * shape[1]])))
    return [int(n) for n in (runs[:-1] if runs[-1] == 0 else runs)]
