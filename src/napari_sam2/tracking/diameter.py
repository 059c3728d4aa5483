"""How large a typical cell is, from what the user drew or clicked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from napari_sam2.tracking.engine import Engine
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.masks import Masks
from napari_sam2.tracking.prompts import FramePrompts, PromptBook, Round

#: Clicks that are segmented to measure the cells; on the frame that has most of them.
SAMPLED_CLICKS = 16
#: Octaves between the scales that are looked at first, and then around the best of them.
FIRST_STEP, LAST_STEP = 1.0, 0.5
#: What an octave away from the frame as it is must gain in predicted IoU, since a single click tells little.
WORTH = 0.02
#: Cells at whose scale the network looks are not larger than this share of the frame's shorter side: a frame that is
#: hardly larger than a cell is taken for one.
LARGEST_SHARE = 0.75
#: The cells may be measured so much smaller or larger than the diameter at whose scale the network is surest, no more.
#: Less is dangerous: where cells are shown too large, parts of them are drawn.
LEEWAY_BELOW, LEEWAY_ABOVE = 1.2, 1.4
#: What a prompt may say of a cell at least and at most, in pixels, where the network's masks are of no use.
SMALLEST, LARGEST = 4.0, 1000.0


def diameter_from_drawings(book: PromptBook) -> float | None:
    """Median diameter in pixels of the boxes and masks; None where there are only clicks."""
    drawn = [d for _, _, prompts in book if (d := prompts.diameter()) is not None]
    return float(np.median(drawn)) if drawn else None


def diameter_from_clicks(engine: Engine, book: PromptBook, geometry_for: Callable[[float], Geometry]) -> float:
    """Median diameter in pixels of the masks that clicks give, at the scale where the network is surest of them.

    A mask at a wrong scale may ask for that very scale: where cells are shown too large, the network draws a part of
    each, which is as large as a cell should look. So the scale is not taken from the size of the masks but from their
    predicted IoU, which is highest where whole cells are shown at a size that the network knows.

    Parameters
    ----------
    engine
        Segments the clicks.
    book
        Prompts, at least one.
    geometry_for
        Gives the field in which a cell of a given diameter has the size the network likes.

    Returns
    -------
    float
        What is measured at the surest scale, kept near the diameter that belongs to this scale.

    Raises
    ------
    ValueError
        If there is no prompt.
    """
    frames = {frame for _, frame, _ in book}
    if not frames:
        raise ValueError("no prompt was given: click on a cell first, or set cell_diameter")
    frame = max(sorted(frames), key=lambda t: len(book.on_frame(t)))
    cells = book.on_frame(frame)
    chosen = [cells[i] for i in np.unique(np.linspace(0, len(cells) - 1, SAMPLED_CLICKS).astype(int))]
    prompts = [first_click(book[cell, frame]) for cell in chosen]
    middle = engine.settings.target_diameter  # octaves are counted from the frame as it is
    largest = min(LARGEST, LARGEST_SHARE * min(engine.features.movie.frame_shape))
    lowest, highest = math.log2(SMALLEST / middle), max(0.0, math.log2(largest / middle))
    looks: dict[float, _Look] = {}
    at_geometry: dict[Geometry, _Look] = {}

    def look(octave: float) -> _Look:
        """The masks at a scale; fields are not made finer than some bound, so that two scales may be one."""
        geometry = geometry_for(middle * 2.0**octave)
        if geometry not in at_geometry:
            at_geometry[geometry] = _measured(engine.from_prompts(geometry, frame, prompts, rough=True), geometry)
        return at_geometry[geometry]

    best = 0.0
    for step in (FIRST_STEP, LAST_STEP):
        while True:
            for octave in (best, best - step, best + step):
                if lowest <= octave <= highest and octave not in looks:
                    looks[octave] = look(octave)
            surest = max(looks, key=lambda octave: looks[octave].surety - WORTH * abs(octave))
            if surest == best or step == LAST_STEP:
                best = surest
                break
            best = surest
    belonging = middle * 2.0 ** (best + _vertex(looks, best))
    measured = looks[best].diameter or belonging
    # Where no coarser or finer scale was looked at, nothing speaks against larger or smaller cells.
    low = belonging / LEEWAY_BELOW if best - LAST_STEP in looks else SMALLEST
    high = belonging * LEEWAY_ABOVE if best + LAST_STEP in looks else LARGEST
    return float(np.clip(np.clip(measured, low, high), SMALLEST, LARGEST))


@dataclass(frozen=True)
class _Look:
    """Mean predicted IoU of masks, and their median diameter in pixels, 0 where all are empty."""

    surety: float
    diameter: float


def _measured(masks: Masks, geometry: Geometry) -> _Look:
    areas = masks.areas()
    seen = areas > 0
    diameter = float(np.median(2 * np.sqrt(areas[seen] / np.pi))) / geometry.mean_scale if seen.any() else 0.0
    return _Look(float(masks.iou_n.float().mean()), diameter)


def _vertex(looks: dict[float, _Look], best: float) -> float:
    """Octaves from the best scale to the top of the parabola through it and its neighbours; 0 at an end."""
    if best - LAST_STEP not in looks or best + LAST_STEP not in looks:
        return 0.0
    below, top, above = (looks[best + at * LAST_STEP].surety for at in (-1, 0, 1))
    bend = below - 2 * top + above
    return LAST_STEP * 0.5 * (below - above) / bend if bend < 0 else 0.0


def first_click(prompts: FramePrompts) -> FramePrompts:
    """Keep the first positive click alone: the size must not change with every further click."""
    for said in prompts.rounds:
        for y, x, foreground in said.clicks:
            if foreground:
                return FramePrompts(rounds=(Round(clicks=((y, x, True),)),))
    return prompts
