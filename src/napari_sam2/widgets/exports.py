"""What can be exported from the docks: for each button its words, why it cannot be pressed now, and what it writes.

No Qt here. The formats and what they hold are those of `export.FORMATS`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.export import FORMATS, Exported, export
from napari_sam2.export.formats import FACTS, PICTURES, find_format
from napari_sam2.export.save import size_of
from napari_sam2.export.sources import as_tracked

if TYPE_CHECKING:
    from napari_sam2.session import Session

SCRIPT = "script"
"""Name of the offer that writes the session as a Python script; all others are names of formats."""
FOLDERS = frozenset({"ome-zarr", "geff", "ctc"})
"""Formats that are a folder; a file dialog does not ask before it replaces one."""
LIKE_MOVIES = frozenset({"ome-zarr", "tiff", "ome-tiff", "mp4", "gif"})
"""Formats that movies come in as well."""


@dataclass(frozen=True)
class Offer:
    """One thing that can be exported.

    Parameters
    ----------
    name
        Name of the format, or `SCRIPT`.
    text
        On the button.
    group
        Heading.
    use
        What it is good for, in a sentence.
    """

    name: str
    text: str
    group: str
    use: str

    @property
    def suffix(self) -> str:
        """Ending of the file; "" for a folder without one."""
        return ".py" if self.name == SCRIPT else FORMATS[self.name].suffixes[0]

    @property
    def one_cell(self) -> bool:
        """Whether it is of the current cell alone."""
        return self.name == "sheet"

    def tip(self) -> str:
        """For the tooltip: what it is good for, and what it leaves out."""
        if self.name == SCRIPT or self.name in PICTURES or self.name == "prompts":
            return self.use
        known = FORMATS[self.name]
        partly = dict(known.partly)
        missing = [FACTS[fact] for fact in FACTS if fact not in known.holds and fact != "prompts"]
        limited = [f"{FACTS[fact]}: {how}" for fact, how in partly.items()]
        parts = [self.use]
        if limited:
            parts.append(f"In part: {'; '.join(limited)}.")
        parts.append(f"Not in it: {'; '.join(missing)}." if missing else "It holds everything but clicks.")
        return "\n".join(parts)

    def filter(self) -> str:
        """For a file dialog."""
        return f"{self.text} (*{self.suffix or ''})" if self.suffix else f"{self.text} (*)"

    def complete(self, path: Path) -> Path:
        """A path with the suffix of this offer, where it has none that means it."""
        if self.name == SCRIPT:
            return path if path.suffix == ".py" else path.with_name(f"{path.name}.py")
        known = FORMATS[self.name]
        if not self.suffix:
            return path.with_name(path.name.replace(".", "_"))
        try:
            fits = find_format(path).name == self.name
        except ValueError:
            fits = False
        return path if fits or known.matches(path) else path.with_name(f"{path.name}{self.suffix}")


OFFERS = (
    Offer("ome-zarr", "OME-Zarr", "Labels", "Labels with everything known of them; opens in napari, Fiji, QuPath."),
    Offer("tiff", "TIFF for ImageJ", "Labels", "Label images for ImageJ and Fiji."),
    Offer("ome-tiff", "OME-TIFF", "Labels", "Label images for QuPath, Fiji, and any number of cells."),
    Offer("ctc", "Cell Tracking Challenge", "Labels", "A folder of masks and res_track.txt, for benchmarks."),
    Offer("coco", "COCO", "Labels", "One JSON file of run lengths, for training other networks."),
    Offer("geff", "GEFF", "Tracks", "Tracks as a graph with labels inside; for track editors."),
    Offer("trackmate", "TrackMate", "Tracks", "Spots and links; opens in TrackMate in Fiji."),
    Offer("tracks", "Tracks table", "Tracks", "One line for each cell and frame; napari's Tracks layer reads it."),
    Offer("measurements", "Measurements", "Tables", "Area, shape, speed and intensity of each cell and frame, as CSV."),
    Offer("prompts", "Clicks and boxes", "Tables", "What you clicked, as CSV, for 'napari-sam2 track'."),
    Offer("plots", "Plots", "Pictures", "Area, intensity, speed and score over time, as PNG."),
    Offer("sheet", "Contact sheet", "Pictures", "The current cell through time, as PNG."),
    Offer("mp4", "Movie (MP4)", "Pictures", "Outlines and numbers over the movie."),
    Offer("gif", "Movie (GIF)", "Pictures", "Outlines and numbers over the movie; plays anywhere."),
    Offer(SCRIPT, "Python script", "Tables", "Does again what you did, without a screen."),
)
"""In the order of the panel."""


def why_not(offer: Offer, session: Session | None, tracking: bool, current: int | None) -> str | None:
    """Why something cannot be exported now, phrased as the mend; None where it can.

    Parameters
    ----------
    offer
        What is to be exported.
    session
        The active session.
    tracking
        Whether tracking is writing labels.
    current
        The current cell.
    """
    if session is None:
        return "There is no session yet: choose an image first"
    if not session.cells:
        return "There are no cells yet: click on one"
    if tracking:
        return "Tracking is running: pause or cancel it first"
    if offer.one_cell and current is None:
        return "Choose a cell first"
    if offer.name == "mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        return "MP4 needs a package: pip install imageio-ffmpeg. The GIF needs nothing"
    return None


def suggested(offer: Offer, session: Session, current: int | None) -> Path:
    """Where an export may go: beside the session, named like it, under a name that is free.

    The session is named like its movie: what can be a movie too says of its name that it is the cells.
    """
    name = session.path.name.removesuffix(session.path.suffix)
    if offer.one_cell and current is not None:
        name = f"{name}-cell-{current}"
    ending = "_RES" if offer.name == "ctc" else f"{'.cells' if offer.name in LIKE_MOVIES else ''}{offer.suffix}"
    found, number = session.path.with_name(f"{name}{ending}"), 2
    while found.exists():
        found = session.path.with_name(f"{name}-{number}{ending}")
        number += 1
    return found


def write(
    offer: Offer,
    session: Session,
    path: Path,
    *,
    cells: Iterable[int] | None = None,
    current: int | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], object] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Exported:
    """Export; on any thread. The session is held only while its cells are looked through, before the first frame.

    Parameters
    ----------
    offer
        What.
    session
        The session.
    path
        File or folder to write.
    cells
        Only these; all when None.
    current
        The current cell, for what is of one cell.
    overwrite, progress, cancelled
        As `export`.

    Raises
    ------
    ValueError, OSError, Cancelled
        As `export`.
    """
    if offer.name == SCRIPT:
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists: choose another name, or overwrite")
        with session.document.lock:
            session.script(path)
        return Exported(path, SCRIPT, (), size_of(path))
    with session.document.lock:
        tracked = as_tracked(session)
    options: dict[str, Any] = {"cell": current} if offer.one_cell else {}
    return export(
        tracked,
        path,
        format=offer.name,
        overwrite=overwrite,
        cells=cells,
        progress=progress,
        cancelled=cancelled,
        warn=False,
        **options,
    )
