"""Settings that masks depend on: changing one makes everything tracked before it stale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.session.errors import Refused

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

SETTABLE = ("model", "cell_diameter", "mode", "device", "scale", "units")


def set_options(session: Session, options: dict[str, Any]) -> None:
    """Change the model, the typical cell diameter, the mode, the device, the scale or the units.

    Raises
    ------
    Refused
        If there is no such setting.
    """
    unknown = sorted(set(options) - set(SETTABLE))
    if unknown or not options:
        raise Refused(f"{', '.join(unknown) or 'nothing'} cannot be set; there are {', '.join(SETTABLE)}")
    diameter = options.get("cell_diameter")
    if diameter is not None and not (np.isfinite(diameter) and diameter > 0):
        raise ValueError(f"cell_diameter must be a positive number of pixels, got {diameter}")
    with session.change("set_options", {k: _plain(v) for k, v in options.items()}) as change:
        for key, value in options.items():
            change.meta(key, {"name": str(value), "hash": None} if key == "model" else _plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, list | float | int | None) else str(value)
