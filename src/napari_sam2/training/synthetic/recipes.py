"""Random recipes: what is plausible for each kind of movie."""

from __future__ import annotations

import numpy as np

from .recipe import KINDS, CameraRecipe, LifeRecipe, LookRecipe, Recipe, ShapeRecipe

MIN_DIAMETER, MAX_DIAMETER = 8.0, 120.0
"""px; the range of cell sizes that the painters are made for."""
MAX_CELLS = 400

_TYPICAL_DIAMETER = {"phase": 60.0, "brightfield": 45.0, "dic": 50.0, "cytoplasm": 45.0, "rods": 18.0}
_FILL = {  # share of the picture that cells cover, low and high
    "nuclei": (0.04, 0.45),
    "sections": (0.05, 0.5),
    "membranes": (0.85, 1.1),
    "cytoplasm": (0.1, 0.6),
    "spots": (0.1, 0.5),
    "phase": (0.06, 0.5),
    "brightfield": (0.08, 0.5),
    "dic": (0.08, 0.5),
    "rods": (0.05, 0.6),
}


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _chance(rng: np.random.Generator, probability: float, value: float, otherwise: float = 0.0) -> float:
    return value if rng.random() < probability else otherwise


def _life(rng: np.random.Generator, cells: int, fill: float) -> LifeRecipe:
    """Motion and events as in movies of one frame per 1..30 minutes."""
    step = _log_uniform(rng, 0.3, 3.0)  # how much happens between two frames
    repulsion = float(rng.choice([0.05, 0.5, 0.8], p=[0.25, 0.35, 0.4]))
    # In a crowd, nobody could follow cells that jump by their own size.
    fastest = 0.6 if fill < 0.25 else 0.25
    # Small crowds would hardly ever divide within a short clip.
    divisions = _chance(rng, 0.5, 0.2 / cells)
    return LifeRecipe(
        speed=min(fastest, step * _log_uniform(rng, 0.015, 0.22)),
        persistence=float(rng.uniform(0.1, 0.9)),
        drift=(_chance(rng, 0.3, float(rng.normal(0, 2.0))), _chance(rng, 0.3, float(rng.normal(0, 2.0)))),
        spin=step * _log_uniform(rng, 0.01, 0.12),
        deform=float(min(0.8, step * rng.uniform(0.08, 0.4))),
        growth=step * float(rng.uniform(0.0, 0.02)),
        division_rate=max(divisions, step * _log_uniform(rng, 0.002, 0.03)),
        death_rate=step * _log_uniform(rng, 0.0003, 0.008),
        vanish_rate=_chance(rng, 0.4, float(rng.uniform(0.005, 0.04)), 0.001),
        mitosis_frames=int(rng.integers(1, 5)),
        recovery_frames=int(rng.integers(1, 5)),
        repulsion=repulsion,
        crowding=float(rng.uniform(0.75, 1.0)),
        # Colonies of cells that lie on top of each other cannot be told apart by anybody.
        clumping=_chance(rng, 0.4 if repulsion > 0.3 else 0.1, float(rng.uniform(0.3, 0.95))),
    )


def _camera(rng: np.random.Generator) -> CameraRecipe:
    return CameraRecipe(
        blur=_log_uniform(rng, 0.5, 2.0),
        focus_wander=_chance(rng, 0.3, float(rng.uniform(0.1, 0.6)), 0.03),
        photons=_log_uniform(rng, 15, 3000),
        read_noise=_log_uniform(rng, 0.003, 0.06),
        background=_log_uniform(rng, 0.01, 0.5),
        vignette=float(rng.uniform(0, 0.5)),
        gradient=_chance(rng, 0.5, float(rng.uniform(0, 0.4)), 0.03),
        bleaching=_chance(rng, 0.5, float(rng.uniform(0, 0.02))),
        flicker=_chance(rng, 0.3, float(rng.uniform(0.01, 0.12)), 0.005),
        stage_jitter=_chance(rng, 0.4, float(rng.uniform(0.2, 2.0)), 0.05),
        jump_rate=_chance(rng, 0.2, 0.1),
        jump_size=float(rng.uniform(3, 20)),
        black_rate=_chance(rng, 0.1, 0.06),
        repeat_rate=_chance(rng, 0.1, 0.06),
        bits=int(rng.choice([8, 12, 14, 16])),
        gain=float(rng.uniform(0.15, 0.6)),
    )


def _fluorescence(rng: np.random.Generator, kind: str, diameter: float) -> tuple[ShapeRecipe, LookRecipe]:
    look = LookRecipe(
        modality=kind,
        brightness_spread=float(rng.uniform(0.1, 0.6)),
        dome=float(rng.uniform(0.1, 0.7)),
        texture=float(rng.uniform(0.05, 0.35)),
        texture_name=str(rng.choice(["coarse", "middle", "fractal"])),
        texture_scale=_log_uniform(rng, 0.5, 2.0),
        granules=_chance(rng, 0.6, float(rng.uniform(0.1, 0.6))),
        nucleus=float(rng.choice([-0.6, -0.3, 0.0, 0.6, 1.2])),
        rim=_chance(rng, 0.4, float(rng.uniform(0.2, 1.0))),
        spots=_log_uniform(rng, 4, 25),
        mitosis_gain=float(rng.uniform(0.2, 1.3)),
        haze=_chance(rng, 0.6, float(rng.uniform(0.02, 0.3))),
        seam=float(rng.uniform(0, 0.6)),
        debris=_chance(rng, 0.5, float(rng.uniform(1, 10))),
        floaters=_chance(rng, 0.3, 2.0),
        clutter=_chance(rng, 0.7, float(rng.uniform(0.0, 0.06))),
    )
    shape = ShapeRecipe(
        diameter=diameter,
        diameter_spread=float(rng.uniform(0.05, 0.25)),
        elongation=float(rng.uniform(1.05, 1.9)),
        roughness=float(rng.uniform(0.02, 0.1)),
        smoothness=float(rng.uniform(1.5, 3.0)),
    )
    return shape, look


def _in_depth(rng: np.random.Generator, recipe: Recipe) -> Recipe:
    """Nuclei of a culture that is thicker than the focal plane: they come into focus and leave it."""
    return recipe.replace(
        modality="nuclei",
        depth=_log_uniform(rng, 0.25, 0.8),
        sink=_log_uniform(rng, 0.01, 0.2),
        sectioning=float(rng.uniform(0.35, 0.9)),
        defocus=float(rng.uniform(0.25, 0.7)),
        haze=float(rng.uniform(0.02, 0.3)),
        brightness_spread=float(rng.uniform(0.05, 0.4)),
        vanish_rate=0.0,
    )


def _spread_shape(rng: np.random.Generator, diameter: float) -> ShapeRecipe:
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


def _round_shape(rng: np.random.Generator, diameter: float) -> ShapeRecipe:
    """Suspended or yeast-like cells."""
    return ShapeRecipe(
        diameter=diameter, elongation=float(rng.uniform(1.02, 1.3)), roughness=float(rng.uniform(0.01, 0.05))
    )


def _transmitted(rng: np.random.Generator, kind: str, diameter: float) -> tuple[ShapeRecipe, LookRecipe]:
    compact = rng.random() < (0.25 if kind == "phase" else 0.5)
    shape = _round_shape(rng, diameter) if compact else _spread_shape(rng, diameter)
    # Well spread cells are thin sheets around a thicker middle: their rims are hard to see.
    thin = not compact and rng.random() < 0.45
    # Strong phase rings leave nothing of a cell but its edges and grains, as grey inside as outside.
    ringing = rng.random() < 0.5
    thickness = _log_uniform(rng, 0.5, 1.1) if thin else _log_uniform(rng, 0.5, 1.6)
    look = LookRecipe(
        modality=kind,
        brightness_spread=float(rng.uniform(0.05, 0.3)),
        dome=float(rng.uniform(0.6, 0.85)) if compact or thin else float(rng.uniform(0.1, 0.6)),
        texture=float(rng.uniform(0.1, 0.5)),
        texture_scale=_log_uniform(rng, 1.0, 4.0),
        granules=float(rng.uniform(0.1, 1.2)),
        nucleus=float(rng.uniform(-0.3, 0.3)),
        rim=_chance(rng, 0.6, float(rng.uniform(0.1, 0.8))),
        thickness=thickness,
        halo=float(np.clip(diameter * rng.uniform(0.04, 0.12), 1.5, 10.0)),
        halo_gain=float(rng.uniform(1.5, 2.6) if ringing else rng.uniform(1.0, 1.6)),
        halo_share=float(rng.uniform(0.85, 1.0) if ringing else rng.uniform(0.5, 1.0)),
        shade_off=float(rng.uniform(0.95, 1.05) if ringing else rng.uniform(0.75, 1.0)),
        polarity=-1.0 if rng.random() < 0.12 else 1.0,
        shear=float(rng.uniform(0, 2 * np.pi)),
        seam=float(rng.uniform(0, 0.8)),
        debris=_chance(rng, 0.7, float(rng.uniform(2, 25))),
        floaters=_chance(rng, 0.4, 1.5),
        clutter=_log_uniform(rng, 0.004, 0.05) * min(1.0, thickness),
    )
    return shape, look


def _rods(rng: np.random.Generator, diameter: float) -> tuple[ShapeRecipe, LookRecipe]:
    shape = ShapeRecipe(
        style="rod",
        diameter=diameter,
        elongation=float(rng.uniform(3.0, 7.0)),
        bend=_chance(rng, 0.5, float(rng.uniform(0, 0.8))),
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
        rim=_chance(rng, 0.2, 0.8),
        haze=float(rng.uniform(0, 0.3)),
        thickness=_log_uniform(rng, 0.6, 1.6),
        halo=float(np.clip(diameter * rng.uniform(0.2, 0.6), 2.5, 12.0)),
        polarity=-1.0 if rng.random() < 0.15 else 1.0,
        seam=float(rng.uniform(0.2, 0.9)),
        debris=_chance(rng, 0.4, 3.0),
        floaters=0.0,
        clutter=float(rng.uniform(0.0, 0.04)),
    )
    return shape, look


def random_recipe(
    rng: np.random.Generator,
    kind: str,
    size: tuple[int, int],
    cells: int | None = None,
    diameter: float | None = None,
) -> Recipe:
    """Draw everything about a movie.

    Parameters
    ----------
    rng : numpy Generator
    kind : str
        One of :data:`KINDS`.
    size : tuple of int
        (Y, X) px.
    cells : int, optional
        How many cells the picture shows at first, 1..400; drawn from what is usual when absent.
    diameter : float, optional
        px, 8..120; drawn when absent.

    Raises
    ------
    ValueError
        For an unknown kind, or a number out of range.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; there are {', '.join(KINDS)}")
    if diameter is None:
        typical = _TYPICAL_DIAMETER.get(kind, 32.0)
        diameter = float(np.clip(typical * np.exp(0.35 * rng.standard_normal()), MIN_DIAMETER, MAX_DIAMETER))
    if not MIN_DIAMETER <= diameter <= MAX_DIAMETER:
        raise ValueError(f"diameter is {diameter:g} px; it must lie in {MIN_DIAMETER:g}..{MAX_DIAMETER:g}")
    fill = float(rng.uniform(*_FILL[kind]))
    if cells is None:
        cells = int(np.clip(fill * size[0] * size[1] / (np.pi / 4 * diameter**2), 1, MAX_CELLS))
    if not 1 <= cells <= MAX_CELLS:
        raise ValueError(f"cells is {cells}; it must lie in 1..{MAX_CELLS}")
    life, camera = _life(rng, cells, fill), _camera(rng)
    if kind in ("phase", "brightfield", "dic"):
        shape, look = _transmitted(rng, kind, diameter)
    elif kind == "rods":
        shape, look = _rods(rng, diameter)
    else:
        shape, look = _fluorescence(rng, kind, diameter)
        if kind in ("cytoplasm", "spots"):
            shape = _spread_shape(rng, diameter) if rng.random() < 0.6 else _round_shape(rng, diameter)
    recipe = Recipe(kind, cells, shape, life, look, camera)
    if look.modality in ("phase", "brightfield", "dic"):
        recipe = recipe.replace(
            photons=_log_uniform(rng, 2000, 20000),
            read_noise=_log_uniform(rng, 0.001, 0.01),
            vignette=_chance(rng, 0.2, 0.2, 0.04),
            gradient=_chance(rng, 0.2, 0.1, 0.015),
            flicker=float(rng.uniform(0, 0.02)),
            blur=_log_uniform(rng, 0.4, 1.3),
            gain=float(rng.uniform(0.6, 1.2)),
        )
    if kind == "sections":
        recipe = _in_depth(rng, recipe)
    if kind == "membranes":
        recipe = recipe.replace(
            reach=1.5, repulsion=0.6, clumping=0.0, crowding=0.95, vanish_rate=0.0, roughness=0.03,
            diameter_spread=float(rng.uniform(0.05, 0.2)), speed=min(life.speed, 0.05),
        )  # fmt: skip
    if kind == "rods":
        recipe = recipe.replace(
            growth=_log_uniform(rng, 0.01, 0.12),
            repulsion=0.9,
            crowding=float(rng.uniform(0.95, 1.05)),
            speed=_log_uniform(rng, 0.005, 0.1),
            clumping=_chance(rng, 0.6, 0.95),
        )
    return recipe
