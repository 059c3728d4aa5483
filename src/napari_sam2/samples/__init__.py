"""Sample movies: synthetic ones made on the spot, and public real ones that are downloaded when somebody asks.

``synthetic`` turns the presets of `training.synthetic` into layers with scale and units; ``real`` holds the catalogue
of public movies, their terms, the download and the reading. No GUI here: the widgets and the command line ask and show
progress. May import `training`, `weights` and `export`.
"""

from __future__ import annotations

from .real import REAL, RealMovie, download_sample, find_real, read_real
from .synthetic import CALIBRATION, SYNTHETIC, synthetic_layers

__all__ = [
    "CALIBRATION",
    "REAL",
    "SYNTHETIC",
    "RealMovie",
    "download_sample",
    "find_real",
    "read_real",
    "synthetic_layers",
]
