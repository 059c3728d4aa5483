"""A small tracked movie with everything that a format could have to hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.export.tracked import RECORD, REVIEWS, STATES, CellInfo, Prompted, Tracked
from napari_sam2.tracking.movie import Movie
from napari_sam2.tracking.prompts import FramePrompts, MaskCrop, Round

SCALE = {"T": 5.0, "Y": 0.5, "X": 0.5}
UNITS = {"T": "minute", "Y": "micrometer", "X": "micrometer"}


def example_labels(frames: int = 6, height: int = 48, width: int = 64) -> np.ndarray:
    """Cell 1 divides into 3 and 4; 2 vanishes and comes back; 900 is alone."""
    labels = np.zeros((frames, height, width), np.int32)
    y, x = np.ogrid[:height, :width]

    def disc(t: int, cell: int, cy: float, cx: float, r: float) -> None:
        labels[t][(y - cy) ** 2 + (x - cx) ** 2 <= r * r] = cell

    for t in range(frames):
        if t < 3:
            disc(t, 1, 14 + t, 15, 6)
        else:
            disc(t, 3, 12, 11 - t / 2, 4)
            disc(t, 4, 19, 20 + t, 4)
        if t not in (2, 3):
            disc(t, 2, 35, 20 + t, 6)
        disc(t, 900, 30, 45, 5 + t / 2)
    return labels


def example(frames: int = 6, *, movie: bool = True, **changed: Any) -> Tracked:
    """All of it."""
    labels = example_labels(frames)
    rng = np.random.default_rng(5)
    data = (labels[:, None] > 0) * 300 + rng.integers(0, 50, (frames, 2, *labels.shape[1:]))
    table = {}
    for cell in (1, 2, 3, 4, 900):
        rows = np.zeros(frames, RECORD)
        seen = (labels == cell).any((1, 2))
        rows["score"] = np.where(seen, np.linspace(0.5, 0.9, frames), np.nan)
        rows["iou"] = np.where(seen, 0.75, np.nan)
        rows["state"] = np.where(seen, STATES.index("present"), STATES.index("none"))
        table[cell] = rows
    table[2]["state"][2:4] = STATES.index("hidden")
    table[900]["state"][-1] = STATES.index("dead")
    table[1]["review"][0] = REVIEWS.index("checked")
    table[1]["locked"][0] = True
    click = FramePrompts((Round(((14.0, 15.0, True), (2.5, 40.25, False))),))
    box = FramePrompts((Round(box=((28.0, 13.0), (42.0, 27.0))),))
    drawn = FramePrompts(mask=MaskCrop.of(labels[0] == 900))
    cells = {
        1: CellInfo(name='mother <&"é>', category="HeLa", notes="two\nlines"),
        2: CellInfo(),
        3: CellInfo(parent=1),
        4: CellInfo(parent=1),
        900: CellInfo(name="alone"),
    }
    fields: dict[str, Any] = {
        "scale": SCALE,
        "units": UNITS,
        "cells": cells,
        "table": table,
        "prompts": (Prompted(1, 0, click), Prompted(2, 0, box), Prompted(900, 0, drawn)),
        "movie": Movie(data.astype(np.uint16)) if movie else None,
        "name": "example",
    }
    return Tracked(**{"labels": labels, **fields, **changed})


def make_image(path: Path, version: str, channels: int = 2) -> None:
    """An OME-Zarr image (T, C, Z, Y, X) of two levels, made without our writers."""
    import zarr

    group = zarr.open_group(path, mode="w-", zarr_format=3 if version == "0.5" else 2)
    datasets = []
    for level in range(2):
        shape = (6, channels, 1, 48 >> level, 64 >> level)
        keys: dict[str, Any] = {"dimension_names": list("tczyx")}
        if version == "0.4":
            keys = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
        array = group.create_array(str(level), shape=shape, chunks=(1, 1, 1, *shape[3:]), dtype="uint16", **keys)
        array[:] = np.arange(np.prod(shape)).reshape(shape) % 1000
        scale = [300.0, 1.0, 1.0, 0.5 * 2**level, 0.5 * 2**level]
        datasets.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    axes = [{"name": "t", "type": "time", "unit": "second"}, {"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    multiscale = {"name": "image", "axes": axes, "datasets": datasets}
    if version == "0.5":
        group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
    else:
        group.attrs["multiscales"] = [{"version": "0.4", **multiscale}]
