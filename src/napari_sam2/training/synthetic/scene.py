"""From a colony to the pixels each cell owns: outlines, contacts, overlaps and the label image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .cells import Cell
from .recipe import Recipe
from .shapes import F32, Patch

MIN_LABEL_AREA = 6
"""A cell of which fewer px can be seen is not labelled."""
FIRM = 0.3
"""From this repulsion on, cells that meet share a border; below, the upper one covers the lower."""
_FAR = np.float32(9.0)
_THINNEST = 0.3
"""A cell of which the focal plane cuts less than this share of its radius is not labelled."""


@dataclass
class Placed:
    """A visible cell on the frame.

    Attributes
    ----------
    cell : Cell
    patch : Patch
    cover : (h, w) float32
        Share of each pixel that the cell fills, 0..1; 0 where a neighbour owns the pixel.
    contact : (h, w) float32
        Distance in px to the nearest border with a neighbour, roughly; large where there is none.
    """

    cell: Cell
    patch: Patch
    cover: F32
    contact: F32


def lay_out(
    cells: list[Cell], shape: tuple[int, int], offset: tuple[float, float], recipe: Recipe
) -> tuple[list[Placed], npt.NDArray[np.int32]]:
    """Place all visible cells on a frame.

    Parameters
    ----------
    cells : list of Cell
    shape : tuple of int
        (Y, X) of the frame.
    offset : tuple of float
        (y, x) px that the stage has moved the picture.
    recipe : Recipe

    Returns
    -------
    list of Placed, and labels (Y, X) int32
    """
    reach = np.float32(recipe.shape.reach)
    firm = recipe.life.repulsion >= FIRM
    best = np.full(shape, _FAR, np.float32)
    second = np.full(shape, _FAR, np.float32)
    owner = np.full(shape, -1, np.int32)
    found: list[tuple[Cell, Patch]] = []
    for cell in sorted(cells, key=lambda c: c.depth):
        if cell.visible <= 0:
            continue
        blur = _blur(cell, recipe)
        patch = cell.patch(shape, cell.y + offset[0], cell.x + offset[1], float(reach), 2.0 + blur)
        if patch is None:
            continue
        window, index = patch.window, len(found)
        rho, best_here = patch.rho, best[window]
        edge = reach * np.float32(cell.section if cell.section >= _THINNEST else 0.0)
        if firm:
            wins = (rho < best_here) & (rho < edge)
            second[window] = np.where(wins, best_here, np.minimum(second[window], rho))
            best_here[wins] = rho[wins]
            owner[window][wins] = index
        else:
            owner[window][rho < edge] = index
        found.append((cell, patch))

    placed: list[Placed] = []
    ids = np.zeros(len(found) + 1, np.int32)  # the last entry serves index -1
    for index, (cell, patch) in enumerate(found):
        window = patch.window
        radius = np.float32(cell.half_width if cell.is_rod else cell.radius)
        inward = (reach - patch.rho) * radius if reach > 1 else patch.edge
        cover = np.clip(inward + np.float32(0.5), 0, 1) if cell.height == 0 else _through_focus(cell, patch, recipe)
        if firm:
            mine = owner[window]
            cover *= (mine == index) | (mine < 0)
            contact = np.float32(0.5) * (second[window] - patch.rho) * radius
        else:
            contact = np.full(patch.rho.shape, _FAR * radius, np.float32)
        placed.append(Placed(cell, patch, cover, contact))
        ids[index] = cell.id
    labels = ids[owner]
    areas = np.bincount(owner.ravel() + 1, minlength=len(found) + 1)[1:]
    for tiny in np.nonzero((areas > 0) & (areas < MIN_LABEL_AREA))[0]:
        labels[owner == tiny] = 0
    return placed, labels


def _blur(cell: Cell, recipe: Recipe) -> float:
    """Px by which the light of a cell spreads that lies above or below the focal plane."""
    return recipe.look.defocus * abs(cell.height) * cell.radius


def _through_focus(cell: Cell, patch: Patch, recipe: Recipe) -> F32:
    """Light of a cell that the focal plane cuts: its section, sharp, in the blurred light of all the rest of it."""
    share, blur = recipe.look.sectioning, np.float32(0.5 + _blur(cell, recipe))
    section = np.clip((np.float32(cell.section) - patch.rho) * np.float32(cell.radius) + np.float32(0.5), 0, 1)
    body = smoothstep(patch.edge / blur, -1.0, 1.0) * np.float32(np.exp(-2 * cell.afar))
    light: F32 = np.float32(share * (cell.section > 0)) * section + np.float32(1 - share) * body
    return light


def smoothstep(values: F32, low: float, high: float) -> F32:
    """Rise smoothly from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((values - np.float32(low)) * np.float32(1.0 / (high - low)), 0, 1)
    result: F32 = t * t * (3 - 2 * t)
    return result


def add_blob(canvas: F32, y: float, x: float, sigma: float, amount: float) -> None:
    """Add a round Gaussian spot of peak ``amount`` in its own box."""
    y0, y1 = max(0, int(y - 3 * sigma)), min(canvas.shape[0], int(y + 3 * sigma) + 2)
    x0, x1 = max(0, int(x - 3 * sigma)), min(canvas.shape[1], int(x + 3 * sigma) + 2)
    if y1 <= y0 or x1 <= x0:
        return
    dy = (np.arange(y0, y1, dtype=np.float32) - np.float32(y)) / np.float32(sigma)
    dx = (np.arange(x0, x1, dtype=np.float32) - np.float32(x)) / np.float32(sigma)
    canvas[y0:y1, x0:x1] += np.float32(amount) * np.exp(-0.5 * dy * dy)[:, None] * np.exp(-0.5 * dx * dx)[None]
