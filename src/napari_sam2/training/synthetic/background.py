"""What is in the picture and is not a cell: clutter, dust, floating debris. None of it is labelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import textures
from .recipe import Recipe
from .scene import add_blob
from .shapes import F32


@dataclass
class Speck:
    """A piece of debris at (y, x) px, made of round ``grains`` (n, 3): dy, dx, size in px.

    Floating ones drift by (vy, vx) px a frame.
    """

    y: float
    x: float
    amount: float
    grains: npt.NDArray[np.float64]
    vy: float = 0.0
    vx: float = 0.0


class Background:
    """Debris and clutter of one movie."""

    def __init__(self, recipe: Recipe, shape: tuple[int, int], rng: np.random.Generator) -> None:
        self.recipe, self.shape, self.rng = recipe, shape, rng
        look, diameter = recipe.look, recipe.shape.diameter
        self.tile = int(rng.integers(0, 1 << 16))
        self.corner = rng.integers(0, 4096, 2)
        self.sparse = float(rng.uniform(1.2, 3.0))  # deviations above which a dot of the clutter shows
        self.zoom = float(rng.uniform(2.0, 6.0))
        self.specks = [self._speck(diameter, 0.0) for _ in range(int(rng.poisson(look.debris)))]
        self.specks += [self._speck(diameter, 0.4) for _ in range(int(rng.poisson(look.floaters)))]

    def _speck(self, diameter: float, speed: float) -> Speck:
        rng = self.rng
        floating = speed > 0
        size = rng.uniform(0.12, 0.4) * diameter if floating else rng.uniform(0.5, 0.025 * diameter + 0.9)
        count = 1 if floating else int(rng.integers(1, 6))
        # Crumbs in a row with some scatter: flakes, fibres and dirt, not round dots.
        direction = rng.uniform(0, np.pi)
        along = np.cumsum(rng.uniform(0.5, 1.8, count)) * size
        scatter = rng.normal(0, 0.7 * size, (2, count)) * (count > 1)
        grains = np.stack(
            [
                along * np.sin(direction) + scatter[0],
                along * np.cos(direction) + scatter[1],
                size * rng.uniform(0.6, 1.2, count),
            ],
            axis=1,
        )
        vy, vx = speed * diameter * rng.standard_normal(2)
        return Speck(
            y=float(rng.uniform(0, self.shape[0])),
            x=float(rng.uniform(0, self.shape[1])),
            amount=float(rng.lognormal(-1.0, 0.6)) * (0.4 if floating else 1.0),
            grains=grains,
            vy=float(vy),
            vx=float(vx),
        )

    def add(self, canvas: F32, offset: tuple[float, float], signed: bool) -> None:
        """Add debris and clutter to a canvas, in place; ``signed`` lets debris be thinner or thicker (phase)."""
        look = self.recipe.look
        if look.clutter > 0:
            at = (int(self.corner[0] - round(offset[0])), int(self.corner[1] - round(offset[1])))
            canvas += np.float32(look.clutter) * textures.window("fractal", self.tile, self.shape, at, self.zoom)
            if signed:
                dots = textures.window("granules", self.tile + 1, self.shape, at, 1.6)
                canvas += np.float32(2.0 * look.clutter) * np.maximum(dots - np.float32(self.sparse), 0)
        for number, speck in enumerate(self.specks):
            sign = -1.0 if signed and number % 4 == 0 else 1.0
            for dy, dx, size in speck.grains.tolist():
                add_blob(canvas, speck.y + offset[0] + dy, speck.x + offset[1] + dx, size, sign * speck.amount)

    def step(self) -> None:
        """Let floating debris drift on."""
        for speck in self.specks:
            speck.y += speck.vy
            speck.x += speck.vx
