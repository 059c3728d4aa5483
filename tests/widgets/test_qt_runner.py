"""The end of the program, with a job that is still at work: seen from outside, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from real_window import spin

from napari_sam2.widgets.qt_runner import BEHIND, QtRunner
from napari_sam2.widgets.runner import Job

SCRIPT = """
import time
from napari._qt.qt_event_loop import get_qapp
from napari_sam2.widgets.qt_runner import QtRunner

application, runner = get_qapp(), QtRunner()

def steps(job):
    yield "begun"
    time.sleep(1.0)  # as a step of the network: nothing can stop it
    yield "stopped here"
    print("went on", flush=True)

runner.start(steps, lambda value: None, lambda job: None)
application.processEvents()
time.sleep(0.2)
print("the script ends", flush=True)
"""


@pytest.mark.gui
def test_a_script_may_end_while_a_job_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qt's objects are deleted then; a worker that finds them gone would abort the process."""
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == "the script ends"
    assert "deleted" not in done.stderr and "went on" not in done.stdout


@pytest.mark.gui
@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no priorities of threads from everybody")
def test_jobs_stand_back_and_napari_threads_stay_as_they_were(qapp: object) -> None:
    """What computes must not make the window wait; what other plugins run in must not be slower for it."""
    from napari.qt.threading import create_worker
    from qtpy.QtCore import QThreadPool

    runner, found = QtRunner(), dict[str, int]()

    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def steps(job: Job) -> Iterator[int]:
        yield priority()

    runner.start(steps, lambda value: found.update(job=value), lambda job: found.update(ended=1))
    assert spin(30, lambda: "ended" in found)
    QThreadPool.globalInstance().waitForDone(30_000)
    worker = create_worker(priority, _start_thread=False)
    worker.returned.connect(lambda value: found.update(other=value))
    worker.start()
    assert spin(30, lambda: "other" in found)
    assert found["job"] == priority() + BEHIND and found["other"] == priority()
    assert not [thread for thread in threading.enumerate() if thread.name == "napari-sam2"]
    runner.close()
