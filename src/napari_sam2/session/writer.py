"""Writes label frames beside whoever is tracking or acting: what they contain is in the log before they get here.

A frame goes to the disk in three steps. With the document locked, everything noted on it is recorded in the delta
files; unlocked, it is packed and written; locked again, the notes are dropped. Killing the program between any two of
them loses nothing: opening the session follows the log.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from napari_sam2.session.errors import SessionError

if TYPE_CHECKING:
    from napari_sam2.session.document import Document

AHEAD = 4
"""Frames that tracking may be ahead of the disk."""
IDLE_SECONDS = 1.5
"""Seconds without a change after which frames are written that actions on whole tracks have only noted: an undo right
after such an action has nothing to write back then."""
RETRY_SECONDS = 10.0
"""Seconds until it is tried again where the disk was full."""
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
        self.problem: SessionError | None = None
        self._fault: BaseException | None = None
        self._waiting: deque[int] = deque()
        self._rest_until = 0.0
        self._stopped = False
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
            self._start()

    def changed(self) -> None:
        """Note that something was done: frames that it has only noted are written when nothing is done for a while."""
        self._rest_until = time.monotonic() + IDLE_SECONDS
        if self.document.labels.pending:
            with self._changed:
                self._start()

    def stop(self) -> None:
        """Write nothing more, and wait until nothing is being written."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()
            if not self.document.lock.mine:
                self._changed.wait_for(lambda: not self._busy)

    def _start(self) -> None:
        if self._thread is None and not self._stopped:
            self._thread = threading.Thread(target=self._work, name="napari-sam2 writer", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def keep_up(self) -> None:
        """Wait until no more than a few frames are to be written; not where the caller has locked the document."""
        self._wait(AHEAD)

    def flush(self) -> None:
        """Wait until everything submitted was written, or could not be.

        Does not wait where the caller has locked the document, which writing needs: the frames follow later.
        """
        self._wait(0)

    def _wait(self, left: int) -> None:
        if self.document.lock.mine:
            return
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) + self._busy <= left)
            fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def _work(self) -> None:
        idle_since = time.monotonic()
        while True:
            with self._changed:
                frame = self._next()
                if frame is None:
                    pending = bool(self.document.labels.pending)
                    if self._stopped or (not pending and time.monotonic() - idle_since > REST_SECONDS):
                        self._thread = None
                        return
                    self._changed.wait(max(0.01, min(REST_SECONDS, self._rest_until - time.monotonic())))
                    continue
                self._busy = True
            try:
                self.write_now(frame)
                self.problem = None
            except SessionError as error:  # it is in the log, and stays pending until there is room
                self.problem = error
                self._rest_until = time.monotonic() + RETRY_SECONDS
            except Exception as error:  # noqa: BLE001 -- for the thread that waits next
                self._fault = error
                self._rest_until = time.monotonic() + RETRY_SECONDS
            finally:
                idle_since = time.monotonic()
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

    def _next(self) -> int | None:
        """The next frame to write: one that was submitted, or any pending one when nothing else goes on."""
        if self._stopped:
            return None
        if self._waiting:
            return self._waiting.popleft()
        if self.document.open_entry is not None or time.monotonic() < self._rest_until:
            return None
        return self.document.labels.any_pending()
