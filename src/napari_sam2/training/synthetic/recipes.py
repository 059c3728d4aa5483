"""Random recipes: what is plausible for each kind of movie."""

from __future__ import annotations

import numpy as np

from .looks import chance, fluorescence, in_depth, lamellae, log_uniform, rods, round_shape, spread_shape, transmitted
from .recipe import KINDS, CameraRecipe, LifeRecipe, Recipe

MIN_DIAMETER, MAX_DIAMETER = 8.0, 120.0
"""px; the range of cell sizes that the painters are made for."""
MAX_CELLS = 400

_TYPICAL_DIAMETER = {"phase": 60.0, "lamellae": 60.0, "brightfield": 45.0, "dic": 50.0, "cytoplasm": 45.0, "rods": 18.0}
_FILL = {  # share of the picture that cells cover, low and high
    "nuclei": (0.04, 0.45),
    "sections": (0.05, 0.5),
    "lamellae": (0.06, 0.4),
    "membranes": (0.85, 1.1),
    "cytoplasm": (0.1, 0.6),
    "spots": (0.1, 0.5),
    "phase": (0.06, 0.5),
    "brightfield": (0.08, 0.5),
    "dic": (0.08, 0.5),
    "rods": (0.05, 0.6),
}


def _life(rng: np.random.Generator, cells: int, fill: float) -> LifeRecipe:
    """Motion and events as in movies of one frame per 1..30 minutes."""
    step = log_uniform(rng, 0.3, 3.0)  # how much happens between two frames
    repulsion = float(rng.choice([0.05, 0.5, 0.8], p=[0.25, 0.35, 0.4]))
    # In a crowd, nobody could follow cells that jump by their own size.
    fastest = 0.6 if fill < 0.25 else 0.25
    # Small crowds would hardly ever divide within a short clip.
    divisions = chance(rng, 0.5, 0.2 / cells)
    return LifeRecipe(
        speed=min(fastest, step * log_uniform(rng, 0.015, 0.22)),
        persistence=float(rng.uniform(0.1, 0.9)),
        drift=(chance(rng, 0.3, float(rng.normal(0, 2.0))), chance(rng, 0.3, float(rng.normal(0, 2.0)))),
        spin=step * log_uniform(rng, 0.01, 0.12),
        deform=float(min(0.8, step * rng.uniform(0.08, 0.4))),
        growth=step * float(rng.uniform(0.0, 0.02)),
        division_rate=max(divisions, step * log_uniform(rng, 0.002, 0.03)),
        death_rate=step * log_uniform(rng, 0.0003, 0.008),
        vanish_rate=chance(rng, 0.4, float(rng.uniform(0.005, 0.04)), 0.001),
        mitosis_frames=int(rng.integers(1, 5)),
        recovery_frames=int(rng.integers(1, 5)),
        repulsion=repulsion,
        crowding=float(rng.uniform(0.75, 1.0)),
        # Colonies of cells that lie on top of each other cannot be told apart by anybody.
        clumping=chance(rng, 0.4 if repulsion > 0.3 else 0.1, float(rng.uniform(0.3, 0.95))),
    )


def _camera(rng: np.random.Generator) -> CameraRecipe:
    return CameraRecipe(
        blur=log_uniform(rng, 0.5, 2.0),
        focus_wander=chance(rng, 0.3, float(rng.uniform(0.1, 0.6)), 0.03),
        photons=log_uniform(rng, 15, 3000),
        read_noise=log_uniform(rng, 0.003, 0.06),
        background=log_uniform(rng, 0.01, 0.5),
        vignette=float(rng.uniform(0, 0.5)),
        gradient=chance(rng, 0.5, float(rng.uniform(0, 0.4)), 0.03),
        bleaching=chance(rng, 0.5, float(rng.uniform(0, 0.02))),
        flicker=chance(rng, 0.3, float(rng.uniform(0.01, 0.12)), 0.005),
        stage_jitter=chance(rng, 0.4, float(rng.uniform(0.2, 2.0)), 0.05),
        jump_rate=chance(rng, 0.2, 0.1),
        jump_size=float(rng.uniform(3, 20)),
        black_rate=chance(rng, 0.1, 0.06),
        repeat_rate=chance(rng, 0.1, 0.06),
        bits=int(rng.choice([8, 12, 14, 16])),
        gain=float(rng.uniform(0.15, 0.6)),
    )


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
        shape, look = transmitted(rng, kind, diameter)
    elif kind == "lamellae":
        shape, look = lamellae(rng, diameter)
    elif kind == "rods":
        shape, look = rods(rng, diameter)
    else:
        shape, look = fluorescence(rng, kind, diameter)
        if kind in ("cytoplasm", "spots"):
            shape = spread_shape(rng, diameter) if rng.random() < 0.6 else round_shape(rng, diameter)
    recipe = Recipe(kind, cells, shape, life, look, camera)
    if look.modality in ("phase", "brightfield", "dic"):
        recipe = recipe.replace(
            photons=log_uniform(rng, 2000, 20000),
            read_noise=log_uniform(rng, 0.001, 0.01),
            vignette=chance(rng, 0.2, 0.2, 0.04),
            gradient=chance(rng, 0.2, 0.1, 0.015),
            flicker=float(rng.uniform(0, 0.02)),
            blur=log_uniform(rng, 0.4, 1.3),
            gain=float(rng.uniform(0.6, 1.2)),
        )
    if kind == "sections":
        recipe = in_depth(rng, recipe)
    if kind == "membranes":
        recipe = recipe.replace(
            reach=1.5, repulsion=0.6, clumping=0.0, crowding=0.95, vanish_rate=0.0, roughness=0.03,
            diameter_spread=float(rng.uniform(0.05, 0.2)), speed=min(life.speed, 0.05),
        )  # fmt: skip
    if kind == "rods":
        recipe = recipe.replace(
            growth=log_uniform(rng, 0.01, 0.12),
            repulsion=0.9,
            crowding=float(rng.uniform(0.95, 1.05)),
            speed=log_uniform(rng, 0.005, 0.1),
            clumping=chance(rng, 0.6, 0.95),
        )
    return recipe
