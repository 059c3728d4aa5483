"""Rules that recognise a division in the measurements of tracks; none of them reads an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.session.proposal import Proposal

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

LASTING = 3
"""Frames that two parts, or a new track, have to last."""
NEAR = 1.2
"""Distance, in the mother's diameters, within which a daughter appears."""
SHRINK = 0.85
"""Share of the mother's area that the daughter who carries on her number has at most."""
TOGETHER = (0.45, 1.8)
"""Area of both daughters together in mothers' areas, least and most."""
ONE_BODY = 0.56
"""Distance of the centroids of two masks, in diameters of both together, under which they are parts of one cell: two
halves of a disc are at 0.42, two equal discs that touch at 0.71."""
SHARING_TOUCH = 0.05
"""Share of its border that a cell has in common with others at least, where it shares a body with one of them."""
CERTAIN_PARTING = 0.5
"""Growth of that distance at the division that makes it certain."""
GAIN = 1.15
"""Growth of both daughters together, from one frame to the next, that marks the division."""
LEAST = 0.1
"""Certainty under which nothing is proposed."""
SHRED, BODY = 0.3, 0.5
"""Share of its usual area under which a mask is only a shred, and from which on it is the cell."""

FloatFrames = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Tracks:
    """Measurements of all cells, (N, T) each; what the rules go by.

    Parameters
    ----------
    cells
        Their numbers.
    free
        (N,) whether a cell has no mother yet.
    stop
        (N,) one past the last frame of its life.
    area, y, x, second, touching
        As in the table.
    """

    cells: list[int]
    free: npt.NDArray[np.bool_]
    stop: npt.NDArray[np.int64]
    area: FloatFrames
    y: FloatFrames
    x: FloatFrames
    second: FloatFrames
    touching: FloatFrames

    @classmethod
    def of(cls, session: Session) -> Tracks:
        """Of all cells of a session."""
        document = session.document
        with document.lock:
            records = [document.cells[c] for c in sorted(document.cells)]
            rows = [r.row for r in records]
            columns = [document.table.data[n][rows].astype(np.float32) for n in ("area", "y", "x")]
            shape = [np.nan_to_num(document.table.data[n][rows].astype(np.float32)) for n in ("second", "touching")]
            free = np.array([r.parent is None for r in records], bool)
            stop = np.array([r.life(document.frames)[1] for r in records], np.int64)
        return cls([r.id for r in records], free, stop, *columns, *shape)

    @property
    def frames(self) -> int:
        """Length of the movie."""
        return self.area.shape[1]


def fit(before: float, one: float, other: float, off: float, most: float = TOGETHER[1]) -> float:
    """How well two cells fit as daughters of one, 0..1.

    Parameters
    ----------
    before, one, other
        Areas of the mother and of the two.
    off
        Distance of the middle between the two from the mother's place, in her diameters.
    most
        Area of both together in mothers' areas at most.
    """
    together, balance = (one + other) / before, min(one, other) / max(one, other)
    if not TOGETHER[0] <= together <= most:
        return 0.0
    return float(np.exp(-((off / 0.5) ** 2)) * np.exp(-((np.log(together) / 0.6) ** 2)) * (0.4 + 0.6 * balance))


def sharing(tracks: Tracks) -> list[Proposal]:
    """Pairs of tracks that share the pixels of one cell, and from some frame on are two."""
    found = []
    for a, b in _close_pairs(tracks):
        first, second = tracks.area[a], tracks.area[b]
        both = (first > 0) & (second > 0)
        whole = 2 * np.sqrt(np.maximum(first + second, 1) / np.pi)
        away = np.hypot(tracks.y[a] - tracks.y[b], tracks.x[a] - tracks.x[b])
        apart = np.where(both, away / whole, 0.0)
        frame = _parting(apart, both, (first > 0) | (second > 0))
        if frame is None:
            continue
        before, after = apart[max(0, frame - LASTING) : frame], apart[frame : frame + LASTING]
        certainty = float(np.clip((after.mean() - before.mean()) / CERTAIN_PARTING, 0, 1))
        if certainty < LEAST:
            continue
        frame = _gain(first + second, frame)
        one, other = tracks.cells[a], tracks.cells[b]
        reason = f"cells {one} and {other} share one cell's pixels before frame {frame}"
        found.append(Proposal(None, frame, (one, other), certainty, reason))
    return found


def _gain(area: FloatFrames, frame: int) -> int:
    """The frame, from this one on, on which two masks gain most: while they share one cell, each is too small."""
    ahead = area[frame - 1 : frame + LASTING + 1]
    growth = ahead[1:] / np.maximum(ahead[:-1], 1)
    return frame + int(growth.argmax()) if growth.max() > GAIN else frame


def _close_pairs(tracks: Tracks) -> list[tuple[int, int]]:
    """Pairs of rows whose centroids lie within one body on some frame."""
    from scipy.spatial import cKDTree

    count = len(tracks.cells)
    found: list[npt.NDArray[np.int64]] = []
    could = (tracks.area > 0) & (tracks.touching >= SHARING_TOUCH) & tracks.free[:, None]
    for t in range(0, tracks.frames, LASTING - 1):
        there = np.flatnonzero(could[:, t])
        if len(there) < 2:
            continue
        area, place = tracks.area[there, t], np.stack([tracks.y[there, t], tracks.x[there, t]], 1)
        near = cKDTree(place).query_pairs(ONE_BODY * 2 * np.sqrt(2 * area.max() / np.pi), output_type="ndarray")
        if len(near):
            a, b = near.T
            reach = ONE_BODY * 2 * np.sqrt((area[a] + area[b]) / np.pi)
            close = np.hypot(*(place[a] - place[b]).T) <= reach
            found.append(there[a[close]] * count + there[b[close]])
    pairs = np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)
    return [(int(pair // count), int(pair % count)) for pair in pairs]


def _parting(apart: FloatFrames, both: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_]) -> int | None:
    """The frame from which a pair is two lastingly, after having been one from the first; None where there is none.

    Two cells that come together and part again are none.
    """
    one, two = (apart < ONE_BODY) & known, (apart >= ONE_BODY) & both
    frames = len(apart)
    # two that are two from the beginning have never been one, however close they come
    starts = np.flatnonzero(two & ~np.concatenate(([False], two[:-1])))
    for t in starts[starts <= frames - LASTING].tolist():
        past = slice(max(0, t - LASTING), t)
        if two[t : t + LASTING].all():
            return int(t) if one[past].all() and both[:t].sum() >= LASTING else None
    return None


def all_ahead(which: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Where something is true on this frame and the next ones, lastingly: (N, T) to (N, T + 1 - `LASTING`)."""
    frames = which.shape[1] - LASTING + 1
    out = which[:, :frames].copy()
    for ahead in range(1, LASTING):
        out &= which[:, ahead : ahead + frames]
    return out


def births(tracks: Tracks) -> list[tuple[int, int]]:
    """Frames on which tracks without a mother begin, or come back: (place in the list, frame).

    From then on the cell is there lastingly, and before it was lastingly not, or only in shreds: two tracks that were
    followed back onto their mother share her, and one of them has next to nothing of her pixels. What such a track
    found further back does not matter.
    """
    found: list[tuple[int, int]] = []
    if tracks.frames < LASTING:
        return found
    there = tracks.area > 0
    begins = all_ahead(there)
    begins[:, 1:] &= tracks.area[:, : begins.shape[1] - 1] < BODY * tracks.area[:, 1 : begins.shape[1]]
    begins[:, 0] = False
    for row, t in zip(*(part.tolist() for part in np.nonzero(begins & tracks.free[:, None])), strict=True):
        area = tracks.area[row]
        usual = float(np.median(area[t : t + 2 * LASTING]))
        before = area[max(0, t - LASTING) : t]
        if area[t] >= BODY * usual and (before < SHRED * usual).all():
            found.append((row, t))
    return found


def meeting(tracks: Tracks, began: list[tuple[int, int]]) -> list[Proposal]:
    """Tracks that begin (`births`) where another one shrinks: seen backwards, two that become one."""
    found = []
    for born, frame in began:
        before, now = tracks.area[:, frame - 1], tracks.area[:, frame]
        could = (before > 0) & (now > 0) & (tracks.stop > frame)
        could[born] = False
        # the mask may need a frame or two to let go of the other daughter
        later = tracks.area[:, frame : frame + 2]
        least = np.where(later > 0, later, np.inf).min(1)
        diameter = 2 * np.sqrt(np.maximum(before, 1) / np.pi)
        y, x = tracks.y[:, frame - 1], tracks.x[:, frame - 1]
        away = np.hypot(tracks.y[born, frame] - y, tracks.x[born, frame] - x) / diameter
        for mother in np.flatnonzero(could & (away <= NEAR) & (least <= SHRINK * before)).tolist():
            middle = (tracks.y[[born, mother], frame].mean(), tracks.x[[born, mother], frame].mean())
            off = float(np.hypot(middle[0] - y[mother], middle[1] - x[mother]) / diameter[mother])
            certainty = fit(float(before[mother]), float(least[mother]), float(tracks.area[born, frame]), off)
            if certainty >= LEAST:
                one, other = tracks.cells[mother], tracks.cells[born]
                reason = f"cell {other} begins beside cell {one}, which shrinks on frame {frame}"
                found.append(Proposal(one, frame, (one, other), certainty, reason))
    return found


def two_births(tracks: Tracks, began: list[tuple[int, int]]) -> list[Proposal]:
    """Two tracks that begin together where another was: whatever becomes of that one, it has divided.

    Her mask may vanish, or live on upon one of the daughters.
    """
    found = []
    ordered = sorted(began, key=lambda one: (one[1], one[0]))
    for i, (a, first) in enumerate(ordered):
        for b, second in ordered[i + 1 :]:
            if second - first >= LASTING:
                break
            if a == b:
                continue
            frame, both = first, second
            before = tracks.area[:, frame - 1]
            middle = (tracks.y[[a, b], both].mean(), tracks.x[[a, b], both].mean())
            diameter = 2 * np.sqrt(np.maximum(before, 1) / np.pi)
            off = np.hypot(tracks.y[:, frame - 1] - middle[0], tracks.x[:, frame - 1] - middle[1]) / diameter
            off[(before == 0) | (tracks.stop <= frame - 1)] = np.inf
            off[[a, b]] = np.inf
            mother = int(np.argmin(off))
            if off[mother] > NEAR:
                continue
            apart = np.hypot(tracks.y[a, both] - tracks.y[b, both], tracks.x[a, both] - tracks.x[b, both])
            if apart > 2 * NEAR * diameter[mother]:
                continue
            areas = float(before[mother]), float(tracks.area[a, both]), float(tracks.area[b, both])
            certainty = fit(*areas, float(off[mother]))
            if certainty >= LEAST:
                who, one, other = (tracks.cells[i] for i in (mother, a, b))
                reason = f"cells {one} and {other} begin on frame {frame} where cell {who} was"
                found.append(Proposal(who, frame, (one, other), certainty, reason))
    return found
