"""Tracking and previews of one session, in a thread: what is asked for, what is under way, what goes on after an edit.

At most one job computes at a time. An action of the user never waits for it: a run is ended in the log, the action is
done, masks of fresh prompts come first, and then the run goes on with what is still needed. No Qt in here.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING, Any, Literal

from napari_sam2.session.run import What, find_work
from napari_sam2.tracking.plan import Direction
from napari_sam2.widgets.runner import Job, Runner

if TYPE_CHECKING:
    from napari_sam2.session import Session

Kind = Literal["idle", "preview", "tracking", "paused", "stopping"]
PREVIEW_DELAY = 0.05
"""Seconds after a click until its mask is computed: a second click in that time is computed together with it."""
GO_ON_DELAY = 0.3
"""Seconds after an edit until a run goes on: several edits in a row hold it up once."""
RECENT = 12
"""Frames that the speed is measured over."""
TRIES = 3
"""Times that a preview is computed again because something else changed its frame meanwhile."""


@dataclass(frozen=True)
class RunState:
    """What is being computed.

    Parameters
    ----------
    kind
        ``"idle"``, ``"preview"`` (the mask of a click), ``"tracking"``, ``"paused"``, ``"stopping"``.
    done, total
        Masks.
    per_second
        Frames a second; 0 while it is not known.
    seconds_left
        None while it is not known.
    text
        The same in words.
    frame
        The last frame that was finished; None before the first.
    """

    kind: Kind = "idle"
    done: int = 0
    total: int = 0
    per_second: float = 0.0
    seconds_left: float | None = None
    text: str = ""
    frame: int | None = None

    @property
    def busy(self) -> bool:
        """Whether a run is under way, or paused."""
        return self.kind in ("tracking", "paused", "stopping")


@dataclass(frozen=True)
class Request:
    """What to track; as `Session.track` takes it."""

    cells: tuple[int, ...] | None = None
    frames: tuple[int, int] | None = None
    direction: Direction = "both"
    what: What = "needed"
    join: bool = False


@dataclass(frozen=True)
class _Total:
    masks: int


@dataclass(frozen=True)
class _Done:
    frame: int
    masks: int
    at: float


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
        self._times: deque[_Done] = deque(maxlen=RECENT)
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
            self._tell(replace(self.state, kind="paused", text=f"Paused. {self._progress()}"))

    def resume(self) -> None:
        """Go on with a paused run."""
        if self._request is not None and self.state.kind == "paused":
            self._hold.clear()
            self._times.clear()
            self._tell(replace(self.state, kind="tracking", text=self._progress() or "Going on…"))
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
        job = self._job
        self._leave()
        return job is None or job.wait(seconds)

    @property
    def pending(self) -> bool:
        """Whether anything is being computed or about to be."""
        return self._job is not None or bool(self._previews) or (self._request is not None and not self._hold.is_set())

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
        if self._previews:
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
            yield _Total(work.frames)
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
                    yield _Done(result.frame, written, time.monotonic())

    def _tracked(self, value: _Total | _Done) -> None:
        if self._request is None or self.state.kind not in ("tracking", "paused"):
            return
        if isinstance(value, _Total):
            state = replace(self.state, done=0, total=value.masks, seconds_left=None, text="Preparing…")
        else:
            self._times.append(value)
            state = replace(self.state, done=self.state.done + value.masks, frame=value.frame, **self._speed())
        self.state = state
        self._tell(replace(state, text=f"{'Paused. ' * (state.kind == 'paused')}{self._progress() or state.text}"))

    def _speed(self) -> dict[str, Any]:
        first, last = self._times[0], self._times[-1]
        spent = last.at - first.at
        if spent <= 0:
            return {}
        masks = sum(d.masks for d in list(self._times)[1:])
        left = max(self.state.total - self.state.done - last.masks, 0)
        seconds = left * spent / masks if masks else None
        return {"per_second": (len(self._times) - 1) / spent, "seconds_left": seconds}

    def _progress(self) -> str:
        state = self.state
        if state.frame is None:
            return ""
        parts = [f"Frame {state.frame}", f"{state.done:,} of {state.total:,} masks"]
        if state.per_second:
            parts.append(f"{state.per_second:.1f} frames/s")
        if state.seconds_left is not None and state.kind == "tracking":
            parts.append(f"{clock(state.seconds_left)} left")
        return " · ".join(parts)

    def _tell(self, state: RunState) -> None:
        self.state = state
        self._told(state)


def clock(seconds: float) -> str:
    """Seconds as a person reads them: 0:07, 12:30, 1:02:00."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def _inference() -> Any:
    """The mode of torch that tracking needs; it belongs to a thread, so it is entered in the one that computes."""
    import torch

    return torch.inference_mode()
