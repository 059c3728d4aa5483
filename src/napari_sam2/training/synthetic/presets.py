"""Four ready movies, for the sample menu, the demo and the tutorial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .movie import SyntheticMovie, make_movie


@dataclass(frozen=True)
class Preset:
    """A named movie: ``title`` for menus, ``description`` in one sentence, and the settings of ``make_movie``."""

    name: str
    title: str
    description: str
    kind: str
    seed: int
    cells: int
    diameter: float
    settings: Mapping[str, Any] = field(default_factory=dict)


_CALM_CAMERA: dict[str, Any] = {
    "stage_jitter": 0.15, "jump_rate": 0.0, "black_rate": 0.0, "repeat_rate": 0.0, "flicker": 0.005,
    "focus_wander": 0.05, "vignette": 0.12, "gradient": 0.05, "bits": 12, "persistence": 0.7, "drift": (0.0, 0.0),
}  # fmt: skip

_PRESETS = (
    Preset(
        name="nuclei",
        title="Dividing nuclei (synthetic)",
        description="Fluorescent nuclei that wander and divide; their brightness differs and bleaches.",
        kind="nuclei",
        seed=11,
        cells=45,
        diameter=34.0,
        settings=_CALM_CAMERA | {
            "speed": 0.06, "spin": 0.05, "deform": 0.15, "division_rate": 0.008, "death_rate": 0.001, "growth": 0.006,
            "vanish_rate": 0.0, "mitosis_frames": 3, "recovery_frames": 4, "repulsion": 0.7, "crowding": 0.95,
            "clumping": 0.3, "elongation": 1.35, "roughness": 0.05, "smoothness": 2.2, "brightness_spread": 0.3,
            "texture": 0.2, "texture_name": "coarse", "texture_scale": 1.4, "granules": 0.35, "dome": 0.35,
            "mitosis_gain": 0.8, "haze": 0.12, "debris": 4.0, "floaters": 0.0, "clutter": 0.02, "blur": 1.1,
            "photons": 250.0, "read_noise": 0.015, "background": 0.08, "bleaching": 0.006, "gain": 0.45,
        },
    ),
    Preset(
        name="membranes",
        title="Crowded membranes (synthetic)",
        description="An epithelium: packed cells that share their bright borders and slowly change neighbours.",
        kind="membranes",
        seed=3,
        cells=95,
        diameter=50.0,
        settings=_CALM_CAMERA | {
            "speed": 0.03, "deform": 0.1, "division_rate": 0.004, "death_rate": 0.0, "growth": 0.002,
            "mitosis_frames": 2, "recovery_frames": 3, "brightness_spread": 0.15, "texture": 0.25, "rim": 0.6,
            "reach": 1.7,
            "haze": 0.1, "debris": 2.0, "floaters": 0.0, "clutter": 0.02, "blur": 1.0, "photons": 120.0,
            "read_noise": 0.02, "background": 0.06, "bleaching": 0.003, "gain": 0.5,
        },
    ),
    Preset(
        name="phase",
        title="Crawling cells, phase contrast (synthetic)",
        description="Spread cells with protrusions and halos that crawl, touch and round up to divide.",
        kind="phase",
        seed=5,
        cells=26,
        diameter=58.0,
        settings=_CALM_CAMERA | {
            "speed": 0.07, "spin": 0.04, "deform": 0.18, "division_rate": 0.004, "death_rate": 0.0005, "growth": 0.003,
            "vanish_rate": 0.0, "mitosis_frames": 3, "recovery_frames": 4, "repulsion": 0.6, "crowding": 0.9,
            "clumping": 0.2, "elongation": 1.7, "elongation_spread": 0.5, "roughness": 0.12, "smoothness": 1.6,
            "tips": 4.0, "tip_height": 0.9, "tip_scatter": 0.5, "bend": 0.4, "brightness_spread": 0.15, "dome": 0.6,
            "texture": 0.35, "texture_scale": 2.0, "granules": 0.7, "nucleus": 0.15, "rim": 0.35, "thickness": 0.9,
            "halo": 4.0, "halo_share": 0.85, "halo_gain": 1.8, "shade_off": 0.96, "polarity": 1.0, "seam": 0.5,
            "debris": 14.0, "floaters": 1.0,
            "clutter": 0.012, "blur": 0.8, "photons": 6000.0, "read_noise": 0.003, "gain": 0.9,
        },
    ),
    Preset(
        name="rods",
        title="Growing rods (synthetic)",
        description="Bacteria-like rods in phase contrast that grow, pinch off in the middle and push each other.",
        kind="rods",
        seed=7,
        cells=45,
        diameter=24.0,
        settings=_CALM_CAMERA | {
            "modality": "phase", "elongation": 4.2, "bend": 0.3, "alignment": 0.6, "speed": 0.02, "spin": 0.01,
            "growth": 0.035, "division_rate": 0.0, "death_rate": 0.0, "vanish_rate": 0.0, "mitosis_frames": 3,
            "repulsion": 0.9, "crowding": 1.02, "clumping": 0.8, "brightness_spread": 0.06, "dome": 0.5,
            "thickness": 1.1, "halo": 6.0, "halo_share": 0.7, "halo_gain": 1.2, "shade_off": 0.85, "polarity": 1.0,
            "seam": 0.6, "debris": 2.0,
            "floaters": 0.0, "clutter": 0.008, "blur": 0.9, "photons": 5000.0, "read_noise": 0.003, "gain": 0.9,
        },
    ),
)  # fmt: skip

PRESETS: dict[str, Preset] = {preset.name: preset for preset in _PRESETS}
"""Ready movies by name: ``"nuclei"``, ``"membranes"``, ``"phase"``, ``"rods"``."""


def make_preset(
    name: str, *, frames: int = 30, size: tuple[int, int] = (512, 512), seed: int | None = None
) -> SyntheticMovie:
    """Make one of the :data:`PRESETS`, in seconds.

    Parameters
    ----------
    name : str
    frames : int
    size : tuple of int
        (Y, X) px. The number of cells follows the area; their size stays.
    seed : int, optional
        For another movie of the same sort.

    Raises
    ------
    KeyError
        For an unknown name.
    """
    if name not in PRESETS:
        raise KeyError(f"no preset is called {name!r}; there are {', '.join(PRESETS)}")
    preset = PRESETS[name]
    cells = max(1, round(preset.cells * size[0] * size[1] / 512**2))
    return make_movie(
        preset.kind,
        frames=frames,
        size=size,
        cells=cells,
        diameter=preset.diameter,
        seed=preset.seed if seed is None else seed,
        **preset.settings,
    )
