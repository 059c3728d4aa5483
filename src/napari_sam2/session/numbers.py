"""Numbers as people have them, out of arrays and tables: checked, and made plain before they reach the log."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, overload

import numpy as np

AXES = 3
"""Of sizes and units: time, rows, columns."""


@overload
def whole_number(value: None, what: str = ...) -> None: ...
@overload
def whole_number(value: Any, what: str = ...) -> int: ...
def whole_number(value: Any, what: str = "a cell's number") -> int | None:
    """Return a whole number as an int, whatever type it has; None stays None.

    Raises
    ------
    TypeError
        If it is no whole number, with `what` it is.
    """
    if value is None:
        return None
    try:
        return operator.index(value)
    except TypeError:
        pass
    try:
        if not isinstance(value, str | bytes) and value == int(value):  # a table with gaps has them as 3.0
            return int(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise TypeError(f"{what} is a whole number, not {value!r}")


def frame_number(value: Any) -> int:
    """Return a frame's number as an int; TypeError where it is none."""
    if value is None:
        raise TypeError("a frame's number is needed")
    return whole_number(value, "a frame's number")


def frame_range(value: Any) -> tuple[int, int]:
    """Return (first, one past the last) frame as ints.

    Raises
    ------
    TypeError
        If these are not two whole numbers.
    """
    try:
        first, stop = value
    except (TypeError, ValueError):
        raise TypeError(f"frames are a range (first, one past the last), not {value!r}") from None
    return frame_number(first), frame_number(stop)


def plain_numbers(given: Any, shape: tuple[int, ...], wanted: str) -> Any:
    """Return numbers of a shape as plain lists; ValueError, which begins with what is wanted, where they are not."""
    try:
        numbers = np.asarray(given, float)
    except (TypeError, ValueError):  # words, or lists of different lengths
        numbers = np.empty(0)
    if numbers.shape != shape:
        raise ValueError(f"{wanted}, not {given!r}")
    return numbers.tolist()


def plain_diameter(value: Any) -> float | None:
    """Return the cells' diameter in pixels as a float, or None, where it is to be found out."""
    if value is None:
        return None
    wanted = "cell_diameter is a positive number of pixels"
    diameter: float = plain_numbers(value, (), wanted)
    if not (np.isfinite(diameter) and diameter > 0):
        raise ValueError(f"{wanted}, not {value!r}")
    return diameter


def plain_scale(value: Any) -> list[float]:
    """Return the sizes of a frame, a row and a column as floats; ValueError where they are no such."""
    wanted = "scale is three positive numbers, of a frame, a row and a column"
    scale: list[float] = plain_numbers(value, (AXES,), wanted)
    if not (np.isfinite(scale).all() and min(scale) > 0):
        raise ValueError(f"{wanted}, not {value!r}")
    return scale


def plain_units(value: Any) -> list[str]:
    """Return the units of a frame, a row and a column as words; ValueError where they are no such."""
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray) or len(value) != AXES:
        raise ValueError(f"units are three words, of a frame, a row and a column, not {value!r}")
    return [str(unit) for unit in value]
