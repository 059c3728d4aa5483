"""Work beside the main thread: one generator a job; what it yields arrives on the main thread. No Qt in here."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

Steps = Callable[["Job"], Iterator[Any]]
"""What runs in the thread: a generator that looks at its job's `stop` between its yields."""


class Job:
    """Something that runs beside the main thread."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.ended = threading.Event()
        self.error: BaseException | None = None

    def drive(self, steps: Steps) -> Iterator[Any]:
        """Run the generator to its end, or to the stop; keeps what went wrong in `error`."""
        found = steps(self)
        try:
            for value in found:
                yield value
                if self.stop.is_set():
                    break
        except Exception as error:  # noqa: BLE001 -- told on the main thread, by whoever began the job
            self.error = error
        finally:
            try:
                close = getattr(found, "close", None)
                if close is not None:
                    close()
            finally:
                self.ended.set()

    def wait(self, seconds: float) -> bool:
        """Wait for the end; returns whether it has come."""
        return self.ended.wait(seconds)


class Runner(Protocol):
    """Starts jobs, and calls functions on the main thread."""

    def start(self, steps: Steps, received: Callable[[Any], object], ended: Callable[[Job], object]) -> Job:
        """Run a generator in a thread; `received` gets its values and `ended` the job, both on the main thread."""

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function on the main thread; from any thread."""

    def call_later(self, seconds: float, name: str, function: Callable[[], object]) -> None:
        """Call a function after a while, unless another one of this name is asked for meanwhile (main thread)."""

    def is_main(self) -> bool:
        """Whether this is the main thread."""

    def draw(self) -> None:
        """Have the canvas drawn now (main thread)."""

    def close(self) -> None:
        """Deliver nothing any more."""


class PlainRunner:
    """Threads and a queue, without Qt: whoever owns the main thread calls `pump`."""

    def __init__(self) -> None:
        self._main = threading.get_ident()
        self._calls: queue.SimpleQueue[tuple[Callable[..., object], tuple[Any, ...]]] = queue.SimpleQueue()
        self._timers: dict[str, tuple[float, Callable[[], object]]] = {}
        self._closed = False

    def start(self, steps: Steps, received: Callable[[Any], object], ended: Callable[[Job], object]) -> Job:
        """See `Runner`."""
        job = Job()

        def run() -> None:
            for value in job.drive(steps):
                self.call_soon(received, value)
            self.call_soon(ended, job)

        threading.Thread(target=run, name="napari-sam2", daemon=True).start()
        return job

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """See `Runner`."""
        self._calls.put((function, args))

    def call_later(self, seconds: float, name: str, function: Callable[[], object]) -> None:
        """See `Runner`."""
        self._timers[name] = (time.monotonic() + seconds, function)

    def is_main(self) -> bool:
        """See `Runner`."""
        return threading.get_ident() == self._main

    def draw(self) -> None:
        """See `Runner`; there is nothing to draw on."""

    def pump(self, seconds: float = 0.0, until: Callable[[], bool] = lambda: False) -> bool:
        """Make the calls that are due, for some time or until something has come about; returns whether it has."""
        end = time.monotonic() + seconds
        while not self._closed:
            while True:
                try:
                    function, args = self._calls.get_nowait()
                except queue.Empty:
                    break
                function(*args)
            now = time.monotonic()
            for name in [name for name, (due, _) in self._timers.items() if due <= now]:
                self._timers.pop(name)[1]()
            if until() or now >= end:
                break
            time.sleep(0.002)
        return until()

    def close(self) -> None:
        """See `Runner`."""
        self._closed = True
        self._timers.clear()
