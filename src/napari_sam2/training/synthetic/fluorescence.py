"""How cells shine: nuclei, membranes, cytoplasm, puncta and rods. Brightness adds up where cells overlap."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from . import textures
from .recipe import LookRecipe, Recipe
from .scene import Placed, add_blob, smoothstep
from .shapes import F32

_HAZE_STRIDE = 8
_DOTS_PER_TILE_PIXEL = 0.012  # of the bank "granules"


def _texture(placed: Placed, look: LookRecipe, diameter: float, name: str | None = None, shift: float = 0.0) -> F32:
    cell, patch = placed.cell, placed.patch
    scale = look.texture_scale * 30.0 / max(diameter, 4.0)
    offset = (cell.texture_offset[0] + shift, cell.texture_offset[1] + shift)
    return textures.read(name or look.texture_name, cell.texture, patch.u, patch.v, scale, offset)


def _profile(placed: Placed, dome: float, reach: float) -> F32:
    rho = np.minimum(placed.patch.rho * np.float32(1 / reach), 1)
    return 1 - np.float32(dome) * rho * rho


def _nucleus(placed: Placed, look: LookRecipe, recipe: Recipe) -> F32:
    cell = placed.cell
    contrast = look.texture * (1 + 0.5 * cell.condensed) * (0.2 + 0.8 * cell.section)
    image = 1 + np.float32(contrast) * _texture(placed, look, recipe.shape.diameter)
    if look.granules > 0:
        # Nucleoli: the dye keeps out of a few round spots.
        spots = _texture(placed, look, recipe.shape.diameter * 1.6, "coarse", 97.0)
        image -= np.float32(look.granules * (1 - cell.condensed) * cell.section) * smoothstep(spots, 0.9, 1.8)
    image *= _profile(placed, look.dome * (1 - 0.5 * cell.condensed), recipe.shape.reach)
    return np.maximum(image, np.float32(0.15)) * np.float32(1 + look.mitosis_gain * cell.condensed)


def _membrane(placed: Placed, look: LookRecipe, recipe: Recipe) -> F32:
    patch, cell = placed.patch, placed.cell
    width = np.float32(max(0.8, 0.03 * recipe.shape.diameter))
    free = (np.float32(recipe.shape.reach) - patch.rho) * np.float32(cell.radius)
    border = np.exp(-((np.minimum(np.abs(free), np.abs(placed.contact)) / width) ** 2))
    patchy = 1 + np.float32(0.5 * look.texture) * _texture(placed, look, recipe.shape.diameter, "middle")
    inside = np.float32(0.12 + 0.2 * (1 - look.rim)) * (1 + np.float32(look.texture) * _texture(placed, look, 20.0))
    return border * patchy + inside


def _cytoplasm(placed: Placed, look: LookRecipe, recipe: Recipe) -> F32:
    cell, patch, diameter = placed.cell, placed.patch, recipe.shape.diameter
    image = 1 + np.float32(look.texture) * _texture(placed, look, diameter, "fractal")
    image *= _profile(placed, look.dome, recipe.shape.reach)
    # The nucleus is stretched with the cell, but less; organelles gather around it.
    size = (0.3 + 0.2 * cell.brilliance) * cell.radius
    stretch = cell.elongation**0.25
    du = patch.u * np.float32(1 / (size * stretch)) - np.float32(cell.nucleus[0] * 4)
    dv = patch.v * np.float32(stretch / size) - np.float32(cell.nucleus[1] * 4)
    distance = np.sqrt(du * du + dv * dv)
    nucleus = smoothstep(1.15 - distance, 0.0, 0.3)
    image *= 1 + np.float32(0.5 * look.dome * (1 - cell.condensed)) * np.exp(-((distance - np.float32(1.3)) ** 2) * 2)
    image *= 1 + np.float32(look.nucleus * (1 - cell.condensed)) * nucleus
    if look.granules > 0:
        image += np.float32(0.25 * look.granules) * np.maximum(_texture(placed, look, 24.0, "granules", 31.0), 0)
    if look.rim > 0:
        image += np.float32(0.6 * look.rim) * np.exp(-((patch.edge / np.float32(1.5)) ** 2))
    return np.maximum(image, 0.05) * np.float32(1 + 0.7 * look.mitosis_gain * cell.condensed)


def _puncta(placed: Placed, look: LookRecipe, recipe: Recipe) -> F32:
    # The number of dots in a cell follows the scale at which the tile of dots is read.
    scale = np.sqrt(max(look.spots, 1.0) / _DOTS_PER_TILE_PIXEL) / max(recipe.shape.diameter * 0.9, 4.0)
    offset = placed.cell.texture_offset
    dots = textures.read("granules", placed.cell.texture, placed.patch.u, placed.patch.v, float(scale), offset)
    body = np.float32(0.22) * (1 + np.float32(look.texture) * _texture(placed, look, recipe.shape.diameter))
    return np.maximum(body, 0.02) + np.float32(0.55) * np.maximum(dots, 0) * _profile(placed, 0.6, recipe.shape.reach)


def _rod(placed: Placed, look: LookRecipe, recipe: Recipe) -> F32:
    rho = np.minimum(placed.patch.rho, 1)
    round_body = np.sqrt(np.maximum(1 - rho * rho, 0.02))
    image = (1 - np.float32(look.dome)) + np.float32(look.dome) * round_body
    image *= 1 + np.float32(look.texture) * _texture(placed, look, recipe.shape.diameter)
    if look.rim > 0.5:
        image += np.float32(look.rim) * np.exp(-(((placed.patch.edge - 0.5) / np.float32(1.0)) ** 2))
    return image


PAINTERS: dict[str, Callable[[Placed, LookRecipe, Recipe], F32]] = {
    "nuclei": _nucleus,
    "membranes": _membrane,
    "cytoplasm": _cytoplasm,
    "spots": _puncta,
    "rods": _rod,
}


def paint(placed: list[Placed], shape: tuple[int, int], recipe: Recipe) -> F32:
    """Paint cells; returns (Y, X) float32 with a background of 0 and typical cells at 1, before the optics."""
    look = recipe.look
    painter = PAINTERS[look.modality]
    canvas = np.zeros(shape, np.float32)
    for item in placed:
        image = painter(item, look, recipe)
        image *= item.cover * np.float32(item.cell.brightness * item.cell.visible)
        if look.seam > 0 and look.modality != "membranes":
            image *= 1 - np.float32(look.seam) * np.exp(-np.maximum(item.contact, 0))
        canvas[item.patch.window] += image
    return canvas


def haze(canvas: F32, amount: float, diameter: float) -> None:
    """Add light from out of focus, in place: a wide blur, computed on a coarse grid."""
    if amount <= 0:
        return
    shape = canvas.shape
    rows, cols = -(-shape[0] // _HAZE_STRIDE), -(-shape[1] // _HAZE_STRIDE)
    padded = np.pad(canvas, ((0, rows * _HAZE_STRIDE - shape[0]), (0, cols * _HAZE_STRIDE - shape[1])), mode="edge")
    small = padded.reshape(rows, _HAZE_STRIDE, cols, _HAZE_STRIDE).mean((1, 3))
    small = ndimage.gaussian_filter(small, max(1.0, diameter / _HAZE_STRIDE), mode="nearest")
    canvas += np.float32(amount) * enlarge(small, shape, _HAZE_STRIDE)


def enlarge(small: F32, shape: tuple[int, int], stride: int) -> F32:
    """Bilinear enlargement by ``stride``, cropped to ``shape``."""
    for axis in (0, 1):
        n = small.shape[axis]
        at = np.clip((np.arange(shape[axis], dtype=np.float32) + 0.5) / stride - 0.5, 0, n - 1)
        low = np.minimum(at.astype(np.int64), max(n - 2, 0))
        high = np.minimum(low + 1, n - 1)
        part = (at - low).astype(np.float32)
        part = part[:, None] if axis == 0 else part[None]
        small = np.take(small, low, axis) * (1 - part) + np.take(small, high, axis) * part
    return small


def paint_remains(canvas: F32, bits: list[tuple[float, float, float, float]]) -> None:
    """Add bright fragments (y, x, size, brightness), in place."""
    for y, x, size, brightness in bits:
        add_blob(canvas, y, x, max(size, 0.6), brightness)
