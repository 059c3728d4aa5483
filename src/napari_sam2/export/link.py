"""Giving the same cell the same number in all frames, where each frame was segmented by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.jobs import Job
from napari_sam2.export.tracked import MAX_ID, ReadsFrames, ids_in

MIN_OVERLAP = 0.1
"""Least IoU of a cell with itself one frame later; below, a new cell begins. Cells move: 0.5 would cut most tracks."""


class Linked:
    """Labels (T, Y, X) in which a cell keeps its number from frame to frame, by overlap.

    Between two frames, cells are paired so that their summed IoU is largest (H. W. Kuhn: The Hungarian method, 1955);
    pairs below the least IoU are cut. A cell that is left without a pair begins a new number. One pass over the
    frames finds the numbers, and only these are kept.

    Parameters
    ----------
    labels
        (T, Y, X) whole numbers, whose ids mean nothing across frames.
    min_overlap
        Least IoU, 0..1.
    frames
        Which ones, in order; each is linked to the one before it in the list. All when None.
    job
        For progress and cancelling.
    """

    dtype = np.dtype(np.int32)

    def __init__(
        self,
        labels: ReadsFrames,
        min_overlap: float = MIN_OVERLAP,
        frames: list[int] | None = None,
        job: Job | None = None,
    ) -> None:
        if not 0 < min_overlap <= 1:
            raise ValueError(f"the least overlap is an IoU above 0 and up to 1, not {min_overlap}")
        self._labels = labels
        self.shape = tuple(int(n) for n in labels.shape)
        chosen = list(range(self.shape[0])) if frames is None else sorted(frames)
        job = job or Job()
        job.expect(len(chosen))
        self.number_of: dict[int, dict[int, int]] = {}
        """Of each frame: from its ids to the linked numbers."""
        before: npt.NDArray[np.int32] | None = None
        fresh = 1
        for t in job.frames(chosen):
            here = np.asarray(labels[t], np.int32)
            pairs = {} if before is None else match(before, here, min_overlap)
            numbers: dict[int, int] = {}
            for own in ids_in(here):
                numbers[own] = pairs.get(own, fresh)
                fresh += numbers[own] == fresh
            self.number_of[t] = numbers
            before = _renumber(here, numbers)
        if fresh - 1 > MAX_ID:
            raise ValueError(f"linking gave {fresh - 1} cells, more than {MAX_ID}: is each pixel a cell?")

    def __getitem__(self, key: Any) -> npt.NDArray[np.int32]:
        t, *rest = key if isinstance(key, tuple) else (key,)
        return _renumber(np.asarray(self._labels[int(t)], np.int32), self.number_of.get(int(t), {}))[tuple(rest)]


def match(before: npt.NDArray[np.int32], here: npt.NDArray[np.int32], min_overlap: float) -> dict[int, int]:
    """Pair the cells of two frames by overlap.

    Returns
    -------
    dict
        From ids of the later frame to ids of the earlier one.
    """
    from scipy.optimize import linear_sum_assignment

    old, new = ids_in(before), ids_in(here)
    if not old or not new:
        return {}
    both = (before != 0) & (here != 0)
    rows, columns = np.searchsorted(old, before[both]), np.searchsorted(new, here[both])
    shared = np.bincount(rows * len(new) + columns, minlength=len(old) * len(new)).reshape(len(old), len(new))
    area_old = np.bincount(np.searchsorted(old, before[before != 0]), minlength=len(old))
    area_new = np.bincount(np.searchsorted(new, here[here != 0]), minlength=len(new))
    overlap = shared / (area_old[:, None] + area_new[None, :] - shared)
    overlap[overlap < min_overlap] = 0
    at = linear_sum_assignment(overlap, maximize=True)
    return {new[j]: old[i] for i, j in zip(*at, strict=True) if overlap[i, j] > 0}


def _renumber(image: npt.NDArray[np.int32], numbers: dict[int, int]) -> npt.NDArray[np.int32]:
    out = np.zeros_like(image)
    where = np.flatnonzero(image)
    if where.size and numbers:
        ids = np.array(sorted(numbers), np.int32)
        values = np.array([numbers[int(i)] for i in ids], np.int32)
        own = image.reshape(-1)[where]
        slot = np.minimum(np.searchsorted(ids, own), len(ids) - 1)
        out.reshape(-1)[where] = np.where(ids[slot] == own, values[slot], 0)
    return out
