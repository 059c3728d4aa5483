"""A movie as the network sees it: any array with axes (T, [C], Y, X), read one frame at a time, scaled once for all.

Knows numpy only: neither torch nor files.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.tracking import intensity
from napari_sam2.tracking.movie_axes import resolve_axes, resolve_channels, resolve_dtype

NETWORK_CHANNELS = 3
"""The network sees red, green and blue."""
SAMPLED_FRAMES = 8
"""Frames, evenly spread over the movie, that the intensity limits are estimated from."""
HASHED_FRAMES = 4
"""Frames, evenly spread over the movie, that go into its fingerprint."""
KEPT_FRAMES = 2
"""Frames kept after they were read: the present one, and the one before for whoever compares."""


class Movie:
    """A lazy movie whose frames come out as (Y, X, 3) float32 in 0..1.

    Parameters
    ----------
    data : array-like
        numpy, dask, zarr, tensorstore, xarray, tifffile's zarr store, a napari layer's data: anything with ``shape``,
        ``dtype`` and ``[]``. Axes (T, Y, X) or (T, C, Y, X); (Y, X) is a movie of one frame. Any real type: bool,
        integers, floats, either byte order. A frame is read when it is needed, whole, with one indexing operation.
    limits : (low, high) or one such pair per chosen channel, optional
        Intensities that become 0 and 1, in the movie's own units. By default the 0.5 and 99.8 percentiles of up to
        eight frames spread over the movie, for each channel by itself, or wider where that little of the field stands
        out from its ground that the percentiles would clip it. They hold for the whole movie.
    channels : int or tuple of int, optional
        Which channels to use, in which order, at most three. By default the first three, or all if there are fewer.
    axes : str, optional
        The array's axes in its own order where they differ from the above, such as ``"TYXC"`` or ``"CYX"``.

    Notes
    -----
    The network has three inputs. One channel goes into all three. Of two channels the first becomes red, the second
    green and the mean of both blue, so that no input is empty. Three channels become red, green, blue.

    NaN and infinities are ignored when limits are estimated, and then replaced by the low limit.

    Reading is safe from several threads.

    Raises
    ------
    TypeError
        If ``data`` is no array, or not of numbers that can be scaled.
    ValueError
        If the axes, limits or channels do not fit, or the movie is empty. Messages say how to mend it.
    """

    def __init__(
        self,
        data: Any,
        *,
        limits: Sequence[float] | Sequence[Sequence[float]] | None = None,
        channels: int | tuple[int, ...] | None = None,
        axes: str | None = None,
    ) -> None:
        self.data = _as_array(data)
        self.dtype = resolve_dtype(self.data)
        shape = tuple(int(length) for length in self.data.shape)
        self.axes = resolve_axes(shape, axes)
        length_of = dict(zip(self.axes, shape, strict=True))
        self.n_frames = length_of.get("T", 1)
        self.n_channels = length_of.get("C", 1)
        self.height = length_of["Y"]
        self.width = length_of["X"]
        self.channels = resolve_channels(channels, self.n_channels, NETWORK_CHANNELS)
        self._limits = None if limits is None else intensity.parse_limits(limits, len(self.channels))
        self._kept: dict[int, npt.NDArray[Any]] = {}
        self._lock = threading.RLock()

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, C, Y, X), whatever the array's own axes are."""
        return self.n_frames, self.n_channels, self.height, self.width

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(Y, X) in pixels."""
        return self.height, self.width

    def __len__(self) -> int:
        return self.n_frames

    def __repr__(self) -> str:
        t, c, y, x = self.shape
        plural = "s" * (c != 1)
        return f"<Movie: {t} frames of {y} x {x} pixels, {c} channel{plural}, {self.dtype}>"

    @property
    def limits(self) -> tuple[intensity.Limits, ...]:
        """(low, high) of each chosen channel; estimated when first asked for, then fixed for the whole movie."""
        known = self._limits  # without the lock, which whoever reads a frame holds for as long as that takes
        if known is None:
            with self._lock:
                known = self._limits = self._limits or self._estimate_limits()
        return known

    def raw(self, t: int) -> npt.NDArray[Any]:
        """Return frame ``t`` as stored: (C, Y, X), all channels, the movie's own type in the machine's byte order.

        The array is kept for the next call: do not write to it.

        Raises
        ------
        IndexError
            If there is no such frame. Negative numbers are not counted from the end.
        ValueError
            If the array gives a frame of another shape than it announced.
        """
        t = self._check_frame(t)
        frame = self._kept.get(t)  # without the lock: the next frame may be being read, and the present one is in use
        if frame is not None:
            return frame
        with self._lock:  # one read at a time: not every array bears more
            frame = self._kept.get(t)  # another thread may have read it meanwhile
            if frame is None:
                frame = self._read(t)
                while len(self._kept) >= KEPT_FRAMES:
                    # the one read first goes, however often it was looked at: a look back must not push out the present
                    del self._kept[next(iter(self._kept))]
                self._kept[t] = frame
            return frame

    def frame(self, t: int) -> npt.NDArray[np.float32]:
        """Return frame ``t`` for the network.

        Returns
        -------
        ndarray, (Y, X, 3) float32
            Red, green, blue in 0..1, scaled by `limits`, C-contiguous. Not yet normalised by a mean and a deviation.

        Raises
        ------
        IndexError, ValueError
            As `raw`.
        """
        scaled = list(self.planes(t))
        if len(scaled) == 1:
            scaled = scaled * NETWORK_CHANNELS
        elif len(scaled) == 2:
            scaled.append((scaled[0] + scaled[1]) * np.float32(0.5))
        return np.stack(scaled, axis=-1)

    def planes(self, t: int, rows: slice = slice(None), columns: slice = slice(None)) -> npt.NDArray[np.float32]:
        """Return the chosen channels of a part of frame ``t``: (channels, rows, columns) float32, scaled to 0..1.

        Raises
        ------
        IndexError, ValueError
            As `raw`.
        """
        limits = self.limits
        raw = self.raw(t)
        scaled = [intensity.scale(raw[c, rows, columns], pair) for c, pair in zip(self.channels, limits, strict=True)]
        return np.stack(scaled)

    def fingerprint(self) -> str:
        """Return a hash of the shape, the type and a few frames, by which a saved session knows its movie again.

        The same for the same content in numpy, dask, zarr or a file, in either byte order. Frames between the sampled
        ones are not looked at.
        """
        digest = hashlib.sha256(repr((self.shape, self.dtype.newbyteorder("=").name)).encode())
        for t in _evenly(self.n_frames, HASHED_FRAMES):
            frame = self.raw(t)
            digest.update(np.ascontiguousarray(frame.astype(frame.dtype.newbyteorder("<"), copy=False)).data)
        return digest.hexdigest()

    def _check_frame(self, t: int) -> int:
        if not isinstance(t, int | np.integer) or not 0 <= t < self.n_frames:
            raise IndexError(f"there is no frame {t!r}: the movie has frames 0 to {self.n_frames - 1}")
        return int(t)

    def _read(self, t: int) -> npt.NDArray[Any]:
        index = tuple(t if letter == "T" else slice(None) for letter in self.axes)
        frame = np.asarray(self.data[index] if "T" in self.axes else self.data[...])
        present = [letter for letter in self.axes if letter != "T"]
        expected = tuple({"C": self.n_channels, "Y": self.height, "X": self.width}[letter] for letter in present)
        if frame.shape != expected:
            raise ValueError(
                f"frame {t} came with shape {frame.shape} where {expected} was announced: if this is a multiscale "
                "image, pass its first, full-size level"
            )
        frame = frame.transpose([present.index(letter) for letter in "CYX" if letter in present])
        if "C" not in present:
            frame = frame[None]
        # what was read is kept beyond the next read, also where the source hands out one buffer again and again
        return np.array(frame, dtype=self.dtype.newbyteorder("="), order="C")

    def _estimate_limits(self) -> tuple[intensity.Limits, ...]:
        sampled: list[list[intensity.Samples]] = [[] for _ in self.channels]
        for t in _evenly(self.n_frames, SAMPLED_FRAMES):
            frame = self.raw(t)
            for samples, channel in zip(sampled, self.channels, strict=True):
                samples.append(intensity.take_samples(frame[channel]))
        return tuple(intensity.estimate_limits(samples, self.dtype) for samples in sampled)


def _evenly(count: int, at_most: int) -> list[int]:
    """Indices of at most so many of ``count`` frames, first and last among them where there are two or more."""
    return sorted({int(t) for t in np.linspace(0, count - 1, min(count, at_most)).round()})


def _as_array(data: Any) -> Any:
    """Return what can be indexed: the data itself, or the first full-size array of a zarr store or group."""
    if isinstance(data, Movie):
        return data.data
    if isinstance(data, str | bytes) or hasattr(data, "__fspath__"):
        raise TypeError(f"{data!r} is a path: open it first, napari_sam2.export.open_movie(path).data")
    if isinstance(data, list | tuple):
        raise TypeError("the movie is a list: make it one array, np.stack(frames)")
    if not hasattr(data, "shape") and type(data).__module__.split(".")[0] in {"zarr", "tifffile"}:
        data = _open_zarr(data)
    if not all(hasattr(data, name) for name in ("shape", "dtype", "__getitem__")):
        mend = "pass layer.data" if hasattr(data, "data") else "pass a numpy, dask or zarr array"
        raise TypeError(f"a movie is an array with shape, dtype and [], got {type(data).__name__}: {mend}")
    return data


def _open_zarr(store: Any) -> Any:
    """Open a zarr store (as tifffile's ``aszarr=True`` gives) or group; of a pyramid, level 0."""
    import zarr

    group = store if isinstance(store, zarr.Group) else zarr.open(store, mode="r")
    if isinstance(group, zarr.Array):
        return group
    if "0" in group and isinstance(group["0"], zarr.Array):
        return group["0"]
    raise TypeError(f"the zarr group holds no array named 0: pass one of its arrays {sorted(group.array_keys())}")
