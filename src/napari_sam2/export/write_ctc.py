"""A result folder of the Cell Tracking Challenge: maskTTT.tif and res_track.txt.

http://celltrackingchallenge.net/ ("Naming and file content conventions"): 16-bit masks; one line "L B E P" for each
track, with its first and last frame and its parent, 0 for none. A track has no gaps there: one that vanishes and comes
back is written as two, the second with the first as its parent.
"""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path

import numpy as np

from napari_sam2.export.write import LabelInfo, Labels, LabelWriter

MAX_ID = int(np.iinfo(np.uint16).max)


class CtcLabelWriter(LabelWriter):
    """Writes masks as they come; gaps are mended and the table of tracks is written at the end."""

    def __init__(self, path: str | os.PathLike[str], info: LabelInfo, *, overwrite: bool = False) -> None:
        if info.max_label > MAX_ID:
            raise ValueError(
                f"Cell Tracking Challenge masks are 16-bit, ids go up to {MAX_ID}, not {info.max_label}: "
                "choose OME-Zarr or TIFF"
            )
        super().__init__(path, info, overwrite=overwrite)

    def _prepare(self) -> None:
        self.unfinished.mkdir()
        self._digits = max(3, len(str(self.info.shape[0] - 1)))

    def _mask_path(self, frame: int) -> Path:
        return self.unfinished / f"mask{frame:0{self._digits}d}.tif"

    def _write(self, frame: int, labels: Labels) -> None:
        import tifffile

        tifffile.imwrite(self._mask_path(frame), labels, compression="zlib")

    def _finish(self) -> None:
        empty = np.zeros(self.info.shape[1:], self.info.dtype)
        for frame in range(self.info.shape[0]):
            if frame not in self.ids_of_frame:
                self._write(frame, empty)
        rows, renamed = split_gaps(self.frames_of_id(), dict(self.info.parents))
        self._rename(renamed)
        lines = "".join(f"{label} {first} {last} {parent}\n" for label, first, last, parent in rows)
        (self.unfinished / "res_track.txt").write_text(lines, encoding="ascii")
        super()._finish()

    def _rename(self, renamed: dict[int, dict[int, int]]) -> None:
        import tifffile

        for frame, new_of_old in renamed.items():
            labels = tifffile.imread(self._mask_path(frame))
            changed = labels.copy()
            for old, new in new_of_old.items():
                changed[labels == old] = new
            self._write(frame, changed)


def split_gaps(
    frames_of_id: dict[int, list[int]], parents: dict[int, int]
) -> tuple[list[tuple[int, int, int, int]], dict[int, dict[int, int]]]:
    """Cut tracks at their gaps.

    Parameters
    ----------
    frames_of_id : dict of int to list of int
        Sorted frames in which each id is seen.
    parents : dict of int to int
        Daughter to mother. A mother that is not seen before her daughter is dropped: the format forbids it.

    Returns
    -------
    rows : list of (label, first frame, last frame, parent)
        Sorted by label.
    renamed : dict of frame to dict of old to new id
        What has to change in the masks.

    Raises
    ------
    ValueError
        If the new pieces need more ids than 16 bit have. Those above the largest are taken first, then free ones below.
    """
    rows: dict[int, tuple[int, int, int, int]] = {}
    renamed: dict[int, dict[int, int]] = {}
    pieces: dict[int, list[int]] = {}
    top = max(frames_of_id, default=0)
    free = chain(range(top + 1, MAX_ID + 1), (n for n in range(1, top) if n not in frames_of_id))
    for label, frames in frames_of_id.items():
        runs = np.split(np.asarray(frames), np.flatnonzero(np.diff(frames) > 1) + 1)
        pieces[label] = []
        for run in runs:
            name = label
            if pieces[label]:
                name = next(free, 0)
                if not name:
                    raise ValueError(
                        f"cutting tracks at their gaps needs more numbers than there are up to {MAX_ID}: choose "
                        "OME-Zarr or TIFF"
                    )
                for frame in run.tolist():
                    renamed.setdefault(frame, {})[label] = name
            rows[name] = (name, int(run[0]), int(run[-1]), pieces[label][-1] if pieces[label] else 0)
            pieces[label].append(name)
    for daughter, mother in parents.items():
        if daughter in rows and mother in pieces:
            _, first, last, _ = rows[daughter]
            before = [name for name in pieces[mother] if rows[name][2] < first]
            rows[daughter] = (daughter, first, last, before[-1] if before else 0)
    return sorted(rows.values()), renamed
