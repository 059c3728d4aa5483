"""The folder of a session: who has it open, what its files say, and writing them.

`docs/session-layout.md` describes the files.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from napari_sam2.session.cells import Cell
from napari_sam2.session.document import Document, now
from napari_sam2.session.encode import said_from_json, said_to_json
from napari_sam2.session.errors import DamagedSession, NewerSession, ReadOnlySession, SessionError, SessionInUse
from napari_sam2.session.migrate import migrate
from napari_sam2.session.storage import TEMPORARY, explained, read_json, write_atomic, write_json

FORMAT = "napari-sam2 session"
VERSION = 2
"""Version of the layout. One more with every change that older programs would misread; `migrate` brings old ones up."""
SUFFIX = ".sam2cells"
WRONG = "something is missing or of the wrong kind"
LOCK_FILE, OWNER_FILE = "session.lock", "owner.json"


class Owner:
    """Holds a session's folder for this program.

    The lock is the operating system's (`filelock`), so that it goes with a program that dies. A file beside it says who
    holds it, in words, for those who come too late.

    Parameters
    ----------
    folder
        Of the session.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # opened in a thread, closed in another: the lock is the program's, not a thread's
        self._lock = FileLock(folder / LOCK_FILE, timeout=0, thread_local=False)

    def take(self) -> None:
        """Take the folder.

        Raises
        ------
        SessionInUse
            If another program, or another part of this one, has it open.
        ReadOnlySession
            If the folder cannot be written to.
        """
        if not os.access(self.folder, os.W_OK):
            raise ReadOnlySession(
                f"{self.folder} cannot be written to: copy the session to a folder of your own, or open it for reading "
                "only: open_session(..., read_only=True)"
            )
        with explained(self.folder):
            try:
                self._lock.acquire()
            except Timeout:
                raise SessionInUse(self.folder, self.named()) from None
        who = {
            "program": Path(sys.argv[0] or sys.executable).name,
            "process": os.getpid(),
            "user": _user(),
            "computer": platform.node(),
            "since": now(),
        }
        write_atomic(self.folder / OWNER_FILE, json.dumps(who).encode())

    def named(self) -> str:
        """Who has the folder, for a sentence."""
        try:
            who = json.loads((self.folder / OWNER_FILE).read_text())
            return (
                f"another program ({who['program']}, process {who['process']} of {who['user']} on {who['computer']}, "
                f"since {who['since']})"
            )
        except (OSError, ValueError, KeyError, TypeError):
            return "another program"

    def leave(self) -> None:
        """Let go of the folder."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                (self.folder / OWNER_FILE).unlink(missing_ok=True)
            self._lock.release()


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def create_folder(folder: Path, meta: dict[str, Any]) -> Document:
    """Make the files of a new, empty session in an empty folder that is held already."""
    meta = {"format": FORMAT, "version": VERSION, "created": now(), **meta}
    document = Document(folder, meta)
    write_json(folder / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": {"napari-sam2": "session"}})
    document.labels.array.create()
    group = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    write_json(folder / "table" / "zarr.json", group)
    document.table.mark_all()
    write_atomic(document.journal.file, b"")
    save_tables(document)
    return document


def save_tables(document: Document) -> None:
    """Bring the readable tables up to date with the log.

    ``session.json`` is written last, and says up to which line of the log the files can be relied on: opening follows
    the lines after it, and following a line again does no harm.
    """
    through = len(document.journal) if document.open_entry is None else document.open_entry
    oldest = document.labels.oldest_pending_line()
    document.table.save()
    write_json(document.folder / "cells.json", {"cells": [c.to_json() for _, c in sorted(document.cells.items())]})
    said = [{"cell": c, "frame": t, **(said_to_json(s) or {})} for c, t, s in document.iter_said()]
    write_json(document.folder / "prompts.json", {"prompts": said})
    state = {
        **document.meta,
        "through": through,
        "labels_through": through if oldest is None else min(through, oldest),
        "used": _ranges(sorted(document.used)),
        "next_row": document.next_row,
    }
    write_json(document.folder / "session.json", state, sync=True)
    if oldest is None and document.open_entry is None:
        known = {entry for step in (*document.done, *document.undone) for entry in step}
        for entry in document.deltas.entries():
            if entry not in known:
                document.deltas.remove(entry)


def load(folder: Path, read_only: bool) -> Document:
    """Read a session's files.

    Raises
    ------
    NewerSession, DamagedSession
        Nothing is written before everything is understood.
    """
    if not folder.is_dir() or not (folder / "session.json").exists():
        what = "is no session: it has no session.json" if folder.is_dir() else "does not exist"
        raise SessionError(f"{folder} {what}")
    meta = read_json(folder / "session.json")
    if not isinstance(meta, dict) or meta.get("format") != FORMAT or not isinstance(meta.get("version"), int):
        raise DamagedSession(folder / "session.json", "it does not say that it is a session, or of which version")
    if meta["version"] > VERSION:
        raise NewerSession(folder, meta["version"], VERSION)
    if meta["version"] < VERSION:
        meta = migrate(folder, meta, VERSION, read_only)
    try:
        through, labels_through = int(meta.pop("through")), int(meta.pop("labels_through"))
        used, next_row = _numbers(meta.pop("used")), int(meta.pop("next_row"))
        document = Document(folder, meta, read_only)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedSession(folder / "session.json", f"{WRONG} ({error!r})") from error
    document.used, document.next_row = used, next_row
    _load_tables(document)
    for line in document.journal.scan():
        try:
            document.replay(line, state=line["n"] >= through, labels=line["n"] >= labels_through)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise DamagedSession(document.journal.file, f"line {line['n'] + 1} makes no sense ({error!r})") from error
    if len(document.journal) < through:
        raise DamagedSession(
            document.journal.file, f"it has {len(document.journal)} lines where there were at least {through}"
        )
    return document


def tidy(document: Document) -> None:
    """Clear away what a crash left half done; for a session that was read without fault and may be written to."""
    document.journal.cut_torn()
    for leftover in [*document.folder.glob(f"*{TEMPORARY}"), *document.folder.glob(f"labels/c/*/*/*{TEMPORARY}")]:
        leftover.unlink(missing_ok=True)
    for number in document.deltas.entries():
        if number >= len(document.journal):
            document.deltas.remove(number)
    entry = document.open_entry
    if entry is not None:  # the program died while it was tracking
        document.deltas.cut_torn(entry)
        frames = document.deltas.count(entry)
        document.journal.append({"time": now(), "end": entry, "frames": frames, "stopped": True, "recovered": True})
        document.open_entry = None


def _load_tables(document: Document) -> None:
    cells_file, prompts_file = document.folder / "cells.json", document.folder / "prompts.json"
    try:
        for record in read_json(cells_file)["cells"]:
            document.cells[int(record["id"])] = Cell.from_json(record)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedSession(cells_file, f"{WRONG} ({error!r})") from error
    try:
        for record in read_json(prompts_file)["prompts"]:
            cell, frame = int(record.pop("cell")), int(record.pop("frame"))
            document.set_said(cell, frame, said_from_json(record))
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedSession(prompts_file, f"{WRONG} ({error!r})") from error
    document.table.load(document.next_row)


def _ranges(numbers: list[int]) -> list[list[int]]:
    """Runs of consecutive numbers, as [first, last]."""
    out: list[list[int]] = []
    for n in numbers:
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return out


def _numbers(ranges: list[list[int]]) -> set[int]:
    return {n for first, last in ranges for n in range(int(first), int(last) + 1)}
