"""Divisions that the mother's mask goes along with: it falls into two parts, one on each daughter.

In the measurements such a mask is in two parts lastingly. So is one with a scrap beside it, with a piece of a
neighbour, or with something lying across it. The label images of the few frames that come into question tell them
apart: the two parts of a mother are each as large as a cell that was born just now, lie on either side of where she
was, and part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.session.division_rules import LASTING, LEAST, ONE_BODY, Tracks, all_ahead, fit
from napari_sam2.session.proposal import Proposal

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

SECOND_PART = 0.2
"""Share of the mask that the smaller of two parts has at least."""
BEFORE = 10
"""Frames that the mother's usual area is taken from: she may well be small on the last ones, rounded up to divide."""
AFTERWARDS = 2 * LASTING
"""Frames on which the parts are looked at."""
BORN = 0.12
"""Share of the mother's usual area that a daughter has at least, soon after her birth: nuclei are born condensed."""
TOGETHER = 2.2
"""Area of both daughters together in mothers' areas at most: more than elsewhere, for there is no doubt whose parts
they are, and a mask that missed half of the mother may well have both daughters."""
STAYS = 0.15
"""How far both parts lie from the mother's place at least, in her diameters. Halves of a disc lie at 0.21; a cell that
something joined is one of the two parts, and where it was."""
CLOSING = 0.8
"""Share of their first distance that the parts keep at least while they are looked at."""
MOST = 60
"""Masks that are looked at, at most; those in the most equal parts."""

Ints = npt.NDArray[np.int64]
Place = tuple[float, float]


@dataclass(frozen=True)
class Two:
    """The two largest parts of a mask: their areas, the larger one's first, and their centroids (y, x)."""

    areas: tuple[int, int]
    places: tuple[Place, Place]

    @property
    def apart(self) -> float:
        """Distance of the centroids, in pixels."""
        (y, x), (v, u) = self.places
        return float(np.hypot(y - v, x - u))


class Parts:
    """Finds mothers whose masks fall into two daughters; remembers what it has looked at.

    Parameters
    ----------
    session
        The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[int, ...], Proposal | None] = {}

    def find(self, tracks: Tracks) -> list[Proposal]:
        """Propose divisions of masks that fall into two parts and stay so."""
        falling = sorted(falls(tracks), key=lambda one: -float(tracks.second[one[0], one[1]]))[:MOST]
        known: dict[tuple[int, ...], Proposal | None] = {}
        for row, frame in falling:
            key = self._key(tracks.cells[row], frame)
            known[key] = self._known[key] if key in self._known else self._look(tracks, row, frame)
        self._known = known
        return [p for p in known.values() if p is not None]

    def _key(self, cell: int, frame: int) -> tuple[int, ...]:
        """Stands for the masks that matter: those of the cell before and after."""
        row = self._session.document.table.row(self._session.document.cells[cell].row)
        about = row[max(0, frame - BEFORE) : frame + AFTERWARDS]
        return (cell, frame, *about["made"].tolist(), *about["area"].tolist())

    def _look(self, tracks: Tracks, row: int, frame: int) -> Proposal | None:
        """Look at the parts of a cell from a frame on."""
        cell = tracks.cells[row]
        stop = min(frame + AFTERWARDS, tracks.frames)
        pairs = [two_parts(self._session.labels.look(t) == cell) for t in range(frame, stop)]
        whole = int(np.argmax([pair is None for pair in pairs])) if None in pairs else len(pairs)
        seen = [pair for pair in pairs[:whole] if pair is not None]
        if len(seen) < LASTING:
            return None
        before = float(tracks.area[row, frame - 1])
        usual = max(before, usual_area(tracks.area[row], frame))
        centre = float(tracks.y[row, frame - 1]), float(tracks.x[row, frame - 1])
        certainty = like_daughters(seen, usual, centre)
        if certainty < LEAST:
            return None
        reason = f"the mask of cell {cell} falls into two parts on frame {frame}, and they part"
        return Proposal(cell, frame, (cell, cell), certainty, reason)


def falls(tracks: Tracks) -> Iterator[tuple[int, int]]:
    """Where masks fall into two parts lastingly: (place in the list, first frame in two parts)."""
    if tracks.frames <= LASTING:
        return
    apart = tracks.second >= SECOND_PART
    lasting = all_ahead(apart[:, 1:])
    starts = lasting & ~apart[:, : lasting.shape[1]] & (tracks.area[:, : lasting.shape[1]] > 0)
    for row, before in zip(*(part.tolist() for part in np.nonzero(starts)), strict=True):
        yield row, before + 1


def usual_area(area: npt.NDArray[np.float32], frame: int) -> float:
    """Median area on the frames before one, of those that show the cell."""
    past = area[max(0, frame - BEFORE) : frame]
    return float(np.median(past[past > 0]))


def like_daughters(pairs: list[Two], usual: float, centre: Place) -> float:
    """How much the two parts of a mask look like daughters, 0..1.

    Parameters
    ----------
    pairs
        The parts on the first frames on which there are two: `LASTING` or more.
    usual
        The mother's usual area.
    centre
        Her centroid (y, x) on the frame before.
    """
    diameter = 2 * float(np.sqrt(usual / np.pi))
    first, areas = pairs[0], np.median([pair.areas for pair in pairs[:LASTING]], axis=0)
    away = [float(np.hypot(y - centre[0], x - centre[1])) / diameter for y, x in first.places]
    distances = [pair.apart for pair in pairs]
    body = 2 * float(np.sqrt(areas.sum() / np.pi))
    if areas.min() < BORN * usual or min(away) < STAYS:
        return 0.0
    if max(distances) < ONE_BODY * body or min(distances[:LASTING]) < CLOSING * distances[0]:
        return 0.0
    middle = np.mean(first.places, axis=0)
    off = float(np.hypot(middle[0] - centre[0], middle[1] - centre[1])) / diameter
    return fit(usual, float(areas[0]), float(areas[1]), off, TOGETHER)


def two_parts(mask: npt.NDArray[np.bool_]) -> Two | None:
    """The two largest parts (8 neighbours) of a mask (Y, X); None where the second is too small, or there is one."""
    from scipy import ndimage

    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if not rows.size:
        return None
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    pieces, count = ndimage.label(mask[box], np.ones((3, 3)))
    size = np.bincount(pieces.reshape(-1), minlength=count + 1)[1:]
    if count < 2 or np.sort(size)[-2] < SECOND_PART * size.sum():
        return None
    large, small = (int(n) for n in np.argsort(size)[::-1][:2])
    places = [(float(y + rows[0]), float(x + columns[0])) for y, x in _middles(pieces, (large + 1, small + 1))]
    return Two((int(size[large]), int(size[small])), (places[0], places[1]))


def _middles(pieces: npt.NDArray[np.int32], which: tuple[int, int]) -> list[Place]:
    from scipy import ndimage

    return [(float(y), float(x)) for y, x in ndimage.center_of_mass(pieces > 0, pieces, which)]
