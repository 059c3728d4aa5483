"""``.ci/environment``: which torch a new contributor gets, asked of a pip that only writes down what it is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / ".ci" / "environment"
PIP = """#!/bin/sh
case "$*" in
  *find_spec*" torch") [ -e "$ASKED.installed" ] ;;
  *"pip install"*)
    echo "$*" >> "$ASKED"
    for answer in $ANSWERS; do
      case "$*" in *"$answer"*) touch "$ASKED.installed"; exit 0 ;; esac
    done
    exit 1 ;;
esac
"""
CPU = "download.pytorch.org/whl/cpu"

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="only there the ordinary torch brings gigabytes of CUDA"),
    pytest.mark.skipif(Path("/proc/driver/nvidia/version").exists(), reason="with an NVIDIA card CUDA is wanted"),
]


def asked(folder: Path, answers: str, **variables: str) -> tuple[list[str], str]:
    """What pip was asked for, where only requests with one of these words succeed, and what a person was told."""
    python = folder / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PIP)
    python.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if k not in ("TORCH_INDEX", "BINDING")}
    done = subprocess.run(
        [SCRIPT, folder / "venv", "torch"], capture_output=True, text=True, check=True,
        env={**environment, "ASKED": str(folder / "asked"), "ANSWERS": answers, **variables},
    )  # fmt: skip
    return (folder / "asked").read_text().splitlines(), done.stderr


def test_a_small_build_is_looked_for_before_gigabytes_are_fetched(tmp_path: Path) -> None:
    requests, told = asked(tmp_path, CPU)
    assert "+cpu" in requests[0] and CPU in requests[-1] and len(requests) == 2
    assert "gigabytes" not in told


def test_one_that_pip_finds_by_itself_is_taken(tmp_path: Path) -> None:
    requests, _ = asked(tmp_path, "+cpu")
    assert len(requests) == 1


def test_gigabytes_do_not_come_unannounced(tmp_path: Path) -> None:
    requests, told = asked(tmp_path, "torch>=2.4")
    assert len(requests) == 4 and CPU not in requests[-1]
    assert "several gigabytes" in told and CPU in told


def test_an_index_that_is_named_is_the_first_asked(tmp_path: Path) -> None:
    requests, _ = asked(tmp_path, "mirror.example", TORCH_INDEX="https://mirror.example/torch")
    assert len(requests) == 1 and "--index-url https://mirror.example/torch" in requests[0]
