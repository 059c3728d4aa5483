"""Phase contrast, brightfield and DIC, all from one map of optical thickness.

Phase contrast is modelled as the sine of the thickness minus its local mean: the phase ring passes low spatial
frequencies only in part, which is where halos and shade-off come from (Otaki, Opt. Rev. 7, 2000). Brightfield follows
the transport of intensity: contrast is the Laplacian of the thickness times the defocus. DIC is its derivative along
the shear.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from . import textures
from .fluorescence import enlarge
from .recipe import LookRecipe, Recipe
from .scene import Placed, smoothstep
from .shapes import F32

_STRIDE = 4
PHASE_CONTRAST = 0.32
BASE = 0.5
"""Brightness of an empty field."""


def _thickness(placed: Placed, recipe: Recipe) -> F32:
    """Optical thickness of one cell, (h, w) float32, about 1 in the middle of a typical cell."""
    cell, patch, look = placed.cell, placed.patch, recipe.look
    rho = np.minimum(patch.rho * np.float32(1 / recipe.shape.reach), 1)
    if cell.is_rod:
        return np.sqrt(np.maximum(1 - rho * rho, 0)) * np.float32(1 + 0.1 * look.texture)
    flat = np.float32((1 - look.dome) * (1 - cell.condensed))
    middle = 1 - rho * rho
    body = flat + np.float32(look.dome * (1 - 0.6 * cell.condensed)) * (middle * middle)
    if cell.condensed > 0:
        # A rounded cell is a ball lens: a dark rim in a strong halo, and a bright middle.
        rim, lens = 0.8 + 1.0 * cell.brilliance, 1.5 * cell.brilliance - 0.6
        ring = np.exp(-(((rho - 0.85) / np.float32(0.15)) ** 2))
        body += np.float32(cell.condensed) * (np.float32(rim) * ring - np.float32(lens) * middle * middle)
    unit = max(recipe.shape.diameter, 12.0)
    scale = look.texture_scale * 30.0 / unit
    offset = cell.texture_offset
    grain = textures.read("fractal", cell.texture, patch.u, patch.v, scale, offset)
    grain += np.float32(0.7) * textures.read("middle", cell.texture + 2, patch.u, patch.v, 75.0 / unit, offset)
    body += np.float32(0.55 * look.texture) * grain * (np.float32(0.4) + np.float32(0.6) * middle)
    if look.granules > 0 and unit > 14:
        grains = textures.read("granules", cell.texture + 1, patch.u, patch.v, min(2.5, 80.0 / unit), offset)
        # Lipid droplets and vesicles around the nucleus: mostly dark, in some cells bright.
        sign = 1.0 if cell.texture % 4 else -1.0
        grains = np.maximum(grains - np.float32(0.3), 0)
        body += np.float32(0.25 * sign * look.granules) * grains * smoothstep(middle, 0.1, 0.8)
    if look.nucleus != 0:
        size = 0.36 * cell.radius
        du = patch.u * np.float32(1 / size) - np.float32(cell.nucleus[0] * 4)
        dv = patch.v * np.float32(1 / size) - np.float32(cell.nucleus[1] * 4)
        distance = np.sqrt(du * du + dv * dv)
        inside = smoothstep(1.1 - distance, 0.0, 0.3)
        body += np.float32(look.nucleus * (1 - cell.condensed)) * inside * (1 - 0.4 * inside)
    if look.rim > 0:
        body += np.float32(0.5 * look.rim) * np.exp(-(((patch.edge - 1.5) / np.float32(2.0)) ** 2))
    if (look.body > 0 or look.ruffles > 0) and cell.condensed < 1:
        body += np.float32(1 - cell.condensed) * _body_and_ruffles(placed, look, grain)
    return body


def _body_and_ruffles(placed: Placed, look: LookRecipe, grain: F32) -> F32:
    """What stands out of a flat cell: its thick body, and folds along the edge that it pushes forward."""
    cell, patch = placed.cell, placed.patch
    along, across = cell.nucleus
    length = max(float(np.hypot(along, across)), 1e-3)
    shift = look.body_shift * cell.radius * min(1.0, 0.4 + 4 * length) / length
    size, stretch = look.body_size * cell.radius, cell.elongation**0.25
    du = (patch.u - np.float32(shift * along)) * np.float32(1 / (size * stretch))
    dv = (patch.v - np.float32(shift * across)) * np.float32(stretch / size)
    inside = smoothstep(1.2 - np.sqrt(du * du + dv * dv), 0.0, 0.5)
    out: F32 = np.float32(look.body) * inside * (1 + np.float32(look.texture) * grain)
    if look.ruffles > 0:
        width = np.float32(max(1.5, 0.05 * cell.radius))
        fold = np.exp(-(((patch.edge - width) / width) ** 2))
        where = textures.read("coarse", cell.texture + 5, patch.u, patch.v, 30.0 / max(cell.radius, 4.0), (7.0, 3.0))
        out += np.float32(look.ruffles) * fold * np.clip(where + np.float32(0.6), 0, 2)
    return out


def thickness_map(placed: list[Placed], shape: tuple[int, int], recipe: Recipe) -> F32:
    """Optical thickness of all cells, (Y, X) float32; overlapping cells add."""
    canvas = np.zeros(shape, np.float32)
    look = recipe.look
    for item in placed:
        body = _thickness(item, recipe)
        body *= item.cover * np.float32(item.cell.brightness * item.cell.visible * look.thickness)
        if look.seam > 0:
            body *= 1 - np.float32(look.seam) * np.exp(-np.maximum(item.contact, 0))
        canvas[item.patch.window] += body
    return canvas


def _wide_mean(image: F32, sigma: float) -> F32:
    """Gaussian blur; wide ones on a coarser grid."""
    if sigma < 2 * _STRIDE:
        return ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=3.0)
    rows, cols = -(-image.shape[0] // _STRIDE), -(-image.shape[1] // _STRIDE)
    padded = np.pad(image, ((0, rows * _STRIDE - image.shape[0]), (0, cols * _STRIDE - image.shape[1])), mode="edge")
    small = padded.reshape(rows, _STRIDE, cols, _STRIDE).mean((1, 3))
    small = ndimage.gaussian_filter(small, sigma / _STRIDE, mode="nearest", truncate=3.0)
    return enlarge(small, (image.shape[0], image.shape[1]), _STRIDE)


def image(thickness: F32, look: LookRecipe) -> F32:
    """Turn optical thickness into an image around :data:`BASE`, (Y, X) float32."""
    if look.modality == "brightfield":
        soft = ndimage.gaussian_filter(thickness, 1.2, mode="nearest", truncate=3.0)
        wide = _wide_mean(thickness, max(2.0, look.halo * 0.5))
        rings = (soft - wide) * np.float32(look.polarity)
        return np.float32(BASE) - np.float32(0.30) * rings - np.float32(0.06) * soft
    if look.modality == "dic":
        soft = ndimage.gaussian_filter(thickness, 1.0, mode="nearest", truncate=3.0)
        dy, dx = np.gradient(soft)
        slope = dy * np.float32(np.sin(look.shear)) + dx * np.float32(np.cos(look.shear))
        return np.float32(BASE) + np.float32(0.9) * slope / (1 + np.abs(slope)) - np.float32(0.02) * soft
    if look.modality != "phase":
        raise ValueError(f"{look.modality!r} is not a transmitted-light modality: use phase, brightfield or dic")
    near, far = _wide_mean(thickness, look.halo), _wide_mean(thickness, look.halo * 3.5)
    relative = thickness - np.float32(look.shade_off) * (
        np.float32(look.halo_share) * near + np.float32(1 - look.halo_share) * far
    )
    # The halo is stronger than a linear filter makes it.
    relative = np.where(relative < 0, np.float32(look.halo_gain) * relative, relative)
    return np.float32(BASE) - np.float32(look.polarity * PHASE_CONTRAST) * np.sin(np.clip(relative, -1.5, 1.5))
