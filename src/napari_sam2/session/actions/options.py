"""Settings that masks depend on: changing one makes everything tracked before it stale."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_sam2.session.errors import Refused
from napari_sam2.session.numbers import plain_diameter, plain_scale, plain_units

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

MODES = ("auto", "windows", "exact", "reference")
"""As the tracker has them; it is not imported here, since it takes seconds."""
PLAIN: dict[str, Callable[[Any], Any]] = {
    "cell_diameter": plain_diameter,
    "scale": plain_scale,
    "units": plain_units,
}
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
    if key == "mode" and value not in MODES:
        raise ValueError(f"mode is one of {', '.join(MODES)}, not {value!r}")
    return PLAIN.get(key, str)(value)
