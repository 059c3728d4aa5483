"""From overlapping logits to one label image: each pixel goes to the cell with the highest logit."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage, sparse
from torch import Tensor

from napari_sam2.tracking.prompts import MaskCrop
from napari_sam2.tracking.resample import LOGITS_PER_TOKEN

LabelImage = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.int64]

#: A mask that is already in the label image defends its pixels with this logit for each frame pixel that they lie
#: inside its border, up to the limit: the logits it was drawn from are not kept.
KEPT_LOGIT_PER_PIXEL = 1.5
KEPT_LOGIT_LIMIT = 10.0
#: A loser's logit is lowered to at most this before it is remembered, as the published tracker does.
SUPPRESSED_LOGIT = -10.0
#: Two masks are on one object if they share more than this of the smaller one.
DOUBLE_SHARE = 0.5
#: Logit of a pixel that the user painted.
DRAWN_LOGIT = 1e4


@dataclass
class Claims:
    """Pixels that cells claim on a frame: index into the cells, flat pixel index, and logit of each claim (M,)."""

    which: IntArray
    at: IntArray
    logits: npt.NDArray[np.float32]

    @classmethod
    def of_crops(cls, crops: npt.NDArray[np.float32], corners: IntArray, shape: tuple[int, int]) -> Claims:
        """Positive logits (N, a, b) of crops whose first pixels lie at `corners` (N, 2) of a frame of `shape`."""
        n, y, x = np.nonzero(crops > 0)
        return cls(n, (corners[n, 0] + y) * shape[1] + corners[n, 1] + x, crops[n, y, x])

    @classmethod
    def of_mask(cls, which: int, mask: MaskCrop, shape: tuple[int, int]) -> Claims:
        """A mask that the user drew: nothing the network says outweighs it."""
        y, x = np.nonzero(mask.crop)
        at = (mask.origin[0] + y) * shape[1] + mask.origin[1] + x
        return cls(np.full(len(at), which), at, np.full(len(at), DRAWN_LOGIT, np.float32))

    @classmethod
    def join(cls, parts: Sequence[Claims]) -> Claims:
        """Put claims together."""
        return cls(
            np.concatenate([p.which for p in parts]),
            np.concatenate([p.at for p in parts]),
            np.concatenate([p.logits for p in parts]),
        )


def paint(labels: LabelImage, cells: Sequence[int], claims: Claims, locked: frozenset[int] = frozenset()) -> None:
    """Write the masks of some cells into a label image, in place.

    Parameters
    ----------
    labels
        (Y, X) label image that already holds the cells which are not being painted. Pixels that the painted cells had
        before must have been cleared.
    cells
        Cell numbers that `claims.which` counts.
    claims
        What the cells claim.
    locked
        Cells in `labels` whose pixels must not change.
    """
    which, at, logits = claims.which, claims.at, claims.logits
    flat = labels.reshape(-1)
    contested = flat[at] != 0
    if contested.any():
        keep = np.ones(len(at), bool)
        keep[contested] = logits[contested] > _defence(labels, at[contested], locked)
        which, at, logits = which[keep], at[keep], logits[keep]
    numbers = np.asarray(cells, np.int32)
    flat[at] = numbers[which]
    # The last assignment to a pixel counts: highest logit last, and of equal ones the cell that stands first.
    several = np.flatnonzero(_claimed_by_several(at))
    order = several[np.lexsort((-which[several], logits[several]))]
    flat[at[order]] = numbers[which[order]]


def _claimed_by_several(at: IntArray) -> npt.NDArray[np.bool_]:
    """Which claims (M,) are on pixels that others claim too; most are not, and sorting all of them takes long."""
    number = np.arange(len(at))
    last = np.empty(at.max(initial=-1) + 1, np.int64)
    last[at] = number
    several = last[at] != number
    several[last[at[several]]] = True
    return np.asarray(several)


def settle_doubles(claims: Claims, cells: int, ages: Sequence[int] | None = None) -> Claims:
    """Let one cell have what two cells claim as a whole.

    Two masks on one object (a mother that was not ended on one of her daughters, say) have nearly the same logits, and
    pixel by pixel they would share it as a speckle. Where an overlap covers most of one of two masks, one of the cells
    gives up all of it: the one whose prompt is further away in time, since who clicked on an object later knew better;
    of equally old ones that with the lower sum of logits there. A cell that loses most of itself to younger ones is not
    there at all: what is left is a rim that nobody meant.

    Parameters
    ----------
    claims, ages
        As for `doubles`.
    cells
        Number of cells.
    """
    keep, gone = doubles(claims, np.bincount(claims.which, minlength=cells), ages)
    keep &= ~gone[claims.which]
    return claims if keep.all() else Claims(claims.which[keep], claims.at[keep], claims.logits[keep])


def doubles(
    claims: Claims, area: IntArray, ages: Sequence[int] | None = None
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Say which claims (M,) stay, and which cells (N,) are not there at all; see `settle_doubles`.

    Parameters
    ----------
    claims
        What the cells claim; pixels that only one of them claims may be left out.
    area
        Pixels that each of the N cells claims, all of them.
    ages
        Frames from each cell's nearest prompt to here; all the same when None.
    """
    cells = len(area)
    several = np.flatnonzero(_claimed_by_several(claims.at))
    if cells < 2 or not len(several):
        return np.ones(len(claims.at), bool), np.zeros(cells, bool)
    who = claims.which[several]
    pixels, at = np.unique(claims.at[several], return_inverse=True)
    shape = (cells, len(pixels))
    mine = sparse.csr_array((np.ones(len(at)), (who, at)), shape=shape)
    weight = sparse.csr_array((claims.logits[several].astype(float), (who, at)), shape=shape)
    shared = (mine @ mine.T).toarray()
    strength = (weight @ mine.T).toarray()  # [a, b]: logits of a where b claims too
    double = shared > DOUBLE_SHARE * np.minimum(area[:, None], area[None, :])
    age = np.zeros(cells) if ages is None else np.asarray(ages, float)
    older = age[:, None] > age[None, :]
    # Of equal ones the cell that stands first keeps it, as everywhere.
    weaker = (strength < strength.T) | ((strength == strength.T) & np.tri(cells, k=-1, dtype=bool))
    yields = older | ((age[:, None] == age[None, :]) & weaker)
    keep = np.ones(len(claims.at), bool)
    displaced = np.zeros(len(several), bool)
    for loser, winner in np.argwhere(double & yields & (shared > 0) & ~np.eye(cells, dtype=bool)):
        theirs = np.zeros(len(pixels), bool)
        theirs[at[who == winner]] = True
        lost = (who == loser) & theirs[at]
        keep[several[lost]] = False
        if older[loser, winner]:
            displaced |= lost
    gone = np.bincount(who[displaced], minlength=cells) > DOUBLE_SHARE * area
    return keep, np.asarray(gone)


def settle_with_present(
    labels: LabelImage,
    cells: Sequence[int],
    claims: Claims,
    prompted: Callable[[int], bool],
    going_on: Set[tuple[int, int]] = frozenset(),
    locked: frozenset[int] = frozenset(),
) -> tuple[Claims, set[tuple[int, int]]]:
    """Settle doubles between cells that are being painted and those that a label image holds already.

    A cell that drifted onto another one would defend its pixels there against every correction of that other one. So
    who is prompted on this frame has the object that the prompt is about, and goes on to have it on the frames that
    follow, for as long as the two are doubles there.

    Parameters
    ----------
    labels
        (Y, X) label image; cells that give way lose their pixels, in place.
    cells
        Cell numbers that `claims.which` counts.
    claims
        What they claim.
    prompted
        Whether a cell, painted or present, is prompted on this frame.
    going_on
        (winner, loser) of the frame before, by cell number.
    locked
        Cells in `labels` whose pixels must not change.

    Returns
    -------
    claims
        Those that are left.
    won
        (winner, loser) where a painted cell displaced a present one.
    """
    flat = labels.reshape(-1)
    owner = flat[claims.at]
    contested = np.flatnonzero(owner)
    won: set[tuple[int, int]] = set()
    if not len(contested):
        return claims, won
    area = np.bincount(claims.which, minlength=len(cells))
    pairs, shared = np.unique(np.stack((claims.which[contested], owner[contested])), axis=1, return_counts=True)
    sizes = {int(other): int(np.count_nonzero(flat == other)) for other in np.unique(pairs[1])}
    keep = np.ones(len(claims.at), bool)
    taken: dict[int, int] = {}
    for (which, other), count in zip(pairs.T.tolist(), shared.tolist(), strict=True):
        if other in locked or count <= DOUBLE_SHARE * min(area[which], sizes[other]):
            continue
        mine, theirs = prompted(cells[which]), prompted(other)
        both = contested[(claims.which[contested] == which) & (owner[contested] == other)]
        if not theirs and (mine or (cells[which], other) in going_on):
            flat[claims.at[both]] = 0
            taken[other] = taken.get(other, 0) + count
            won.add((cells[which], other))
        elif theirs and not mine:
            keep[claims.which == which if count > DOUBLE_SHARE * area[which] else both] = False
    for other, count in taken.items():
        if count > DOUBLE_SHARE * sizes[other]:  # what is left is a rim that nobody meant
            flat[flat == other] = 0
    return (claims if keep.all() else Claims(claims.which[keep], claims.at[keep], claims.logits[keep])), won


def _defence(labels: LabelImage, at: IntArray, locked: frozenset[int]) -> npt.NDArray[np.float64]:
    """Logit with which the present owner of each pixel `at` defends it."""
    width = labels.shape[1]
    y, x = at // width, at % width
    reach = int(KEPT_LOGIT_LIMIT / KEPT_LOGIT_PER_PIXEL) + 2
    top, left = max(int(y.min()) - reach, 0), max(int(x.min()) - reach, 0)
    part = labels[top : int(y.max()) + reach + 1, left : int(x.max()) + reach + 1]
    border = np.zeros(part.shape, bool)
    for axis in (0, 1):
        change = np.diff(part, axis=axis) != 0
        low, high = [slice(None)] * 2, [slice(None)] * 2
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        border[tuple(low)] |= change
        border[tuple(high)] |= change
    depth = ndimage.distance_transform_edt(~border) if border.any() else np.full(part.shape, np.inf)
    defence = np.minimum((depth + 0.5) * KEPT_LOGIT_PER_PIXEL, KEPT_LOGIT_LIMIT)[y - top, x - left]
    if locked:
        defence[np.isin(labels.reshape(-1)[at], list(locked))] = np.inf
    return defence


def suppress_losers(logits_nhw: Tensor, origins: IntArray) -> Tensor:
    """Lower each cell's logits where another cell's are higher, so that memories do not claim a neighbour's pixels.

    Windows lie on whole tokens of one field, so their logits share one grid.

    Parameters
    ----------
    logits_nhw
        (N, 4h, 4w) logits of N windows of one field.
    origins
        (N, 2) first token of each window.

    Returns
    -------
    Tensor
        Same shape.
    """
    if len(logits_nhw) < 2:
        return logits_nhw
    at, size = field_index(origins, logits_nhw.shape[1:], logits_nhw.device)
    best = torch.full((size,), -torch.inf, dtype=logits_nhw.dtype, device=logits_nhw.device)
    best.scatter_reduce_(0, at.flatten(), logits_nhw.flatten(), "amax")
    losing = logits_nhw < best[at]
    return torch.where(losing, logits_nhw.clamp(max=SUPPRESSED_LOGIT), logits_nhw)


def field_index(origins: IntArray, size: Sequence[int], device: torch.device) -> tuple[Tensor, int]:
    """Index the logits of windows in the smallest field that holds them all.

    Parameters
    ----------
    origins
        (N, 2) first token of each window.
    size
        (height, width) of a window in logits.

    Returns
    -------
    at
        (N, height, width) flat indices.
    length
        Number of logits of the field.
    """
    first = torch.from_numpy(origins - origins.min(0)).to(device) * LOGITS_PER_TOKEN
    high, wide = ((origins.max(0) - origins.min(0)) * LOGITS_PER_TOKEN + np.array(size)).tolist()
    rows = first[:, 0, None] + torch.arange(size[0], device=device)
    columns = first[:, 1, None] + torch.arange(size[1], device=device)
    return rows[:, :, None] * wide + columns[:, None, :], high * wide
