"""What a download reports while it runs, and how it is told to stop. The same for a shell and for a window."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from napari_sam2.weights.errors import DownloadCancelled

Stage = Literal["waiting", "connecting", "downloading", "retrying", "verifying", "done"]

#: Least time in seconds between two reports of the same stage: often enough for a smooth bar and a prompt cancel.
REPORT_INTERVAL = 0.1


@dataclass(frozen=True)
class DownloadProgress:
    """One report of a running download.

    Attributes
    ----------
    name
        The model's name.
    stage
        waiting (another process is fetching the same file), connecting, downloading, retrying (after a broken
        connection; `message` says why), verifying (the checksum), done.
    received
        Bytes that are here, those kept from an earlier attempt included.
    total
        Bytes of the whole file, or None where unknown.
    message
        For people; may be empty.
    """

    name: str
    stage: Stage
    received: int
    total: int | None
    message: str = ""

    @property
    def fraction(self) -> float | None:
        """How much is here, 0..1; None where the total is unknown."""
        return None if not self.total else min(1.0, self.received / self.total)


#: Called with every report, in the thread that downloads. Returning False (not None) cancels the download.
ProgressCallback = Callable[[DownloadProgress], "bool | None"]


class Reporter:
    """Calls a callback, not too often, and turns its False into `DownloadCancelled`."""

    def __init__(self, name: str, total: int | None, callback: ProgressCallback | None) -> None:
        self.name = name
        self.total = total
        self._callback = callback
        self._stage: Stage | None = None
        self._when = 0.0

    def __call__(self, stage: Stage, received: int, message: str = "", *, force: bool = False) -> None:
        if self._callback is None:
            return
        now = time.monotonic()
        if stage == self._stage and not force and now - self._when < REPORT_INTERVAL:
            return
        self._stage, self._when = stage, now
        if self._callback(DownloadProgress(self.name, stage, received, self.total, message)) is False:
            raise DownloadCancelled(f"the download of {self.name} was cancelled; what is here is kept")

    def sleep(self, seconds: float, stage: Stage, received: int, message: str) -> None:
        """Wait, reporting all the while, so that a cancel need not wait for the end of it."""
        end = time.monotonic() + seconds
        self(stage, received, message, force=True)
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, REPORT_INTERVAL))
            self(stage, received, message)
