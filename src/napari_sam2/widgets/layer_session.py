"""The session of an image layer: found on the disk, or begun there. For a thread: it reads from the movie. No Qt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from napari_sam2.export import open_movie
from napari_sam2.session import Session, WrongMovie, new_session, open_session
from napari_sam2.session.link import NO_SIZES, Sizes, find_movie, sizes_of
from napari_sam2.session.unused import remove_unused
from napari_sam2.tracking.movie import Movie
from napari_sam2.widgets import preferences
from napari_sam2.widgets.image import axes_of, movie_of
from napari_sam2.widgets.place import default_place, free_place, source_of


@dataclass(frozen=True)
class Choice:
    """How a movie is to be opened.

    Parameters
    ----------
    others
        Layers that are further channels.
    model, device
        None: as the preferences say.
    shown_contrast
        Use the layers' contrast limits.
    cell_diameter
        In pixels; measured when None.
    place
        Folder of the session; the usual one when None.
    fresh
        Begin a new session even where there is one.
    """

    others: tuple[Any, ...] = ()
    model: str | None = None
    device: str | None = None
    shown_contrast: bool = False
    cell_diameter: float | None = None
    place: Path | None = None
    fresh: bool = False


class Opened(NamedTuple):
    """A session, what to tell about it, and whether it was begun rather than continued."""

    session: Session
    note: str = ""
    begun: bool = False


def close_session(session: Session, begun: bool) -> None:
    """Close a session; one that was begun and never used leaves nothing behind."""
    session.close()
    if begun:
        remove_unused(session)


def open_or_begin(image: Any, choice: Choice) -> Iterator[Opened]:
    """Open or begin the session of a layer; in a thread, since it reads from the movie."""
    said = preferences.read()
    limits = "shown" if choice.shown_contrast else None
    movie = movie_of(image, choice.others, limits=limits)
    place = choice.place or default_place(image, movie.fingerprint(), said.sessions_folder)
    maker = preferences.engine_maker(said)
    known = None if choice.fresh else _last_of(image, choice.others, place)
    if known is not None:
        session = open_session(known, _as_noted(image, choice.others, known), make_engine=maker)
        count = len(session.cells)
        cells = f"{count} cell{'s' * (count != 1)}"
        yield Opened(session, f"Continued {known.name} with {cells}. 'Start afresh' begins a new one beside it.")
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    source = source_of(image)
    scale, units = _sizes(image)
    if (scale, units) == NO_SIZES and source is not None and not choice.others:
        scale, units = _sizes_in_file(source, movie)
    session = new_session(
        movie,
        free_place(place),
        model=choice.model or said.model,
        device=choice.device or said.device,
        address=source if source is not None and not choice.others else None,
        cell_diameter=choice.cell_diameter,
        scale=scale,
        units=units,
        make_engine=maker,
    )
    yield Opened(session, begun=True)


def _last_of(image: Any, others: Sequence[Any], place: Path) -> Path | None:
    """The session of a layer that was written last, of those at a place and numbered beside it; None if there is none.

    Movies of one name share these places, so that each session is asked whose it is. One that cannot be asked counts
    where it has the name without a number: opening it tells what is wrong.
    """
    pattern = re.compile(rf"{re.escape(place.stem)}(-\d+)?{re.escape(place.suffix)}")
    beside = place.parent.iterdir() if place.parent.is_dir() else ()
    there = [folder for folder in beside if pattern.fullmatch(folder.name) and (folder / "session.json").exists()]
    for folder in sorted(there, key=_written, reverse=True):
        try:
            meta = json.loads((folder / "session.json").read_text())
            find_movie(folder, meta, _as_noted(image, others, folder), force=False)
        except WrongMovie:
            continue
        except (OSError, ValueError, KeyError, TypeError):
            if folder != place:
                continue
        return folder
    return None


def _written(folder: Path) -> int:
    """When a session was written to last, in nanoseconds."""
    files = (folder / "session.json", folder / "log.jsonl")
    return max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)


def _as_noted(image: Any, others: Sequence[Any], place: Path) -> Any:
    """The movie as a session on it has noted it, with its limits."""
    try:
        meta = json.loads((place / "session.json").read_text())
        return movie_of(image, others, limits=meta["limits"], channels=tuple(meta["movie"]["channels"]))
    except (OSError, ValueError, KeyError, TypeError):
        return movie_of(image, others)  # what is wrong with the session is told by opening it


def _sizes_in_file(source: Path, movie: Movie) -> Sizes:
    """What a layer's file says of its sizes: napari's own reader of TIFF does not pass them on."""
    try:
        with open_movie(source) as opened:
            shape = opened.data.shape
            there = (movie.n_frames, *movie.frame_shape)
            return sizes_of(opened) if (shape[0], *shape[-2:]) == there else NO_SIZES
    except (OSError, ValueError):  # a file that another reader knows
        return NO_SIZES


def _sizes(image: Any) -> tuple[tuple[float, float, float], tuple[str, str, str]]:
    """Size and units of a frame and of a pixel, as the layer has them: (T, Y, X)."""
    axes = axes_of(image)
    scale, units = [float(s) for s in image.scale], [str(u) for u in image.units]
    at = axes.time
    first = (scale[at], units[at]) if at is not None else (1.0, "")
    named = tuple("" if u in ("pixel", "px") else u for u in (first[1], *units[-2:]))
    return (first[0], scale[-2], scale[-1]), cast("tuple[str, str, str]", named)
