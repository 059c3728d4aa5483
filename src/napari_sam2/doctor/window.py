"""What a window would have: Qt, OpenGL and napari, asked in a process of its own. A Qt that lacks a library ends the
process it is loaded in; here that is an answer like any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import util

LONGEST = 120.0
"""Seconds to wait for the answer: the first start of napari compiles much."""
_KEPT = 2000  # characters of what Qt complained about
_MARK = "napari-sam2 window: "

_PROGRAM = """
import json
found = {}
def say():
    print(MARK + json.dumps(found), flush=True)
try:
    import qtpy
    from qtpy import QtCore, QtGui, QtWidgets
    found.update(binding=qtpy.API_NAME, qt=qtpy.QT_VERSION)
    say()
    app = QtWidgets.QApplication([])
    found["platform"] = app.platformName()
    say()
    surface = QtGui.QOffscreenSurface()
    surface.create()
    context = QtGui.QOpenGLContext()
    if not context.create() or not context.makeCurrent(surface):
        raise RuntimeError("no OpenGL context can be made")
    from OpenGL import GL
    found["gl"] = GL.glGetString(GL.GL_VERSION).decode()
    found["renderer"] = GL.glGetString(GL.GL_RENDERER).decode()
    context.doneCurrent()
    import napari
    from napari.components import ViewerModel
    ViewerModel()
    found["napari"] = napari.__version__
except BaseException as error:
    found["error"] = type(error).__name__ + ": " + str(error)
say()
"""


@dataclass(frozen=True)
class Window:
    """The answer.

    Parameters
    ----------
    installed
        Whether napari and qtpy are installed at all; without them the rest is None.
    works
        Whether Qt started, OpenGL answered and napari could be imported.
    screen
        Whether there is a screen to open windows on (Linux: DISPLAY or WAYLAND_DISPLAY).
    binding, qt, platform, gl, renderer, napari
        Names and versions, as far as it came.
    error, complaints
        What stopped it, and what Qt wrote.
    """

    installed: bool
    works: bool
    screen: bool
    binding: str | None = None
    qt: str | None = None
    platform: str | None = None
    gl: str | None = None
    renderer: str | None = None
    napari: str | None = None
    error: str | None = None
    complaints: str = ""


def look_at_window(command: Sequence[str] | None = None) -> Window:
    """Ask; never raises. `command` is a Python that runs ``-c PROGRAM``, this one when None."""
    screen = _has_screen()
    if util.find_spec("napari") is None or util.find_spec("qtpy") is None:
        return Window(False, False, screen)
    if not screen:
        return Window(True, False, False, error="there is no screen")
    program = f"MARK = {_MARK!r}\n{_PROGRAM}"
    try:
        done = subprocess.run(
            [*(command or [sys.executable]), "-c", program],
            capture_output=True, text=True, timeout=LONGEST, check=False, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Window(True, False, screen, error=f"Qt and napari did not answer within {LONGEST:.0f} s")
    except OSError as error:
        return Window(True, False, screen, error=str(error))
    said = [line.removeprefix(_MARK) for line in done.stdout.splitlines() if line.startswith(_MARK)]
    found = json.loads(said[-1]) if said else {}
    if done.returncode != 0 and "error" not in found:
        found["error"] = f"Qt ended the process (exit status {done.returncode})"
    complaints = done.stderr.strip()[-_KEPT:] if "error" in found else ""
    return Window(True, "error" not in found, screen, complaints=complaints, **found)


def _has_screen() -> bool:
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM", "") in ("offscreen", "minimal"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
