"""What this installation is and what is wrong with it: ``napari-sam2 doctor``, and what an issue report begins with.

``facts`` looks (versions, devices, folders, models), ``trial`` follows a cell through a tiny movie, ``window`` asks Qt
and OpenGL in a process of their own, so that nothing of it is imported here; ``findings`` judges what was found, and is
the one place of its messages. May import `tracking` and `weights`.
"""

from __future__ import annotations

from .facts import Report, examine
from .findings import Finding, judge

__all__ = ["Finding", "Report", "examine", "judge"]
