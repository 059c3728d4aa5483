"""Where the session of an image layer is kept, and whether there is one already. No Qt in here."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.session.folder import SUFFIX

if TYPE_CHECKING:
    from napari.layers import Image

MOVIE_SUFFIXES = re.compile(r"(\.ome)?\.(zarr|tiff?|n5|nd2|czi|lif|h5|npy|png|jpe?g)$", re.IGNORECASE)


def source_of(layer: Image) -> Path | None:
    """The file or folder that a layer was opened from, if it is on this computer."""
    path = layer.source.path
    if not path or "://" in str(path):
        return None
    found = Path(str(path)).expanduser()
    return found if found.exists() else None


def data_folder() -> Path:
    """The folder for sessions of movies that lie where nothing can be written, or nowhere."""
    import platformdirs

    return Path(platformdirs.user_data_dir("napari-sam2", appauthor=False)) / "sessions"


def default_place(layer: Image, fingerprint: str, folder: Path | None = None) -> Path:
    """Say where the session of a layer belongs.

    Parameters
    ----------
    layer
        The image layer.
    fingerprint
        Of its movie: tells movies without a file apart.
    folder
        Where the user keeps sessions; beside the movie when None.
    """
    source = source_of(layer)
    name = MOVIE_SUFFIXES.sub("", source.name if source is not None else layer.name)
    safe = re.sub(r"[^\w .()+-]", "_", name).strip(" .") or "movie"
    if folder is None and source is not None and os.access(source.parent, os.W_OK):
        return source.parent / f"{safe}{SUFFIX}"
    return (folder or data_folder()) / f"{safe}-{fingerprint[:8]}{SUFFIX}"


def name_of(place: Path) -> str:
    """A place by its last part, for where there is little room: ``…/nuclei.sam2cells``."""
    return f"\N{HORIZONTAL ELLIPSIS}{os.sep}{place.name}"


def from_home(place: Path) -> str:
    """A place as people say it: what lies in the home folder begins with ``~``."""
    try:
        return str(Path("~") / place.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # elsewhere, or there is no home
        return str(place)


def free_place(place: Path) -> Path:
    """Return the place, or the next numbered one beside it where something is already."""
    found, number = place, 2
    while found.exists() and (not found.is_dir() or any(found.iterdir())):
        found = place.with_name(f"{place.stem}-{number}{place.suffix}")
        number += 1
    return found
