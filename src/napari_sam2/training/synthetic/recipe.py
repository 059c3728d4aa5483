"""Everything that can be chosen about a synthetic movie, as frozen dataclasses of plain numbers."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

KINDS = ("nuclei", "membranes", "cytoplasm", "spots", "phase", "brightfield", "dic", "rods", "sections", "lamellae")
"""Kinds of movies that can be made."""


@dataclass(frozen=True)
class ShapeRecipe:
    """Outlines. Lengths in px; ``*_spread`` are relative standard deviations between cells of one movie."""

    style: str = "star"  # "star" or "rod"
    diameter: float = 30.0  # of the circle of the same area; a rod is half as wide
    diameter_spread: float = 0.12
    elongation: float = 1.25
    elongation_spread: float = 0.15
    roughness: float = 0.05  # amplitude of the harmonics, relative to the radius
    smoothness: float = 2.0  # the amplitudes fall with order ** -smoothness
    tips: float = 0.0  # mean number of protrusions
    tip_height: float = 0.6
    tip_scatter: float = 0.8  # radians around the ends of the long axis
    bend: float = 0.0  # deviation of the bend
    alignment: float = 0.0  # 1: neighbours lie parallel
    reach: float = 1.0  # 1: cells end at their contour; 1.5: they spread until they meet (packed)


@dataclass(frozen=True)
class LifeRecipe:
    """Motion and events. Rates are per cell and frame; speeds in diameters per frame, times in frames."""

    speed: float = 0.05
    speed_spread: float = 0.5
    persistence: float = 0.6
    drift: tuple[float, float] = (0.0, 0.0)  # (y, x) px per frame, common to all cells
    spin: float = 0.05  # radians per frame
    deform: float = 0.25  # share of the shape that is renewed in a frame
    growth: float = 0.01  # relative growth of the area per frame
    division_rate: float = 0.004
    death_rate: float = 0.001
    vanish_rate: float = 0.002
    enter_rate: float = 0.3  # new cells per frame over the whole rim, times the crowd's density
    mitosis_frames: int = 3
    recovery_frames: int = 3
    repulsion: float = 0.8  # 0: cells pass over each other; 1: firm
    crowding: float = 0.9  # centre distance, in sums of radii, at which cells push each other
    clumping: float = 0.0  # 0: spread evenly; 1: colonies
    depth: float = 0.0  # deviation of the cells' heights above the focal plane, in radii; 0: all in focus
    sink: float = 0.1  # share of the height that is renewed in a frame


@dataclass(frozen=True)
class LookRecipe:
    """What cells look like before the camera. Brightness 1 is the typical cell."""

    modality: str = "nuclei"  # a fluorescence look, or "phase", "brightfield", "dic"
    brightness_spread: float = 0.3  # of the logarithm
    dome: float = 0.4  # how much a cell is brighter (thicker) in its middle
    texture: float = 0.25
    texture_name: str = "coarse"
    texture_scale: float = 1.0  # tile px per (px / diameter * 30): 1 means detail that grows with the cell
    granules: float = 0.3
    nucleus: float = 0.5  # dark or bright nucleus inside whole cells
    rim: float = 0.3  # membrane signal
    spots: float = 8.0  # puncta per cell
    mitosis_gain: float = 0.8  # how much brighter condensed cells are
    haze: float = 0.1  # light from out of focus
    sectioning: float = 0.6  # share of a cell's light that comes from the focal plane alone; 1: perfect confocal
    defocus: float = 0.5  # px of blur for each px that a cell is out of focus
    body: float = 0.0  # thickness of a thick body in a flat cell, on top of the rest
    body_size: float = 0.4  # its radius in radii
    body_shift: float = 0.3  # how far it lies from the middle, in radii
    ruffles: float = 0.0  # thickness of the folds along the rim of a flat cell, here and there
    thickness: float = 1.0  # phase shift of the typical cell in transmitted light
    halo: float = 6.0  # px, width of the phase halo
    halo_gain: float = 1.3  # brightness of the halo; 1 is what the optics alone gives
    halo_share: float = 0.75  # share of the narrow halo; the rest is four times as wide
    shade_off: float = 0.92  # how far the middle of wide cells goes back to the background's grey
    polarity: float = 1.0  # 1: bodies darker than the background in phase; -1: brighter
    shear: float = 0.8  # direction of the DIC shear, radians
    seam: float = 0.3  # darkening where cells touch
    debris: float = 4.0  # non-cell objects per field
    floaters: float = 0.5
    clutter: float = 0.02  # background texture


@dataclass(frozen=True)
class CameraRecipe:
    """From light to numbers."""

    blur: float = 0.9  # px, standard deviation of the PSF
    focus_wander: float = 0.15  # relative change of the blur from frame to frame
    photons: float = 400.0  # electrons of brightness 1
    read_noise: float = 0.01  # in units of brightness
    background: float = 0.1
    vignette: float = 0.15
    gradient: float = 0.1
    bleaching: float = 0.002  # per frame
    flicker: float = 0.01
    stage_jitter: float = 0.2  # px
    jump_rate: float = 0.01  # stage jumps per frame
    jump_size: float = 12.0  # px
    black_rate: float = 0.0
    repeat_rate: float = 0.0
    bits: int = 12
    gain: float = 0.6  # share of the full range that brightness 1 takes; above 1 saturates


@dataclass(frozen=True)
class Recipe:
    """One kind of movie with all its numbers."""

    kind: str
    cells: int
    shape: ShapeRecipe = field(default_factory=ShapeRecipe)
    life: LifeRecipe = field(default_factory=LifeRecipe)
    look: LookRecipe = field(default_factory=LookRecipe)
    camera: CameraRecipe = field(default_factory=CameraRecipe)

    def replace(self, **changes: Any) -> Recipe:
        """Return a copy with fields of any of the four parts changed by name.

        Raises
        ------
        TypeError
            When no part has a field of that name.
        """
        parts: dict[str, Any] = {}
        left = dict(changes)
        for part in ("shape", "life", "look", "camera"):
            value = getattr(self, part)
            names = {f.name for f in dataclasses.fields(value)}
            mine = {name: left.pop(name) for name in list(left) if name in names}
            if mine:
                parts[part] = dataclasses.replace(value, **mine)
        for name in ("kind", "cells"):
            if name in left:
                parts[name] = left.pop(name)
        if left:
            known = sorted(
                f.name for p in (self.shape, self.life, self.look, self.camera) for f in dataclasses.fields(p)
            )
            raise TypeError(f"unknown settings {sorted(left)}; a movie has {', '.join(known)}")
        return dataclasses.replace(self, **parts)
