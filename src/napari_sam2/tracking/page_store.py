"""Features of encoded regions, kept within a byte budget: what was not used for longest goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.regions import Region
from napari_sam2.tracking.sheets import Maps

Key = tuple[Geometry, int, Region]
"""Field, frame and region."""


class PageStore:
    """Maps by field, frame and region.

    Parameters
    ----------
    budget
        Bytes; what the frame in work needs stays all the same.

    Attributes
    ----------
    bytes
        Of all that is kept now.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.bytes = 0
        self._maps: OrderedDict[Key, Maps] = OrderedDict()

    def __iter__(self) -> Iterator[Key]:
        return iter(self._maps)

    def __len__(self) -> int:
        return len(self._maps)

    def __contains__(self, key: Key) -> bool:
        return key in self._maps

    def __getitem__(self, key: Key) -> Maps:
        return self._maps[key]

    def keep(self, key: Key, maps: Maps) -> None:
        """Keep the maps of a region, in the place of those that were kept of it before."""
        self.bytes += _nbytes(maps) - _nbytes(self._maps.get(key, ()))
        self._maps[key] = maps

    def use(self, keys: Iterable[Key]) -> None:
        """Note that some are in use: at most these are kept beyond the budget."""
        used = list(keys)
        for key in used:
            self._maps.move_to_end(key)
        self.shrink(len(used))

    def shrink(self, needed: int) -> None:
        """Drop what takes more than the budget, but for so many that were used last."""
        while self.bytes > self.budget and len(self._maps) > needed:
            _, dropped = self._maps.popitem(last=False)
            self.bytes -= _nbytes(dropped)

    def drop_others(self, geometry: Geometry, frame: int) -> None:
        """Keep nothing but a frame in one field."""
        for key in [key for key in self._maps if key[:2] != (geometry, frame)]:
            self.bytes -= _nbytes(self._maps.pop(key))

    def clear(self) -> None:
        """Drop everything."""
        self._maps.clear()
        self.bytes = 0


def _nbytes(maps: Maps) -> int:
    return sum(m.numel() * m.element_size() for m in maps)
