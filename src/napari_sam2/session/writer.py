"""Writes label frames beside whoever is tracking or acting: what they contain is in the log before they get here.

A frame goes to the disk in three steps. With the document locked, everything noted on it is recorded in the delta
files; unlocked, it is packed and written; locked again, the notes are dropped. Killing the program between any two of
them loses nothing: opening the session follows the log.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from napari_sam2.session.errors import StorageProblem

if TYPE_CHECKING:
    from napari_sam2.session.document import Document

AHEAD = 4
"""Frames that tracking may be ahead of the disk."""
REST_SECONDS = 2.0
"""A thread without work ends after this time, so that a session that is forgotten leaves none behind."""


class Writer:
    """Writes pending label frames, in a thread of its own or (`write_now`) in the caller's.

    Parameters
    ----------
    document
        Whose frames.

    Attributes
    ----------
    problem
        What kept the last frame from being written (a full disk); None where all is well. The frame stays pending,
        which loses nothing: its changes are in the log.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problem: StorageProblem | None = None
        self._fault: BaseException | None = None
        self._waiting: deque[int] = deque()
        self._busy = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._disk = threading.Lock()

    def write_now(self, frame: int) -> None:
        """Write a frame if it is pending.

        Raises
        ------
        StorageProblem
            If that fails; the frame stays pending.
        """
        document = self.document
        with document.lock:
            prepared = document.labels.prepare(frame)
            if prepared is None:
                return
            # taken in this order everywhere; the disk is let go of without needing the document
            self._disk.acquire()
        try:
            document.labels.write(prepared)
        finally:
            self._disk.release()
        with document.lock:
            document.labels.finish(prepared)
            if prepared.moved:
                document.measure(frame)

    def submit(self, frame: int) -> None:
        """Have a frame written soon; returns at once."""
        with self._changed:
            if frame not in self._waiting:
                self._waiting.append(frame)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="napari-sam2 writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def keep_up(self) -> None:
        """Wait until no more than a few frames are to be written; not for one who has locked the document."""
        self._wait(AHEAD)

    def flush(self) -> None:
        """Wait until everything submitted was written, or could not be; not for one who has locked the document."""
        self._wait(0)

    def _wait(self, left: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) + self._busy <= left)
            fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: bool(self._waiting), REST_SECONDS):
                    self._thread = None
                    return
                frame = self._waiting.popleft()
                self._busy = True
            try:
                self.write_now(frame)
                self.problem = None
            except StorageProblem as error:  # it is in the log, and stays pending until there is room
                self.problem = error
            except Exception as error:  # noqa: BLE001 -- for the thread that waits next
                self._fault = error
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
