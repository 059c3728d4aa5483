"""Judging a report. Every message of the doctor stands here, once, with what mends it.

A *problem* keeps something from working: the exit status is 1 then. *Advice* is worth knowing and stops nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from .facts import Report
from .trial import GOOD_IOU

LEAST_PYTHON = (3, 11)
LITTLE_ROOM = 2_000_000_000
"""Bytes below which a disk is called nearly full: the largest checkpoint takes 0.9 GB, a long session about as much."""
TESTED_BINDINGS = ("PyQt6", "PySide6")
FAULTY_PYSIDE6 = "6.12.0"  # 6.11 is sound, and so is 6.12 where None is immortal: from Python 3.12 on
_ENGINE = ("torch", "numpy", "scipy", "scikit-image", "zarr", "tifffile", "safetensors", "typer")

#: What Qt or OpenGL complain about -> what is missing, and the Debian package that has it.
_LIBRARIES = (
    ("xcb-cursor0", "libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxkbcommon-x11-0"),
    ("libEGL.so", "libegl1"),
    ("libGL.so", "libgl1"),
    ("libxkbcommon", "libxkbcommon-x11-0"),
    ("libdbus", "libdbus-1-3"),
    ("libfontconfig", "libfontconfig1"),
    ("libglib", "libglib2.0-0"),
    ("xcb", "libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxkbcommon-x11-0 libegl1 libgl1"),
)


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Parameters
    ----------
    level
        ``"problem"`` or ``"advice"``.
    what
        In a sentence.
    mend
        What to do, in a sentence or a command.
    """

    level: Literal["problem", "advice"]
    what: str
    mend: str


def judge(report: Report) -> list[Finding]:
    """Everything that is wrong with an installation, problems first."""
    found = [finding for check in _CHECKS for finding in check(report)]
    return sorted(found, key=lambda finding: finding.level != "problem")


def _problem(what: str, mend: str) -> Finding:
    return Finding("problem", what, mend)


def _advice(what: str, mend: str) -> Finding:
    return Finding("advice", what, mend)


def _python(report: Report) -> Iterator[Finding]:
    version = tuple(int(part) for part in report.python.split(".")[:2])
    if version < LEAST_PYTHON:
        wanted = ".".join(map(str, LEAST_PYTHON))
        yield _problem(f"This is Python {report.python}.", f"Make an environment with Python {wanted} or newer.")
    if report.bits != 64:
        yield _problem("This is a 32-bit Python, for which there is no torch.", "Install a 64-bit Python.")


def _packages(report: Report) -> Iterator[Finding]:
    missing = [name for name in _ENGINE if report.packages.get(name) is None]
    if missing:
        yield _problem(f"Not installed: {', '.join(missing)}.", f"pip install {' '.join(missing)}")
    if report.torch_error is not None and "torch" not in missing:
        mend = "pip install --force-reinstall torch, from the index that pytorch.org names for this computer."
        if sys.platform == "win32" and "DLL" in report.torch_error:
            mend = "Install Microsoft's Visual C++ Redistributable (x64), then try again."
        yield _problem(f"torch cannot be imported: {report.torch_error}.", mend)


def _devices(report: Report) -> Iterator[Finding]:
    if report.torch_error is not None or not report.devices:
        return
    if all(device.name == "cpu" for device in report.devices):
        if report.torch_build == "CPU only":
            yield _advice(
                "torch computes on the CPU only; a graphics card, if there is one, is not used.",
                "With an NVIDIA card: install torch from the CUDA index that pytorch.org names. Without: all is well.",
            )
        elif report.torch_build and report.torch_build.startswith(("CUDA", "ROCm")):
            yield _advice(
                f"torch is built for {report.torch_build}, but finds no graphics card.",
                "Update the card's driver (nvidia-smi has to list it), and see that CUDA_VISIBLE_DEVICES is not empty.",
            )


def _trial(report: Report) -> Iterator[Finding]:
    trial = report.trial
    if report.torch_error is not None:
        return
    if not trial.ran:
        yield _problem(
            f"Following a cell through three small frames failed: {trial.error}.",
            "If it says nothing you can mend, report it with this output.",
        )
    elif trial.iou is None or trial.iou < GOOD_IOU:
        yield _problem(
            f"A plain disc was followed wrongly on {trial.device} in {trial.precision} (IoU {trial.iou:.2f}).",
            "Try --device cpu, or update torch and the graphics driver; then report it with this output.",
        )


def _models(report: Report) -> Iterator[Finding]:
    for model in report.models:
        if model.check == "wrong" and model.sha256 is None:
            yield _problem(
                f"The bundled model {model.name} is missing: {model.path}.",
                "pip install --force-reinstall --no-deps napari-sam2",
            )
        elif model.check == "wrong":
            downloaded = model.name != "cell"
            yield _problem(
                f"The file of {model.name} is damaged or another one (checksum): {model.path}.",
                f"napari-sam2 models download {model.name}" if downloaded
                else "pip install --force-reinstall --no-deps napari-sam2",
            )  # fmt: skip
        elif model.check == "unfinished":
            yield _advice(
                f"The download of {model.name} is unfinished ({model.bytes / 1e6:.0f} MB are here).",
                f"napari-sam2 models download {model.name} goes on with it; deleting {model.path} gives it up.",
            )


def _folders(report: Report) -> Iterator[Finding]:
    for folder, what, other in (
        (report.cache, "downloaded models", "NAPARI_SAM2_CACHE"),
        (report.temporary, "temporary files", "TMPDIR"),
    ):
        if not folder.writable:
            yield _problem(
                f"The folder for {what} cannot be written to: {folder.path}.",
                f"Give yourself the right to, or name another folder with the environment variable {other}.",
            )
        elif folder.free is not None and folder.free < LITTLE_ROOM:
            yield _advice(
                f"The disk of the folder for {what} has {folder.free / 1e9:.1f} GB free: {folder.path}.",
                f"Make room, or name another folder with the environment variable {other}.",
            )


def _window(report: Report) -> Iterator[Finding]:
    window = report.window
    if not window.installed:
        yield _advice(
            "napari is not installed: there is the engine and the command line, but no window.",
            'pip install "napari-sam2[gui]" PyQt6',
        )
        return
    if not report.bindings:
        yield _problem("napari has no Qt to open windows with.", "pip install PyQt6 (or PySide6)")
        return
    if len(report.bindings) > 1:
        names = " and ".join(report.bindings)
        yield _advice(
            f"{names} are both installed; which one is used depends on what is imported first.",
            "Uninstall all but one, or set QT_API.",
        )
    if not set(report.bindings) & set(TESTED_BINDINGS):
        old, tested = next(iter(report.bindings)), " and ".join(TESTED_BINDINGS)
        yield _advice(
            f"{old} is old; napari and this plugin are tested with {tested}.",
            "pip install PyQt6, and uninstall the old one.",
        )
    if report.bindings.get("PySide6") == FAULTY_PYSIDE6 and report.python.startswith("3.11."):
        yield _problem(
            f"PySide6 {FAULTY_PYSIDE6} on Python 3.11 loses a reference to None with every call of Qt; napari aborts "
            "after a while (none_dealloc).",
            'pip install "PySide6!=6.12.0", or use Python 3.12, or PyQt6.',
        )
    if not window.screen:
        yield _advice(
            "There is no screen here, so napari cannot open a window; the command line works.",
            "For a window: log in on the screen, use ssh -X, or xvfb-run.",
        )
    elif not window.works:
        yield _problem(f"napari cannot open a window: {window.error}.", _mend_window(report))
    elif window.renderer and any(name in window.renderer.lower() for name in ("llvmpipe", "softpipe", "software")):
        yield _advice(
            f"OpenGL is computed by the processor ({window.renderer}): napari draws slowly.",
            "Install the graphics driver; over a remote desktop this is as expected.",
        )


def _mend_window(report: Report) -> str:
    said = f"{report.window.error} {report.window.complaints}"
    if report.window.qt is None and "No module named" not in said and "ImportError" not in said:
        return f"pip install --force-reinstall {next(iter(report.bindings))}"
    for sign, package in _LIBRARIES:
        if sign in said and sys.platform.startswith("linux"):
            return f"sudo apt-get install {package} (Debian, Ubuntu; other systems name them alike)"
    if "OpenGL" in said:
        return "Install or update the graphics driver; on Linux without one: sudo apt-get install libgl1-mesa-dri"
    if report.window.platform is not None and report.window.napari is None:
        return 'pip install --upgrade "napari-sam2[gui]"'
    return "If it says nothing you can mend, report it with this output."


_CHECKS: tuple[Callable[[Report], Iterator[Finding]], ...] = (
    _python, _packages, _devices, _trial, _models, _folders, _window,
)  # fmt: skip
