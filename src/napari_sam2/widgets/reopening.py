"""Opening a session by its folder: with the layer of its movie where it is in the viewer, else with its file. No Qt."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.session import (
    MovieNotFound,
    ReadOnlySession,
    Session,
    SessionError,
    SessionInUse,
    WrongMovie,
    open_session,
)
from napari_sam2.widgets import notify, preferences
from napari_sam2.widgets.image import axes_of, movie_of
from napari_sam2.widgets.place import source_of

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.runner import Job

Found = tuple[Session, Any]


def reopen(
    desk: Desk, path: Path, *, read_only: bool = False, then: Callable[[Session], object] = lambda session: None
) -> None:
    """Open a session in the background and make it the active one.

    Parameters
    ----------
    desk
        The desk.
    path
        Folder of the session, or a file in it.
    read_only
        For looking only.
    then
        Called with the session.
    """
    from napari.layers import Image

    folder = path if path.is_dir() else path.parent
    for image, session in desk.sessions.items():
        if session.path == folder.absolute():
            desk.activate(image)
            then(session)
            return
    if desk.opening:
        notify.info(f"'{desk.opening}' is being opened: wait a moment.")
        return
    images = [layer for layer in desk.viewer.layers if isinstance(layer, Image) and desk.sheet_of(layer) is None]
    desk.opening = folder.name
    desk.opening_changed.emit(desk.opening)
    found: list[Found] = []

    def ended(job: Job) -> None:
        desk.opening = ""
        try:
            if found:
                _place(desk, *found[0], read_only)
                then(found[0][0])
            elif job.error is not None:
                _failed(desk, folder, job.error, read_only, then)
        except Exception as problem:  # noqa: BLE001 -- told in words
            found[0][0].close()
            notify.show(problem, f"opening {folder.name}")
        finally:
            desk.opening_changed.emit(desk.opening)

    desk.runner.start(lambda job: _open(folder, images, read_only), found.append, ended)


def _open(folder: Path, images: list[Image], read_only: bool) -> Iterator[Found]:
    maker = preferences.engine_maker()
    for image in images:
        movie = _movie(image, folder)
        if movie is None:
            continue
        try:
            yield open_session(folder, movie, read_only=read_only, make_engine=maker), image
            return
        except WrongMovie:
            continue
    yield open_session(folder, read_only=read_only, make_engine=maker), None


def _movie(image: Image, folder: Path) -> Any:
    """The movie of a layer, scaled as a session has noted it; None where it cannot be the session's."""
    try:
        meta = json.loads((folder / "session.json").read_text(encoding="utf-8"))
        movie = movie_of(image, (), limits=meta["limits"], channels=tuple(meta["movie"]["channels"]))
        return movie if list(movie.shape) == meta["movie"]["shape"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # what is wrong with the session is told by opening it


def _place(desk: Desk, session: Session, image: Image | None, read_only: bool) -> None:
    if desk.closed:
        session.close()
        return
    if image is None or image not in desk.viewer.layers:
        image = _add_movie(desk, session)
    count = len(session.cells)
    looking = " for looking only" if read_only else ""
    note = f"Opened {session.path.name}{looking} with {count} cell{'s' * (count != 1)}."
    desk.place(image, axes_of(image), session, note)


def _add_movie(desk: Desk, session: Session) -> Image:
    """A layer of the session's movie: the one that shows its file, or a new one."""
    from napari.layers import Image

    from napari_sam2.export import open_movie

    address = session.meta["movie"]["address"]
    source = Path(address)
    for layer in desk.viewer.layers:
        if isinstance(layer, Image) and source_of(layer) == source and desk.sheet_of(layer) is None:
            return layer
    # the session closes its own access to the file with itself; the layer may be looked at longer
    opened = open_movie(source)
    letters = "TCYX" if len(opened.data.shape) == 4 else "TYX"
    meta = session.meta
    scale = dict(zip("TYX", meta["scale"], strict=True))
    units = dict(zip("TYX", meta["units"], strict=True))
    image = Image(
        opened.data,
        name=source.name.split(".")[0],
        axis_labels=[letter.lower() for letter in letters],
        scale=[scale.get(letter, 1.0) for letter in letters],
        units=[units.get(letter) or "pixel" for letter in letters],
        contrast_limits=meta["limits"][0],
        metadata={"napari-sam2 movie": str(source)},
    )
    weakref.finalize(image, opened.close)
    desk.viewer.layers.append(image)
    return image


def _failed(
    desk: Desk, folder: Path, problem: BaseException, read_only: bool, then: Callable[[Session], object]
) -> None:
    if isinstance(problem, SessionInUse | ReadOnlySession) and not read_only:
        said = notify.explain(problem)
        if desk.confirm(f"{said.text if said is not None else problem}\n\nOpen it for looking only?"):
            reopen(desk, folder, read_only=True, then=then)
            return
    if isinstance(problem, SessionError | MovieNotFound):
        notify.show(problem)
    else:
        notify.show(problem, f"opening {folder.name}")
