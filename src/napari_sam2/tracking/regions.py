"""Which rectangles of a field's tokens are encoded: pages of a fixed division, or a patch around a single window.

Everything here is integers: tokens, rows before columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_sam2.network.config import TOKEN_STRIDE
from napari_sam2.tracking.geometry import TOKEN_MULTIPLE, Geometry

IntArray = npt.NDArray[np.int64]

#: Largest page side in tokens. Large pages waste little on their halo, and the maps of one still fit into memory.
MAX_PAGE = 80
#: Tokens around a page or patch that are encoded with it and thrown away. Half of what the bundled network's trunk can
#: see; what lies farther away changes its features by 0.4 % of their deviation, which is what bfloat16 rounds off too.
HALO = 8
#: Patches are taken only where they cost less than this share of the pages in their place: pages serve what comes next.
PATCH_SHARE = 0.5


@dataclass(frozen=True)
class Region:
    """A rectangle of tokens of a field.

    Parameters
    ----------
    top, left
        Its first token.
    rows, columns
        Its size.
    """

    top: int
    left: int
    rows: int
    columns: int

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return self.rows * self.columns

    @property
    def pixels(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """(first, one past the last) model pixel, of rows and of columns."""
        high = (self.top * TOKEN_STRIDE, (self.top + self.rows) * TOKEN_STRIDE)
        return high, (self.left * TOKEN_STRIDE, (self.left + self.columns) * TOKEN_STRIDE)

    def mirrored(self, tokens: tuple[int, int], mirror: tuple[bool, bool]) -> Region:
        """Return the same part of a field of `tokens` whose rows or columns are reversed."""
        top = tokens[0] - self.top - self.rows if mirror[0] else self.top
        left = tokens[1] - self.left - self.columns if mirror[1] else self.left
        return Region(top, left, self.rows, self.columns)

    def holds(self, origins: IntArray, window: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Which windows (N,), given by their first tokens (N, 2), lie inside as a whole."""
        first = np.array((self.top, self.left))
        last = first + (self.rows, self.columns) - np.array(window)
        return np.asarray(((origins >= first) & (origins <= last)).all(1))

    def cut(self, tokens: tuple[int, int]) -> Region:
        """Leave out what lies outside a field of so many (rows, columns)."""
        top, left = max(self.top, 0), max(self.left, 0)
        rows = min(self.top + self.rows, tokens[0]) - top
        return Region(top, left, rows, min(self.left + self.columns, tokens[1]) - left)

    def grown(self, halo: int) -> Region:
        """The region with so many tokens more on each side, which may lie outside the field."""
        return Region(self.top - halo, self.left - halo, self.rows + 2 * halo, self.columns + 2 * halo)

    @classmethod
    def around(cls, regions: list[Region]) -> Region:
        """The smallest region that holds some others."""
        top, left = min(r.top for r in regions), min(r.left for r in regions)
        bottom, right = max(r.top + r.rows for r in regions), max(r.left + r.columns for r in regions)
        return cls(top, left, bottom - top, right - left)


def page_side(geometry: Geometry) -> tuple[int, int]:
    """Tokens (rows, columns) of a page: the whole field where it is small or windows are whole fields."""
    if geometry.window is None:
        return geometry.tokens
    return (_divide(geometry.tokens[0]), _divide(geometry.tokens[1]))


def page_halo(geometry: Geometry) -> int:
    """Tokens around a page of a network to which places count: none where one page is the whole field."""
    return 0 if page_side(geometry) == geometry.tokens else HALO


def page_region(geometry: Geometry, page: tuple[int, int]) -> Region:
    """The tokens of a page, by its row and column among the pages; the last ones may be cut off by the field's end."""
    side = page_side(geometry)
    return Region(page[0] * side[0], page[1] * side[1], *side).cut(geometry.tokens)


def is_page(geometry: Geometry, region: Region) -> bool:
    """Whether a region is one of the pages."""
    side = page_side(geometry)
    return region == page_region(geometry, (region.top // side[0], region.left // side[1]))


def window_pages(geometry: Geometry, origins: IntArray) -> IntArray:
    """Pages (N, K, 2) that each window, given by its first token (N, 2), lies on; some of them named more than once."""
    side = page_side(geometry)
    first = origins // side
    last = (origins + geometry.window_tokens - np.array(1)) // side
    steps = (last - first).max(0, initial=0) + 1
    return np.stack([np.minimum(first + (dy, dx), last) for dy in range(steps[0]) for dx in range(steps[1])], axis=1)


def touched_pages(geometry: Geometry, origins: IntArray) -> IntArray:
    """Pages (M, 2), unique and sorted, that windows with these first tokens (N, 2) lie on."""
    return np.unique(window_pages(geometry, origins).reshape(-1, 2), axis=0)


def patches(geometry: Geometry, origins: IntArray) -> list[Region]:
    """The smallest regions on whole elements of the trunk's coarsest map that hold each a window; without doubles."""
    rows, columns = geometry.window_tokens
    found = []
    for row, column in np.unique(origins, axis=0).tolist():
        top, left = row - row % TOKEN_MULTIPLE, column - column % TOKEN_MULTIPLE
        bottom, right = _even(row + rows), _even(column + columns)
        found.append(Region(top, left, bottom - top, right - left))
    return list(dict.fromkeys(found))


def _divide(tokens: int) -> int:
    return _even(math.ceil(tokens / math.ceil(tokens / MAX_PAGE)))


def _even(tokens: int) -> int:
    return tokens + tokens % TOKEN_MULTIPLE
