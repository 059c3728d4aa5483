"""Settings that masks depend on: changing one makes everything tracked before it stale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.session.errors import Refused

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

AXES = 3
MODES = ("auto", "windows", "exact", "reference")
"""As the tracker has them; it is not imported here, since it takes seconds."""
SETTABLE = ("model", "cell_diameter", "mode", "device", "scale", "units")


def set_options(session: Session, options: dict[str, Any]) -> None:
    """Change the model, the typical cell diameter, the mode, the device, the scale or the units.

    Raises
    ------
    Refused
        If there is no such setting.
    ValueError
        If it cannot have that value.
    """
    unknown = sorted(set(options) - set(SETTABLE))
    if unknown or not options:
        raise Refused(f"{', '.join(unknown) or 'nothing'} cannot be set; there are {', '.join(SETTABLE)}")
    plain = {key: _plain(key, value) for key, value in options.items()}
    with session.change("set_options", plain) as change:
        change.args.update(plain)  # None, too, which means that it is found out
        for key, value in plain.items():
            change.meta(key, {"name": value, "hash": None} if key == "model" else value)


def _plain(key: str, value: Any) -> Any:
    """A setting as JSON has it, whatever kind of number or list it was."""
    if key == "cell_diameter":
        return None if value is None else _positive(value, 0, "cell_diameter is a positive number of pixels")
    if key == "scale":
        return _positive(value, 3, "scale is three positive numbers: of a frame, a row and a column")
    if key == "units":
        if isinstance(value, str) or len(value) != AXES:
            raise ValueError(f"units are three words: of a frame, a row and a column; got {value!r}")
        return [str(unit) for unit in value]
    if key == "mode" and value not in MODES:
        raise ValueError(f"mode is one of {', '.join(MODES)}; got {value!r}")
    return str(value)


def _positive(value: Any, count: int, wanted: str) -> float | list[float]:
    """A positive number (`count` 0), or so many of them."""
    try:
        numbers = np.asarray(value, float)
    except (TypeError, ValueError):
        numbers = np.zeros(1)
    if numbers.shape != ((count,) if count else ()) or not (np.isfinite(numbers).all() and (numbers > 0).all()):
        raise ValueError(f"{wanted}; got {value!r}")
    plain: float | list[float] = numbers.tolist()
    return plain
