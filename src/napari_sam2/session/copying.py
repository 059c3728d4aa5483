"""Copying a session that is open to another folder, whole and consistent, while its user works on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.session import folder as files
from napari_sam2.session.errors import Refused
from napari_sam2.session.storage import TEMPORARY, explained

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

Stamp = tuple[int, int]
NOT_COPIED = {files.LOCK_FILE, files.OWNER_FILE}
"""They say who has the original open."""


def copy_session(
    session: Session,
    path: str | os.PathLike[str],
    *,
    progress: Callable[[int, int], object] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Path | None:
    """Copy a session's folder; the session goes on in its own.

    Most of it is copied while the session may change; what did change meanwhile is copied again with the session held,
    which is short. The folder appears whole or not at all.

    Parameters
    ----------
    session
        Open.
    path
        Folder to make; its suffix is added where it has none.
    progress
        Called with (files copied, all files).
    cancelled
        Asked before each file; true ends the copying and leaves nothing.

    Returns
    -------
    Path or None
        The new folder; None if it was cancelled.

    Raises
    ------
    FileExistsError
        If something is there.
    Refused
        If it lies inside the session's own folder, or tracking is writing.
    StorageProblem
        If the disk is full or cannot be written to.
    """
    target = Path(path).expanduser().absolute()
    if not target.suffix:
        target = target.with_name(target.name + files.SUFFIX)
    if target.exists():
        raise FileExistsError(f"{target} is there already: choose another name")
    if session.path in target.parents:
        raise Refused("a session cannot be copied into itself: choose a place outside its folder")
    document = session.document
    if document.open_entry is not None:
        raise Refused("tracking is writing to the session: pause it first, then copy")
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}{TEMPORARY}")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        with explained(target):
            copied: dict[str, Stamp] = {}
            if not _bring(session.path, unfinished, copied, progress, cancelled):
                return None
            with document.lock:
                if document.open_entry is not None:
                    raise Refused("tracking was begun while the session was copied: pause it, then copy again")
                session.save()
                _bring(session.path, unfinished, copied, lambda done, total: None, lambda: False)
                for name in set(copied) - set(_files(session.path)):  # gone in the meantime
                    (unfinished / name).unlink(missing_ok=True)
            unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def _bring(
    source: Path,
    target: Path,
    copied: dict[str, Stamp],
    progress: Callable[[int, int], object],
    cancelled: Callable[[], bool],
) -> bool:
    """Copy files that are new or changed; returns whether it came to its end."""
    names = sorted(_files(source))
    for count, name in enumerate(names):
        if cancelled():
            return False
        try:
            stamp = _stamp(source / name)
            if copied.get(name) != stamp:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name, target / name)
                copied[name] = stamp
        except FileNotFoundError:  # replaced or removed just now: the second round sees
            copied.pop(name, None)
        progress(count + 1, len(names))
    return True


def _files(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if name not in NOT_COPIED and not name.endswith(TEMPORARY):
                yield str(Path(parent, name).relative_to(folder))


def _stamp(file: Path) -> Stamp:
    found = file.stat()
    return found.st_mtime_ns, found.st_size
