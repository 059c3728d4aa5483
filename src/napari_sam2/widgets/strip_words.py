"""What is known of a cell on a frame, in words: for hover text, screen readers and the review. Free of Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.session.table import GIVEN, REVIEWS, STATES
from napari_sam2.widgets.summary import Summary

if TYPE_CHECKING:
    from napari_sam2.session import Session


def words_at(session: Session, summary: Summary | None, cell: int, frame: int) -> str:
    """Say what is known.

    Parameters
    ----------
    session
        The session.
    summary
        Of the cell; knows what is stale. None where it has not been made yet.
    cell, frame
        Where.
    """
    document = session.document
    record = document.cells.get(cell)
    if record is None or not 0 <= frame < document.frames:
        return ""
    row = document.table.row(record.row)[frame]
    first, stop = record.life(document.frames)
    state = STATES[row["state"]]
    lines = [f"Cell {cell} {record.name}".rstrip() + f", frame {frame}"]
    if row["area"]:
        given = row["made"] in (0, GIVEN)
        sure = "" if given else f", score {row['score']:.2f}, predicted IoU {row['iou']:.2f}"
        lines.append(f"{row['area']} px{sure}")
        if state not in ("none", "present"):
            lines.append(state)
    elif not first <= frame < stop:
        lines.append(f"lives on frames {first} to {stop - 1}")
    elif state in ("left", "dead", "divided"):
        lines.append(state)
    elif row["made"] or state == "hidden":
        lines.append("not found here")
    else:
        lines.append("not tracked yet")
    if row["doubt"] and row["area"]:
        lines.append("tracking itself did not trust this mask")
    said = document.prompts_of(cell).get(frame)
    if said is not None:
        clicks = sum(len(r.clicks) for r in said.prompts.rounds)
        boxes = sum(r.box is not None for r in said.prompts.rounds)
        parts = [f"{clicks} click{'s' if clicks > 1 else ''}"] if clicks else []
        parts += ["a box"] if boxes else []
        if said.prompts.mask is not None:
            parts.append("a mask")
        lines.append("prompted by " + " and ".join(parts))
    if summary is not None and bool(np.isin(frame, summary.stale)):
        lines.append("stale: its prompts have changed since")
    if row["locked"]:
        lines.append("locked")
    if REVIEWS[row["review"]] != "unchecked":
        lines.append("right: checked" if REVIEWS[row["review"]] == "checked" else "marked as suspect")
    return "\n".join(lines)
