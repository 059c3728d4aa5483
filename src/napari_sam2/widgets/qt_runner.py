"""Jobs as napari workers, calls through Qt's event loop."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Qt, QThreadPool, QTimer, Signal
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QApplication

from napari_sam2.widgets.runner import Job, Steps

_PATIENCE = 30_000
"""Milliseconds that the end of the program waits for jobs: the longest step of a network on a slow computer."""
_jobs: WeakSet[Job] = WeakSet()


@atexit.register
def _end_before_qt_does() -> None:
    """Let jobs end while Qt is there: a worker that tells its end to objects that Qt has deleted aborts the program.

    napari waits for workers when its event loop ends; a script that only closes the window has none.
    """
    if _jobs:
        for job in list(_jobs):
            job.stop.set()
        QThreadPool.globalInstance().waitForDone(_PATIENCE)


class QtRunner(QObject):
    """Runs jobs in napari's thread pool. Made on the main thread."""

    _called = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self._timers: dict[str, QTimer] = {}
        self._due: dict[str, Callable[[], object]] = {}
        self._closed = False
        self._main = threading.get_ident()
        self._called.connect(self._call, Qt.ConnectionType.QueuedConnection)

    def start(self, steps: Steps, received: Callable[[Any], object], ended: Callable[[Job], object]) -> Job:
        """See `runner.Runner`."""
        job = Job()
        _jobs.add(job)

        def run() -> None:
            # a generator that napari aborts is left where it is; this one is always closed, and its end is told
            for value in job.drive(steps):
                if worker.abort_requested:
                    job.stop.set()
                self.call_soon(received, value)
            self.call_soon(ended, job)

        worker = create_worker(run, _start_thread=False)
        worker.start()
        return job

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """See `runner.Runner`."""
        if self._closed:
            return
        with suppress(RuntimeError):  # Qt has deleted this object: the program is ending
            self._called.emit(function, args)

    def call_later(self, seconds: float, name: str, function: Callable[[], object]) -> None:
        """See `runner.Runner`."""
        if self._closed:
            return
        with suppress(RuntimeError):  # Qt has deleted this object: the program is ending
            timer = self._timers.get(name)
            if timer is None:
                timer = self._timers[name] = QTimer(self)
                timer.setSingleShot(True)
                timer.timeout.connect(lambda: self._due.pop(name, lambda: None)())
            self._due[name] = function
            timer.start(round(seconds * 1000))

    def is_main(self) -> bool:
        """See `runner.Runner`."""
        return threading.get_ident() == self._main

    def draw(self) -> None:
        """See `runner.Runner`."""
        for window in QApplication.topLevelWidgets():
            for canvas in window.findChildren(QOpenGLWidget):
                if canvas.isVisible():
                    canvas.repaint()

    def close(self) -> None:
        """See `runner.Runner`."""
        self._closed = True
        # what was to be called, and what timers are connected with, would keep this and its viewer for ever
        timers, self._timers = list(self._timers.values()), {}
        self._due = {}
        with suppress(RuntimeError):
            for timer in timers:
                timer.stop()
                timer.timeout.disconnect()
                timer.deleteLater()

    def _call(self, function: Callable[..., object], args: tuple[Any, ...]) -> None:
        if not self._closed:
            function(*args)
