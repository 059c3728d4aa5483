"""How large a typical cell is, from what the user drew or clicked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_sam2.tracking.engine import Engine
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.prompts import FramePrompts, PromptBook, Round

#: Clicks that are segmented to measure the cells; on the frame that has most of them.
SAMPLED_CLICKS = 16
#: Rounds of measuring and scaling, and the change of diameter that ends them.
MAX_ROUNDS = 4
GOOD_ENOUGH = 1.2
#: What a prompt may say of a cell at least and at most, in pixels, where the network's masks are of no use.
SMALLEST, LARGEST = 4.0, 1000.0


def diameter_from_drawings(book: PromptBook) -> float | None:
    """Median diameter in pixels of the boxes and masks; None where there are only clicks."""
    drawn = [d for _, _, prompts in book if (d := prompts.diameter()) is not None]
    return float(np.median(drawn)) if drawn else None


def diameter_from_clicks(engine: Engine, book: PromptBook, geometry_for: Callable[[float], Geometry]) -> float:
    """Median diameter in pixels of the masks that clicks give, at the scale that they themselves ask for.

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
        Found by measuring at one scale, changing to the scale of what was measured, and measuring again until it holds.

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
    diameter = engine.settings.target_diameter  # begin with the frame as it is
    for _ in range(MAX_ROUNDS):
        geometry = geometry_for(diameter)
        masks = engine.from_prompts(geometry, frame, prompts, rough=True)
        area = masks.areas()
        seen = area > 0
        if not seen.any():
            break
        measured = float(np.median(2 * np.sqrt(area[seen] / np.pi))) / geometry.mean_scale
        measured = float(np.clip(measured, SMALLEST, LARGEST))
        change = max(measured, diameter) / min(measured, diameter)
        diameter = measured
        if change < GOOD_ENOUGH:
            break
    return diameter


def first_click(prompts: FramePrompts) -> FramePrompts:
    """Keep the first positive click alone: the size must not change with every further click."""
    for said in prompts.rounds:
        for y, x, foreground in said.clicks:
            if foreground:
                return FramePrompts(rounds=(Round(clicks=((y, x, True),)),))
    return prompts
