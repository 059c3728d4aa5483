"""A program that is killed at any moment loses at most the frame in work."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

KILLS = 100


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="kills forked children")
def test_killed_at_a_hundred_moments() -> None:
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    driver = Path(__file__).with_name("crash_driver.py")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        run = [sys.executable, str(driver), folder, str(KILLS), "7"]
        done = subprocess.run(run, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"'killed': {KILLS}" in done.stdout
    assert "cut off while tracking" in done.stdout
