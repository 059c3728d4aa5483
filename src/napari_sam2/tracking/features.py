"""The field's features: encoded in pages or patches, kept within a byte budget, cut into windows for the cells.

A field is divided into equal pages. A page is encoded together with a halo, only when a window touches it, and only
once. Where few windows are wanted, such as that of the first click on a frame, patches around them cost less than the
pages they lie on, and are encoded instead. Halos end at the field's border, as images end in training. So the features
of a cell depend neither on where pages meet nor on who else was encoded with it, up to what the halo leaves of the
trunk's reach (`regions.HALO`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_sam2.network import Sam2
from napari_sam2.network.conv_trunk import ConvTrunk
from napari_sam2.tracking.calls import NetworkCalls
from napari_sam2.tracking.disk_cache import DiskCache
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.mirrors import PLAIN, Mirror, flip
from napari_sam2.tracking.movie import Movie
from napari_sam2.tracking.page_store import Key, PageStore
from napari_sam2.tracking.pixels import FramePixels
from napari_sam2.tracking.regions import (
    HALO,
    PATCH_SHARE,
    Region,
    is_page,
    page_halo,
    page_region,
    patches,
    touched_pages,
    window_pages,
)
from napari_sam2.tracking.sheets import ELEMENTS, Sheet, WindowFeatures, copy_windows, held, joined

IntArray = npt.NDArray[np.int64]

#: Bytes of features kept for frames seen before.
DEFAULT_BUDGET = 1 << 30
#: A mirrored source keeps this part of it: a few clicks on the same frame.
MIRRORED_SHARE = 16
#: Tokens encoded in one call, if a single region has not more.
TOKENS_PER_CALL = 8192


class FeatureSource:
    """Encodes frames piece by piece and cuts windows out of them.

    Parameters
    ----------
    model
        The network, in eval mode.
    movie
        Where frames come from.
    budget
        Bytes of features to keep; at least those of the frame in work always stay.
    disk
        Where pages are kept for the next time, if at all.
    patch_share
        Patches are encoded where they cost less than this share of the pages in their place; 0 for never. Trunks that
        are not the same at every place of a field always have pages.
    mirror
        Reverse rows and columns of the field; regions and windows are then those of the mirrored one.
    """

    def __init__(
        self,
        model: Sam2,
        movie: Movie,
        budget: int = DEFAULT_BUDGET,
        disk: DiskCache | None = None,
        patch_share: float = PATCH_SHARE,
        mirror: Mirror = PLAIN,
    ) -> None:
        self.mirror = mirror
        self.disk = disk
        self.model = model
        self.calls = NetworkCalls(model)
        self.movie = movie
        self.pixels = FramePixels(movie, model.device)
        self._alike = isinstance(model.image_encoder.trunk, ConvTrunk)
        self._patch_share = patch_share if self._alike and disk is None else 0.0
        self._kept = PageStore(budget)
        self._open: tuple[tuple[Geometry, int] | None, list[Sheet]] = (None, [])
        self._at_once = TOKENS_PER_CALL  # fewer wherever memory has run out
        self._plain: FeatureSource | None = None

    @property
    def budget(self) -> int:
        """Bytes of features to keep."""
        return self._kept.budget

    @property
    def kept_bytes(self) -> int:
        """Bytes of features kept now."""
        return self._kept.bytes

    def windows(self, geometry: Geometry, frame: int, origins: IntArray) -> WindowFeatures:
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
        return WindowFeatures(*self._cut(geometry, frame, origins, len(ELEMENTS)))

    def coarse_windows(self, geometry: Geometry, frame: int, origins: IntArray) -> Tensor:
        """Cut windows out of the stride-16 map alone: (N, C, h, w)."""
        return self._cut(geometry, frame, origins, 1)[0]

    @torch.inference_mode()
    def prepare(self, geometry: Geometry, frame: int, origins: IntArray) -> list[Sheet]:
        """Encode what windows need, all at once: cheaper than a few windows after the other.

        Raises
        ------
        MemoryError
            If a single region does not fit into memory, with nothing else kept than what the frame needs.
        """
        window = geometry.window_tokens
        where, sheets = self._open
        if where != (geometry, frame):
            sheets = []
        left = origins[~held(sheets, origins, window)]
        if len(left):
            sheets = sheets + self._find(geometry, frame, left)
            self._open = ((geometry, frame), sheets)
        return sheets

    def forget(self) -> None:
        """Drop everything that is kept."""
        self._kept.clear()
        self._open = (None, [])
        self.pixels.forget()

    def mirrored(self, mirror: Mirror) -> FeatureSource:
        """Make a source for the same frames mirrored; it keeps much less."""
        disk = None if self.disk is None else self.disk.mirrored(mirror)
        source = FeatureSource(self.model, self.movie, self.budget // MIRRORED_SHARE, disk, self._patch_share, mirror)
        source.pixels, source.calls, source._plain = self.pixels, self.calls, self
        return source

    def release(self) -> None:
        """Let go of the frame in work too, as far as it takes more than the budget."""
        self._open = (None, [])
        self._kept.shrink(0)

    def cover(self, geometry: Geometry, origins: IntArray) -> list[Region]:
        """Regions that are encoded for some windows (N, 2) of a frame of which nothing is known."""
        return self._cover(geometry, origins)[0]

    def bytes_of(self, regions: Sequence[Region]) -> int:
        """Bytes of the features of some regions."""
        config = self.model.config
        channels = (config.width, config.width // 4, config.width // 8)
        values = sum(c * k * k for c, k in zip(channels, ELEMENTS, strict=True))
        return sum(r.tokens for r in regions) * values * self.model.no_mem_embed.element_size()

    @torch.inference_mode()
    def time_of(self, geometry: Geometry, frame: int, regions: Sequence[Region]) -> float:
        """Seconds that it takes to encode some regions, measured on one of them and without keeping it."""
        tokens = [self._with_halo(geometry, r).tokens for r in regions]
        image = self._image(geometry, frame, regions[0])[None].to(self.model.dtype, memory_format=torch.channels_last)
        began = time.perf_counter()
        self.model.encode_image(image).stride16.sum().item()
        return (time.perf_counter() - began) * sum(tokens) / tokens[0]

    # inside -------------------------------------------------------------------------------------------------------

    def _cut(self, geometry: Geometry, frame: int, origins: IntArray, levels: int) -> list[Tensor]:
        window = geometry.window_tokens
        sheets = self.prepare(geometry, frame, origins)
        if len(sheets) == 1 and (sheets[0].region.rows, sheets[0].region.columns) == window:
            return [m.permute(2, 0, 1)[None].expand(len(origins), -1, -1, -1) for m in sheets[0].maps[:levels]]
        size = [(len(origins), window[0] * k, window[1] * k) for k in ELEMENTS[:levels]]
        out = [m.new_empty((*s, m.shape[2])) for s, m in zip(size, sheets[0].maps, strict=False)]
        left = np.ones(len(origins), bool)
        for sheet in sheets:
            mine = np.flatnonzero(left & sheet.region.holds(origins, window))
            left[mine] = False
            first = origins[mine] - (sheet.region.top, sheet.region.left)
            for k, target, source in zip(ELEMENTS, out, sheet.maps, strict=False):
                copy_windows(source, first * k, target, mine)
        return [m.permute(0, 3, 1, 2) for m in out]

    def _find(self, geometry: Geometry, frame: int, origins: IntArray) -> list[Sheet]:
        """Sheets that together hold some windows, each as a whole; what they lack is encoded."""
        kept = [r for g, t, r in self._kept if t == frame and g == geometry]
        parts = window_pages(geometry, origins)
        known = np.zeros(parts.reshape(-1, 2).max(0) + 1, bool)
        for y, x in touched_pages(geometry, origins).tolist():
            known[y, x] = page_region(geometry, (y, x)) in kept
        paged = known[parts[..., 0], parts[..., 1]].all(1)
        small = [r for r in kept if r.holds(origins[~paged], geometry.window_tokens).any()]
        wanted = ~paged & ~held([Sheet(r, ()) for r in small], origins, geometry.window_tokens)
        if wanted.any():
            spent = sum(self._with_halo(geometry, r).tokens for r in kept if not is_page(geometry, r))
            fresh, as_pages = self._cover(geometry, origins[wanted], spent)
            paged |= wanted & as_pages
            small += [] if as_pages else fresh
        pages = [page_region(geometry, (y, x)) for y, x in touched_pages(geometry, origins[paged]).tolist()]
        self._load(geometry, frame, pages + small)
        sheets = [Sheet(r, self._kept[geometry, frame, r]) for r in small]
        if not pages:
            return sheets
        try:
            return [*sheets, self._mosaic(geometry, frame, pages)]
        except (MemoryError, RuntimeError) as error:
            self._make_room(geometry, frame, error)
        return [*sheets, self._mosaic(geometry, frame, pages)]

    def _cover(self, geometry: Geometry, origins: IntArray, spent: int = 0) -> tuple[list[Region], bool]:
        """Regions to be encoded for some windows, and whether they are pages.

        Whoever clicks here and there on a frame, and has `spent` so many tokens on patches there, gets pages at last.
        """
        whole = [page_region(geometry, (y, x)) for y, x in touched_pages(geometry, origins).tolist()]
        if not self._patch_share or geometry.window is None:
            return whole, True
        small = patches(geometry, origins)
        limit = self._patch_share * sum(self._with_halo(geometry, r).tokens for r in whole)
        cost = sum(self._with_halo(geometry, r).tokens for r in small)
        return (small, False) if cost + spent < limit else (whole, True)

    def _with_halo(self, geometry: Geometry, region: Region) -> Region:
        """What is encoded for a region: up to the field's border, or pages of one size where places count."""
        return region.grown(HALO).cut(geometry.tokens) if self._alike else region.grown(page_halo(geometry))

    def _mosaic(self, geometry: Geometry, frame: int, pages: Sequence[Region]) -> Sheet:
        """One sheet of several pages."""
        return joined([Sheet(page, self._kept[geometry, frame, page]) for page in pages])

    def _load(self, geometry: Geometry, frame: int, regions: Sequence[Region]) -> None:
        """Have some regions in the cache, and drop what was not used for longest where it becomes too much."""
        missing: dict[tuple[int, int], list[Region]] = {}
        for region in regions:
            key = (geometry, frame, region)
            if key not in self._kept and not self._recall(key):
                grown = self._with_halo(geometry, region)
                missing.setdefault((grown.rows, grown.columns), []).append(region)
        for (rows, columns), alike in missing.items():
            self._encode_all(geometry, frame, alike, rows * columns)
        self._kept.use((geometry, frame, region) for region in regions)

    def _encode_all(self, geometry: Geometry, frame: int, regions: list[Region], tokens: int) -> None:
        """Encode regions of so many tokens each, as many in a call as fit into memory."""
        last_try = False
        while regions:
            some = regions[: max(1, self._at_once // tokens)]
            try:
                self._encode(geometry, frame, some)
                regions, last_try = regions[len(some) :], False
            except (MemoryError, RuntimeError) as error:  # torch's own errors are of the second kind
                self._make_room(geometry, frame, error, f"one part of frame {frame}" if last_try else "")
                last_try = len(some) == 1
                self._at_once = tokens * max(1, len(some) // 2)

    def _make_room(self, geometry: Geometry, frame: int, error: Exception, last_try: str = "") -> None:
        """Give back all that a frame does not need, if memory ran out; see `NetworkCalls.make_room`."""
        self.calls.make_room(error, last_try, lambda: self._drop_others(geometry, frame))

    def _drop_others(self, geometry: Geometry, frame: int) -> None:
        """Keep nothing but a frame, in the plain source of a mirrored one neither."""
        self._kept.drop_others(geometry, frame)
        if self._open[0] != (geometry, frame):
            self._open = (None, [])
        if self._plain is not None:
            self._plain._drop_others(geometry, frame)

    def _recall(self, key: Key) -> bool:
        """Take a page from disk, if it is there."""
        maps = None if self.disk is None else self.disk.read(*key, like=self.model.no_mem_embed)
        if maps is not None:
            self._kept.keep(key, maps)
        return maps is not None

    def _encode(self, geometry: Geometry, frame: int, regions: Sequence[Region]) -> None:
        """Encode regions that have one size with their halos."""
        images = [self._image(geometry, frame, r) for r in regions]
        shape = (len(images), *images[0].shape)
        batch = torch.empty(shape, dtype=self.model.dtype, device=self.model.device, memory_format=torch.channels_last)
        for target, image in zip(batch, images, strict=True):
            target.copy_(image)
        features = self.calls.encode(batch)
        maps = (features.stride16, features.stride8, features.stride4)
        for i, region in enumerate(regions):
            grown = self._with_halo(geometry, region)
            own = []
            for m, k in zip(maps, ELEMENTS, strict=True):
                top, left = (region.top - grown.top) * k, (region.left - grown.left) * k
                inner = m[i, :, top : top + region.rows * k, left : left + region.columns * k]
                own.append(inner.permute(1, 2, 0).contiguous())
            key = (geometry, frame, region)
            self._kept.keep(key, tuple(own))
            if self.disk is not None:
                self.disk.write(*key, tuple(own))

    def _image(self, geometry: Geometry, frame: int, region: Region) -> Tensor:
        """Normalised model pixels (3, h, w) of a region and its halo."""
        seen = self._with_halo(geometry, region)
        there = seen.mirrored(geometry.tokens, self.mirror)
        return flip(self.pixels.region(geometry, frame, there), self.mirror)
