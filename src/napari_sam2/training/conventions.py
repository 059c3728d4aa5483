"""Cells drawn after another convention than the truth's.

Where a cell ends is not only in the picture: one user draws nuclei up to their last glow, another the bright part that
is in focus, a third the cell with its halo. Whoever corrects a mask says which it is, and a network that has seen one
convention only goes on drawing that, click after click. So some cells are taught as somebody else would draw them:
shrunken, grown, or as their brighter or darker core, in the same way on every frame of a clip. A single click does not
tell which is meant, so what it gives does not count then; a box, a mask and corrections do tell.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

#: How often a cell is shrunken, grown, or cut down to its core.
SHRINK, GROW, CORE = "shrink", "grow", "core"
KINDS = {SHRINK: 0.35, GROW: 0.25, CORE: 0.4}
#: How far an outline moves, in shares of the cell's largest depth on the first frame.
MOVED = (0.1, 0.4)
#: Share of a cell that its core is, and how smooth the picture is made for it, in shares of the depth.
CORE_SHARE = (0.3, 0.8)
CORE_SMOOTH = 0.2
#: A redrawn cell has at least so many pixels, and this share of what the truth shows.
MIN_AREA, MIN_SHARE = 40, 0.15


def redraw(
    frames: npt.NDArray[np.float32], labels: Labels, cell: int, rng: np.random.Generator, kind: str | None = None
) -> Labels | None:
    """Draw a cell after another convention, the same on all frames.

    Parameters
    ----------
    frames : (T, H, W)
    labels : (T, H, W)
    cell : int
        Seen on the first frame.
    rng : Generator
    kind : str, optional
        One of `KINDS`; drawn when None.

    Returns
    -------
    (T, H, W) or None
        A copy in which that cell alone is changed: it only grows into background, and what it loses becomes
        background. None where hardly anything would be left of it, or nothing changes.
    """
    kind = kind or str(rng.choice(list(KINDS), p=list(KINDS.values())))
    first = labels[0] == cell
    depth = float(_inside(first).max(initial=0.0))
    if depth <= 0:
        return None
    moved = rng.uniform(*MOVED) * depth
    share, sign = rng.uniform(*CORE_SHARE), 1.0 if rng.random() < 0.5 else -1.0
    out = labels.copy()
    for frame, own, target in zip(frames, labels, out, strict=True):
        box = _box(own == cell, int(moved) + 2)
        if box is None:
            continue
        mask, around = own[box] == cell, own[box] == 0
        if kind == GROW:
            new = mask | (around & (ndimage.distance_transform_edt(~mask) <= moved))
        elif kind == SHRINK:
            new = mask & (_inside(mask) > moved)
        else:
            smooth = ndimage.gaussian_filter(frame[box], CORE_SMOOTH * depth)
            new = _core(sign * smooth, mask, share)
        target[box][mask & ~new] = 0
        target[box][new] = cell
    kept = out[0] == cell
    area, before = int(np.count_nonzero(kept)), int(np.count_nonzero(first))
    if area < max(MIN_AREA, MIN_SHARE * before) or np.array_equal(kept, first):
        return None
    return out


def _core(picture: npt.NDArray[np.float32], mask: Mask, share: float) -> Mask:
    """The largest connected part of the brightest share of a mask, without holes."""
    bright = mask & (picture >= np.quantile(picture[mask], 1 - share))
    parts, count = ndimage.label(bright)
    if count > 1:
        bright = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax())
    filled: Mask = ndimage.binary_fill_holes(bright) & mask
    return filled


def _inside(mask: Mask) -> npt.NDArray[np.float64]:
    """Depth of each pixel in a mask, in px; what the frame cuts off goes on beyond it."""
    depth: npt.NDArray[np.float64] = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1]
    return depth


def _box(mask: Mask, margin: int) -> tuple[slice, slice] | None:
    """The rows and columns of a mask, and some around them; None where it is empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return None
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + 1 + margin),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + 1 + margin),
    )
