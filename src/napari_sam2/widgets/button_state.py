"""Which buttons can act, and why the others cannot: one function of what there is. Free of Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2.widgets.needs import Needs
from napari_sam2.widgets.run_state import RunState

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk

START_FIRST = "Choose an image and press Start first"
CLICK_FIRST = "Click on a cell first: it is tracked from there"
READ_ONLY = "The session is open for looking only"


@dataclass(frozen=True)
class Facts:
    """What the buttons depend on.

    Parameters
    ----------
    images
        Number of image layers.
    opening
        What is being opened; empty for nothing.
    open
        Whether there is a session.
    read_only
        Whether it is for looking only.
    occupied
        What the session is being changed by, in words.
    run
        What is being computed.
    needs
        How much there is to track.
    current
        The current cell, if it exists.
    cells
        Number of cells.
    foreign
        Number of layers that could be taken over.
    """

    images: int = 0
    opening: str = ""
    open: bool = False
    read_only: bool = False
    occupied: str = ""
    run: RunState = RunState()
    needs: Needs = Needs()
    current: int | None = None
    cells: int = 0
    foreign: int = 0


@dataclass(frozen=True)
class Can:
    """Whether a button can act, and why not."""

    enabled: bool = True
    why: str = ""


def facts_of(desk: Desk) -> Facts:
    """Look at a desk."""
    from napari.layers import Image

    session, sheet = desk.session, desk._active
    return Facts(
        images=sum(isinstance(layer, Image) for layer in desk.viewer.layers),
        opening=desk.opening,
        open=session is not None,
        read_only=session is not None and session.document.read_only,
        occupied="" if sheet is None else sheet.runs.occupied,
        run=desk.run,
        needs=desk.needs,
        current=desk.current if session is not None and desk.current in session.cells else None,
        cells=0 if session is None else len(session.cells),
        foreign=len(desk.foreign_layers()),
    )


def resolve(facts: Facts) -> Mapping[str, Can]:
    """Say of each button whether it can act.

    Returns
    -------
    mapping
        ``start``, ``afresh``, ``prompt``, ``take_over``, ``track``, ``track_cell``, ``pause``, ``resume``, ``cancel``,
        ``estimate``, ``settings``.
    """
    fine = Can()
    start = fine
    if facts.opening:
        start = Can(False, f"'{facts.opening}' is being opened")
    elif not facts.images:
        start = Can(False, "Open an image first: drag a file into the window, or File > Open")
    here = fine
    if not facts.open:
        here = Can(False, START_FIRST)
    elif facts.read_only:
        here = Can(False, READ_ONLY)
    elif facts.occupied:
        here = Can(False, f"{facts.occupied} Wait a moment")
    track = here
    if here.enabled and not facts.needs.prompted:
        track = Can(False, CLICK_FIRST)
    track_cell = track
    if track.enabled and facts.current is None:
        track_cell = Can(False, "Choose a cell first: click on its mask, or in the list of cells")
    kind = facts.run.kind
    idle = Can(False, "Nothing is being tracked")
    busy = Can(False, "Stop tracking first") if facts.run.busy else here
    take = busy
    if busy.enabled and not facts.foreign:
        take = Can(False, "There is no other Labels, Points or Shapes layer in the viewer")
    return {
        "start": start,
        "afresh": busy if facts.open else start,
        "prompt": here,
        "take_over": take,
        "track": track,
        "track_cell": track_cell,
        "pause": fine if kind == "tracking" else idle,
        "resume": fine if kind == "paused" else Can(False, "Tracking is not paused"),
        "cancel": fine if kind in ("tracking", "paused") else idle,
        "estimate": busy if track.enabled else track,
        "settings": busy,
    }


def words_before(facts: Facts) -> str:
    """Say what to do while no movie is open for tracking."""
    if facts.opening:
        return "A moment: then click on the cells."
    return (
        "Choose the movie above and press Start."
        if facts.images
        else "Open a movie: drag its file into the window, or try one of File > Open Sample."
    )


def words_for_clicks(adding: bool, current: int | None, known: bool, tool: str) -> str:
    """Say what the mouse does now.

    Parameters
    ----------
    adding
        Whether each click elsewhere is a new cell.
    current, known
        The current cell, and whether it exists yet.
    tool
        As `Desk.tool`.
    """
    cell = f"cell {current}" if current is not None else "a new cell"
    if tool == "clicks_off":
        return f"Click on what does not belong to {cell}." if known else "Click on a cell first, with +."
    if tool == "boxes":
        return "Drag a box around each cell." if adding or not known else f"Drag a box around {cell}."
    if tool in ("paint", "erase"):
        return f"{'Paint' if tool == 'paint' else 'Erase'}: what is left is the mask of {cell} on this frame."
    if tool == "look":
        return "Click on a mask to choose its cell. Choose a tool to go on."
    if adding:
        more = f" Shift+click adds to {cell}, Alt+click takes away." if known else ""
        return f"Click on each cell once.{more}"
    return f"Clicks correct {cell}: + here, Alt+click for −. Next cell: back to new ones."
