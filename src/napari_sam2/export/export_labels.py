"""The formats that hold label images: OME-Zarr, TIFF, Cell Tracking Challenge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.into_image import ImageLabelWriter, image_of
from napari_sam2.export.jobs import Job, whole_or_nothing
from napari_sam2.export.replacing import remove_output
from napari_sam2.export.tracked import RECORD, REVIEWS, STATES, Tracked
from napari_sam2.export.write import LabelInfo, LabelWriter
from napari_sam2.export.write_ctc import CtcLabelWriter
from napari_sam2.export.write_tiff import MAX_CLASSIC_BYTES, imagej_options, ome_options
from napari_sam2.export.write_zarr import OME_ZARR_VERSION, Version, ZarrLabelWriter

MAX_UINT16 = int(np.iinfo(np.uint16).max)


def label_info(tracked: Tracked, job: Job) -> LabelInfo:
    """What writers must know: found by looking through the frames."""
    frames = tracked.shape[0]
    job.expect(2 * frames)
    top = tracked.max_id(job.frames(frames))
    return LabelInfo(tracked.shape, top, dict(tracked.scale), dict(tracked.units), tracked.parents)


@contextmanager
def _discarding(writer: LabelWriter) -> Iterator[LabelWriter]:
    """Finish a writer; after an error nothing of it is left."""
    try:
        yield writer
        writer.finish()
    except BaseException:
        writer.close()
        if writer.unfinished.exists():
            remove_output(writer.unfinished)
        raise


def export_zarr(
    tracked: Tracked, path: Path, job: Job, *, overwrite: bool = False, version: Version = OME_ZARR_VERSION
) -> None:
    """OME-Zarr labels; a path ``IMAGE.ome.zarr/labels/NAME`` adds them to an image, in that image's version."""
    info = label_info(tracked, job)
    writer: ZarrLabelWriter
    if image_of(path) is not None:
        writer = ImageLabelWriter(path, info, overwrite=overwrite)
    else:
        writer = ZarrLabelWriter(path, info, overwrite=overwrite, version=version)
    with _discarding(writer):
        for frame in job.frames(tracked.shape[0]):
            writer.write(frame, tracked.frame(frame))
        ids = sorted(writer.frames_of_id())
        writer.properties = {cell: _properties(tracked, cell) for cell in ids}
        if tracked.table or tracked.cells:
            writer.add_table(*_table(tracked, sorted({*ids, *tracked.table})))


def _properties(tracked: Tracked, cell: int) -> dict[str, Any]:
    found: dict[str, Any] = {"track-id": cell}
    info = tracked.cells.get(cell)
    if info is not None:
        found.update({k: v for k, v in (("name", info.name), ("category", info.category), ("notes", info.notes)) if v})
    rows = tracked.table.get(cell)
    if rows is not None:
        for name in ("score", "iou"):
            known = rows[name][np.isfinite(rows[name])]
            if known.size:
                found[f"mean-{name}"] = round(float(known.mean()), 4)
                found[f"min-{name}"] = round(float(known.min()), 4)
    return found


def _table(tracked: Tracked, ids: list[int]) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    frames = tracked.shape[0]
    table = np.zeros((len(ids), frames), RECORD)
    table["score"] = table["iou"] = np.nan
    for i, cell in enumerate(ids):
        if cell in tracked.table:
            table[i] = tracked.table[cell]
    columns: dict[str, npt.NDArray[Any]] = {"id": np.array(ids, np.int64)}
    columns |= {name: np.ascontiguousarray(table[name]) for name in RECORD.names or ()} if tracked.table else {}
    cells = {str(cell): {k: v for k, v in vars(info).items() if v} for cell, info in sorted(tracked.cells.items())}
    return columns, {"state-names": list(STATES), "review-names": list(REVIEWS), "cells": cells}


def export_tiff(
    tracked: Tracked,
    path: Path,
    job: Job,
    *,
    overwrite: bool = False,
    ome: bool = False,
    compression: str | None = "zlib",
) -> None:
    """One TIFF stack: an ImageJ hyperstack (uint16), or OME-TIFF (uint16 or uint32, BigTIFF where needed).

    Raises
    ------
    ValueError
        If ImageJ cannot hold it; OME-TIFF is offered.
    """
    import tifffile

    info = label_info(tracked, job)
    size = int(np.prod(info.shape, dtype=np.int64)) * info.dtype.itemsize
    if not ome and info.max_label > MAX_UINT16:
        raise ValueError(
            f"the largest id is {info.max_label}: an ImageJ TIFF is 16-bit, up to {MAX_UINT16}. Save as OME-TIFF "
            f"(NAME.ome.tif), which is 32-bit, or as OME-Zarr"
        )
    if not ome and size > MAX_CLASSIC_BYTES:
        raise ValueError(
            f"the labels are {size / 2**30:.1f} GiB: an ImageJ TIFF ends at 4. Save as OME-TIFF (NAME.ome.tif) or as "
            "OME-Zarr"
        )
    options = ome_options(info) if ome else imagej_options(info)
    # a chain, because tifffile closes a generator after its last page, before that page was reported as done
    pages = chain((tracked.frame(frame).astype(info.dtype) for frame in job.frames(info.shape[0])), ())
    with whole_or_nothing(path, overwrite) as temporary:
        with tifffile.TiffWriter(temporary, bigtiff=size > MAX_CLASSIC_BYTES, ome=ome, imagej=not ome) as tif:
            tif.write(
                pages,
                shape=info.shape,
                dtype=info.dtype,
                photometric="minisblack",
                compression=compression,
                **{name: value for name, value in options.items() if name not in ("ome", "imagej")},
            )
        next(pages, None)


def export_ome_tiff(tracked: Tracked, path: Path, job: Job, **options: Any) -> None:
    """OME-TIFF: 32-bit where the ids need it, BigTIFF beyond 4 GiB."""
    export_tiff(tracked, path, job, ome=True, **options)


def export_ctc(tracked: Tracked, path: Path, job: Job, *, overwrite: bool = False) -> list[str]:
    """A result folder of the Cell Tracking Challenge."""
    info = label_info(tracked, job)
    with _discarding(CtcLabelWriter(path, info, overwrite=overwrite)) as writer:
        for frame in job.frames(tracked.shape[0]):
            writer.write(frame, tracked.frame(frame))
    frames_of_id = writer.frames_of_id()
    notes = []
    cut = [cell for cell, frames in frames_of_id.items() if frames[-1] - frames[0] >= len(frames)]
    if cut:
        listed = ", ".join(map(str, cut[:10])) + (", ..." if len(cut) > 10 else "")
        notes.append(f"cells that vanish and come back (here {listed}): each part is a track with a number of its own")
    late = [d for d, m in info.parents.items() if d in frames_of_id and _never_before(frames_of_id, m, d)]
    if late:
        notes.append(f"mothers that are not seen before their daughters (daughters {', '.join(map(str, late[:10]))})")
    overlap = [
        d
        for d, m in info.parents.items()
        if d in frames_of_id and m in frames_of_id and d not in late and frames_of_id[m][-1] >= frames_of_id[d][0]
    ]
    if overlap:
        notes.append(f"daughters of mothers that live on (daughters {', '.join(map(str, overlap[:10]))})")
    return notes


def _never_before(frames_of_id: dict[int, list[int]], mother: int, daughter: int) -> bool:
    return mother not in frames_of_id or frames_of_id[mother][0] >= frames_of_id[daughter][0]
