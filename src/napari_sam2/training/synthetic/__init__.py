"""Synthetic time-lapse movies with exact truth, for training, tests, the demo and the sample menu.

The parts: ``recipe`` (all numbers) and ``recipes`` (drawing them), ``shapes`` and ``cells`` (outlines), ``placing`` and
``life`` (motion and events), ``scene`` (who owns which pixel), ``fluorescence`` and ``transmitted`` (what cells look
like), ``background`` (what is not a cell), ``camera`` (noise and faults), ``movie`` and ``source`` (putting it
together), ``presets`` (four ready movies) and ``contact_sheet`` (a picture of all kinds). Imports numpy and scipy, and
pillow for the sheet.
"""

from .movie import SyntheticMovie, make_movie, render
from .presets import PRESETS, Preset, make_preset
from .recipe import KINDS, CameraRecipe, LifeRecipe, LookRecipe, Recipe, ShapeRecipe
from .recipes import random_recipe
from .source import DEFAULT_WEIGHTS, SyntheticSource

__all__ = [
    "DEFAULT_WEIGHTS",
    "KINDS",
    "PRESETS",
    "CameraRecipe",
    "LifeRecipe",
    "LookRecipe",
    "Preset",
    "Recipe",
    "ShapeRecipe",
    "SyntheticMovie",
    "SyntheticSource",
    "make_movie",
    "make_preset",
    "random_recipe",
    "render",
]
