"""The field's features: encoded in pages, kept in a cache with a byte budget, cut into windows for the cells.

A field is divided into equal pages of at most `MAX_PAGE` tokens a side. A page is encoded together with a halo, only
when a window touches it, and only once. A window that lies over several pages is put together from them, so the
features of a cell do not depend on where pages meet, up to what the halo leaves of the trunk's reach.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam2.network import Sam2, normalise
from napari_sam2.network.config import TOKEN_STRIDE
from napari_sam2.tracking.disk_cache import DiskCache
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.movie import Movie

#: Strides of the three maps, as elements a token.
ELEMENTS = (1, 2, 4)
#: Largest page side in tokens: 1024 model pixels, the published models' native size.
MAX_PAGE = 64
#: Tokens around a page that are encoded with it and thrown away.
HALO = 4
#: Bytes of features kept for frames seen before.
DEFAULT_BUDGET = 1 << 30
#: Pages encoded in one call.
PAGES_PER_CALL = 2

PageKey = tuple[Geometry, int, tuple[int, int]]


@dataclass
class WindowFeatures:
    """Features of N windows: (N, C, h, w) at stride 16, and (N, C/4, 2h, 2w), (N, C/8, 4h, 4w) finer ones."""

    stride16: Tensor
    stride8: Tensor
    stride4: Tensor


class FeatureSource:
    """Encodes frames page by page and cuts windows out of them.

    Parameters
    ----------
    model
        The network, in eval mode.
    movie
        Where frames come from.
    budget
        Bytes of features to keep; at least the pages of the frame in work always stay.
    disk
        Where features are kept for the next time, if at all.
    """

    def __init__(self, model: Sam2, movie: Movie, budget: int = DEFAULT_BUDGET, disk: DiskCache | None = None) -> None:
        self.disk = disk
        self.model = model
        self.movie = movie
        self.budget = budget
        self._pages: OrderedDict[PageKey, tuple[Tensor, ...]] = OrderedDict()
        self._bytes = 0
        self._image: tuple[tuple[Geometry, int], Tensor] | None = None

    @property
    def kept_bytes(self) -> int:
        """Bytes of features kept now."""
        return self._bytes

    def windows(self, geometry: Geometry, frame: int, origins: npt.NDArray[np.int64]) -> WindowFeatures:
        """Cut windows out of a frame.

        Parameters
        ----------
        geometry
            The field.
        frame
            Frame number.
        origins
            (N, 2) row and column of each window's first token.
        """
        return WindowFeatures(*self._cut(geometry, frame, origins, ELEMENTS))

    def coarse_windows(self, geometry: Geometry, frame: int, origins: npt.NDArray[np.int64]) -> Tensor:
        """Cut windows out of the stride-16 map alone: (N, C, h, w)."""
        return self._cut(geometry, frame, origins, ELEMENTS[:1])[0]

    def _cut(
        self, geometry: Geometry, frame: int, origins: npt.NDArray[np.int64], elements: tuple[int, ...]
    ) -> list[Tensor]:
        side = page_side(geometry)
        rows, columns = geometry.window_tokens
        wanted = touched_pages(geometry, origins)
        pages = self._get(geometry, frame, wanted)
        levels = range(len(elements))
        if len(wanted) == 1 and side == (rows, columns):
            return [pages[0][i].permute(2, 0, 1)[None].expand(len(origins), -1, -1, -1) for i in levels]
        table = torch.full((wanted[:, 0].max() + 1, wanted[:, 1].max() + 1), -1, dtype=torch.long)
        table[wanted[:, 0], wanted[:, 1]] = torch.arange(len(wanted))
        table = table.to(self.model.device)
        first = torch.from_numpy(origins).to(self.model.device)
        maps = []
        for level, k in enumerate(elements):
            atlas = torch.stack([page[level] for page in pages]) if len(pages) > 1 else pages[0][level][None]
            y = (first[:, 0, None] * k + torch.arange(rows * k, device=first.device))[:, :, None]
            x = (first[:, 1, None] * k + torch.arange(columns * k, device=first.device))[:, None, :]
            high, wide = side[0] * k, side[1] * k
            # One flat gather of whole rows of channels, which is several times faster than indexing by three tensors.
            at = (table[y // high, x // wide] * high + y % high) * wide + x % wide
            cut = atlas.flatten(0, 2).index_select(0, at.flatten()).unflatten(0, tuple(at.shape))
            maps.append(cut.permute(0, 3, 1, 2))
        return maps

    def page_bytes(self, geometry: Geometry) -> int:
        """Bytes of one page of features."""
        side, config = page_side(geometry), self.model.config
        channels = (config.width, config.width // 4, config.width // 8)
        values = sum(c * k * k for c, k in zip(channels, ELEMENTS, strict=True))
        return side[0] * side[1] * values * self.model.no_mem_embed.element_size()

    @torch.inference_mode()
    def time_page(self, geometry: Geometry, frame: int) -> float:
        """Seconds that it takes to encode one page, without keeping it."""
        image = self._region(geometry, frame, (0, 0), page_side(geometry), page_halo(geometry))[None]
        image = image.to(self.model.device, self.model.dtype, memory_format=torch.channels_last)
        began = time.perf_counter()
        self.model.encode_image(image).stride16.sum().item()
        return time.perf_counter() - began

    def forget(self) -> None:
        """Drop everything that is kept."""
        self._pages.clear()
        self._bytes = 0
        self._image = None

    def _get(self, geometry: Geometry, frame: int, wanted: npt.NDArray[np.int64]) -> list[tuple[Tensor, ...]]:
        keys = [(geometry, frame, (int(y), int(x))) for y, x in wanted]
        missing = [key for key in keys if key not in self._pages and not self._recall(key)]
        for start in range(0, len(missing), PAGES_PER_CALL):
            self._encode(missing[start : start + PAGES_PER_CALL])
        for key in keys:
            self._pages.move_to_end(key)
        found = [self._pages[key] for key in keys]
        while self._bytes > self.budget and len(self._pages) > len(keys):
            _, dropped = self._pages.popitem(last=False)
            self._bytes -= _nbytes(dropped)
        return found

    def _recall(self, key: PageKey) -> bool:
        """Take a page from disk, if it is there."""
        page = None if self.disk is None else self.disk.read(*key, like=self.model.no_mem_embed)
        if page is not None:
            self._keep(key, page)
        return page is not None

    def _keep(self, key: PageKey, page: tuple[Tensor, ...]) -> None:
        self._pages[key] = page
        self._bytes += _nbytes(page)

    def _encode(self, keys: list[PageKey]) -> None:
        geometry, frame, _ = keys[0]
        side = page_side(geometry)
        halo = page_halo(geometry)
        images = torch.stack([self._region(geometry, frame, page, side, halo) for _, _, page in keys])
        images = images.to(self.model.device, self.model.dtype, memory_format=torch.channels_last)
        features = self.model.encode_image(images)
        maps = (features.stride16, features.stride8, features.stride4)
        for i, key in enumerate(keys):
            page = tuple(
                m[i, :, halo * k : (halo + side[0]) * k, halo * k : (halo + side[1]) * k].permute(1, 2, 0).contiguous()
                for m, k in zip(maps, ELEMENTS, strict=True)
            )
            self._keep(key, page)
            if self.disk is not None:
                self.disk.write(*key, page)

    def _region(
        self, geometry: Geometry, frame: int, page: tuple[int, int], side: tuple[int, int], halo: int
    ) -> Tensor:
        """Normalised model pixels (3, h, w) of a page and its halo; zero outside the frame."""
        height, width = ((side[axis] + 2 * halo) * TOKEN_STRIDE for axis in (0, 1))
        top, left = ((page[axis] * side[axis] - halo) * TOKEN_STRIDE for axis in (0, 1))
        y0, x0 = max(top, 0), max(left, 0)
        y1, x1 = min(top + height, geometry.model_shape[0]), min(left + width, geometry.model_shape[1])
        out = torch.zeros(3, height, width)
        part = self._resampled(geometry, frame, (y0, y1), (x0, x1))
        out[:, y0 - top : y1 - top, x0 - left : x1 - left] = normalise(part[None])[0]
        return out

    def _resampled(self, geometry: Geometry, frame: int, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
        """Model pixels (3, h, w) in 0..1 of a part of the resampled frame."""
        image = torch.from_numpy(self.movie.frame(frame)).permute(2, 0, 1)
        if geometry.model_shape == geometry.frame_shape:
            return image[:, slice(*rows), slice(*columns)]
        if geometry.mean_scale < 1:  # antialiased downscaling needs wide kernels, but the result is small: do it once
            if self._image is None or self._image[0] != (geometry, frame):
                small = F.interpolate(
                    image[None], size=geometry.model_shape, mode="bilinear", align_corners=False, antialias=True
                )
                self._image = ((geometry, frame), small[0])
            return self._image[1][:, slice(*rows), slice(*columns)]
        (ya, yb, wy), (xa, xb, wx) = (
            _lerp(span, length, scale)
            for span, length, scale in zip((rows, columns), geometry.frame_shape, geometry.scale, strict=True)
        )
        tall = torch.lerp(image[:, ya], image[:, yb], wy[None, :, None])
        return torch.lerp(tall[:, :, xa], tall[:, :, xb], wx[None, None, :])


def page_side(geometry: Geometry) -> tuple[int, int]:
    """Tokens (rows, columns) of a page: the whole field where it is small or windows are whole fields."""
    if geometry.window is None:
        return geometry.tokens
    return (_divide(geometry.tokens[0]), _divide(geometry.tokens[1]))


def page_halo(geometry: Geometry) -> int:
    """Tokens of halo: none where one page is the whole field."""
    return 0 if page_side(geometry) == geometry.tokens else HALO


def _divide(tokens: int) -> int:
    side = math.ceil(tokens / math.ceil(tokens / MAX_PAGE))
    return side + side % 2  # whole elements at stride 32


def touched_pages(geometry: Geometry, origins: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Pages (M, 2), unique and sorted, that windows with these first tokens (N, 2) lie on."""
    side = page_side(geometry)
    first = origins // side
    last = (origins + geometry.window_tokens - np.array(1)) // side
    steps = (last - first).max(0) + 1
    found = [np.minimum(first + (dy, dx), last) for dy in range(steps[0]) for dx in range(steps[1])]
    return np.unique(np.concatenate(found), axis=0)


def _lerp(span: tuple[int, int], length: int, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """Neighbours and weight of each model pixel of a span along one axis."""
    at = ((torch.arange(*span, dtype=torch.float64) + 0.5) / scale - 0.5).clamp(0, length - 1)
    low = at.floor().long()
    return low, (low + 1).clamp(max=length - 1), (at - low).float()


def _nbytes(page: tuple[Tensor, ...]) -> int:
    return sum(m.numel() * m.element_size() for m in page)
