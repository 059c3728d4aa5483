"""Run lengths as COCO writes them: column by column, background first, as numbers or packed into a string.

https://github.com/cocodataset/cocoapi (``maskApi.c`` describes the packing): the third run and those after it are
differences from the one two before; each is cut into 5-bit groups, lowest first, with a bit that says whether more
follow, and 48 is added to make it a printable character.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_GROUP = 0x1F
_MORE = 0x20
_SIGN = 0x10
_FIRST_CHARACTER = 48


def encode(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Run lengths of a mask (Y, X)."""
    flat = np.concatenate(([False], mask.astype(bool).ravel(order="F"), [False]))
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(np.concatenate(([0], edges, [mask.size])))
    return [int(n) for n in (runs[:-1] if len(runs) > 1 and runs[-1] == 0 else runs)]


def decode(runs: Sequence[int], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Undo `encode`.

    Raises
    ------
    ValueError
        If the runs do not fill the frame.
    """
    lengths = np.asarray(runs, np.int64)
    if (lengths < 0).any() or int(lengths.sum()) != shape[0] * shape[1]:
        raise ValueError(
            f"run lengths add up to {int(lengths.sum())} pixels, the frame of {shape[0]} x {shape[1]} has "
            f"{shape[0] * shape[1]}: they are damaged, or height and width are swapped"
        )
    inside = np.arange(len(lengths)) % 2 == 1
    return np.repeat(inside, lengths).reshape(shape, order="F")


def pack(runs: Sequence[int]) -> str:
    """Pack run lengths into COCO's string."""
    out = []
    for i, run in enumerate(runs):
        rest = run - runs[i - 2] if i > 2 else run
        while True:
            group = rest & _GROUP
            rest >>= 5
            more = rest != (-1 if group & _SIGN else 0)
            out.append(chr((group | (_MORE if more else 0)) + _FIRST_CHARACTER))
            if not more:
                break
    return "".join(out)


def unpack(packed: str) -> list[int]:
    """Undo `pack`.

    Raises
    ------
    ValueError
        If the string breaks off.
    """
    runs: list[int] = []
    value, shift = 0, 0
    for character in packed:
        code = ord(character) - _FIRST_CHARACTER
        if not 0 <= code < 64:
            raise ValueError(f"{character!r} does not occur in packed run lengths")
        value |= (code & _GROUP) << shift
        shift += 5
        if not code & _MORE:
            if code & _SIGN:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    if shift:
        raise ValueError("the packed run lengths break off in the middle of a number")
    return runs


def decode_object(data: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Decode ``{"size": [height, width], "counts": string or numbers}`` into a mask (Y, X)."""
    height, width = (int(n) for n in data["size"])
    counts = data["counts"]
    if isinstance(counts, bytes):
        counts = counts.decode("ascii")
    return decode(unpack(counts) if isinstance(counts, str) else counts, (height, width))
