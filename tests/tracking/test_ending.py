"""A program may end while cells are being tracked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LEFT_OPEN = """
from benchmarks._speed.contenders import make_tracker
from benchmarks._speed.movies import make_field
tracker = make_tracker("cell", make_field(3, 24.0, 96), 3, "windows", device="cpu")
results = tracker.track("forward")
print("tracked", [next(results).frame for _ in range(3)])
"""


def test_a_program_that_ends_in_the_middle_of_a_pass_ends_well() -> None:
    """Python closes what is open when hardly anything works any more: torch aborts where it makes tensors then."""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", LEFT_OPEN], cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "tracked [0, 1, 2]" in done.stdout and not done.stderr
