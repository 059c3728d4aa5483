"""The labels of a session as an array that napari shows and paints in. No Qt in here."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session.labels import LabelStore
from napari_sam2.widgets.image import Axes

LabelImage = npt.NDArray[np.int32]


class ShownLabels:
    """Label frames with the axes of the image layer. What is painted stays in here until it is taken into the session.

    Parameters
    ----------
    labels
        Of the session, (T, Y, X).
    axes
        Of the image layer; on channels and axes of length one the labels are the same everywhere.
    """

    dtype = np.dtype(np.int32)

    def __init__(self, labels: LabelStore, axes: Axes) -> None:
        self._labels = labels
        self._axes = axes
        self.shape = axes.shape
        self.ndim = len(self.shape)
        self.only: int | None = None
        self._painted: dict[int, LabelImage] = {}
        self._lock = threading.RLock()

    @property
    def size(self) -> int:
        """Number of pixels."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def frame(self, frame: int) -> LabelImage:
        """A frame as it is shown, (Y, X)."""
        with self._lock:
            painted = self._painted.get(frame)
            return painted.copy() if painted is not None else self._labels.read(frame)

    def painted(self) -> dict[int, LabelImage]:
        """Take out the frames that were painted in since this was last asked for."""
        with self._lock:
            found, self._painted = self._painted, {}
            return found

    def __getitem__(self, key: Any) -> Any:
        full = self._full(key)
        if any(isinstance(k, np.ndarray | list) for k in full):
            which, rows, columns = self._points(full)
            out = np.empty(rows.shape, np.int32)
            for frame in np.unique(which):
                here = which == frame
                out[here] = self.frame(int(frame))[rows[here], columns[here]]
            return out
        if self.ndim == 3 and not isinstance(full[0], slice):  # what is shown; every copy of a frame takes its time
            return self.frame(self._frames(full)[0])[full[1:]]
        image_key, frames = full[-2:], self._frames(full)
        found = [self.frame(t)[image_key] for t in frames]
        sample = np.empty(self._axes.shape[-2:], bool)[image_key].shape
        out = np.stack(found) if found else np.zeros((0, *sample), np.int32)
        shape: list[int] = []
        for letter, k, length in zip(self._axes.letters[:-2], full[:-2], self.shape[:-2], strict=True):
            if isinstance(k, slice):
                shape.append(len(frames) if letter == "T" else len(range(*k.indices(length))))
        timed = self._axes.time is not None and isinstance(full[self._axes.time], slice)
        if not timed:
            out = out[0]
        lead = zip(self._axes.letters[:-2], full[:-2], strict=True)
        before = [len(frames) if letter == "T" else 1 for letter, k in lead if isinstance(k, slice)]
        return np.array(np.broadcast_to(out.reshape((*before, *sample)), (*shape, *sample)))[()]

    def __setitem__(self, key: Any, value: Any) -> None:
        full = self._full(key)
        with self._lock:
            if any(isinstance(k, np.ndarray | list) for k in full):
                which, rows, columns = self._points(full)
                values = np.broadcast_to(np.asarray(value, np.int32), rows.shape)
                for frame in np.unique(which):
                    here = which == frame
                    self._open(int(frame))[rows[here], columns[here]] = values[here]
                return
            frames = self._frames(full)
            target = self[full].shape
            given = np.broadcast_to(np.asarray(value, np.int32), target)
            # on axes other than time the labels are the same everywhere: the first place stands for all
            timed = self._axes.time is not None and isinstance(full[self._axes.time], slice)
            pick: list[Any] = []
            for letter, k in zip(self._axes.letters[:-2], full[:-2], strict=True):
                if isinstance(k, slice):
                    pick.append(slice(None) if letter == "T" else 0)
            parts = given[tuple(pick)]
            for i, frame in enumerate(frames):
                self._open(frame)[full[-2:]] = parts[i] if timed else parts

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self.astype(self.dtype if dtype is None else dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> npt.NDArray[Any]:
        # what duplicates a layer wants labels of its own, not another view of the session's
        return self.astype(self.dtype)

    def astype(self, dtype: npt.DTypeLike, **options: Any) -> npt.NDArray[Any]:
        """As an array in memory, of another type; one frame at a time, since movies are large.

        Parameters
        ----------
        dtype
            Of the array.
        options
            As numpy takes them; it is a copy in any case.
        """
        out = np.empty(self.shape, dtype)
        casting = options.get("casting", "unsafe")
        for frame in range(self._axes.frames):
            key = (*[frame if letter == "T" else slice(None) for letter in self._axes.letters[:-2]], Ellipsis)
            np.copyto(out[key], self.frame(frame), casting=casting)
        return out

    def _open(self, frame: int) -> LabelImage:
        if frame not in self._painted:
            self._painted[frame] = self._labels.read(frame)
        return self._painted[frame]

    def _full(self, key: Any) -> tuple[Any, ...]:
        given = list(key) if isinstance(key, tuple) else [key]
        if any(k is Ellipsis for k in given):
            at = next(i for i, k in enumerate(given) if k is Ellipsis)
            given[at : at + 1] = [slice(None)] * (self.ndim - len(given) + 1)
        given += [slice(None)] * (self.ndim - len(given))
        if len(given) != self.ndim:
            raise IndexError(f"{len(given)} indices for labels of {self.ndim} axes")
        return tuple(given)

    def _frames(self, full: tuple[Any, ...]) -> list[int]:
        if self._axes.time is None:
            return [0]
        k = full[self._axes.time]
        if isinstance(k, slice):
            return list(range(*k.indices(self._axes.frames)))
        frame = int(k) + (self._axes.frames if k < 0 else 0)
        if not 0 <= frame < self._axes.frames:
            raise IndexError(f"there is no frame {k}")
        return [frame]

    def _points(self, full: tuple[Any, ...]) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
        """Frames, rows and columns of an index by arrays, broadcast; slices among them stand for all their places."""
        if any(isinstance(k, slice) for k in full):
            spread = [
                np.arange(*k.indices(n)) if isinstance(k, slice) else np.atleast_1d(np.asarray(k))
                for k, n in zip(full, self.shape, strict=True)
            ]
            if any(a.dtype == bool for a in spread):
                raise IndexError("labels are indexed by numbers")
            grid = np.broadcast_arrays(*np.ix_(*spread)) if len(spread) > 1 else spread
            full = tuple(grid)
        places = np.broadcast_arrays(*[np.asarray(k) for k in full])
        frames = places[self._axes.time] if self._axes.time is not None else np.zeros(places[0].shape, int)
        return frames, places[-2], places[-1]
