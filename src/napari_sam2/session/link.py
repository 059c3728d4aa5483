"""The movie of a session: where it is, and how it is known again."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.session.errors import MovieNotFound, WrongMovie
from napari_sam2.tracking.movie import Movie

if TYPE_CHECKING:
    from napari_sam2.export import OpenedMovie

Address = str | os.PathLike[str]
Sizes = tuple[tuple[float, float, float], tuple[str, str, str]]
"""Of a frame, a row and a column, and their units."""
NO_SIZES: Sizes = ((1.0, 1.0, 1.0), ("", "", ""))


def describe_movie(movie: Movie, address: str | None) -> dict[str, Any]:
    """What a session notes about its movie."""
    return {
        "address": address,
        "shape": list(movie.shape),
        "dtype": movie.dtype.name,
        "axes": movie.axes,
        "channels": list(movie.channels),
        "fingerprint": movie.fingerprint(),
    }


@dataclass(frozen=True)
class Linked:
    """A movie, where it lies (None: only in memory), how to let go of its files, and what these say of its sizes."""

    movie: Movie
    address: str | None
    close: Callable[[], object]
    sizes: Sizes = NO_SIZES


def as_movie(movie: Any, limits: Any = None, channels: Any = None, axes: str | None = None) -> Linked:
    """Return a movie and its address, from an array, a `Movie`, or a path."""
    if isinstance(movie, Movie):
        return Linked(movie, None, lambda: None)
    if isinstance(movie, str | os.PathLike):
        from napari_sam2.export import open_movie

        path = Path(movie).expanduser().absolute()
        opened = open_movie(path)
        try:
            found = Movie(opened.data, limits=limits, channels=channels, axes=axes)
            return Linked(found, str(path), opened.close, sizes_of(opened))
        except BaseException:
            opened.close()
            raise
    return Linked(Movie(movie, limits=limits, channels=channels, axes=axes), None, lambda: None)


def sizes_of(opened: OpenedMovie) -> Sizes:
    """What a movie's file says of the sizes of a frame and of a pixel."""
    t, y, x = (float(opened.scale.get(axis, 1.0)) for axis in "TYX")
    unit_t, unit_y, unit_x = (opened.units.get(axis, "") for axis in "TYX")
    return (t, y, x), (unit_t, unit_y, unit_x)


def find_movie(folder: Path, meta: dict[str, Any], movie: Any, force: bool) -> Linked:
    """Return the movie of a session, from where it was or from what the user passes, and its address.

    Raises
    ------
    MovieNotFound
        If it is not where it was, and none is passed.
    WrongMovie
        If what is there, or was passed, is another movie (unless forced, where at least its shape has to fit).
    """
    noted = meta["movie"]
    address: str | None = noted["address"]
    if movie is None:
        if address is None:
            raise MovieNotFound(folder, None)
        try:
            found = as_movie(address, meta["limits"], tuple(noted["channels"]))
        except (OSError, ValueError) as error:
            raise MovieNotFound(folder, address, f" ({error})") from error
    else:
        own = None if isinstance(movie, str | os.PathLike | Movie) else noted["axes"]
        own = own if own is not None and len(own) == getattr(movie, "ndim", len(own)) else None
        found = as_movie(movie, meta["limits"], tuple(noted["channels"]), own)
    try:
        found = _the_channel(found, noted, meta["limits"])
        _check(found, noted, force)
    except BaseException:
        found.close()
        raise
    return replace(found, address=found.address or address)


class OneChannel:
    """A channel of an array (T, C, Y, X), as an array (T, Y, X) of which a frame is read when it is asked for."""

    def __init__(self, data: Any, channel: int) -> None:
        self._data, self.channel = data, channel
        self.shape = (data.shape[0], *data.shape[2:])
        self.dtype = data.dtype
        self.ndim = len(self.shape)

    def __getitem__(self, index: Any) -> Any:
        frames, *rest = index if isinstance(index, tuple) else (index,)
        return self._data[(frames, self.channel, *rest)]


def channels_in_file(meta: dict[str, Any]) -> tuple[int, ...]:
    """Channels of a session as its movie's file counts them; as the session does where that cannot be known."""
    noted = meta["movie"]
    channels = tuple(int(c) for c in noted["channels"])
    if noted["address"] is None or noted["shape"][1] != 1:
        return channels
    try:
        linked = as_movie(noted["address"])
    except (OSError, ValueError):  # moved, or a file that only napari's readers know
        return channels
    try:
        data = _the_channel(linked, noted, meta["limits"]).movie.data
    finally:
        linked.close()
    return (data.channel,) if isinstance(data, OneChannel) else channels


def _the_channel(found: Linked, noted: dict[str, Any], limits: Any) -> Linked:
    """The channel of a movie that a session was begun on, where that was a layer which shows one of several."""
    movie, (frames, channels, *size) = found.movie, noted["shape"]
    if channels != 1 or movie.n_channels == 1 or movie.axes != "TCYX" or movie.n_frames != frames:
        return found
    if list(movie.frame_shape) == size:
        for channel in range(movie.n_channels):
            one = Movie(OneChannel(movie.data, channel), limits=limits)
            if one.fingerprint() == noted["fingerprint"]:
                return replace(found, movie=one)
    return found


def _check(found: Linked, noted: dict[str, Any], force: bool) -> None:
    name = found.address or "the movie that was passed"
    if list(found.movie.shape) != noted["shape"]:
        shapes = f"{tuple(found.movie.shape)} (T, C, Y, X), the session's is {tuple(noted['shape'])}"
        raise WrongMovie(f"{name} is {shapes}: pass that one")
    if not force and found.movie.fingerprint() != noted["fingerprint"]:
        raise WrongMovie(
            f"{name} has the shape of the session's movie, but other content: pass the right one, or force=True if it "
            "was only converted"
        )
