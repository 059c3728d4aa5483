"""Making and opening sessions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_sam2.session import folder as files
from napari_sam2.session.divisions import REJECTED
from napari_sam2.session.engine import EngineMaker, TrackerEngine
from napari_sam2.session.link import as_movie, describe_movie, find_movie
from napari_sam2.session.numbers import plain_diameter, plain_scale, plain_units
from napari_sam2.session.session import Session
from napari_sam2.session.storage import explained


def new_session(
    movie: Any,
    path: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] = "cell",
    address: str | os.PathLike[str] | None = None,
    limits: Any = None,
    channels: int | tuple[int, ...] | None = None,
    axes: str | None = None,
    scale: Sequence[float] | None = None,
    units: Sequence[str] | None = None,
    cell_diameter: float | None = None,
    mode: str = "auto",
    device: str = "auto",
    settings: Any = None,
    make_engine: EngineMaker = TrackerEngine,
) -> Session:
    """Begin a session on a movie.

    Parameters
    ----------
    movie
        Path, array (T, Y, X) or (T, C, Y, X), or `Movie`.
    path
        The folder to make: ``name.sam2cells`` (the suffix is added where there is none) or ``name.zarr``.
    model
        Name of a model or path of a checkpoint.
    address
        Where the movie lies, for opening the session again, where `movie` is an array.
    limits, channels, axes
        As `tracking.Movie`.
    scale, units
        Size of a frame and of a pixel: (T, Y, X). By default what the file says; 1 and no unit where it says nothing.
    cell_diameter, mode, device, settings
        As `CellTracker`.
    make_engine
        Makes the tracker; the real one by default.

    Raises
    ------
    FileExistsError
        If the folder is there already and not empty.
    ValueError
        If the movie, a size or a unit is none.
    """
    folder = Path(path).expanduser().absolute()
    if not folder.suffix:
        folder = folder.with_name(folder.name + files.SUFFIX)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there already: open it with open_session, or choose another name")
    diameter = plain_diameter(cell_diameter)
    own_scale = None if scale is None else plain_scale(scale)
    own_units = None if units is None else plain_units(units)
    linked = as_movie(movie, limits, channels, axes)
    found, where = linked.movie, linked.address
    if address is not None:
        where = str(Path(address).expanduser().absolute()) if "://" not in str(address) else str(address)
    meta = {
        "shape": [found.n_frames, *found.frame_shape],
        "movie": describe_movie(found, where),
        "axes": "TYX",
        "scale": list(linked.sizes[0]) if own_scale is None else own_scale,
        "units": list(linked.sizes[1]) if own_units is None else own_units,
        "limits": [list(pair) for pair in found.limits],
        "cell_diameter": diameter,
        "model": {"name": str(model), "hash": None},
        "mode": mode,
        "device": device,
        "settings": None if settings is None else asdict(settings),
        REJECTED: [],
    }
    owner = files.Owner(folder)
    try:
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        owner.take()
        return Session(files.create_folder(folder, meta), found, owner, make_engine, linked.close)
    except BaseException:
        linked.close()
        owner.leave()
        raise


def open_session(
    path: str | os.PathLike[str],
    movie: Any = None,
    *,
    read_only: bool = False,
    without_movie: bool = False,
    force: bool = False,
    make_engine: EngineMaker = TrackerEngine,
) -> Session:
    """Open a session where it was left, also after a crash.

    Parameters
    ----------
    path
        Its folder.
    movie
        Path or array of the movie, where it is not where it was.
    read_only
        Look only; works while another program has it open, and on folders that cannot be written to.
    without_movie
        Do not open the movie: for looking at results and exporting them.
    force
        Take the movie even if its content is not the one that was noted.
    make_engine
        Makes the tracker; the real one by default.

    Raises
    ------
    SessionInUse, ReadOnlySession, NewerSession, DamagedSession, MovieNotFound, WrongMovie
        Each says what to do. Nothing was changed then.
    """
    folder = Path(path).expanduser().absolute()
    owner = None
    if not read_only and (folder / "session.json").exists():
        owner = files.Owner(folder)
        owner.take()
    linked = None
    try:
        document = files.load(folder, read_only)
        if not without_movie:
            linked = find_movie(folder, document.meta, movie, force)
            document.meta["movie"] = {**document.meta["movie"], "address": linked.address}
            if force:
                document.meta["movie"]["fingerprint"] = linked.movie.fingerprint()
        if not read_only:
            files.tidy(document)
        document.open_entry = None
        if linked is None:
            return Session(document, None, owner, make_engine)
        return Session(document, linked.movie, owner, make_engine, linked.close)
    except BaseException:
        if linked is not None:
            linked.close()
        if owner is not None:
            owner.leave()
        raise
