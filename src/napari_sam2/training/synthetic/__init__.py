"""Synthetic time-lapse movies with exact truth, for training, tests, the demo and the sample menu.

The parts: ``recipe`` (all numbers) and ``recipes`` (drawing them), ``shapes`` and ``cells`` (outlines), ``placing`` and
``life`` (motion and events), ``scene`` (who owns which pixel), ``fluorescence`` and ``transmitted`` (what cells look
like), ``background`` (what is not a cell), ``camera`` (noise and faults), ``movie`` and ``source`` (putting it
together). Imports numpy and scipy only.
"""

from .movie import SyntheticMovie, make_movie, render
from .recipe import KINDS, CameraRecipe, LifeRecipe, LookRecipe, Recipe, ShapeRecipe
from .recipes import random_recipe
from .source import DEFAULT_WEIGHTS, SyntheticSource

__all__ = [
    "DEFAULT_WEIGHTS",
    "KINDS",
    "CameraRecipe",
    "LifeRecipe",
    "LookRecipe",
    "Recipe",
    "ShapeRecipe",
    "SyntheticMovie",
    "SyntheticSource",
    "make_movie",
    "random_recipe",
    "render",
]
