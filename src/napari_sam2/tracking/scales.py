"""The field scale of each cell: one for typical cells, others an octave apart for much larger or smaller ones."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from napari_sam2.tracking.anchors import Anchors
from napari_sam2.tracking.diameter import diameter_from_clicks, diameter_from_drawings, first_click
from napari_sam2.tracking.engine import Engine
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.masks import join_masks
from napari_sam2.tracking.prompts import FramePrompts, PromptBook

#: Octaves by which a cell may differ from the typical one. Within one octave the network copes by itself.
MAX_OCTAVES = 2
#: Cells that are measured too small are no reason for a field of twice the scale, which costs four times as much to
#: encode: a finer field needs this much more than an octave. Nor are those that the frame's border cuts off, ever.
FINER_MARGIN = 0.6


class Scales:
    """Chooses the field that each cell is tracked in.

    Parameters
    ----------
    engine
        Segments clicks in order to measure them.
    book
        The prompts.
    cell_diameter
        Typical diameter in pixels; taken from the prompts when first needed if None, and then fixed.
    native
        Side of the network's own frame in model pixels, for a network that sees whole frames of one size.
    """

    def __init__(self, engine: Engine, book: PromptBook, cell_diameter: float | None, native: int | None) -> None:
        self.engine = engine
        self.book = book
        self.native = native
        self._diameter = cell_diameter
        self._anchors: dict[Geometry, Anchors] = {}
        self._levels: dict[int, tuple[FramePrompts, float, int]] = {}

    @property
    def cell_diameter(self) -> float:
        """Typical diameter of a cell in pixels."""
        if self._diameter is None:
            drawn = diameter_from_drawings(self.book)
            self._diameter = drawn or diameter_from_clicks(self.engine, self.book, self._windowed)
        return self._diameter

    @cell_diameter.setter
    def cell_diameter(self, value: float) -> None:
        self._diameter = value

    @property
    def known_diameter(self) -> float | None:
        """The typical diameter if it is fixed already."""
        return self._diameter

    def geometry(self, level: int = 0) -> Geometry:
        """Field for cells that are ``2 ** level`` times as large as the typical one."""
        shape = self.engine.features.movie.frame_shape
        if self.engine.settings.window is not None:
            return self._windowed(self.cell_diameter * 2.0**level)
        if self.native is not None:
            return Geometry.whole(shape, self.native)
        scale = self.engine.settings.target_diameter / self.cell_diameter
        return Geometry.whole(shape, max(1, round(max(shape) * scale)))

    def anchors(self, cell: int) -> Anchors:
        """Prompted frames in the field of a cell."""
        geometry = self.geometry(self.level(cell))
        if geometry not in self._anchors:
            self._anchors[geometry] = Anchors(self.engine, geometry, self.book)
        return self._anchors[geometry]

    def group(self, cells: Iterable[int]) -> list[tuple[Anchors, list[int]]]:
        """Cells by the field they are tracked in."""
        wanted = list(cells)
        self._measure(wanted)
        groups: dict[Geometry, tuple[Anchors, list[int]]] = {}
        for cell in wanted:
            anchors = self.anchors(cell)
            groups.setdefault(anchors.geometry, (anchors, []))[1].append(cell)
        return list(groups.values())

    def level(self, cell: int) -> int:
        """Octaves between a cell and the typical one, by its first prompts; 0 within one octave."""
        if self.engine.settings.window is None or not self.book.frames_of(cell):
            return 0
        self._measure([cell])
        return self._levels[cell][2]

    def _measure(self, cells: list[int]) -> None:
        """Find the levels of cells that are new or whose first prompts changed, in batches of a frame's clicks."""
        if self.engine.settings.window is None:
            return
        clicked: list[tuple[int, int]] = []
        for cell in dict.fromkeys(cells):
            frames = self.book.frames_of(cell)
            if not frames:
                continue
            prompts, known = self.book[cell, frames[0]], self._levels.get(cell)
            if known is not None and known[:2] == (prompts, self.cell_diameter):
                continue
            drawn = prompts.diameter()
            if drawn is None:
                clicked.append((cell, frames[0]))
            else:
                self._levels[cell] = (prompts, self.cell_diameter, self._octaves(drawn, self._cut_off(prompts)))
        if not clicked:
            return
        geometry = self.geometry()
        typical = self._anchors.setdefault(geometry, Anchors(self.engine, geometry, self.book))
        # By the first click alone: a correction must not move the cell to another field. Where that click is all there
        # is, its mask will be needed anyway.
        single = [key for key in clicked if self.book[key] == first_click(self.book[key])]
        found = {key: anchor.masks for key, anchor in zip(single, typical.get(single), strict=True)}
        for frame in sorted({t for cell, t in clicked if (cell, t) not in found}):
            keys = [key for key in clicked if key[1] == frame and key not in found]
            first = [first_click(self.book[key]) for key in keys]
            masks = self.engine.from_prompts(geometry, frame, first, rough=True)
            found.update((key, masks.row(i)) for i, key in enumerate(keys))
        masks = join_masks([found[key] for key in clicked])
        measured = 2 * np.sqrt(masks.areas() / math.pi) / geometry.mean_scale
        for (cell, frame), diameter, cut_off in zip(clicked, measured, masks.at_border(geometry), strict=True):
            level = self._octaves(float(diameter), bool(cut_off))
            self._levels[cell] = (self.book[cell, frame], self.cell_diameter, level)

    def _cut_off(self, prompts: FramePrompts) -> bool:
        """Whether a drawn mask or box reaches to the frame's border."""
        (top, left), (bottom, right) = prompts.extent()
        height, width = self.engine.features.movie.frame_shape
        return top < 1 or left < 1 or bottom >= height - 1 or right >= width - 1

    def _octaves(self, diameter: float, cut_off: bool = False) -> int:
        if diameter <= 0:
            return 0
        octaves = math.log2(diameter / self.cell_diameter)
        level = int(octaves) if octaves > 0 else 0 if cut_off else int(min(octaves + FINER_MARGIN, 0))
        return int(np.clip(level, -MAX_OCTAVES, MAX_OCTAVES))

    def _windowed(self, diameter: float) -> Geometry:
        window = self.engine.settings.window or self.engine.model.config.native_tokens
        scale = self.engine.settings.target_diameter / diameter
        return Geometry.windowed(self.engine.features.movie.frame_shape, scale, window)
