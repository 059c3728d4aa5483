"""The dock in a real window, and waiting for it."""

from __future__ import annotations

from typing import Any

from real_window import spin

from napari_sam2.widgets.main_dock import MainDock

LONG = 120.0
"""Seconds to wait at most; no limit on speed, only an end for what will never come."""


def docked(window: Any) -> MainDock:
    """Put the dock into a window."""
    made = MainDock(window)
    window.window.add_dock_widget(made, name="SAM 2 Cell Tracker", area="right")
    spin(0.2)
    return made


def quiet(dock: MainDock) -> None:
    """Wait until nothing is opened or computed any more."""
    desk = dock.desk
    assert spin(LONG, lambda: not desk.opening and not any(s.runs.pending for s in desk._sheets))
    spin(0.1)
