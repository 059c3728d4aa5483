"""Whole numbers as people have them: out of arrays and tables, they must not reach the log as they are."""

from __future__ import annotations

import operator
from typing import Any, overload


@overload
def whole(value: None, what: str = ...) -> None: ...
@overload
def whole(value: Any, what: str = ...) -> int: ...
def whole(value: Any, what: str = "a cell's number") -> int | None:
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
    """Return a frame's number as an int; see `whole`."""
    return whole(value, "a frame's number")
