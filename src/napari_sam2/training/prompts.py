"""Simulated users: where they click, how sloppily they draw a box, and how they correct a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

FINE_STRIDE = 4  # model px per mask logit
BACKGROUND, FOREGROUND, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT, ABSENT = 0, 1, 2, 3, -2
SLOTS = 4  # prompt points a row starts with; corrections append

# How often a user does what.
CLICK, CLICK_AND_NOT, BOX, MASK = "click", "click+not", "box", "mask"
CENTRE = "centre"  # a click at the most interior point: what validation uses, and never drawn at random
KINDS = {CLICK: 0.66, CLICK_AND_NOT: 0.09, BOX: 0.17, MASK: 0.08}
MOST_INTERIOR = 0.35
NEAR_EDGE = 0.15
BOX_JITTER = 0.08  # of the box's side, standard deviation
BOX_JITTER_PX = 1.0
NEIGHBOUR_REACH = 64  # px around a cell in which a negative click looks for a neighbour


@dataclass
class RowPrompt:
    """Prompt of one cell on one frame, in px of its window.

    Attributes
    ----------
    points : (SLOTS, 2) float32
        x, y.
    labels : (SLOTS,) int64
        As `napari_sam2.network.prompt_encoder` names them; -2 is absent.
    use_mask : bool
        The cell's own mask is the prompt.
    """

    points: np.ndarray
    labels: np.ndarray
    use_mask: bool


def click_in(mask: np.ndarray, rng: np.random.Generator, most_interior: bool | None = None) -> tuple[float, float]:
    """Choose a pixel of a mask as a user would click it.

    Parameters
    ----------
    mask : (h, w) bool
        At least one pixel must be set.
    most_interior : bool, optional
        Click at the most interior point; drawn at random when None.

    Returns
    -------
    (x, y)
        Pixel of the mask.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    rows, cols = np.nonzero(mask)
    if rows.size == 0:
        raise ValueError("cannot click in an empty mask: choose a frame on which the cell is visible")
    draw = rng.random()
    if most_interior or (most_interior is None and draw < MOST_INTERIOR):
        depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        row, col = np.unravel_index(int(np.argmax(depth)), mask.shape)
        return float(col), float(row)
    if most_interior is None and draw > 1 - NEAR_EDGE:
        rim = mask & ~ndimage.binary_erosion(mask, iterations=2, border_value=1)
        rows, cols = np.nonzero(rim) if rim.any() else (rows, cols)
    pick = rng.integers(rows.size)
    return float(cols[pick]), float(rows[pick])


def jittered_box(mask: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Bounding box x0, y0, x1, y1 of a mask (h, w) as a hurried user draws it, inside the window."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.array([cols[0], rows[0], cols[-1], rows[-1]], float)
    sides = np.array([box[2] - box[0], box[3] - box[1]] * 2) + 1
    box += rng.normal(0, 1, 4) * (sides * BOX_JITTER + BOX_JITTER_PX)
    height, width = mask.shape
    box = np.clip(box, 0, [width - 1, height - 1] * 2)
    x0, x1 = sorted((box[0], box[2]))
    y0, y1 = sorted((box[1], box[3]))
    return float(x0), float(y0), float(x1), float(y1)


def click_on_neighbour(labels: np.ndarray, cell: int, rng: np.random.Generator) -> tuple[float, float] | None:
    """A negative click: on a neighbour near the cell, or on the background beside it; None if there is no place."""
    own = labels == cell
    rows, cols = np.flatnonzero(own.any(1)), np.flatnonzero(own.any(0))
    top, left = max(0, rows[0] - NEIGHBOUR_REACH), max(0, cols[0] - NEIGHBOUR_REACH)
    near = labels[top : rows[-1] + NEIGHBOUR_REACH, left : cols[-1] + NEIGHBOUR_REACH]
    others = near[(near != 0) & (near != cell)]
    place = near == rng.choice(others) if others.size and rng.random() < 0.85 else near == 0
    if not place.any():
        return None
    x, y = click_in(place, rng, most_interior=None)
    return x + left, y + top


def draw_prompt(
    labels: np.ndarray, cell: int, rng: np.random.Generator, kind: str | None = None, allow_mask: bool = True
) -> RowPrompt:
    """Draw a prompt for a cell.

    Parameters
    ----------
    labels : (h, w) int
        Labels of the cell's window.
    cell : int
        Must be visible in it.
    kind : str, optional
        One of `KINDS` or `CENTRE`; drawn when None.
    allow_mask : bool
        Draw a click where a mask would be drawn otherwise.
    """
    kind = kind or str(rng.choice(list(KINDS), p=list(KINDS.values())))
    kind = CLICK if kind == MASK and not allow_mask else kind
    points = np.zeros((SLOTS, 2), np.float32)
    state = np.full(SLOTS, ABSENT, np.int64)
    mask = labels == cell
    if kind == BOX:
        points[:2] = np.reshape(jittered_box(mask, rng), (2, 2))
        state[:2] = BOX_TOP_LEFT, BOX_BOTTOM_RIGHT
    elif kind != MASK:
        points[0], state[0] = click_in(mask, rng, True if kind == CENTRE else None), FOREGROUND
        other = click_on_neighbour(labels, cell, rng) if kind == CLICK_AND_NOT else None
        if other is not None:
            points[1], state[1] = other, BACKGROUND
    return RowPrompt(points, state, kind == MASK)


def correction_clicks(logits_nhw: Tensor, targets_nhw: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One click a cell where its mask is wrong: well inside the larger error.

    Parameters
    ----------
    logits_nhw
        (N, h, w) mask logits at stride 4.
    targets_nhw
        (N, h, w) truth, 0..1.

    Returns
    -------
    points_n2 : Tensor
        (N, 2) float x, y in model px of the window.
    labels_n : Tensor
        (N,) 1 where the mask lacked something, 0 where it had too much; a cell without error gets a click inside,
        and one that is neither there nor predicted gets -2 (no click).
    """
    predicted, truth = logits_nhw > 0, targets_nhw > 0.5
    lacking, surplus = truth & ~predicted, predicted & ~truth
    perfect = ~(lacking | surplus).flatten(1).any(1)
    lacking = torch.where(perfect[:, None, None], truth, lacking)
    maps = torch.stack((surplus, lacking), 1).float()
    # How much of the same error lies around a pixel stands in for its depth; noise breaks ties as users do.
    depth = F.avg_pool2d(maps, 3, 1, 1) + F.avg_pool2d(maps, 7, 1, 3) + F.avg_pool2d(maps, 15, 1, 7)
    noise = torch.rand(maps.shape, generator=generator).to(maps.device)
    score = (maps * (depth + 0.3 * noise)).flatten(1)
    best, where = score.max(1)
    side = logits_nhw.shape[-1]
    pixels = side * logits_nhw.shape[-2]
    label = torch.div(where, pixels, rounding_mode="floor")
    row, col = torch.div(where % pixels, side, rounding_mode="floor"), where % side
    centre = (FINE_STRIDE - 1) / 2
    points = torch.stack((col, row), 1).float() * FINE_STRIDE + centre
    return points, torch.where(best > 0, label, torch.full_like(label, ABSENT))
