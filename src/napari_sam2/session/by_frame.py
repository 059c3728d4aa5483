"""Indexing label frames as numpy does, where only whole frames can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session.runs import LabelImage


class ByFrame:
    """An array (T, Y, X) int32 of frames; whoever inherits says its shape and how to read one."""

    dtype = np.dtype(np.int32)
    ndim = 3
    shape: tuple[int, int, int]

    def read(self, frame: int) -> LabelImage:
        """Return a frame, (Y, X)."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def chunks(self) -> tuple[int, int, int]:
        """One frame."""
        return (1, *self.shape[1:])

    def __getitem__(self, key: Any) -> Any:
        """Index as numpy does; a frame number or range first."""
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            first, rest = slice(None), [Ellipsis, *rest]
        if isinstance(first, slice):
            frames: Sequence[int] = range(*first.indices(self.shape[0]))
            shown = [self.read(t)[tuple(rest)] for t in frames]
            return np.stack(shown) if shown else np.zeros((0, *self.shape[1:]), np.int32)[(slice(None), *rest)]
        if isinstance(first, int | np.integer):
            frame = int(first) + (self.shape[0] if first < 0 else 0)
            if not 0 <= frame < self.shape[0]:
                raise IndexError(f"frame {first} does not exist: there are {self.shape[0]}")
            return self.read(frame)[tuple(rest)]
        which = np.asarray(first)
        if which.dtype == bool:
            return self[:][key]
        out = np.empty(
            np.broadcast(*[np.asarray(k) for k in (first, *rest)]).shape if rest else (*which.shape, *self.shape[1:]),
            np.int32,
        )
        at = np.broadcast_to(which, out.shape[: which.ndim] if not rest else out.shape)
        others = [np.broadcast_to(np.asarray(k), out.shape) for k in rest]
        for t in np.unique(at):
            here = at == t
            image = self.read(int(t))
            out[here] = image[tuple(k[here] for k in others)] if rest else image
        return out

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """All frames at once."""
        return np.asarray(self[:], dtype)
