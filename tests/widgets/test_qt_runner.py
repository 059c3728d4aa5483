"""The end of the program, with a job that is still at work: seen from outside, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
