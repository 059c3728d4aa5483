"""What opening a file gives: a lazy array whose axes are in the order that everything else expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

#: Names that formats give to an axis along which nothing but frames can be meant, when there is no T.
_STAND_FOR_TIME = "IQZR"
_STAND_FOR_CHANNEL = "S"


class FrameView:
    """A lazy array in the order (T, Y, X) or (T, C, Y, X) over one whose axes are in another, or lack T.

    Parameters
    ----------
    base : array-like
        With ``shape``, ``dtype`` and ``[]``.
    axes : str
        Its axes, one letter each, at most one each of T, C, Y, X; all other axes must have length 1.

    Indexing reads whole frames, one by one, and returns numpy arrays.
    """

    def __init__(self, base: Any, axes: str) -> None:
        self._base = base
        self._axes = axes
        lengths = dict(zip(axes, base.shape, strict=True))
        self.axes = "TCYX" if "C" in lengths else "TYX"
        self.shape: tuple[int, ...] = tuple(int(lengths.get(letter, 1)) for letter in self.axes)
        self.dtype = np.dtype(base.dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<FrameView {self.axes} {self.shape} {self.dtype}>"

    def _frame(self, t: int) -> npt.NDArray[Any]:
        kept = self.axes[1:]
        index = tuple(t if letter == "T" else (slice(None) if letter in kept else 0) for letter in self._axes)
        frame = np.asarray(self._base[index])
        present = [letter for letter in self._axes if letter in kept]
        return frame.transpose([present.index(letter) for letter in kept])

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            first, rest = slice(None), [Ellipsis, *rest]
        if isinstance(first, int | np.integer):
            t = int(first) + (len(self) if first < 0 else 0)
            if not 0 <= t < len(self):
                raise IndexError(f"frame {first} is out of range: there are {len(self)}")
            return self._frame(t)[tuple(rest)]
        chosen = np.arange(len(self))[first]
        frames = [self._frame(int(t))[tuple(rest)] for t in np.ravel(chosen)]
        if not frames:
            frame_shape = np.empty(self.shape[1:], bool)[tuple(rest)].shape
            return np.empty((0, *frame_shape), self.dtype)
        return np.stack(frames)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("a lazy movie has to be read: it cannot become an array without a copy")
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)


@dataclass(frozen=True)
class OpenedMovie:
    """A file or folder, opened lazily.

    Attributes
    ----------
    data : FrameView
        (T, Y, X) or (T, C, Y, X); a frame is read when it is asked for.
    axes : str
        ``"TYX"`` or ``"TCYX"``.
    path : Path
    scale : dict of str to float
        Size of a step along an axis, in ``units``, for those of T, Y and X where the file says it.
    units : dict of str to str
        Such as ``{"Y": "micrometer", "X": "micrometer", "T": "second"}``.
    notes : tuple of str
        What was taken for granted in reading, in sentences for the user.
    """

    data: FrameView
    path: Path
    scale: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    _close: Callable[[], None] | None = field(default=None, repr=False, compare=False)

    @property
    def axes(self) -> str:
        return self.data.axes

    def close(self) -> None:
        """Close the file; the data cannot be read any more."""
        if self._close is not None:
            self._close()

    def __enter__(self) -> OpenedMovie:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def arrange(base: Any, axes: str, where: Path) -> tuple[FrameView, tuple[str, ...]]:
    """Bring an array with a format's axes into the order of a movie.

    Parameters
    ----------
    base : array-like
    axes : str
        One letter each, as the format names them, in the array's order.
    where : Path
        For the messages.

    Returns
    -------
    view : FrameView
    notes : tuple of str
        Which axis was taken for time, if none was named so.

    Raises
    ------
    ValueError
        If there are more axes than time, channel, y and x.
    """
    axes = axes.upper()
    notes: list[str] = []
    lengths = dict(zip(axes, base.shape, strict=True))
    if len(lengths) != len(axes) or not {"Y", "X"} <= set(axes):
        raise ValueError(f"{where}: cannot tell its axes {axes} with lengths {tuple(base.shape)} apart")
    long = [letter for letter in axes if letter not in "TCYX" and lengths[letter] > 1]
    if lengths.get("T", 1) == 1:
        stand_in = next((letter for letter in long if letter in _STAND_FOR_TIME), None)
        if stand_in is not None:
            axes = axes.replace("T", "_").replace(stand_in, "T")
            long.remove(stand_in)
            if stand_in == "Z":
                notes.append(f"{where.name} names its {lengths['Z']} frames Z, not T: they are taken as time.")
    colour = next((letter for letter in long if letter in _STAND_FOR_CHANNEL), None)
    if colour is not None and lengths.get("C", 1) == 1:
        if axes.index(colour) < axes.index("Y"):
            # programs that are not told otherwise store movies of three or four frames like this
            notes.append(f"{where.name} says that its {lengths[colour]} planes are the colours of one image.")
        axes = axes.replace("C", "_").replace(colour, "C")
        long.remove(colour)
    if long:
        raise ValueError(
            f"{where} has axes {axes} with lengths {tuple(base.shape)}, a movie has only time, channel, y and x: "
            f"choose one plane along {', '.join(long)} or project it, and save that"
        )
    return FrameView(base, axes), tuple(notes)
