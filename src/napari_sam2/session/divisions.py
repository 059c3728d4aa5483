"""Divisions that the tracks suggest: a mask in two lasting parts, or two tracks that meet backwards in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session.division_rules import LASTING, Tracks, births, meeting, sharing, two_births
from napari_sam2.session.errors import Refused
from napari_sam2.session.proposal import Proposal

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

REJECTED = "rejected_divisions"


def find_divisions(session: Session) -> list[Proposal]:
    """Find divisions, most certain first; those made or rejected already are left out.

    Reads label images only where a mask falls into two parts, or where a cell halves and nobody has said where the
    other half went; there the movie, too.
    """
    tracks = Tracks.of(session)
    rejected = [({int(m)}, int(t)) for m, t in session.meta.get(REJECTED, [])]
    shared = sharing(tracks)
    began = births(tracks)
    # where two tracks share one cell's pixels, each may well be in pieces
    parted = [p for p in session.parts.find(tracks) if not _within(p, shared, tracks)]
    found = shared + parted + two_births(tracks, began) + meeting(tracks, began) + session.sisters.find(tracks, began)
    parted = [p for p in parted if not _is_one_of(p, rejected)]
    best: list[Proposal] = []
    for proposal in sorted(found, key=lambda p: -p.certainty):
        taken = [({p.key, *p.daughters}, p.frame) for p in best] + rejected
        if not _is_one_of(proposal, taken) and not _follows(proposal, parted):
            best.append(proposal)
    return best


def _is_one_of(proposal: Proposal, known: list[tuple[set[int], int]]) -> bool:
    """Whether a proposal is about the same cells as one of others, at about the same time."""
    cells = {proposal.key, *proposal.daughters}
    return any(cells & others and abs(frame - proposal.frame) < LASTING for others, frame in known)


def _within(proposal: Proposal, shared: list[Proposal], tracks: Tracks) -> bool:
    """Whether a cell's mask is in parts while it shares one cell's pixels with another."""
    for other in shared:
        if proposal.key in other.daughters and proposal.frame <= other.frame:
            rows = [tracks.cells.index(cell) for cell in other.daughters]
            if (tracks.area[rows, proposal.frame] > 0).all():
                return True
    return False


def _follows(proposal: Proposal, parted: list[Proposal]) -> bool:
    """Whether a cell's mask lies on both of her daughters by then: what it does later is not one cell's doing.

    The two may touch and part again, or one of them be lost. Once the division is made, each has a mask of her own.
    """
    return any(proposal.mother == p.mother and proposal.frame > p.frame for p in parted)


def accept(session: Session, proposal: Proposal, track: bool, force: bool = False) -> list[int]:
    """Make a proposed division, as one step; returns the daughters."""
    mother, frame = proposal.mother, proposal.frame
    if mother is None:
        return session.divide(None, frame, proposal.daughters, track=track, force=force)
    daughters: list[Any] = [cell for cell in proposal.daughters if cell != mother]
    with session.step():
        if proposal.place is not None:
            daughters = [session.cut(mother, frame, force=force), proposal.place]
        elif not daughters:
            daughters = _two_parts(session.labels.read(frame) == mother)
        elif mother in proposal.daughters:
            daughters = [session.cut(mother, frame, force=force), *daughters]
        return session.divide(mother, frame, daughters, track=track, force=force)


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
