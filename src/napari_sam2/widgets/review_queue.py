"""What deserves a look, in order: suspects and proposed divisions, the one that is looked at, and what is said of it.

Keys, commands and the review panel all work on the one queue of a desk. No Qt in here.
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam2.session.divisions import Proposal
from napari_sam2.widgets import notify
from napari_sam2.widgets.review_items import Found, Item, find_items
from napari_sam2.widgets.runner import Job

if TYPE_CHECKING:
    from napari_sam2.session.events import Changed
    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.run_state import RunState

SOONEST = 0.5
"""Seconds after a change before the queue is computed anew."""
REST = 3.0
"""Times as long as the last round took until the next."""


RUN_PAUSE = 10.0
"""Seconds between two rounds while tracking runs: the list should not change under the user's hands."""


class ReviewQueue:
    """Suspects and proposed divisions of a desk's session, most doubtful first.

    Parameters
    ----------
    desk
        The desk.

    Attributes
    ----------
    changed : Signal
        The items have changed.
    moved : Signal
        Another one is looked at.
    busy_changed : Signal of bool
        Whether it is being computed.
    """

    changed = Signal()
    moved = Signal()
    busy_changed = Signal(bool)

    def __init__(self, desk: Desk) -> None:
        self._desk_ref = weakref.ref(desk)  # kept by the desk, not the other way round
        self._items: list[Item] = []
        self._at: Item | None = None
        self._row = -1
        self._stale = True
        self._job: Job | None = None
        self._waits = self._wanted = False
        self._pause, self._began = SOONEST, 0.0
        desk.session_changed.connect(self._on_session)
        desk.document_changed.connect(self._on_change)
        desk.run_changed.connect(self._on_run)

    # what there is ------------------------------------------------------------------------------------------------

    @property
    def items(self) -> list[Item]:
        """Most doubtful first."""
        return list(self._items)

    @property
    def at(self) -> Item | None:
        """The one that is looked at."""
        return self._at

    @property
    def row(self) -> int:
        """Its place among the items; where it was, once it has been dealt with; -1 for none."""
        return self._row

    @property
    def busy(self) -> bool:
        """Whether it is being computed, or going to be."""
        return self._job is not None or self._waits

    # going there --------------------------------------------------------------------------------------------------

    def go(self, item: Item) -> None:
        """Look at one: time, camera and current cell."""
        desk = self._desk_ref()
        if desk is None or desk.session is None:
            return
        self._at = item
        self._row = self._items.index(item) if item in self._items else self._row
        if item.cell in desk.session.cells:
            desk.look_at(item.cell, item.frame)
        self.moved.emit()

    def next(self) -> None:
        """Look at the next one."""
        self._step(1)

    def previous(self) -> None:
        """Look at the one before."""
        self._step(-1)

    def _step(self, step: int) -> None:
        self.want()
        if not self._items:
            notify.info("Still looking for suspects" if self.busy else "Nothing to review: there are no suspects")
            return
        here = self._at in self._items
        # what was dealt with has left its place to the next one
        row = self._row + step if here or step < 0 else max(self._row, 0)
        if not 0 <= row < len(self._items):
            notify.info("That was the last suspect" if step > 0 else "This is the first suspect")
            return
        self.go(self._items[row])

    # saying something ---------------------------------------------------------------------------------------------

    def accept(self, *, lock: bool = False) -> None:
        """It is right: a suspect is checked (and locked), a division is made; then comes the next one."""
        desk, item = self._desk_ref(), self._at
        if desk is None or item is None or desk.session is None:
            notify.info("Go to a suspect first")
            return
        frames = (item.first, item.last + 1)
        if item.proposal is not None:
            if desk.act("accept", item.proposal) is None:
                return
        else:
            with desk.together():
                desk.act("set_state", item.cell, frames, "checked")
                if lock:
                    desk.act("lock", item.cell, frames)
        self._done(item)

    def reject(self) -> None:
        """It is wrong: a division is not proposed again; a suspect is marked, to be corrected."""
        desk, item = self._desk_ref(), self._at
        if desk is None or item is None or desk.session is None:
            notify.info("Go to a proposed division first")
            return
        if item.proposal is not None:
            desk.act("reject", item.proposal)
        else:
            desk.act("set_state", item.cell, item.frame, "suspect")
        self._done(item)

    def correct(self, mother: int, frame: int, daughters: tuple[int, int]) -> None:
        """Make a division otherwise than proposed; the proposal is done with."""
        desk, item = self._desk_ref(), self._at
        if desk is None or desk.session is None:
            return
        if desk.act("accept", Proposal(mother, frame, daughters, 1.0, "")) is not None and item is not None:
            self._done(item)

    def _done(self, item: Item) -> None:
        if item in self._items:
            self._row = self._items.index(item)
            self._items.remove(item)
            self.changed.emit()
        if self._row < len(self._items):
            self.go(self._items[self._row])
        else:
            self._at = None
            self.moved.emit()

    # computing ----------------------------------------------------------------------------------------------------

    def want(self) -> None:
        """Have it computed from now on; before that nobody has asked for it."""
        if not self._wanted:
            self._wanted = True
            self._soon(0.0)

    def _on_session(self, _: object) -> None:
        if self._job is not None:
            self._job.stop.set()
        self._items, self._at, self._row = [], None, -1
        self._pause = SOONEST
        self.changed.emit()
        self._soon(0.0)

    def _on_change(self, changed: Changed) -> None:
        self._soon(self._pause)

    def _on_run(self, state: RunState) -> None:
        # what had to wait for the end of a run
        if self._stale and not state.busy:
            self._waits = False
            self._soon(self._pause)

    def _soon(self, seconds: float) -> None:
        desk = self._desk_ref()
        self._stale = True
        if self._wanted and not self._waits and self._job is None and desk is not None and desk.session is not None:
            self._waits = True
            if desk.run.busy and self._items:
                seconds = max(seconds, RUN_PAUSE)
            desk.runner.call_later(seconds, f"review {id(self)}", self._begin)

    def _begin(self) -> None:
        self._waits = False
        desk = self._desk_ref()
        if desk is None or desk.session is None or self._job is not None:
            return
        session = desk.session
        self._stale = False
        self._began = time.monotonic()
        self._job = desk.runner.start(lambda job: find_items(session, job), self._take, self._ended)
        self.busy_changed.emit(True)

    def _take(self, result: Found) -> None:
        session, items = result
        desk = self._desk_ref()
        if desk is None or session is not desk.session:
            return
        at = self._at
        self._items = [item for item in items if item.cell in session.cells]
        if at is not None:
            same = [i for i, item in enumerate(self._items) if item.near(at)]
            self._row = same[0] if same else min(self._row, len(self._items))
            self._at = self._items[same[0]] if same else at
        self.changed.emit()

    def _ended(self, job: Job) -> None:
        self._job = None
        self._pause = max(SOONEST, REST * (time.monotonic() - self._began))
        if job.error is not None and not job.stop.is_set():
            notify.show(job.error, "looking for suspects")
        self.busy_changed.emit(self.busy)
        if self._stale:
            self._soon(self._pause)


_queues: weakref.WeakKeyDictionary[Any, ReviewQueue] = weakref.WeakKeyDictionary()


def queue_of(desk: Desk) -> ReviewQueue:
    """The one queue of a desk; made when first asked for."""
    if desk not in _queues:
        _queues[desk] = ReviewQueue(desk)
    return _queues[desk]
