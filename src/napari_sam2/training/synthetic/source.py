"""Synthetic clips for training: every sample draws a new movie."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..clip import Clip, scale_intensity
from .movie import render
from .recipe import KINDS
from .recipes import random_recipe

DEFAULT_WEIGHTS: dict[str, float] = {
    "nuclei": 3.0,
    "sections": 1.0,
    "membranes": 1.0,
    "cytoplasm": 2.0,
    "spots": 0.7,
    "phase": 2.5,
    "lamellae": 1.5,
    "brightfield": 1.2,
    "dic": 1.2,
    "rods": 1.5,
}
"""How often each kind is drawn."""
TYPICAL_SHARE = 0.7
"""Share of clips with cells of the size at which the tracking engine shows them to the network."""
_FEWEST = 3  # cells around a picture, so that there is someone to follow


class SyntheticSource:
    """A :class:`~napari_sam2.training.clip.ClipSource` of synthetic movies.

    Parameters
    ----------
    weights : mapping of str to float, optional
        How often each kind is drawn; :data:`DEFAULT_WEIGHTS` when absent.
    diameters : tuple of float
        Smallest and largest cell diameter in px, drawn log-uniformly.
    typical : tuple of float
        The range that :data:`TYPICAL_SHARE` of the clips have.
    max_cells : int
        Fewer cells make faster samples.
    """

    def __init__(
        self,
        weights: Mapping[str, float] | None = None,
        diameters: tuple[float, float] = (14.0, 100.0),
        typical: tuple[float, float] = (24.0, 64.0),
        max_cells: int = 120,
    ) -> None:
        weights = dict(DEFAULT_WEIGHTS if weights is None else weights)
        unknown = set(weights) - set(KINDS)
        if unknown or not weights or min(weights.values()) < 0 or sum(weights.values()) <= 0:
            raise ValueError(f"weights must be positive numbers for some of {', '.join(KINDS)}; got {weights}")
        self.kinds = list(weights)
        total = sum(weights.values())
        self.probabilities = [w / total for w in weights.values()]
        self.diameters, self.typical = diameters, typical
        self.max_cells = max_cells

    def sample(self, rng: np.random.Generator, size: int, length: int) -> Clip:
        """Make a clip of ``length`` frames of ``size`` by ``size`` px; ids are 1..n without gaps."""
        kind = self.kinds[int(rng.choice(len(self.kinds), p=self.probabilities))]
        low, high = np.log(self.typical if rng.random() < TYPICAL_SHARE else self.diameters)
        diameter = float(np.exp(rng.uniform(low, high)))
        recipe = random_recipe(rng, kind, (size, size), diameter=diameter)
        recipe = recipe.replace(cells=int(np.clip(recipe.cells, _FEWEST, self.max_cells)))
        movie = render(recipe, rng, length, (size, size))
        seen = np.bincount(movie.labels.ravel()) > 0
        seen[0] = False
        dense = np.cumsum(seen, dtype=np.int32) * seen
        labels = dense[movie.labels].astype(np.int32)
        parents = {int(dense[daughter]): int(dense[mother]) for daughter, mother in movie.parents.items()}
        return Clip(scale_intensity(movie.frames), labels, parents, kind)
