"""`export`: a session, a tracker or labels into a file of any known format."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_sam2.export.formats import find_format, losses
from napari_sam2.export.jobs import Job, check_room
from napari_sam2.export.replacing import refuse_to_lose
from napari_sam2.export.sources import as_tracked

COMPRESSED_SHARE = 0.03
"""Size of compressed labels over that of the raw ones, at most, in the movies that were measured."""


class LossWarning(UserWarning):
    """A format cannot hold something that is there."""


@dataclass(frozen=True)
class Exported:
    """What an export has written.

    Attributes
    ----------
    path
        Where it is.
    format
        Its name.
    lost
        What of the data is not in it, in words.
    bytes
        Its size.
    """

    path: Path
    format: str
    lost: tuple[str, ...]
    bytes: int


def export(
    source: Any,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002  what everybody calls it
    overwrite: bool = False,
    cells: Iterable[int] | None = None,
    progress: Callable[[int, int], object] | None = None,
    cancelled: Callable[[], bool] | None = None,
    known: dict[str, Any] | None = None,
    warn: bool = True,
    **options: Any,
) -> Exported:
    """Export what was tracked. A frame is read at a time; the file appears whole, or not at all.

    Parameters
    ----------
    source
        A `Session`, a `CellTracker`, an array of labels (T, Y, X), or a `Tracked`.
    path
        File or folder to write. Its suffix says the format; ``IMAGE.ome.zarr/labels/NAME`` adds labels to an image.
    format
        Name of the format where the suffix does not say it; one of `FORMATS`.
    overwrite
        Replace what is there. A folder of other things is never replaced, nor the movie that a session is about.
    cells
        Only these cells.
    progress
        Called with (steps done, all steps).
    cancelled
        Asked before each frame; true ends the export and leaves nothing.
    known
        What the source does not know itself: scale, units, parents, movie, ...; see `Tracked`.
    warn
        Warn of what the format cannot hold; it is in the result either way.
    options
        Of the format's own: ``version="0.4"`` for OME-Zarr, ``cell=7`` for a contact sheet, ...

    Returns
    -------
    Exported

    Warns
    -----
    LossWarning
        Naming what the format cannot hold.

    Raises
    ------
    ValueError
        If the data cannot be written in this format; the message offers another.
    FileExistsError
        If something is there.
    Cancelled
        If it was asked for.
    OSError
        If the disk is full, or nearly.
    """
    path = Path(path).expanduser()
    chosen = find_format(path, format)
    tracked = as_tracked(source, **(known or {}))
    if cells is not None:
        tracked = tracked.only(cells)
    refuse_to_lose(path, tracked.movie_path)
    frames, height, width = tracked.shape
    raw = frames * height * width * 2
    check_room(path.parent, int(raw * COMPRESSED_SHARE))
    job = Job(progress, cancelled)
    job.expect(0, path.parent)
    try:
        notes = chosen.write()(tracked, path, job, overwrite=overwrite, **options)
    except TypeError as error:
        if "unexpected keyword argument" in str(error):
            raise ValueError(f"the format {chosen.name} has no such option: {error}") from error
        raise
    lost = (*losses(tracked, chosen), *(notes or ()))
    if lost and warn:
        warnings.warn(LossWarning(f"{path.name} ({chosen.title}) cannot hold: {'; '.join(lost)}"), stacklevel=2)
    return Exported(path, chosen.name, lost, size_of(path))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
