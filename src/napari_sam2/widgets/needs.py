"""How much there is to track: counted beside the main thread, again only for cells that have changed. No Qt in here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2.widgets.runner import Job, Runner

if TYPE_CHECKING:
    from napari_sam2.session import Session

DELAY = 0.25
"""Seconds of quiet before it is counted."""


@dataclass(frozen=True)
class Needs:
    """What a session has to track.

    Parameters
    ----------
    stale, untracked
        Masks that come from prompts that have changed since, and masks never tracked.
    stale_cells
        Cells with stale masks.
    prompted
        Cells with prompts.
    """

    stale: int = 0
    untracked: int = 0
    stale_cells: int = 0
    prompted: int = 0

    @property
    def total(self) -> int:
        """Masks to track."""
        return self.stale + self.untracked

    def __str__(self) -> str:
        if not self.prompted:
            return "Nothing to track yet: click on a cell."
        if not self.total:
            return "Everything is tracked."
        parts = [f"{self.untracked:,} masks to track"] if self.untracked else []
        if self.stale:
            parts.append(f"{self.stale:,} stale in {self.stale_cells} cell{'s' * (self.stale_cells != 1)}")
        return f"{', '.join(parts)}."


class Counting:
    """Keeps the count of a session.

    Parameters
    ----------
    session
        The session.
    runner
        Threads.
    told
        Called on the main thread with every new count.
    """

    def __init__(self, session: Session, runner: Runner, told: Callable[[Needs], object]) -> None:
        self.needs = Needs()
        self._session, self._runner, self._told = session, runner, told
        self._known: dict[int, tuple[int, int, bool]] = {}
        self._changed: set[int] = set(session.cells)
        self._all = False
        self._job: Job | None = None
        self._closed = False
        self._later()

    def changed(self, cells: Iterable[int], everything: bool = False) -> None:
        """Note that cells have to be counted again, or all of them."""
        self._changed.update(cells)
        self._all |= everything
        self._later()

    def close(self, seconds: float = 10.0) -> None:
        """Count no more."""
        self._closed = True
        if self._job is not None:
            self._job.stop.set()
            self._job.wait(seconds)

    def _later(self) -> None:
        self._runner.call_later(DELAY, f"needs-{id(self)}", self._begin)

    def _begin(self) -> None:
        if self._closed or self._job is not None:
            return
        wanted = sorted(set(self._session.cells) if self._all else self._changed)
        self._changed, self._all = set(), False
        self._job = self._runner.start(lambda job: self._count(job, wanted), self._counted, self._ended)

    def _count(self, job: Job, wanted: list[int]) -> Iterator[dict[int, tuple[int, int, bool] | None]]:
        session = self._session
        found: dict[int, tuple[int, int, bool] | None] = {}
        for cell in wanted:
            with session.document.lock:  # a cell at a time: actions must not wait
                if job.stop.is_set():
                    return
                if cell in session.cells:
                    anchors = session.stale_index.anchors(cell)
                    state = session.stale_index.of(cell, anchors)
                    found[cell] = (int(state.stale.sum()), int(state.untracked.sum()), bool(anchors))
                else:
                    found[cell] = None
        yield found

    def _counted(self, found: dict[int, tuple[int, int, bool] | None]) -> None:
        for cell, value in found.items():
            if value is None:
                self._known.pop(cell, None)
            else:
                self._known[cell] = value
        values = [v for c, v in self._known.items() if c in self._session.cells]
        self.needs = Needs(
            stale=sum(v[0] for v in values if v[2]),
            untracked=sum(v[1] for v in values),
            stale_cells=sum(v[0] > 0 and v[2] for v in values),
            prompted=sum(v[2] for v in values),
        )
        self._told(self.needs)

    def _ended(self, job: Job) -> None:
        self._job = None
        if (self._changed or self._all) and not self._closed:
            self._later()
