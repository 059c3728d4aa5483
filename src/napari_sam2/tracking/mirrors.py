"""Prompted frames are looked at four times: as they are, and mirrored. What the views agree on is taken.

A mask is a little ragged, and differently so in each view; the mean is nearer to the cell than any one of them. The
cost is three more encodings of the surroundings of the cells that were pointed at, on these frames alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_sam2.network.config import TOKEN_STRIDE
from napari_sam2.network.prompt_encoder import BOX_TOP_LEFT
from napari_sam2.tracking.masks import Masks

IntArray = npt.NDArray[np.int64]
#: Whether rows and columns are reversed.
Mirror = tuple[bool, bool]

PLAIN: Mirror = (False, False)
#: The views besides the plain one.
MIRRORS: tuple[Mirror, ...] = ((True, False), (False, True), (True, True))
#: Probabilities are kept this far from 0 and 1 when their mean becomes a logit again: of about 10 at most.
SURE = 5e-5


def flip(values: Tensor, mirror: Mirror) -> Tensor:
    """Reverse the last two axes (rows, columns) as a mirror says; the same again takes it back."""
    axes = [axis for axis, on in zip((-2, -1), mirror, strict=True) if on]
    return values.flip(axes) if axes else values


def mirror_origins(origins_n2: IntArray, tokens: tuple[int, int], window: tuple[int, int], mirror: Mirror) -> IntArray:
    """First tokens of the same windows in the mirrored field.

    Parameters
    ----------
    origins_n2
        (N, 2) row and column of each window's first token.
    tokens, window
        Sizes of the field and of a window in tokens.
    mirror
        What is reversed.
    """
    reversed_n2 = np.array(tokens) - np.array(window) - origins_n2
    return np.where(np.array(mirror), reversed_n2, origins_n2)


def mirror_points(points_npx2: Tensor, labels_np: Tensor, window: tuple[int, int], mirror: Mirror) -> Tensor:
    """Points of prompts in mirrored windows; the corners of boxes stay the top left one and the bottom right one.

    Parameters
    ----------
    points_npx2
        (N, P, 2) x and y in model pixels of the window; the first two are a box where `labels_np` says so.
    labels_np
        (N, P) as in `Prompts`.
    window
        (rows, columns) of the window in tokens.
    mirror
        What is reversed.
    """
    points = points_npx2.clone()
    for axis, size, on in ((1, window[0], mirror[0]), (0, window[1], mirror[1])):
        if on:
            points[..., axis] = size * TOKEN_STRIDE - 1 - points[..., axis]
    boxes = labels_np[:, 0] == BOX_TOP_LEFT
    points[boxes, :2] = points[boxes, :2].sort(dim=1).values
    return points


def agree(plain: Masks, others: list[Masks]) -> Masks:
    """Join the views of the same cells, all brought back to the plain one's orientation.

    Returns
    -------
    Masks
        With the logit of the mean probability, so that a view that is very sure counts no more than the others; means
        of the scores; and the plain view's pointers, since a pointer is a place in the network's memory that lies
        between no others.
    """
    views = [plain, *others]
    sure = torch.stack([view.logits_nhw.sigmoid() for view in views]).mean(0)
    return Masks(
        plain.origins,
        sure.logit(SURE),
        torch.stack([view.iou_n for view in views]).mean(0),
        torch.stack([view.object_logits_n for view in views]).mean(0),
        plain.pointers_nc,
        plain.drawn,
    )
