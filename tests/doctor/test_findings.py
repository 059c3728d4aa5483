"""What is judged wrong: a healthy report says nothing, and each sickness is named with its mend."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest

from napari_sam2.doctor import Report, judge
from napari_sam2.doctor.facts import Device, Folder, Model
from napari_sam2.doctor.trial import Trial
from napari_sam2.doctor.window import Window

CELL = Model("cell", "/p/cell.safetensors", 14_000_000, "right", "ab" * 32)
FOLDER = Folder("/cache", 0, 50_000_000_000, True)
WINDOW = Window(True, True, True, "PyQt6", "6.8", "xcb", "4.6", "NVIDIA RTX 4000", "0.9.2")
HEALTHY = Report(
    version="1", installed_at="/p", python="3.12.3", executable="/usr/bin/python", system="Linux", bits=64,
    packages=dict.fromkeys(
        ("torch", "numpy", "scipy", "scikit-image", "zarr", "tifffile", "safetensors", "typer", "napari"), "1"
    ),
    bindings={"PyQt6": "6.8"}, torch_build="CUDA 12.8", torch_error=None, threads=8,
    devices=(Device("cuda:0", "NVIDIA RTX 4000", 8_000_000_000, True), Device("cpu", "x86_64", None, False)),
    models=(CELL,), cache=FOLDER, temporary=FOLDER,
    trial=Trial(True, "cuda:0", "bfloat16", 1.0, 1.0, 0.95), window=WINDOW,
)  # fmt: skip
CPU = (Device("cpu", "x86_64", None, True),)


def without(name: str) -> dict[str, str | None]:
    return {**HEALTHY.packages, name: None}


def test_a_healthy_installation_has_no_findings() -> None:
    assert judge(HEALTHY) == []
    assert judge(replace(HEALTHY, bindings={"PySide6": "6.12.0"})) == []  # of Python 3.12
    assert judge(replace(HEALTHY, bindings={"PySide6": "6.11.0"}, python="3.11.7")) == []


@pytest.mark.parametrize(
    ("changes", "level", "what", "mend"),
    [
        ({"python": "3.10.1"}, "problem", "Python 3.10.1", "3.11"),
        ({"bits": 32}, "problem", "32-bit", "64-bit"),
        ({"packages": without("zarr")}, "problem", "Not installed: zarr", "pip install zarr"),
        ({"torch_error": "OSError: broken"}, "problem", "OSError: broken", "reinstall torch"),
        ({"devices": CPU}, "advice", "finds no graphics card", "driver"),
        ({"devices": CPU, "torch_build": "CPU only"}, "advice", "CPU only", "CUDA index"),
        ({"trial": Trial(False, error="RuntimeError: kernel")}, "problem", "RuntimeError: kernel", "report it"),
        ({"trial": replace(HEALTHY.trial, iou=0.1)}, "problem", "followed wrongly on cuda:0", "--device cpu"),
        ({"models": (replace(CELL, check="wrong"),)}, "problem", "damaged", "reinstall"),
        ({"models": (replace(CELL, check="wrong", sha256=None),)}, "problem", "is missing", "reinstall"),
        (
            {"models": (CELL, replace(CELL, name="sam2.1-tiny", check="wrong"))},
            "problem", "sam2.1-tiny", "napari-sam2 models download sam2.1-tiny",
        ),
        (
            {"models": (CELL, Model("sam2.1-tiny", "/c/x.part", 5_000_000, "unfinished", None))},
            "advice", "unfinished (5 MB", "goes on with it",
        ),
        ({"cache": replace(FOLDER, writable=False)}, "problem", "cannot be written to: /cache", "NAPARI_SAM2_CACHE"),
        ({"temporary": replace(FOLDER, free=1_000)}, "advice", "0.0 GB free", "TMPDIR"),
        ({"window": Window(False, False, True), "bindings": {}}, "advice", "napari is not installed", "[gui]"),
        ({"bindings": {}}, "problem", "no Qt", "pip install PyQt6"),
        ({"bindings": {"PyQt6": "6", "PySide6": "6"}}, "advice", "PyQt6 and PySide6 are both", "QT_API"),
        ({"bindings": {"PySide6": "6.12.0"}, "python": "3.11.7"}, "problem", "none_dealloc", "PySide6!=6.12.0"),
        ({"bindings": {"PyQt5": "5"}}, "advice", "PyQt5 is old", "PyQt6"),
        ({"window": replace(WINDOW, works=False, screen=False)}, "advice", "no screen", "xvfb-run"),
        ({"window": replace(WINDOW, renderer="llvmpipe (LLVM 15)")}, "advice", "llvmpipe", "driver"),
    ],
)  # fmt: skip
def test_each_sickness_has_one_finding_with_a_mend(changes: dict[str, Any], level: str, what: str, mend: str) -> None:
    (finding,) = judge(replace(HEALTHY, **changes))
    assert finding.level == level
    assert what in finding.what and finding.what.endswith(".")
    assert mend in finding.mend


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names of Linux libraries")
@pytest.mark.parametrize(
    ("complaint", "package"),
    [
        ("From 6.5.0, xcb-cursor0 or libxcb-cursor0 is needed to load the Qt xcb platform plugin.", "libxcb-cursor0"),
        ("ImportError: libEGL.so.1: cannot open shared object file", "libegl1"),
        ("ImportError: libGL.so.1: cannot open shared object file", "libgl1"),
    ],
)
def test_missing_libraries_are_named_by_package(complaint: str, package: str) -> None:
    window = Window(
        True, False, True, "PyQt6", "6.8", error="Qt ended the process (exit status -6)", complaints=complaint
    )
    (finding,) = judge(replace(HEALTHY, window=window))
    assert finding.level == "problem"
    assert package in finding.mend and "apt-get" in finding.mend


def test_problems_come_first() -> None:
    found = judge(replace(HEALTHY, devices=CPU, cache=replace(FOLDER, writable=False)))
    assert [finding.level for finding in found] == ["problem", "advice"]
