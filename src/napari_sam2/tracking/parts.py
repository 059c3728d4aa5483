"""Parts of masks: a mask that spills over to something apart from the cell keeps what belongs to the cell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from napari_sam2.tracking.resample import LOGITS_PER_TOKEN

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: A part belongs to the cell if at least this share of it lies where the cell was. Both daughters of a division do; a
#: neighbour does not.
OVERLAP_SHARE = 0.2
#: Logit that the other parts are lowered to.
DROPPED_LOGIT = -10.0
#: Logits around a click, and around where a cell was, that count as its place.
REACH = 2


def keep_parts(logits_nhw: Tensor, places_nhw: BoolArray, share: float = OVERLAP_SHARE) -> Tensor:
    """Lower the logits of the parts of masks that lie apart from where the cells are known to be.

    Parameters
    ----------
    logits_nhw
        (N, 4h, 4w) logits at stride 4.
    places_nhw
        (N, 4h, 4w) where each cell was last, or was clicked on.
    share
        A part stays if more than this share of it lies there; 0 for places that are points.

    Returns
    -------
    Tensor
        Same shape. A mask without any part at the cell's place keeps its largest part.
    """
    positive = (logits_nhw > 0).cpu().numpy()
    plane = np.zeros((3, 3, 3), bool)
    plane[1] = ndimage.generate_binary_structure(2, 1)  # cells are layers that do not touch
    parts, count = ndimage.label(positive, plane)
    if count <= int(positive.any((1, 2)).sum()):
        return logits_nhw
    # Parts are numbered plane by plane, and most masks are one part.
    highest = np.maximum.accumulate(parts.reshape(len(parts), -1).max(1))
    several = np.flatnonzero(np.diff(highest, prepend=0) > 1)
    if len(several) < len(parts):
        kept = logits_nhw.clone()
        kept[several] = keep_parts(logits_nhw[several], places_nhw[several], share)
        return kept
    size = np.bincount(parts.reshape(-1), minlength=count + 1)
    near = ndimage.binary_dilation(places_nhw, plane, iterations=REACH)
    shared = np.bincount(parts[near], minlength=count + 1)
    owner = np.zeros(count + 1, np.int64)
    owner[parts.reshape(-1)] = np.repeat(np.arange(len(parts)), parts[0].size)
    # The part that shares most with the cell's place always stays, by size where none shares anything.
    rank = np.lexsort((size[1:], shared[1:])) + 1
    best = np.zeros(len(parts), np.int64)
    best[owner[rank]] = rank
    keep = shared > share * size
    keep[best] = True
    keep[0] = True
    drop = torch.from_numpy(~keep[parts]).to(logits_nhw.device)
    return torch.where(drop, logits_nhw.clamp(max=DROPPED_LOGIT), logits_nhw)


def shift_masks(masks_nhw: BoolArray, before: IntArray, after: IntArray) -> BoolArray:
    """Move masks at stride 4 from windows at `before` to windows at `after`, both (N, 2) first tokens."""
    moved = np.zeros_like(masks_nhw)
    steps = (after - before) * LOGITS_PER_TOKEN
    still = ~steps.any(1)
    moved[still] = masks_nhw[still]
    high, wide = masks_nhw.shape[1:]
    for i in np.flatnonzero(~still):
        dy, dx = steps[i].tolist()
        if abs(dy) < high and abs(dx) < wide:
            moved[i, max(-dy, 0) : high - max(dy, 0), max(-dx, 0) : wide - max(dx, 0)] = masks_nhw[
                i, max(dy, 0) : high - max(-dy, 0), max(dx, 0) : wide - max(-dx, 0)
            ]
    return moved


def most_interior(mask: BoolArray, away_from: list[tuple[float, float]]) -> tuple[float, float]:
    """The pixel (y, x) of a mask that is deepest inside it and farthest from some places.

    Parameters
    ----------
    mask
        (h, w) bool with at least one pixel.
    away_from
        Places (y, x) that the pixel should not be near, such as clicks on what does not belong to the mask.
    """
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    for cy, cx in away_from:
        depth = np.minimum(depth, np.hypot(y - cy, x - cx) / 2)
    at = np.unravel_index(np.argmax(np.where(mask, depth, -1)), mask.shape)
    return float(at[0]), float(at[1])
