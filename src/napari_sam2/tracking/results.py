"""What tracking hands out: one frame at a time, with scores and what to be suspicious of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from napari_sam2.tracking import paste
from napari_sam2.tracking.arbitrate import DOUBLE_SHARE, Claims, paint, settle_doubles, settle_with_present
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.masks import Masks
from napari_sam2.tracking.prompts import FramePrompts
from napari_sam2.tracking.resample import logits_to_crops
from napari_sam2.tracking.tidy import tidy

LabelImage = npt.NDArray[np.int32]
Pairs = set[tuple[int, int]]
"""(winner, loser), by cell number."""


@dataclass
class FrameResult:
    """What tracking found on one frame.

    Parameters
    ----------
    frame
        Frame number.
    labels
        (Y, X) int32 label image of the frame, all cells.
    scores
        Object score (probability that the cell is there, 0..1) of each cell computed on this frame.
    ious
        Predicted IoU of each of their masks, 0..1.
    areas
        Pixels of each of them in `labels`.
    suspects
        Cells whose mask is doubtful and was not remembered, with the reason in words.
    prompted
        Cells whose mask on this frame comes from their prompts rather than from memory.
    displaced
        (winner, loser): cells that gave an object to the cell whose prompts are about it.
    gave_way
        (winner, loser): these, and all others that would be there but for the winner, who has most of them. What they
        are on this frame depends on what was said about the winner, too.
    """

    frame: int
    labels: LabelImage
    scores: dict[int, float] = field(default_factory=dict)
    ious: dict[int, float] = field(default_factory=dict)
    areas: dict[int, int] = field(default_factory=dict)
    suspects: dict[int, str] = field(default_factory=dict)
    prompted: frozenset[int] = frozenset()
    displaced: Set[tuple[int, int]] = frozenset()
    gave_way: Set[tuple[int, int]] = frozenset()


@dataclass
class Found:
    """Masks of some cells of one field scale.

    Parameters
    ----------
    geometry
        The field.
    cells
        N cell numbers.
    masks
        Of the N cells.
    prompts
        What was said on this frame about those of them that were prompted on it.
    suspects
        Those whose masks are doubtful, with the reason.
    ages
        Frames from the nearest prompt that each of the N masks comes from; 0 for prompted ones.
    """

    geometry: Geometry
    cells: list[int]
    masks: Masks
    prompts: dict[int, FramePrompts] = field(default_factory=dict)
    suspects: dict[int, str] = field(default_factory=dict)
    ages: Sequence[int] | None = None


def merge(
    frame: int,
    found: Sequence[Found],
    labels: LabelImage,
    locked: frozenset[int] = frozenset(),
    clean: bool = True,
    held: frozenset[int] = frozenset(),
    prompted: Callable[[int], bool] = lambda cell: False,
    going_on: Set[tuple[int, int]] = frozenset(),
    outdated: frozenset[int] = frozenset(),
) -> FrameResult:
    """Arbitrate the masks of some cells on a frame that others already have pixels on.

    Parameters
    ----------
    frame
        Frame number.
    found
        Cells and their masks, in one or more groups.
    labels
        (Y, X) present labels of the frame; changed, and part of the result.
    locked
        Cells whose pixels stay as they are.
    clean
        Remove islands and fill holes of the painted cells.
    held
        Cells among `found` that are not painted; unlike locked ones, they can lose pixels.
    prompted, going_on
        Who is prompted on this frame, and who displaced whom on the one before (`arbitrate.settle_with_present`).
    outdated
        Cells whose present pixels are not what is to be there; they defend nothing. Used where `clean`.
    """
    fixed = locked | held
    shape = (labels.shape[0], labels.shape[1])
    cells: list[int] = []
    claims: list[Claims] = []
    ages: list[int] = []
    drawn: set[int] = set()
    wanted: list[_Wanted] = []
    result = FrameResult(frame, labels)
    free = {cell for group in found for cell in group.cells} - fixed
    if labels.any():
        labels[np.isin(labels, list(free))] = 0
    before = labels.copy()
    for group in found:
        crops, corners = logits_to_crops(group.masks.logits_nhw, group.masks.origins, group.geometry)
        wanted.append(_Wanted(group.cells, crops, corners))
        if paste.pays(crops) and _only_these(group, found, free) and not before.any():
            paste.paste(labels, group.cells, crops, corners, group.ages, clean)
            crops = crops[:, :0]  # nothing is left to be claimed
        part = Claims.of_crops(crops.cpu().numpy(), corners, shape)
        as_drawn = {
            i: mask
            for i, cell in enumerate(group.cells)
            if cell in group.prompts and (mask := group.prompts[cell].drawn) is not None
        }
        keep = ~np.isin(part.which, [i for i, cell in enumerate(group.cells) if i in as_drawn or cell in fixed])
        claims.append(Claims(part.which[keep] + len(cells), part.at[keep], part.logits[keep]))
        for i, mask in as_drawn.items():
            if group.cells[i] not in fixed:
                claims.append(Claims.of_mask(len(cells) + i, mask, shape))
                drawn.add(group.cells[i])
        cells += group.cells
        ages += [0] * len(group.cells) if group.ages is None else group.ages
        scores = group.masks.object_logits_n.float().sigmoid().tolist()
        result.scores.update(zip(group.cells, scores, strict=True))
        result.ious.update(zip(group.cells, group.masks.iou_n.float().tolist(), strict=True))
        result.suspects.update(group.suspects)
        result.prompted |= frozenset(group.prompts)
    claimed = Claims.join(claims)
    if clean:
        if outdated:
            result.gave_way = _make_way(labels, cells, claimed, outdated - fixed)
            before[labels == 0] = 0
        claimed = settle_doubles(claimed, len(cells), ages)
        claimed, result.displaced = settle_with_present(labels, cells, claimed, prompted, going_on, locked)
        if result.displaced:
            before[labels == 0] = 0  # what gave way does not come back
    paint(labels, cells, claimed, locked)
    if clean:
        tidy(labels, free - drawn)
        # A pixel that was won and then dropped as part of an island goes back to whom it belonged.
        given_back = (labels == 0) & (before != 0)
        labels[given_back] = before[given_back]
    result.areas.update(_areas(labels, cells))
    result.gave_way |= result.displaced | _lost(wanted, labels, result.areas, fixed) | _robbed(before, labels, claimed)
    return result


class _Wanted(NamedTuple):
    """Logits (N, a, b) of N cells in frame pixels, and first pixels (N, 2) of these crops."""

    cells: Sequence[int]
    crops: Tensor
    corners: npt.NDArray[np.int64]


def _make_way(labels: LabelImage, cells: Sequence[int], claims: Claims, outdated: frozenset[int]) -> Pairs:
    """Clear claimed pixels of outdated cells, in place, and all of those that lose most of themselves."""
    flat = labels.reshape(-1)
    owner = flat[claims.at]
    theirs = np.isin(owner, list(outdated))
    if not theirs.any():
        return set()
    sizes = _areas(labels, sorted(outdated))
    flat[claims.at[theirs]] = 0
    pairs = _mostly(np.asarray(cells)[claims.which[theirs]], owner[theirs], sizes)
    if pairs:
        flat[np.isin(flat, [loser for _, loser in pairs])] = 0
    return pairs


def _lost(wanted: Sequence[_Wanted], labels: LabelImage, areas: Mapping[int, int], fixed: frozenset[int]) -> Pairs:
    """Who has most of painted cells that others have most of."""
    pairs: Pairs = set()
    for cells, crops, corners in wanted:
        sizes = (crops > 0).sum((1, 2)).tolist()
        few = [i for i, c in enumerate(cells) if c not in fixed and areas[c] < (1 - DOUBLE_SHARE) * sizes[i]]
        if not few:
            continue
        claims = Claims.of_crops(crops[few].cpu().numpy(), corners[few], (labels.shape[0], labels.shape[1]))
        winners, losers = labels.reshape(-1)[claims.at], np.asarray(cells)[few][claims.which]
        others = (winners != 0) & (winners != losers)
        pairs |= _mostly(winners[others], losers[others], {cells[i]: sizes[i] for i in few})
    return pairs


def _robbed(before: LabelImage, labels: LabelImage, claims: Claims) -> Pairs:
    """Who has most of present cells that they claimed pixel by pixel."""
    was, now = before.reshape(-1)[claims.at], labels.reshape(-1)[claims.at]
    at = np.unique(claims.at[(was != 0) & (now != 0) & (now != was)])
    losers, winners = before.reshape(-1)[at], labels.reshape(-1)[at]
    return _mostly(winners, losers, _areas(before, np.unique(losers).tolist())) if len(at) else set()


def _mostly(winners: LabelImage, losers: LabelImage, sizes: Mapping[int, int]) -> Pairs:
    """Pairs, given pixel by pixel (M,), in which the winner has most of the loser, whose size is known."""
    pairs, counts = np.unique(np.stack((winners, losers)), axis=1, return_counts=True)
    found = zip(pairs.T.tolist(), counts.tolist(), strict=True)
    return {(winner, loser) for (winner, loser), count in found if count > DOUBLE_SHARE * sizes[loser]}


def _only_these(group: Found, found: Sequence[Found], free: set[int]) -> bool:
    """Whether a group is all there is, and is painted from logits alone."""
    return len(found) == 1 and free.issuperset(group.cells) and all(p.drawn is None for p in group.prompts.values())


def _areas(labels: LabelImage, cells: Sequence[int]) -> dict[int, int]:
    """Pixels of each of some cells."""
    highest = max(int(labels.max(initial=0)), *cells, 0)
    if highest < labels.size:  # counting is many times faster than sorting, unless numbers are enormous
        counts = np.bincount(labels.reshape(-1), minlength=highest + 1)
        return {cell: int(counts[cell]) for cell in cells}
    present, sizes = np.unique(labels, return_counts=True)
    size_of = dict(zip(present.tolist(), sizes.tolist(), strict=True))
    return {cell: size_of.get(cell, 0) for cell in cells}
