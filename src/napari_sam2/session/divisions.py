"""Divisions that the tracks suggest: a mask in two lasting parts, or two tracks that meet backwards in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session.errors import Refused
from napari_sam2.session.shapes import Shape, shapes

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

LASTING = 3
"""Frames that two parts, or a new track, have to last."""
SECOND_PART = 0.2
"""Share of the mask that the smaller of two parts has at least."""
NEAR = 1.2
"""Distance, in the mother's diameters, within which a daughter appears."""
SHRINK = 0.85
"""Share of the mother's area that the daughter who carries on her number has at most."""
TOGETHER = (0.45, 1.8)
"""Area of both daughters together in mothers' areas, least and most."""
ONE_BODY = 0.56
"""Distance of the centroids of two masks, in diameters of both together, under which they are parts of one cell: two
halves of a disc are at 0.42, two equal discs that touch at 0.71."""
CERTAIN_PARTING = 0.5
"""Growth of that distance at the division that makes it certain."""
GAIN = 1.15
"""Growth of both daughters together, from one frame to the next, that marks the division."""
LEAST = 0.1
"""Certainty under which nothing is proposed."""
REJECTED = "rejected_divisions"


@dataclass(frozen=True)
class Proposal:
    """A division to accept or reject.

    Parameters
    ----------
    mother
        The cell that divides. None where both daughters were tracked back onto her, and share her pixels.
    frame
        First frame of the daughters.
    daughters
        Numbers of the daughters: the mother's own number where she seems to go on as one of them, or twice where her
        mask is in two parts.
    certainty
        0..1, for ranking.
    reason
        In words.
    """

    mother: int | None
    frame: int
    daughters: tuple[int, int]
    certainty: float
    reason: str

    @property
    def key(self) -> int:
        """The cell by which it is noted as rejected."""
        return self.daughters[0] if self.mother is None else self.mother


def find_divisions(
    session: Session, pixels: bool = True, known: Mapping[int, Mapping[int, Shape]] | None = None
) -> list[Proposal]:
    """Find divisions, most certain first; those made or rejected already are left out.

    Parameters
    ----------
    session
        The session.
    pixels
        Look for masks in two parts too, which needs every frame to be read.
    known
        Shapes (`shapes`) of frames that have been looked at already, by frame; only the others are read.
    """
    shared = _sharing(session)
    found = shared + _meeting(session)
    for proposal in _in_two(session, known or {}) if pixels else []:
        # where two tracks share one cell's pixels, each may well be in pieces
        if not any(proposal.key in p.daughters and proposal.frame <= p.frame for p in shared):
            found.append(proposal)
    rejected = [({int(m)}, int(t)) for m, t in session.meta.get(REJECTED, [])]
    best: list[Proposal] = []
    for proposal in sorted(found, key=lambda p: -p.certainty):
        cells = {proposal.key, *proposal.daughters}
        taken = [({p.key, *p.daughters}, p.frame) for p in best] + rejected
        if not any(cells & others and abs(t - proposal.frame) < LASTING for others, t in taken):
            best.append(proposal)
    return best


def _sharing(session: Session) -> list[Proposal]:
    """Pairs of tracks that share the pixels of one cell, and from some frame on are two."""
    cells = [c for c, record in session.cells.items() if record.parent is None]
    rows = [session.measurements(c) for c in cells]
    if len(cells) < 2:
        return []
    area = np.stack([r["area"] for r in rows]).astype(float)
    place = np.stack([np.stack([r["y"], r["x"]], 1) for r in rows]).astype(float)
    found = []
    for a, b in sorted(_close_pairs(area, place)):
        both = (area[a] > 0) & (area[b] > 0)
        whole = 2 * np.sqrt(np.maximum(area[a] + area[b], 1) / np.pi)
        apart = np.where(both, np.hypot(*(place[a] - place[b]).T) / whole, 0.0)
        known = (area[a] > 0) | (area[b] > 0)
        frame = _parting(apart, both, known)
        if frame is not None:
            before, after = apart[max(0, frame - LASTING) : frame], apart[frame : frame + LASTING]
            certainty = float(np.clip((after.mean() - before.mean()) / CERTAIN_PARTING, 0, 1))
            frame = _gain(area[a] + area[b], frame)
            reason = f"cells {cells[a]} and {cells[b]} share one cell's pixels before frame {frame}"
            found.append(Proposal(None, frame, (cells[a], cells[b]), certainty, reason))
    return found


def _gain(area: npt.NDArray[np.float64], frame: int) -> int:
    """The frame, from this one on, on which two masks gain most: while they share one cell, each is too small."""
    ahead = area[frame - 1 : frame + LASTING + 1]
    growth = ahead[1:] / np.maximum(ahead[:-1], 1)
    return frame + int(growth.argmax()) if growth.max() > GAIN else frame


def _close_pairs(area: npt.NDArray[np.float64], place: npt.NDArray[np.float64]) -> set[tuple[int, int]]:
    """Pairs of rows whose centroids lie within one body on some frame."""
    from scipy.spatial import cKDTree

    found: set[tuple[int, int]] = set()
    for t in range(0, area.shape[1], LASTING - 1):
        there = np.flatnonzero(area[:, t])
        if len(there) < 2:
            continue
        reach = ONE_BODY * 2 * np.sqrt(2 * area[there, t].max() / np.pi)
        found |= {(int(there[i]), int(there[j])) for i, j in cKDTree(place[there, t]).query_pairs(reach)}
    return found


def _parting(apart: npt.NDArray[np.float64], both: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_]) -> int | None:
    """The frame from which a pair is two lastingly, after having been one lastingly; None where there is none."""
    one = (apart < ONE_BODY) & known
    two = (apart >= ONE_BODY) & both
    for t in range(1, len(apart) - LASTING + 1):
        past = one[max(0, t - LASTING) : t]
        if two[t : t + LASTING].all() and past.all() and both[max(0, t - LASTING) : t].any():
            return t
    return None


def _meeting(session: Session) -> list[Proposal]:
    """Tracks that begin where another one shrinks: seen backwards, two that become one."""
    found = []
    cells = session.cells
    area = {c: session.measurements(c)["area"].astype(float) for c in cells}
    place = {c: np.stack([session.measurements(c)[n] for n in "yx"], 1).astype(float) for c in cells}
    for born in cells:
        frame = _birth(area[born])
        if frame is None or cells[born].parent is not None:
            continue
        for mother in cells:
            if mother == born or area[mother][frame - 1] == 0 or area[mother][frame] == 0:
                continue
            if cells[mother].life(session.n_frames)[1] <= frame:
                continue
            certainty = _certainty(area, place, mother, born, frame)
            if certainty >= LEAST:
                reason = f"cell {born} begins beside cell {mother}, which shrinks on frame {frame}"
                found.append(Proposal(mother, frame, (mother, born), certainty, reason))
    return found


def _birth(area: npt.NDArray[np.float64]) -> int | None:
    """The frame on which a track really begins: from then on it is there, before it was not, or only in shreds."""
    for t in range(1, len(area)):
        ahead = area[t : t + LASTING]
        if len(ahead) == LASTING and ahead.all():
            usual = float(np.median(area[t : t + 2 * LASTING]))
            if area[t] >= 0.5 * usual:
                return t if (area[:t] < 0.3 * usual).mean() > 0.7 and area[t - 1] < 0.3 * usual else None
    return None


def _certainty(
    area: dict[int, npt.NDArray[np.float64]],
    place: dict[int, npt.NDArray[np.float64]],
    mother: int,
    born: int,
    frame: int,
) -> float:
    before, now, new = area[mother][frame - 1], area[mother][frame], area[born][frame]
    # the mask may need a frame or two to let go of the other daughter
    later = area[mother][frame : frame + 2]
    now = float(later[later > 0].min())
    diameter = 2 * np.sqrt(before / np.pi)
    away = float(np.hypot(*(place[born][frame] - place[mother][frame - 1]))) / diameter
    middle = (place[born][frame] + place[mother][frame]) / 2
    off = float(np.hypot(*(middle - place[mother][frame - 1]))) / diameter
    together, ratio = (now + new) / before, now / before
    if away > NEAR or ratio > SHRINK or not TOGETHER[0] <= together <= TOGETHER[1]:
        return 0.0
    balance = min(now, new) / max(now, new)
    return float(np.exp(-((off / 0.5) ** 2)) * np.exp(-((np.log(together) / 0.6) ** 2)) * (0.4 + 0.6 * balance))


def _in_two(session: Session, known: Mapping[int, Mapping[int, Shape]]) -> list[Proposal]:
    """Masks that fall into two parts and stay so."""
    second = {c: np.zeros(session.n_frames) for c in session.cells}
    for t in range(session.n_frames):
        for cell, shape in (known[t] if t in known else shapes(session.labels.read(t))).items():
            if cell in second:  # else it came while this was looking
                second[cell][t] = shape.second
    found = []
    for cell, share in second.items():
        apart = share >= SECOND_PART
        for t in (np.flatnonzero(apart[1:] & ~apart[:-1]) + 1).tolist():
            ahead = apart[t : t + LASTING]
            if len(ahead) == LASTING and ahead.all() and session.measurements(cell)["area"][t - 1]:
                balance = float(share[t : t + LASTING].mean()) / 0.5
                reason = f"the mask of cell {cell} falls into two parts on frame {t}, and stays so"
                found.append(Proposal(cell, t, (cell, cell), min(1.0, 0.4 + 0.6 * balance), reason))
    return found


def accept(session: Session, proposal: Proposal, track: bool) -> list[int]:
    """Make a proposed division, as one step; returns the daughters."""
    mother, frame = proposal.mother, proposal.frame
    if mother is None:
        return session.divide(None, frame, proposal.daughters, track=track)
    with session.step():
        if proposal.daughters == (mother, mother):
            parts = _two_parts(session.labels.read(frame) == mother)
            return session.divide(mother, frame, parts, track=track)
        own = session.cut(mother, frame)
        return session.divide(mother, frame, [own, *[d for d in proposal.daughters if d != mother]], track=track)


def _two_parts(mask: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.bool_]]:
    from scipy import ndimage

    pieces, _ = ndimage.label(mask, np.ones((3, 3)))
    size = np.bincount(pieces.reshape(-1))
    size[0] = 0
    largest = np.argsort(size)[::-1][:2]
    if len(size) < 3:
        raise Refused("the mask is in one part by now")
    return [pieces == n for n in largest]


def reject(session: Session, proposal: Proposal) -> None:
    """Not propose a division again."""
    reject_division(session, proposal.key, proposal.frame)


def reject_division(session: Session, mother: int, frame: int) -> None:
    """Note that a cell does not divide about a frame."""
    session.document.cell(mother)
    known: list[Any] = list(session.meta.get(REJECTED, []))
    with session.change("reject_division", {"mother": mother, "frame": frame}) as change:
        change.meta(REJECTED, [*known, [mother, frame]])
