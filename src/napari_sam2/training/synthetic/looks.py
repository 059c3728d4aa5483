"""Random looks and shapes: what cells may be like in each kind of microscopy."""

from __future__ import annotations

import dataclasses

import numpy as np

from .recipe import LookRecipe, Recipe, ShapeRecipe


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def chance(rng: np.random.Generator, probability: float, value: float, otherwise: float = 0.0) -> float:
    """Take a value with some probability, another otherwise."""
    return value if rng.random() < probability else otherwise


def fluorescence(rng: np.random.Generator, kind: str, diameter: float) -> tuple[ShapeRecipe, LookRecipe]:
    """Labelled nuclei, membranes, cytoplasm or spots; compact cells."""
    look = LookRecipe(
        modality=kind,
        brightness_spread=float(rng.uniform(0.1, 0.6)),
        dome=float(rng.uniform(0.1, 0.7)),
        texture=float(rng.uniform(0.05, 0.35)),
        texture_name=str(rng.choice(["coarse", "middle", "fractal"])),
        texture_scale=log_uniform(rng, 0.5, 2.0),
        granules=chance(rng, 0.6, float(rng.uniform(0.1, 0.6))),
        nucleus=float(rng.choice([-0.6, -0.3, 0.0, 0.6, 1.2])),
        rim=chance(rng, 0.4, float(rng.uniform(0.2, 1.0))),
        spots=log_uniform(rng, 4, 25),
        mitosis_gain=float(rng.uniform(0.2, 1.3)),
        haze=chance(rng, 0.6, float(rng.uniform(0.02, 0.3))),
        seam=float(rng.uniform(0, 0.6)),
        debris=chance(rng, 0.5, float(rng.uniform(1, 10))),
        floaters=chance(rng, 0.3, 2.0),
        clutter=chance(rng, 0.7, float(rng.uniform(0.0, 0.06))),
    )
    shape = ShapeRecipe(
        diameter=diameter,
        diameter_spread=float(rng.uniform(0.05, 0.25)),
        elongation=float(rng.uniform(1.05, 1.9)),
        roughness=float(rng.uniform(0.02, 0.1)),
        smoothness=float(rng.uniform(1.5, 3.0)),
    )
    return shape, look


def in_depth(rng: np.random.Generator, recipe: Recipe) -> Recipe:
    """Nuclei of a culture that is thicker than the focal plane: they come into focus and leave it."""
    return recipe.replace(
        modality="nuclei",
        depth=log_uniform(rng, 0.25, 0.8),
        sink=log_uniform(rng, 0.01, 0.2),
        sectioning=float(rng.uniform(0.35, 0.9)),
        defocus=float(rng.uniform(0.25, 0.7)),
        haze=float(rng.uniform(0.02, 0.3)),
        brightness_spread=float(rng.uniform(0.05, 0.4)),
        vanish_rate=0.0,
    )


def spread_shape(rng: np.random.Generator, diameter: float) -> ShapeRecipe:
    """Crawling cells: from compact to spindles and stars."""
    style = rng.choice(["spindle", "star", "fan", "egg"], p=[0.3, 0.35, 0.2, 0.15])
    elongation = {"spindle": (1.5, 4.0), "star": (1.1, 1.8), "fan": (1.2, 2.0), "egg": (1.02, 1.4)}[style]
    tips = {"spindle": (2.0, 5.0), "star": (3.0, 7.0), "fan": (1.0, 4.0), "egg": (0.0, 2.0)}[style]
    height = {"spindle": (0.3, 1.3), "star": (0.5, 1.6), "fan": (0.2, 1.0), "egg": (0.05, 0.3)}[style]
    return ShapeRecipe(
        diameter=diameter,
        diameter_spread=float(rng.uniform(0.1, 0.3)),
        elongation=float(rng.uniform(*elongation)),
        elongation_spread=0.35,
        roughness=float(rng.uniform(0.06, 0.2)),
        smoothness=float(rng.uniform(1.3, 2.8)),
        tips=float(rng.uniform(*tips)),
        tip_height=float(rng.uniform(*height)),
        tip_scatter={"spindle": 0.2, "star": 0.5, "fan": 0.8, "egg": 1.5}[style],
        bend=float(rng.uniform(0, 0.8)) if style in ("spindle", "fan") else 0.0,
    )


def round_shape(rng: np.random.Generator, diameter: float) -> ShapeRecipe:
    """Suspended or yeast-like cells."""
    return ShapeRecipe(
        diameter=diameter, elongation=float(rng.uniform(1.02, 1.3)), roughness=float(rng.uniform(0.01, 0.05))
    )


def transmitted(rng: np.random.Generator, kind: str, diameter: float) -> tuple[ShapeRecipe, LookRecipe]:
    """Phase contrast, brightfield or DIC of compact or spread cells."""
    compact = rng.random() < (0.25 if kind == "phase" else 0.5)
    shape = round_shape(rng, diameter) if compact else spread_shape(rng, diameter)
    # Well spread cells are thin sheets around a thicker middle: their rims are hard to see.
    thin = not compact and rng.random() < 0.45
    # Strong phase rings leave nothing of a cell but its edges and grains, as grey inside as outside.
    ringing = rng.random() < 0.5
    thickness = log_uniform(rng, 0.5, 1.1) if thin else log_uniform(rng, 0.5, 1.6)
    look = LookRecipe(
        modality=kind,
        brightness_spread=float(rng.uniform(0.05, 0.3)),
        dome=float(rng.uniform(0.6, 0.85)) if compact or thin else float(rng.uniform(0.1, 0.6)),
        texture=float(rng.uniform(0.1, 0.5)),
        texture_scale=log_uniform(rng, 1.0, 4.0),
        granules=float(rng.uniform(0.1, 1.2)),
        nucleus=float(rng.uniform(-0.3, 0.3)),
        rim=chance(rng, 0.6, float(rng.uniform(0.1, 0.8))),
        thickness=thickness,
        halo=float(np.clip(diameter * rng.uniform(0.04, 0.12), 1.5, 10.0)),
        halo_gain=float(rng.uniform(1.5, 2.6) if ringing else rng.uniform(1.0, 1.6)),
        halo_share=float(rng.uniform(0.85, 1.0) if ringing else rng.uniform(0.5, 1.0)),
        shade_off=float(rng.uniform(0.95, 1.05) if ringing else rng.uniform(0.75, 1.0)),
        polarity=-1.0 if rng.random() < 0.12 else 1.0,
        shear=float(rng.uniform(0, 2 * np.pi)),
        seam=float(rng.uniform(0, 0.8)),
        debris=chance(rng, 0.7, float(rng.uniform(2, 25))),
        floaters=chance(rng, 0.4, 1.5),
        clutter=log_uniform(rng, 0.004, 0.05) * min(1.0, thickness),
    )
    return shape, look


def lamellae(rng: np.random.Generator, diameter: float) -> tuple[ShapeRecipe, LookRecipe]:
    """Cells that push a flat sheet forward: a body that is easily seen, and a lamella as grey as the background."""
    shape, look = transmitted(rng, "phase", diameter)
    shape = dataclasses.replace(
        shape,
        elongation=float(rng.uniform(1.05, 1.9)),
        roughness=float(rng.uniform(0.06, 0.2)),
        tips=chance(rng, 0.4, 2.0),
        tip_height=float(rng.uniform(0.1, 0.6)),
        bend=chance(rng, 0.4, 0.8),
    )
    look = dataclasses.replace(
        look,
        thickness=log_uniform(rng, 0.12, 0.5),
        dome=float(rng.uniform(0.0, 0.5)),
        body=log_uniform(rng, 1.5, 6.0),
        body_size=float(rng.uniform(0.25, 0.5)),
        body_shift=float(rng.uniform(0.0, 0.6)),
        ruffles=chance(rng, 0.85, log_uniform(rng, 0.5, 5.0)),
        rim=chance(rng, 0.5, float(rng.uniform(0.2, 1.5))),
        granules=float(rng.uniform(0.0, 2.0)),
        polarity=1.0,
    )
    return shape, look


def rods(rng: np.random.Generator, diameter: float) -> tuple[ShapeRecipe, LookRecipe]:
    """Bacteria, bright or in phase contrast."""
    shape = ShapeRecipe(
        style="rod",
        diameter=diameter,
        elongation=float(rng.uniform(3.0, 7.0)),
        bend=chance(rng, 0.5, float(rng.uniform(0, 0.8))),
        alignment=float(rng.uniform(0.3, 0.95)),
    )
    bright = rng.random() < 0.4
    look = LookRecipe(
        modality="rods" if bright else "phase",
        brightness_spread=float(rng.uniform(0.03, 0.4 if bright else 0.12)),
        dome=float(rng.uniform(0.2, 0.9)),
        texture=float(rng.uniform(0.0, 0.25)),
        granules=0.0,
        nucleus=0.0,
        rim=chance(rng, 0.2, 0.8),
        haze=float(rng.uniform(0, 0.3)),
        thickness=log_uniform(rng, 0.6, 1.6),
        halo=float(np.clip(diameter * rng.uniform(0.2, 0.6), 2.5, 12.0)),
        polarity=-1.0 if rng.random() < 0.15 else 1.0,
        seam=float(rng.uniform(0.2, 0.9)),
        debris=chance(rng, 0.4, 3.0),
        floaters=0.0,
        clutter=float(rng.uniform(0.0, 0.04)),
    )
    return shape, look
