"""The state of one synthetic cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from .recipe import ShapeRecipe
from .shapes import F32, N_HARMONICS, Patch, contour_table, rod_patch, star_patch

FLATNESS = 0.75
"""Half the height of a cell in radii: nuclei are flatter than they are wide."""


class Stage(Enum):
    """Where a cell stands in its life."""

    RESTING = "resting"
    MITOSIS = "mitosis"
    YOUNG = "young"
    DYING = "dying"


@dataclass
class Cell:
    """A cell at one moment. Positions in px of the field, which may lie outside the picture."""

    id: int
    y: float
    x: float
    radius: float
    angle: float
    elongation: float
    bend: float
    coefficients: F32
    tips: F32
    brightness: float
    texture: int
    texture_offset: tuple[float, float]
    depth: float
    pace: float
    brilliance: float  # 0..1, how strongly a rounded cell refracts
    vy: float = 0.0
    vx: float = 0.0
    spin: float = 0.0
    half_length: float = 0.0
    half_width: float = 0.0
    divide_at: float = 0.0
    adult_radius: float = 0.0
    stage: Stage = Stage.RESTING
    clock: int = 0  # frames since the stage began
    condensed: float = 0.0  # 0 interphase, 1 metaphase
    plate: float = 0.0  # 1: chromosomes stand in a plate
    constriction: float = 0.0
    visible: float = 1.0
    hidden_for: int = 0  # frames of absence still to come
    fade: float = 1.0
    nucleus: tuple[float, float] = field(default=(0.0, 0.0))
    height: float = 0.0  # of its middle above the focal plane, in radii
    parent: int | None = None

    @property
    def extent(self) -> float:
        """Largest distance in px that the cell reaches from its centre, roughly."""
        return max(self.half_length, self.radius * float(np.sqrt(max(self.elongation, 1.0))) * 1.3)

    @property
    def section(self) -> float:
        """Radius of the cut through the focal plane relative to the cell's, 0..1; 0 for a cell that is not in it."""
        return float(np.sqrt(max(0.0, 1 - (self.height / FLATNESS) ** 2)))

    @property
    def afar(self) -> float:
        """Radii between the focal plane and the cell; 0 for a cell that lies in it."""
        return max(0.0, abs(self.height) - FLATNESS)

    @property
    def is_rod(self) -> bool:
        """Whether the outline is a rod."""
        return self.half_width > 0

    def patch(self, shape: tuple[int, int], y: float, x: float, reach: float, pad: float) -> Patch | None:
        """Rasterise the cell with its centre at (y, x); None outside the frame."""
        if self.is_rod:
            return rod_patch(
                shape, y, x, self.half_length, self.half_width, self.angle, self.bend, self.constriction, reach, pad
            )
        # Dividing cells round up; a metaphase plate lies across the axis on which the daughters part.
        round_up = self.condensed
        elongation = 1 + (self.elongation - 1) * (1 - round_up)
        angle, radius = self.angle, self.radius * (1 - 0.22 * round_up)
        if self.plate > 0:
            elongation, angle = elongation + 0.9 * self.plate, angle + np.pi / 2
            radius *= 1 - 0.12 * self.plate
        table = contour_table(self.coefficients, self.tips, round_up)
        return star_patch(shape, y, x, radius, angle, elongation, self.bend * (1 - round_up), table, reach, pad)


def random_coefficients(rng: np.random.Generator, recipe: ShapeRecipe) -> F32:
    """Draw harmonic amplitudes (2 * N_HARMONICS,) float32."""
    orders = np.arange(2, 2 + N_HARMONICS, dtype=np.float32)
    sizes = recipe.roughness * (orders / 2) ** -recipe.smoothness
    return (rng.standard_normal((2, N_HARMONICS)) * sizes).astype(np.float32).reshape(-1)


def random_tips(rng: np.random.Generator, recipe: ShapeRecipe) -> F32:
    """Draw protrusions (n, 3) float32: direction, height, sharpness. Most lie near the long axis."""
    if recipe.tips <= 0:
        return np.zeros((0, 3), np.float32)
    count = 1 + int(rng.poisson(max(recipe.tips - 1, 0)))
    # They go round the cell in turn from one end of the long axis to the other, and so stand apart.
    order = rng.permutation(count)
    ends = order * np.pi + (order // 2) * 1.3 * min(recipe.tip_scatter, 1.0) + rng.normal(0, recipe.tip_scatter, count)
    heights = recipe.tip_height * rng.gamma(2.0, 1 / 2.0, count)
    # Stretching along the axis sharpens what points sideways, so elongated cells start from broader ones.
    sharpness = np.exp(rng.uniform(0.8, 2.0, count)) * (1 + 3 * np.exp(-4 * heights)) / recipe.elongation**0.5
    return np.stack([ends, np.minimum(heights, 2.5), sharpness], axis=1).astype(np.float32)


def random_cell(rng: np.random.Generator, recipe: ShapeRecipe, spread: float, number: int, y: float, x: float) -> Cell:
    """Draw a cell at (y, x); ``spread`` is the deviation of the logarithm of its brightness."""
    radius = 0.5 * recipe.diameter * float(np.exp(recipe.diameter_spread * rng.standard_normal()))
    elongation = 1 + (recipe.elongation - 1) * float(np.exp(recipe.elongation_spread * rng.standard_normal()))
    cell = Cell(
        id=number,
        y=y,
        x=x,
        radius=radius,
        angle=float(rng.uniform(0, 2 * np.pi)),
        elongation=elongation,
        bend=float(recipe.bend * rng.standard_normal()),
        coefficients=random_coefficients(rng, recipe),
        tips=random_tips(rng, recipe),
        brightness=float(np.exp(spread * rng.standard_normal())),
        texture=int(rng.integers(0, 1 << 16)),
        texture_offset=(float(rng.uniform(0, 256)), float(rng.uniform(0, 256))),
        depth=float(rng.random()),
        pace=float(rng.gamma(2.0, 0.5)),
        brilliance=float(rng.random()),
        adult_radius=radius,
        nucleus=(float(rng.normal(0, 0.12)), float(rng.normal(0, 0.08))),
    )
    if recipe.style == "rod":
        # Rods keep their width and grow in length from one division to the next.
        cell.half_width = max(1.5, recipe.diameter / 4 * float(np.exp(0.08 * rng.standard_normal())))
        longest = cell.half_width * max(2.2, recipe.elongation * float(np.exp(0.12 * rng.standard_normal())))
        cell.half_length = longest * float(2.0 ** rng.uniform(-1, -0.02))
        cell.divide_at = longest
        cell.radius = float(np.sqrt(4 * cell.half_length * cell.half_width / np.pi))
    return cell
