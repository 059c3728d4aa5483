"""Numbers that steer the tracking, with their reasons."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How cells are tracked.

    Parameters
    ----------
    window
        Side of a cell's window in tokens of 16 model pixels; None shows every cell the whole field (exact mode).
    target_diameter
        Model pixels that a typical cell should span: small cells are scaled up to it, large ones down.
    window_slack
        Tokens that a cell may leave the middle of its window before the window follows.
    recent
        Spatial memories of recent frames that are looked at, at most as many as the network has times for.
    chunk
        Most cells in one batch.
    tidy
        Drop parts of masks that lie apart from the cell, islands and holes.
    mirrors
        Look at prompted frames mirrored too, and take what the views agree on.
    neighbours
        Lower a cell's logits where another cell's are higher before it is remembered. A cell's masks then depend, a
        little, on which others are tracked with it.
    outlines
        Draw cells beside a frame whose outline was told (by a box, a mask or corrections) as they were drawn there,
        where the network by itself would go back to its own idea of them.
    guard
        Do not remember doubtful masks.
    min_iou
        Predicted IoU under which a mask is doubtful.
    max_growth
        Factor by which the area may grow or shrink from one frame to the next.
    max_jump
        Diameters that a cell may move from one frame to the next.
    search_cells
        Lost cells that are looked for outside their windows on a frame; 0 for none.
    search_frames
        Frames for which a lost cell is looked for on every one; later only every so many.
    reference
        Follow the published tracker to the letter instead: every prompted frame conditions every other, memories of
        frames tracked before a correction stay, masks are remembered from stride 4. Needs memory in proportion to the
        length of the movie; meant for comparing with it.
    corrections_condition
        In reference mode: whether a frame that was tracked and then corrected conditions others. False is the published
        default, and the reason why corrections seem to have no effect there.
    """

    window: int | None = 16
    target_diameter: float = 56.0
    window_slack: float = 2.0
    recent: int = 3
    chunk: int = 64
    tidy: bool = True
    mirrors: bool = True
    neighbours: bool = False
    outlines: bool = True
    guard: bool = True
    min_iou: float = 0.3
    max_growth: float = 3.0
    max_jump: float = 2.0
    search_cells: int = 8
    search_frames: int = 4
    reference: bool = False
    corrections_condition: bool = True


#: Exact mode: one tile, the whole frame, full attention.
EXACT = Settings(window=None, chunk=8, recent=6, mirrors=False)
#: The published tracker's own behaviour.
REFERENCE = Settings(
    window=None,
    chunk=8,
    recent=6,
    tidy=False,
    mirrors=False,
    neighbours=False,
    outlines=False,
    guard=False,
    search_cells=0,
    reference=True,
)
