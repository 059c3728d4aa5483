"""All formats in one table: names, suffixes, who writes them, what each can hold; ``docs/formats.md`` shows it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.export.into_image import image_of
from napari_sam2.export.tracked import REVIEWS, STATES, Tracked

FACTS = {
    "masks": "the masks",
    "ids": "the cells' numbers",
    "gaps": "cells that vanish and come back under one number",
    "parents": "mothers and daughters",
    "scale": "the size of a pixel and its unit",
    "time": "the time between frames and its unit",
    "scores": "object scores and predicted IoU on each frame",
    "states": "states on each frame (hidden, left, dead, divided) and what was checked",
    "names": "names, categories and notes of cells",
    "prompts": "clicks, boxes and drawn masks",
}
"""What there is to hold, in words."""

_ALWAYS_THERE = {"masks", "ids", "prompts"}
"""No warning names these: a table has no masks, and that is plain to see; prompts have a format of their own."""


@dataclass(frozen=True)
class Format:
    """A format.

    Parameters
    ----------
    name
        As in ``format=`` and ``--to``.
    title
        For people.
    suffixes
        Endings of files that mean this format; the first is the usual one. "" is a folder without a suffix.
    writer
        ``file:function``.
    holds
        Keys of `FACTS` that are in the file.
    partly
        Those that are held in part, with how, in words.
    unread
        Those that other programs find in it, while this one does not read them back. Of measurements nothing is read.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    writer: str
    holds: frozenset[str]
    partly: tuple[tuple[str, str], ...] = ()
    unread: frozenset[str] = frozenset()

    def write(self) -> Callable[..., Any]:
        """The function that writes it."""
        file, name = self.writer.split(":")
        found: Callable[..., Any] = getattr(importlib.import_module(f"napari_sam2.export.{file}"), name)
        return found

    def matches(self, path: Path) -> str | None:
        """The suffix of this format that the path has, if any."""
        lower = path.name.lower()
        return next((s for s in self.suffixes if (lower.endswith(s) and lower != s if s else "." not in lower)), None)


def _holds(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EVERYTHING = "masks ids gaps parents scale time scores states names"

FORMATS = {
    known.name: known
    for known in (
        Format("ome-zarr", "OME-Zarr labels", (".ome.zarr", ".zarr"), "export_labels:export_zarr", _holds(_EVERYTHING)),
        Format(
            "tiff",
            "ImageJ TIFF (16-bit)",
            (".tif", ".tiff"),
            "export_labels:export_tiff",
            _holds("masks ids gaps scale time"),
            (("ids", "up to 65,535"), ("scale", "X and Y share one unit")),
        ),
        Format(
            "ome-tiff",
            "OME-TIFF",
            (".ome.tif", ".ome.tiff", ".ome.btf", ".btf"),
            "export_labels:export_ome_tiff",
            _holds("masks ids gaps scale time"),
        ),
        Format(
            "ctc",
            "Cell Tracking Challenge",
            ("",),
            "export_labels:export_ctc",
            _holds("masks ids parents"),
            (("ids", "up to 65,535"), ("parents", "of mothers that end before their daughters")),
        ),
        Format(
            "geff",
            "GEFF tracks, with labels inside",
            (".geff",),
            "write_geff:export_geff",
            _holds(_EVERYTHING),
            (("names", "names, not categories or notes"),),
            _holds("scores states names"),
        ),
        Format(
            "trackmate",
            "TrackMate XML",
            (".xml",),
            "write_trackmate:export_trackmate",
            _holds("ids gaps parents scale time scores states names"),
            (("states", "as numbers, not what was checked"), ("names", "names, not categories or notes")),
            _holds("scores states names"),
        ),
        Format(
            "tracks",
            "Tracks table",
            (".tracks.csv", ".csv"),
            "write_tables:export_tracks",
            _holds("ids gaps parents scores states"),
            unread=_holds("scores states"),
        ),
        Format(
            "measurements",
            "Measurements table",
            (".measurements.csv",),
            "write_tables:export_measurements",
            _holds("ids gaps parents scale time scores states names"),
            (("scale", "as measurements in units"), ("names", "names, not categories or notes")),
        ),
        Format(
            "prompts",
            "Prompts table",
            (".prompts.csv",),
            "write_tables:export_prompts",
            _holds("ids prompts"),
            (("prompts", "clicks and boxes, not drawn masks"),),
        ),
        Format(
            "coco",
            "COCO JSON (run lengths)",
            (".coco.json", ".json"),
            "write_coco:export_coco",
            _holds(_EVERYTHING),
            (("states", "not what was checked"),),
            _holds("scores states"),
        ),
        Format("mp4", "Overlay movie", (".mp4",), "write_pictures:export_mp4", frozenset()),
        Format("gif", "Overlay movie", (".gif",), "write_pictures:export_gif", frozenset()),
        Format("sheet", "Contact sheet of a cell", (".sheet.png",), "write_pictures:export_sheet", frozenset()),
        Format("plots", "Plots over time", (".plots.png", ".png"), "write_pictures:export_plots", frozenset()),
    )
}
NODES_ONLY = frozenset({"geff", "trackmate", "tracks", "measurements", "coco"})
"""They have a line for each mask, and so nothing to say of a cell on a frame without one."""
PICTURES = frozenset({"mp4", "gif", "sheet", "plots"})


def find_format(path: Path, name: str | None = None) -> Format:
    """The format that is named, or that the path's suffix means.

    Raises
    ------
    ValueError
        If there is none; the known ones are listed.
    """
    if name is not None:
        if name not in FORMATS:
            raise ValueError(f"there is no format {name!r}; known are {', '.join(FORMATS)}")
        return FORMATS[name]
    if "." not in path.name and image_of(path) is not None:
        return FORMATS["ome-zarr"]
    found = [(len(suffix), known) for known in FORMATS.values() if (suffix := known.matches(path)) is not None]
    if not found:
        listed = ", ".join(f"NAME{known.suffixes[0]} ({known.title})" for known in FORMATS.values())
        raise ValueError(f"{path.name}: the suffix names no format. Known are {listed}")
    return max(found, key=lambda pair: pair[0])[1]


def losses(tracked: Tracked, known: Format) -> list[str]:
    """What of this data the format cannot hold, in words; nothing for pictures."""
    if known.name in PICTURES or known.name == "prompts":  # nobody expects more of these than they are
        return []
    there = facts_of(tracked)
    out = [FACTS[fact] for fact in FACTS if fact in there - _ALWAYS_THERE - known.holds]
    if "states" in there and known.name in ("trackmate", "coco") and _reviewed(tracked):
        out.append("what was checked")
    absent = [STATES.index("hidden"), STATES.index("left")]
    if known.name in NODES_ONLY and any(np.isin(row["state"], absent).any() for row in tracked.table.values()):
        out.append("states on frames where a cell has no mask (hidden, left)")
    noted = any(info.category or info.notes for info in tracked.cells.values())
    if noted and any(fact == "names" for fact, _ in known.partly):
        out.append("categories and notes of cells")
    return out


def facts_of(tracked: Tracked) -> set[str]:
    """Which of the facts there are; gaps are found only by looking, and left out."""
    found = {"masks", "ids"}
    rows = list(tracked.table.values())
    unusual = [STATES.index(name) for name in ("hidden", "left", "dead", "divided")]
    for fact, there in (
        ("parents", bool(tracked.parents)),
        ("scale", "Y" in tracked.scale or "X" in tracked.scale),
        ("time", "T" in tracked.scale),
        ("scores", any(np.isfinite(row["score"]).any() for row in rows)),
        ("states", any(np.isin(row["state"], unusual).any() for row in rows) or _reviewed(tracked)),
        ("names", any(info.name or info.category or info.notes for info in tracked.cells.values())),
        ("prompts", bool(tracked.prompts)),
    ):
        if there:
            found.add(fact)
    return found


def _reviewed(tracked: Tracked) -> bool:
    unchecked = REVIEWS.index("unchecked")
    return any((row["review"] != unchecked).any() or row["locked"].any() for row in tracked.table.values())


def table_for_docs() -> str:
    """What each format holds, as a table in Markdown."""
    lines = ["| | " + " | ".join(FACTS) + " |", "|---" * (len(FACTS) + 1) + "|"]
    for known in FORMATS.values():
        if known.name not in PICTURES:
            partly = {fact for fact, _ in known.partly}
            held = {f: "in part" if f in partly else "yes" if f in known.holds else "–" for f in FACTS}
            only_written = {f: "written" + (", in part" if f in partly else "") for f in known.unread}
            cells = [{**held, **only_written}[f] for f in FACTS]
            lines.append(f"| **{known.name}** {known.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
