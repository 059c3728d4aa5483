"""Tracking and previews of one session, in a thread: what is asked for, what is under way, what goes on after an edit.

At most one job computes at a time. An action of the user never waits for it: a run is ended in the log, the action is
done, masks of fresh prompts come first, and then the run goes on with what is still needed. No Qt in here.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Any

from napari_sam2.session.run import find_work
from napari_sam2.widgets import notify
from napari_sam2.widgets.run_state import Done, Request, RunState, Total, progress, speed
from napari_sam2.widgets.runner import Job, Runner

if TYPE_CHECKING:
    from napari_sam2.session import Session

PREVIEW_DELAY = 0.05
"""Seconds after a click until its mask is computed: a second click in that time is computed together with it."""
GO_ON_DELAY = 0.3
"""Seconds after an edit until a run goes on: several edits in a row hold it up once."""
RECENT = 12
"""Frames that the speed is measured over."""
TRIES = 3
"""Times that a preview is computed again because something else changed its frame meanwhile."""


class Runs:
    """The jobs of a session.

    Parameters
    ----------
    session
        The session.
    runner
        Threads.
    told
        Called on the main thread with every new state.
    finished
        Called on the main thread when a run is over: with the request, the error or None, and whether it was stopped.
    """

    def __init__(
        self,
        session: Session,
        runner: Runner,
        told: Callable[[RunState], object],
        finished: Callable[[Request, BaseException | None, bool], object],
    ) -> None:
        self.session, self.runner = session, runner
        self.state = RunState()
        self._told, self._finished = told, finished
        self._job: Job | None = None
        self._job_tracks = False
        self._request: Request | None = None
        self._hold = Event()
        self._previews: dict[tuple[int, int], int] = {}
        self._alone: tuple[str, Callable[[], Any], Callable[[Any, BaseException | None], object]] | None = None
        self._holds = False
        self._times: deque[Done] = deque(maxlen=RECENT)
        self._name = f"runs-{id(self)}"
        self._closed = False

    # what the user does -------------------------------------------------------------------------------------------

    def track(self, request: Request) -> None:
        """Begin a run; one that is under way is given up."""
        self._leave()
        self._request = request
        self._hold.clear()
        self._tell(RunState("tracking", text="Preparing…"))
        self._go()

    def pause(self) -> None:
        """Hold the run after the frame that is being computed."""
        if self._request is not None and self.state.kind == "tracking":
            self._hold.set()
            self._tell(replace(self.state, kind="paused", text=f"Paused. {progress(self.state)}"))

    def resume(self) -> None:
        """Go on with a paused run."""
        if self._request is not None and self.state.kind == "paused":
            self._hold.clear()
            self._times.clear()
            self._tell(replace(self.state, kind="tracking", text=progress(self.state) or "Going on…"))
            self._go()

    def cancel(self) -> None:
        """End the run; what is done is kept."""
        if self._request is None:
            return
        request, self._request = self._request, None
        self._hold.clear()
        if self._leave():
            self._tell(replace(self.state, kind="stopping", text="Stopping…"))
        else:
            self._tell(RunState())
        self._finished(request, None, True)

    def preview(self, cell: int, frame: int) -> None:
        """Compute the mask of a cell on a frame that it was prompted on, soon."""
        self._previews[cell, frame] = 0
        self._later(PREVIEW_DELAY)

    def do_alone(
        self,
        text: str,
        work: Callable[[], Any],
        done: Callable[[Any, BaseException | None], object],
        holds: bool = True,
    ) -> None:
        """Do something in the thread; `done` gets its value or error.

        What holds the session has the user's actions refused meanwhile; what only looks at it does not.
        """
        if self.state.busy or self._alone is not None:
            notify.info("Wait until tracking is done, or stop it.")
            return
        self._alone, self._holds = (text, work, done), holds
        self._tell(RunState("preview", text=text))
        self._go()

    @property
    def occupied(self) -> str:
        """What the session is being changed by in the thread, in words; empty where actions are free."""
        return "" if self._alone is None or not self._holds else self._alone[0]

    def before_action(self) -> None:
        """End what stands in the way of an action of the user, at once."""
        if self._leave() and self._request is not None and self._request.what == "all":
            # tracked afresh gives the same masks again: what is left is what is needed
            self._request = replace(self._request, what="needed")

    def after_action(self) -> None:
        """Go on with a run that an action has interrupted."""
        if self._request is not None and not self._hold.is_set():
            self._later(GO_ON_DELAY)

    def close(self, seconds: float = 30.0) -> bool:
        """End everything and wait for the thread; returns whether it has ended."""
        self._closed = True
        self._request = None
        self._previews.clear()
        self._alone = None
        job = self._job
        self._leave()
        return job is None or job.wait(seconds)

    @property
    def pending(self) -> bool:
        """Whether anything is being computed or about to be."""
        waiting = bool(self._previews) or self._alone is not None
        return self._job is not None or waiting or (self._request is not None and not self._hold.is_set())

    # jobs ---------------------------------------------------------------------------------------------------------

    def _leave(self) -> bool:
        """End a tracking job in the log; its thread ends by itself. Returns whether there was one."""
        if self._job is None or not self._job_tracks:
            return False
        self._job.stop.set()
        self.session.stop_tracking()
        return True

    def _later(self, seconds: float) -> None:
        self.runner.call_later(seconds, self._name, self._go)

    def _go(self) -> None:
        """Begin the next job, unless one is under way."""
        if self._job is not None or self._closed:
            return
        if self._alone is not None:
            _, work, done = self._alone
            self._job_tracks = False
            found: list[Any] = []

            def ended(job: Job) -> None:
                self._alone = None
                job_error, job.error = job.error, None
                self._ended(job)
                done(found[0] if found else None, job_error)

            self._job = self.runner.start(lambda job: _once(work), found.append, ended)
        elif self._previews:
            wanted = dict(self._previews)
            self._job_tracks = False
            if self.state.kind == "idle":
                self._tell(RunState("preview", text="Finding the cell…"))
            self._job = self.runner.start(lambda job: self._preview_steps(wanted), self._previewed, self._ended)
        elif self._request is not None and not self._hold.is_set():
            request = self._request
            self._job_tracks = True
            self._times.clear()
            self._job = self.runner.start(lambda job: self._track_steps(job, request), self._tracked, self._ended)

    def _ended(self, job: Job) -> None:
        if job is not self._job:
            return
        self._job = None
        stopped, tracked = job.stop.is_set(), self._job_tracks
        if self._closed:
            return
        if tracked and not stopped and self._request is not None:
            request, self._request = self._request, None
            self._tell(RunState())
            self._finished(request, job.error, False)
        elif not tracked and job.error is not None:
            self._previews.clear()
            request, self._request = self._request or Request(), None
            self._tell(RunState())
            self._finished(request, job.error, False)
        elif self._request is None:
            self._tell(RunState())
        if self._previews or self._request is not None:
            self._later(0.0 if self._previews else GO_ON_DELAY if stopped else 0.0)

    def _preview_steps(self, wanted: dict[tuple[int, int], int]) -> Iterator[Any]:
        with _inference():
            for cell, frame in wanted:
                yield cell, frame, bool(self.session.preview(frame, [cell]))

    def _previewed(self, value: tuple[int, int, bool]) -> None:
        cell, frame, written = value
        tries = self._previews.pop((cell, frame), TRIES) + 1
        if not written and tries < TRIES and self._is_due(cell, frame):
            self._previews[cell, frame] = tries

    def _is_due(self, cell: int, frame: int) -> bool:
        if cell not in self.session.cells or frame not in self.session.prompts(cell):
            return False
        found = self.session.stale_index.of(cell)
        return bool(found.stale[frame] or found.untracked[frame])

    def _track_steps(self, job: Job, request: Request) -> Iterator[Any]:
        session, (cells, frames) = self.session, (request.cells, request.frames)
        with _inference():
            with session.document.lock:
                work = find_work(session, cells, frames, request.direction, request.what)
            yield Total(work.frames)
            tracking = session.track(cells, frames, request.direction, request.what, join=request.join)
            with closing(tracking):  # type: ignore[type-var]
                while not job.stop.is_set():
                    if self._hold.is_set():
                        time.sleep(0.02)
                        continue
                    result = next(tracking, None)
                    if result is None:
                        return
                    written = sum(bool(work.wanted[c][result.frame]) for c in result.scores if c in work.wanted)
                    yield Done(result.frame, written, time.monotonic())

    def _tracked(self, value: Total | Done) -> None:
        if self._request is None or self.state.kind not in ("tracking", "paused"):
            return
        if isinstance(value, Total):
            state = replace(self.state, done=0, total=value.masks, seconds_left=None, text="Preparing…")
        else:
            self._times.append(value)
            left = self.state.total - self.state.done - value.masks
            state = replace(
                self.state, done=self.state.done + value.masks, frame=value.frame, **speed(self._times, left)
            )
        self.state = state
        self._tell(replace(state, text=f"{'Paused. ' * (state.kind == 'paused')}{progress(state) or state.text}"))

    def _tell(self, state: RunState) -> None:
        self.state = state
        self._told(state)


def _once(work: Callable[[], Any]) -> Iterator[Any]:
    yield work()


def _inference() -> Any:
    """The mode of torch that tracking needs; it belongs to a thread, so it is entered in the one that computes."""
    import torch

    return torch.inference_mode()
