"""Summaries of all cells of the active session, kept up to date beside the main thread; shared by the views. No Qt."""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam2.session.errors import Refused
from napari_sam2.widgets import notify
from napari_sam2.widgets.runner import Job
from napari_sam2.widgets.summary import Summary, summarise

if TYPE_CHECKING:
    from napari_sam2.session import Session
    from napari_sam2.session.events import Changed
    from napari_sam2.widgets.desk import Desk

SOONEST = 0.04
"""Seconds after a change before anything is computed: changes come in bursts."""
REST = 4.0
"""Times as long as the last round took until the next: at most a fifth of the processor goes into summaries."""
AT_ONCE = 50
"""Cells that are told of together."""


class Overview:
    """Summaries of the cells of a desk's session.

    Parameters
    ----------
    desk
        The desk.

    Attributes
    ----------
    changed : Signal of frozenset of int
        Cells whose summary is new, changed or gone.
    """

    changed = Signal(object)

    def __init__(self, desk: Desk) -> None:
        self._desk_ref = weakref.ref(desk)  # the overview is kept by its desk, not the other way round
        self._found: dict[int, Summary] = {}
        self._due: set[int] = set()
        self._job: Job | None = None
        self._waits = False
        self._began = 0.0
        self._pause = SOONEST
        desk.session_changed.connect(self._on_session)
        desk.document_changed.connect(self._on_change)
        self._on_session(desk.session)

    @property
    def summaries(self) -> Mapping[int, Summary]:
        """By cell."""
        return MappingProxyType(self._found)

    @property
    def settled(self) -> bool:
        """Whether nothing is due."""
        return not self._due and self._job is None

    @property
    def _session(self) -> Session | None:
        desk = self._desk_ref()
        return None if desk is None else desk.session

    def _on_session(self, session: Session | None) -> None:
        gone = frozenset(self._found)
        self._found.clear()
        self._due.clear()
        if self._job is not None:
            self._job.stop.set()
        if gone:
            self.changed.emit(gone)
        if session is not None:
            self._note(session.cells)

    def _on_change(self, changed: Changed) -> None:
        session = self._session
        if session is None:
            return
        gone = frozenset(cell for cell in changed.cells if cell not in session.cells) & frozenset(self._found)
        # a mother or daughter shows in the other's summary
        due = {c for cell in changed.cells for c in self._relatives(session, cell)}
        for cell in gone:
            del self._found[cell]
        if gone:
            self.changed.emit(gone)
        # settings can make everything stale
        self._note(due & set(session.cells) if changed.cells else session.cells)

    def _relatives(self, session: Session, cell: int) -> set[int]:
        found = {cell}
        known, record = self._found.get(cell), session.cells.get(cell)
        if known is not None:
            found |= {known.cell.parent or 0, *known.daughters}
        if record is not None:
            found.add(record.parent or 0)
        return found - {0}

    def _note(self, cells: Iterable[int]) -> None:
        self._due.update(cells)
        desk = self._desk_ref()
        if self._due and not self._waits and self._job is None and desk is not None:
            self._waits = True
            desk.runner.call_later(self._pause, f"overview {id(self)}", self._begin)

    def _begin(self) -> None:
        self._waits = False
        session, desk = self._session, self._desk_ref()
        if session is None or desk is None or not self._due:
            return
        wanted, self._due = sorted(self._due), set()
        self._began = time.monotonic()
        self._job = desk.runner.start(lambda job: _compute(session, wanted, job), self._take, self._ended)

    def _take(self, result: tuple[Session, dict[int, Summary]]) -> None:
        session, found = result
        if session is self._session:
            fresh = {cell: summary for cell, summary in found.items() if cell in session.cells}
            self._found.update(fresh)
            self.changed.emit(frozenset(fresh))

    def _ended(self, job: Job) -> None:
        self._job = None
        self._pause = max(SOONEST, REST * (time.monotonic() - self._began))
        if job.error is not None:
            notify.show(job.error, "summing up the cells")
        self._note(())


def _compute(session: Session, wanted: list[int], job: Job) -> Iterator[tuple[Session, dict[int, Summary]]]:
    for first in range(0, len(wanted), AT_ONCE):
        found = {}
        for cell in wanted[first : first + AT_ONCE]:
            if job.stop.is_set():
                return
            try:
                found[cell] = summarise(session, cell)
            except Refused:  # deleted meanwhile
                continue
        yield session, found


_overviews: weakref.WeakKeyDictionary[Any, Overview] = weakref.WeakKeyDictionary()


def overview_of(desk: Desk) -> Overview:
    """The one overview of a desk; made when first asked for."""
    if desk not in _overviews:
        _overviews[desk] = Overview(desk)
    return _overviews[desk]
