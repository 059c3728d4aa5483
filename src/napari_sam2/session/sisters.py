"""Divisions that nobody ended: the mother's track lives on upon one daughter, and nobody tracks the other.

In the measurements such a mother halves from one frame to the next, lastingly, and moves aside. That alone happens to
poor masks too. So the movie is asked, on the few frames that come into question: the other half has to be there, as
bright as the half that is tracked, on the other side of where the mother was, where no cell lies and where nothing but
the mother was on the frame before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.session.division_parts import SECOND_PART
from napari_sam2.session.division_rules import LASTING, LEAST, NEAR, SHRINK, Tracks, fit
from napari_sam2.session.proposal import Proposal

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

HALVED = (0.15, 0.78)
"""Share of the mother's area that the daughter who carries on her number has, least and most: in the frames around the
division, and from the frame before to the frame itself. Cells round up to divide, and their daughters are small."""
ASIDE = 0.12
"""Distance that the track moves at the division at least, in the mother's diameters."""
REACH = 1.6
"""Distance from the mother's place up to which the movie is looked at, in her diameters."""
BRIGHT = 0.5
"""A pixel belongs to a cell where it lies above this share of the way from the background to the tracked daughter."""
CONTRAST = 3.0
"""Difference of the tracked daughter from the background, in spreads of the background, from which on cells can be told
from it by their brightness."""
ALREADY = 0.4
"""Share of the other half that may have been another, unclicked cell on the frame before."""
JOINED = 0.25
"""What counts of the certainty where no gap is between the two halves."""
FOUND_AGAIN = 6
"""Frames within which a track that begins at the other half's place is the other half's."""
SMOOTH = 0.06
"""How far the picture is smoothed before, in the mother's diameters: cells with a texture become one patch."""
MOST = 60
"""Halvings that the movie is asked about at most; the clearest ones."""

Float = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Halving:
    row: int
    frame: int
    clear: float


class Sisters:
    """Finds daughters that nobody tracks; remembers what it has looked at.

    Parameters
    ----------
    session
        The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[int, ...], Proposal | None] = {}

    def find(self, tracks: Tracks, began: list[tuple[int, int]]) -> list[Proposal]:
        """Propose divisions of which one daughter is not tracked; none where the movie is not at hand.

        Where a track begins (`births`) at her place a little later, it is hers.
        """
        if self._session.movie is None:
            return []
        known: dict[tuple[int, ...], Proposal | None] = {}
        taken: list[tuple[int, int]] = []
        for halving in sorted(halvings(tracks), key=lambda h: -h.clear)[:MOST]:
            # a cell that rounds up shrinks on several frames, and divides on one of them
            if any(row == halving.row and abs(frame - halving.frame) < 2 * LASTING for row, frame in taken):
                continue
            key = self._key(tracks.cells[halving.row], halving.frame)
            known[key] = self._known[key] if key in self._known else self._look(tracks, halving)
            if known[key] is not None:
                taken.append((halving.row, halving.frame))
        self._known = known
        return [_followed(p, tracks, began) for p in known.values() if p is not None]

    def _key(self, cell: int, frame: int) -> tuple[int, ...]:
        """Stands for the masks that matter: those of the cell on the frame and before it."""
        row = self._session.document.table.row(self._session.document.cells[cell].row)
        about = row[frame - 1 : frame + 1]
        return (cell, frame, *about["made"].tolist(), *about["area"].tolist())

    def _look(self, tracks: Tracks, halving: _Halving) -> Proposal | None:
        """Look at the movie around a halving."""
        row, t = halving.row, halving.frame
        cell, area = tracks.cells[row], float(tracks.area[row, t - 1])
        centre = float(tracks.y[row, t - 1]), float(tracks.x[row, t - 1])
        diameter = 2 * np.sqrt(area / np.pi)
        before, now = (self._around(f, centre, REACH * diameter) for f in (t - 1, t))
        sister = find_sister(before, now, cell, area)
        if sister is None:
            return None
        y, x, size, contact = sister
        corner = self._corner(centre, REACH * diameter)
        place = y + corner[0], x + corner[1]
        middle = (place[0] + tracks.y[row, t]) / 2, (place[1] + tracks.x[row, t]) / 2
        off = float(np.hypot(middle[0] - centre[0], middle[1] - centre[1]) / diameter)
        # where the two hang together over their whole width, the mask has rather lost half of its cell
        apart = 1 - min(1.0, contact / (2 * np.sqrt(size / np.pi)))
        certainty = fit(area, float(tracks.area[row, t]), size, off) * float(JOINED + (1 - JOINED) * apart)
        if certainty < LEAST:
            return None
        reason = f"cell {cell} halves on frame {t}, and beside it lies a cell that nobody tracks"
        return Proposal(cell, t, (cell, cell), certainty, reason, (float(place[0]), float(place[1])))

    def _corner(self, centre: tuple[float, float], reach: float) -> tuple[int, int]:
        return max(0, int(centre[0] - reach)), max(0, int(centre[1] - reach))

    def _around(self, frame: int, centre: tuple[float, float], reach: float) -> tuple[Float, npt.NDArray[np.int32]]:
        """Intensities and labels around a place."""
        top, left = self._corner(centre, reach)
        part = np.s_[top : int(centre[0] + reach) + 1, left : int(centre[1] + reach) + 1]
        movie = self._session.movie
        assert movie is not None
        raw = movie.raw(frame)
        pairs = zip(movie.channels, movie.limits, strict=True)
        planes = [(raw[c][part].astype(np.float32) - low) / (high - low) for c, (low, high) in pairs]
        return np.mean(planes, axis=0), self._session.labels.look(frame)[part]


def _followed(proposal: Proposal, tracks: Tracks, began: list[tuple[int, int]]) -> Proposal:
    """The same division, with the track that was lost on its way back to it as the other daughter."""
    assert proposal.place is not None and proposal.mother is not None
    for row, frame in began:
        if proposal.frame < frame < proposal.frame + FOUND_AGAIN and tracks.cells[row] != proposal.mother:
            away = np.hypot(tracks.y[row, frame] - proposal.place[0], tracks.x[row, frame] - proposal.place[1])
            if away < np.sqrt(tracks.area[row, frame] / np.pi):
                other = tracks.cells[row]
                reason = f"cell {proposal.mother} halves on frame {proposal.frame}; the other half becomes cell {other}"
                return replace(proposal, daughters=(proposal.mother, other), place=None, reason=reason)
    return proposal


def halvings(tracks: Tracks) -> list[_Halving]:
    """Frames on which a track loses about half its area lastingly, and moves aside."""
    area, frames = tracks.area, tracks.frames
    if frames < 2 * LASTING:
        return []
    fits = np.zeros(area.shape, bool)
    inside = slice(LASTING, frames - LASTING + 1)
    before, now = area[:, LASTING - 1 : frames - LASTING], area[:, inside]
    fits[:, inside] = (now > HALVED[0] * before) & (now < SHRINK * before) & (tracks.second[:, inside] < SECOND_PART)
    rows, at = np.nonzero(fits)  # few: the rest is asked of these alone
    around = area[rows[:, None], at[:, None] + np.arange(-LASTING, LASTING)]
    past, ahead = np.median(around[:, :LASTING], axis=1), np.median(around[:, LASTING:], axis=1)
    share = ahead / np.maximum(past, 1)
    step = around[:, LASTING] / np.maximum(around[:, LASTING - 1], 1)
    diameter = 2 * np.sqrt(np.maximum(past, 1) / np.pi)
    aside = tracks.y[rows, at] - tracks.y[rows, at - 1], tracks.x[rows, at] - tracks.x[rows, at - 1]
    moved = np.hypot(*aside) / diameter
    fit_too = (around > 0).all(axis=1) & (share > HALVED[0]) & (share < HALVED[1]) & (moved > ASIDE) & (moved < NEAR)
    clear = (1 - share) * (1 - step)
    return [_Halving(int(rows[i]), int(at[i]), float(clear[i])) for i in np.flatnonzero(fit_too)]


def find_sister(
    before: tuple[Float, npt.NDArray[np.int32]],
    now: tuple[Float, npt.NDArray[np.int32]],
    cell: int,
    area: float,
) -> tuple[float, float, float, float] | None:
    """Find the other half of a cell.

    Parameters
    ----------
    before, now
        Intensities and labels (Y, X) of the same place on the frame before and on the frame.
    cell
        The cell.
    area
        Its area on the frame before.

    Returns
    -------
    tuple or None
        Its place (y, x) in the crop, its area, and along how many pixels it lies against other cells; None where there
        is none.
    """
    from scipy import ndimage

    blur = SMOOTH * 2 * float(np.sqrt(area / np.pi))
    old, new = (_standing_out(*pair, cell, blur) for pair in (before, now))
    if old is None or new is None:
        return None
    # the rim of a tracked cell is as bright as a cell, and belongs to it
    near = ndimage.binary_dilation(now[1] != 0, iterations=1)
    pieces, count = ndimage.label(new & ~near)
    mother = ndimage.binary_dilation(before[1] == cell, iterations=2)
    rim = ndimage.binary_dilation(near)
    best: tuple[float, float, float, float] | None = None
    for n in range(1, count + 1):
        piece = pieces == n
        size = float(piece.sum())
        foreign = float((old & piece & ~mother).sum()) / size
        if size < HALVED[0] * area / 2 or foreign > ALREADY or not (piece & mother).any():
            continue
        if best is None or size > best[2]:
            y, x = _inside(piece)
            best = y, x, size, float((piece & rim).sum())
    return best


def _standing_out(image: Float, labels: npt.NDArray[np.int32], cell: int, blur: float) -> Bool | None:
    """Pixels that differ from the background as the cell does; None where the cell does not."""
    from scipy import ndimage

    if not (labels == cell).any() or not (labels == 0).any():
        return None
    # brighter or darker: in transmitted light a cell is both
    other = ndimage.gaussian_filter(np.abs(image - np.median(image[labels == 0])), blur)
    own, empty = other[labels == cell], other[labels == 0]
    ground, tone = float(np.median(empty)), float(np.median(own))
    spread = float(np.median(np.abs(empty - ground))) * 1.4826
    if tone - ground < CONTRAST * max(spread, 1e-6):
        return None
    found: Bool = (other - ground) / (tone - ground) > BRIGHT
    return found


def _inside(piece: Bool) -> tuple[float, float]:
    """The place deepest inside a piece."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(np.pad(piece, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), piece.shape)
    return float(y), float(x)
