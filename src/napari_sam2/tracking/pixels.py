"""A movie's frames as the model pixels of a field: resampled, normalised, a part at a time; read ahead of their use."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam2.network import normalise
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.movie import NETWORK_CHANNELS, Movie
from napari_sam2.tracking.regions import Region

#: Frames kept on a device: the one in work and the one that was read ahead.
KEPT_ON_DEVICE = 2


class FramePixels:
    """Model pixels of any part of any frame.

    Parameters
    ----------
    movie
        Where frames come from.
    device
        Where they go. On a GPU frames are uploaded whole, and resampled there.

    Notes
    -----
    Channels are resampled before one of them is repeated for all three inputs of the network.
    """

    def __init__(self, movie: Movie, device: torch.device) -> None:
        self.movie = movie
        self.device = device
        self._small: tuple[tuple[Geometry, int], Tensor] | None = None
        self._uploaded: dict[int, Tensor] = {}
        self._in_work: int | None = None
        self._lock = threading.Lock()  # over these two, which the reader changes as well
        # one for all frames: each stream has memory of its own that no other can use
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._reader: ThreadPoolExecutor | None = None
        self._reading: tuple[int, Future[None]] | None = None

    def forget(self) -> None:
        """Drop everything that is kept, and wait for what is being read."""
        self.rest()
        self._small = None
        with self._lock:
            self._uploaded.clear()

    def rest(self) -> None:
        """Nothing more is to be read ahead: wait for the frame in work, and leave no thread behind."""
        self._wait()
        if self._reader is not None:
            self._reader.shutdown()
            self._reader = None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While this lasts, frames may be read ahead; when it is left, however that is, no thread is."""
        try:
            yield
        finally:
            if not sys.is_finalizing():  # then threads cannot be waited for, and go by themselves
                self.rest()

    def read_ahead(self, frame: int) -> None:
        """Begin to read a frame in the background (on a GPU: and to upload it); errors are kept for its use."""
        if not 0 <= frame < self.movie.n_frames or (self._reading is not None and self._reading[0] == frame):
            return
        self._wait()
        if self._reader is None:
            self._reader = ThreadPoolExecutor(1, thread_name_prefix="napari-sam2-reader")
        self._reading = (frame, self._reader.submit(self._load, frame))

    def region(self, geometry: Geometry, frame: int, region: Region) -> Tensor:
        """Normalised model pixels (3, h, w) of a region, float32; zero outside the frame."""
        (top, bottom), (left, right) = region.pixels
        height, width = geometry.model_shape
        rows, columns = (max(top, 0), min(bottom, height)), (max(left, 0), min(right, width))
        out = torch.zeros(NETWORK_CHANNELS, bottom - top, right - left, device=self.device)
        if rows[0] < rows[1] and columns[0] < columns[1]:
            part = _colours(self._resampled(geometry, frame, rows, columns))
            normalise(part, out[:, rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left])
        return out

    def _resampled(self, geometry: Geometry, frame: int, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
        """Model pixels (channels, h, w) in 0..1 of a part of the resampled frame."""
        if geometry.model_shape == geometry.frame_shape:
            return self._planes(frame, rows, columns)
        if geometry.mean_scale < 1:  # antialiased downscaling needs wide kernels, but the result is small: do it once
            if self._small is None or self._small[0] != (geometry, frame):
                whole = self._planes(frame, (0, self.movie.height), (0, self.movie.width))
                small = F.interpolate(
                    whole[None], size=geometry.model_shape, mode="bilinear", align_corners=False, antialias=True
                )
                self._small = ((geometry, frame), small[0])
            return self._small[1][:, slice(*rows), slice(*columns)]
        (tall_span, ya, yb, wy), (wide_span, xa, xb, wx) = (
            _lerp(span, length, scale, self.device)
            for span, length, scale in zip((rows, columns), geometry.frame_shape, geometry.scale, strict=True)
        )
        part = self._planes(frame, tall_span, wide_span)
        tall = torch.lerp(part[:, ya], part[:, yb], wy[None, :, None])
        return torch.lerp(tall[:, :, xa], tall[:, :, xb], wx[None, None, :])

    def _planes(self, frame: int, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
        if self._reading is not None and self._reading[0] == frame:
            self._wait()
        if self.device.type == "cpu":
            return torch.from_numpy(self.movie.planes(frame, slice(*rows), slice(*columns)))
        with self._lock:
            self._in_work = frame
            known = self._uploaded.get(frame)
        whole = self._upload(frame) if known is None else known
        if whole.device.type == "cuda":
            whole.record_stream(torch.cuda.current_stream(whole.device))
        return whole[:, slice(*rows), slice(*columns)]

    def _load(self, frame: int) -> None:
        if self.device.type == "cpu":
            self.movie.raw(frame)
        else:
            self._upload(frame)

    def _upload(self, frame: int) -> Tensor:
        planes = torch.from_numpy(self.movie.planes(frame))
        if self._stream is not None:  # of its own, so that it does not wait for what is being computed
            with torch.cuda.stream(self._stream):
                planes = planes.pin_memory().to(self.device, non_blocking=True)
            self._stream.synchronize()
        else:
            planes = planes.to(self.device)
        with self._lock:
            self._uploaded.pop(frame, None)
            while len(self._uploaded) >= KEPT_ON_DEVICE:
                del self._uploaded[next(t for t in self._uploaded if t != self._in_work)]
            self._uploaded[frame] = planes
        return planes

    def _wait(self) -> None:
        """Wait for what is being read; whoever needs the frame meets the error again, if there was one."""
        if self._reading is not None:
            self._reading[1].exception()
            self._reading = None


def _colours(planes_chw: Tensor) -> Tensor:
    """Three channels of one, two or three; of two the third is their mean, as in `Movie.frame`."""
    if len(planes_chw) == 2:
        return torch.cat((planes_chw, planes_chw.mean(0, keepdim=True)))
    return planes_chw.expand(NETWORK_CHANNELS, -1, -1)


def _lerp(
    span: tuple[int, int], length: int, scale: float, device: torch.device
) -> tuple[tuple[int, int], Tensor, Tensor, Tensor]:
    """Pixels that a span of model pixels lies among along one axis; neighbours in these and weight of each of them."""
    at = ((torch.arange(*span, dtype=torch.float64) + 0.5) / scale - 0.5).clamp(0, length - 1)
    low = at.floor().long()
    high = (low + 1).clamp(max=length - 1)
    seen = int(low[0]), int(high[-1]) + 1  # before they are moved: a GPU would have to be waited for
    quick = device.type == "cuda"  # which takes small tensors over at once, and copies them when their turn comes
    low_in, high_in, weight = (
        t.to(device, non_blocking=quick) for t in (low - seen[0], high - seen[0], (at - low).float())
    )
    return seen, low_in, high_in, weight
