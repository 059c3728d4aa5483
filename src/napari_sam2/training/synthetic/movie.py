"""Synthetic movies with exact truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import fluorescence, transmitted
from .background import Background
from .camera import Camera
from .life import Colony
from .recipe import Recipe
from .recipes import random_recipe
from .scene import add_blob, lay_out


@dataclass(frozen=True)
class SyntheticMovie:
    """A movie and its truth.

    Attributes
    ----------
    frames : (T, Y, X) uint16
        Camera numbers.
    labels : (T, Y, X) int32
        0 background, else the id of the cell that owns the pixel. Ids persist; a cell that is out of focus, out of
        the field or in a black frame has no pixels there, and keeps its id when it comes back.
    parents : dict of int to int
        Daughter to mother, for daughters and mothers that can both be seen. The mother's id ends before the
        daughters' begin.
    kind : str
    recipe : Recipe
        All numbers that the movie was made from.
    seed : int or None
    """

    frames: npt.NDArray[np.uint16]
    labels: npt.NDArray[np.int32]
    parents: dict[int, int]
    kind: str
    recipe: Recipe
    seed: int | None = None


def make_movie(
    kind: str,
    *,
    frames: int = 20,
    size: tuple[int, int] = (256, 256),
    cells: int | None = None,
    diameter: float | None = None,
    seed: int = 0,
    **settings: Any,
) -> SyntheticMovie:
    """Make a movie; the same arguments give the same bytes.

    Parameters
    ----------
    kind : str
        ``"nuclei"``, ``"membranes"``, ``"cytoplasm"``, ``"spots"``, ``"phase"``, ``"brightfield"``, ``"dic"``,
        ``"rods"`` ``"sections"`` (nuclei that come into focus and leave it) or ``"lamellae"`` (phase
        contrast of cells that are spread flat).
    frames : int
    size : tuple of int
        (Y, X) px.
    cells : int, optional
        Cells in the picture at first, 1..400.
    diameter : float, optional
        px, 8..120.
    seed : int
    **settings
        Any field of :class:`~.recipe.ShapeRecipe`, :class:`~.recipe.LifeRecipe`, :class:`~.recipe.LookRecipe` or
        :class:`~.recipe.CameraRecipe`; what is not given is drawn from what is usual for the kind.

    Raises
    ------
    ValueError
        For an unknown kind or a number out of range.
    TypeError
        For an unknown setting.
    """
    rng = np.random.default_rng(seed)
    recipe = random_recipe(rng, kind, size, cells, diameter).replace(**settings)
    return render(recipe, rng, frames, size, seed)


def render(
    recipe: Recipe, rng: np.random.Generator, frames: int, size: tuple[int, int], seed: int | None = None
) -> SyntheticMovie:
    """Make the movie of a recipe; see :func:`make_movie`."""
    if frames < 1 or min(size) < 1:
        raise ValueError(f"a movie needs at least one frame and one pixel, not {frames} frames of {size}")
    colony = Colony(recipe, size, rng)
    background = Background(recipe, size, rng)
    camera = Camera(recipe.camera, size, rng)
    pictures = np.empty((frames, *size), np.uint16)
    labels = np.zeros((frames, *size), np.int32)
    see_through = recipe.look.modality in ("phase", "brightfield", "dic")
    for t in range(frames):
        if t:
            colony.step()
            background.step()
        offset = camera.move_stage()
        fate = rng.random()
        if t and fate < recipe.camera.black_rate:
            pictures[t] = camera.black()
            continue
        if t and fate < recipe.camera.black_rate + recipe.camera.repeat_rate:
            pictures[t], labels[t] = pictures[t - 1], labels[t - 1]
            continue
        placed, labels[t] = lay_out(colony.cells, size, offset, recipe)
        if see_through:
            canvas = transmitted.thickness_map(placed, size, recipe)
        else:
            canvas = fluorescence.paint(placed, size, recipe)
        for bit in colony.remains:
            add_blob(canvas, bit.y + offset[0], bit.x + offset[1], max(bit.size, 0.6), bit.brightness)
        background.add(canvas, offset, see_through)
        if see_through:
            canvas = transmitted.image(canvas, recipe.look)
        else:
            fluorescence.haze(canvas, recipe.look.haze, recipe.shape.diameter)
        pictures[t] = camera.expose(canvas, t, see_through)
    # Counting is many times faster than sorting all pixels, as np.unique would.
    seen = set(np.nonzero(np.bincount(labels.ravel()))[0].tolist())
    parents = {d: m for d, m in colony.parents.items() if d in seen and m in seen}
    return SyntheticMovie(pictures, labels, parents, recipe.kind, recipe, seed)
