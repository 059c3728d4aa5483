"""Writing what is pending, as long as one likes to wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam2.session.document import Document

Progress = Callable[[int, int], object]
"""Called with how many frames are done and how many there are; returning False stops."""


def settle(document: Document, seconds: float | None, progress: Progress | None, measure: bool = True) -> int:
    """Write pending label frames; returns how many are left.

    With `measure`, cells that an older version of the layout has not measured are measured too.
    """
    if document.read_only:
        return 0
    until = None if seconds is None else time.monotonic() + seconds
    pending = document.labels.pending
    unmeasured = sorted(set(document.unmeasured()) - set(pending)) if measure else []
    todo = [(document.writer.write_now, t) for t in pending] + [(document.measure, t) for t in unmeasured]
    for i, (work, frame) in enumerate(todo):
        if until is not None and time.monotonic() >= until:
            return len(todo) - i
        work(frame)
        if progress is not None and progress(i + 1, len(todo)) is False:
            return len(todo) - i - 1
    return 0
