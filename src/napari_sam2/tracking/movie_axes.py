"""What a movie's array must look like, and the sentences for when it does not."""

from __future__ import annotations

from typing import Any

import numpy as np

AXES_OF_NDIM = {2: "YX", 3: "TYX", 4: "TCYX"}
"""The axes that are taken for granted when none are named."""
_COLOURS = (3, 4)
_MAX_CHANNELS_LAST = 4
_SMALLEST_FRAME = 16
"""A last axis of 3 or 4 after axes of at least this length is taken for colours, not for the width of a frame."""

_MEND_DTYPE = {
    "c": "complex: take its magnitude first, np.abs(movie)",
    "O": "made of Python objects: convert it first, np.stack(list(movie))",
    "S": "made of strings: convert it first, movie.astype(np.float32)",
    "U": "made of strings: convert it first, movie.astype(np.float32)",
    "M": "made of dates: intensities must be numbers",
    "m": "made of durations: intensities must be numbers",
    "V": "structured or of a type that numpy does not know: convert it first, movie.astype(np.float32)",
}


def resolve_dtype(data: Any) -> np.dtype[Any]:
    """Return the array's type as numpy's.

    Raises
    ------
    TypeError
        If intensities of that type cannot be scaled: complex numbers, objects, strings, dates.
    """
    dtype = getattr(data.dtype, "numpy_dtype", data.dtype)  # tensorstore has types of its own
    try:
        dtype = np.dtype(dtype)
    except TypeError as error:
        raise TypeError(
            f"the movie's type {data.dtype!r} is not one of numpy's: pass an array that numpy can read "
            "(a torch tensor as tensor.numpy())"
        ) from error
    if dtype.kind not in "biuf":
        raise TypeError(f"the movie is {_MEND_DTYPE.get(dtype.kind, f'of type {dtype}: convert it to numbers first')}")
    return dtype


def resolve_axes(shape: tuple[int, ...], axes: str | None) -> str:
    """Return the axes of an array of this shape, one letter each of T, C, Y, X.

    Parameters
    ----------
    shape : tuple of int
    axes : str or None
        What the user says they are, in the array's order, such as ``"TYXC"``; None to go by the number of axes:
        (Y, X), (T, Y, X) or (T, C, Y, X).

    Raises
    ------
    ValueError
        If the axes do not fit, the array is empty, or it looks as if its colours were last.
    """
    if axes is None:
        if len(shape) not in AXES_OF_NDIM:
            raise ValueError(
                f"a movie has axes (T, Y, X) or (T, C, Y, X), got {len(shape)} axes of lengths {shape}. "
                + (
                    "Choose one plane, channel or position first, or project: movie.max(axis=...)"
                    if len(shape) > 4
                    else "Pass at least one frame with axes (Y, X)"
                )
            )
        axes = AXES_OF_NDIM[len(shape)]
        _refuse_colours_last(shape)
    else:
        axes = axes.upper()
        if len(axes) != len(shape):
            raise ValueError(f"axes={axes!r} names {len(axes)} axes, the movie has {len(shape)}: {shape}")
        unknown = sorted(set(axes) - set("TCYX"))
        if unknown:
            raise ValueError(
                f"axes={axes!r}: {', '.join(unknown)} is none of T, C, Y, X. Choose one plane of a further axis, or "
                "project it: movie.max(axis=...)"
            )
        if len(set(axes)) != len(axes) or not {"Y", "X"} <= set(axes):
            raise ValueError(f"axes={axes!r}: each of T, C, Y, X at most once, and Y and X always")
    for letter, length in zip(axes, shape, strict=True):
        if length == 0:
            raise ValueError(f"the movie is empty: its axis {letter} has length 0 (shape {shape})")
    return axes


def _refuse_colours_last(shape: tuple[int, ...]) -> None:
    if len(shape) == 3 and shape[-1] in _COLOURS and min(shape[:2]) >= _SMALLEST_FRAME:
        raise ValueError(
            f"shape {shape} looks like one colour image (Y, X, C), a movie is (T, C, Y, X): "
            'np.moveaxis(image, -1, 0)[None], or say axes="YXC" (axes="TYX" if the frames are really that narrow)'
        )
    if len(shape) == 4 and shape[-1] <= _MAX_CHANNELS_LAST and min(shape[1:3]) >= _SMALLEST_FRAME:
        raise ValueError(
            f"shape {shape} looks like (T, Y, X, C), colours last, a movie is (T, C, Y, X): "
            'np.moveaxis(movie, -1, 1), or say axes="TYXC" (axes="TCYX" if the frames are really that narrow)'
        )


def resolve_channels(chosen: int | tuple[int, ...] | None, available: int, used_at_most: int) -> tuple[int, ...]:
    """Return the indices of the channels to use; all of them, up to ``used_at_most``, when none are chosen.

    Raises
    ------
    ValueError
        If a channel does not exist, is named twice, or more are named than the network takes.
    """
    if chosen is None:
        return tuple(range(min(available, used_at_most)))
    channels = (chosen,) if isinstance(chosen, int | np.integer) else tuple(chosen)
    if not 1 <= len(channels) <= used_at_most or len(set(channels)) != len(channels):
        raise ValueError(f"choose one to {used_at_most} different channels, got {chosen!r}")
    for channel in channels:
        if not 0 <= channel < available:
            plural = f"channels 0 to {available - 1}" if available > 1 else "one channel, 0"
            raise ValueError(f"there is no channel {channel}: the movie has {plural}")
    return tuple(int(channel) for channel in channels)
