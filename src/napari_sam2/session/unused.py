"""Taking away the folder of a session that was begun and never used."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from typing import TYPE_CHECKING

from napari_sam2.session.errors import SessionError
from napari_sam2.session.folder import LOCK_FILE, OWNER_FILE, Owner

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

FILES = ("cells.json", "prompts.json", "session.json", "log.jsonl", "zarr.json", "labels", "labels/zarr.json", "table")
OURS = {*FILES, LOCK_FILE, OWNER_FILE}
"""What a new session has in its folder."""


def is_unused(session: Session) -> bool:
    """Whether no cell was ever made in a session, not even one that is gone by now."""
    return not session.document.used


def remove_unused(session: Session) -> bool:
    """Remove the folder of a closed session in which no cell was ever made.

    It is renamed first, in one go: whenever that is cut short, there is a whole session at its place, or none. A folder
    with anything else in it stays, and so does one that somebody has open again.

    Parameters
    ----------
    session
        The session, closed.

    Returns
    -------
    bool
        Whether the folder is gone.
    """
    folder = session.path
    if not is_unused(session):
        return False
    owner = Owner(folder)
    try:
        owner.take()
    except (SessionError, OSError):
        return False
    going = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.removed")
    try:
        if not _is_bare(session):
            return False
        try:
            folder.rename(going)  # while it is held: nobody can open it in between
        except OSError:
            owner.leave()  # Windows renames no folder with an open file in it
            with contextlib.suppress(OSError):
                folder.rename(going)
    except OSError:
        return False
    finally:
        owner.leave()
    shutil.rmtree(going, ignore_errors=True)
    return not folder.exists()


def _is_bare(session: Session) -> bool:
    """Whether there is nothing in its folder but what a new session has, and nobody has added to its log since."""
    folder, journal = session.path, session.document.journal
    names = {entry.name for entry in folder.iterdir()} | {f"labels/{e.name}" for e in (folder / "labels").iterdir()}
    return names <= OURS and journal.file.read_bytes().count(b"\n") == len(journal)
