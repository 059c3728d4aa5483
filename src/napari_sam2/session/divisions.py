"""Divisions that the tracks suggest: a mask in two lasting parts, or two tracks that meet backwards in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session.errors import Refused
from napari_sam2.session.shapes import shapes

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
LEAST = 0.1
"""Certainty under which nothing is proposed."""
REJECTED = "rejected_divisions"


@dataclass(frozen=True)
class Proposal:
    """A division to accept or reject.

    Parameters
    ----------
    mother
        The cell that divides; before `frame` its pixels are the mother's.
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

    mother: int
    frame: int
    daughters: tuple[int, int]
    certainty: float
    reason: str


def find_divisions(session: Session, pixels: bool = True) -> list[Proposal]:
    """Find divisions, most certain first; those made or rejected already are left out.

    Parameters
    ----------
    session
        The session.
    pixels
        Look for masks in two parts too, which needs every frame to be read.
    """
    found = _meeting(session) + (_in_two(session) if pixels else [])
    rejected = {(int(m), int(t)) for m, t in session.meta.get(REJECTED, [])}
    best: dict[tuple[int, int], Proposal] = {}
    for proposal in sorted(found, key=lambda p: -p.certainty):
        near = any(m == proposal.mother and abs(t - proposal.frame) < LASTING for m, t in [*best, *rejected])
        if not near:
            best[proposal.mother, proposal.frame] = proposal
    return list(best.values())


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


def _in_two(session: Session) -> list[Proposal]:
    """Masks that fall into two parts and stay so."""
    second = {c: np.zeros(session.n_frames) for c in session.cells}
    for t in range(session.n_frames):
        for cell, shape in shapes(session.labels.read(t)).items():
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
    reject_division(session, proposal.mother, proposal.frame)


def reject_division(session: Session, mother: int, frame: int) -> None:
    """Note that a cell does not divide about a frame."""
    session.document.cell(mother)
    known: list[Any] = list(session.meta.get(REJECTED, []))
    with session.change("reject_division", {"mother": mother, "frame": frame}) as change:
        change.meta(REJECTED, [*known, [mother, frame]])
