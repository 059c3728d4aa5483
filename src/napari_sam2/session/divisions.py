"""Divisions that the tracks suggest: a mask in two lasting parts, or two tracks that meet backwards in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session.division_rules import LASTING, Tracks, births, in_two, meeting, sharing, two_births
from napari_sam2.session.errors import Refused
from napari_sam2.session.proposal import Proposal

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

REJECTED = "rejected_divisions"


def find_divisions(session: Session) -> list[Proposal]:
    """Find divisions, most certain first; those made or rejected already are left out.

    Reads label images and frames of the movie only where a cell halves and nobody has said where the other half went.
    """
    tracks = Tracks.of(session)
    shared = sharing(tracks)
    began = births(tracks)
    found = shared + two_births(tracks, began) + meeting(tracks, began) + session.sisters.find(tracks, began)
    for proposal in in_two(tracks):
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


def accept(session: Session, proposal: Proposal, track: bool) -> list[int]:
    """Make a proposed division, as one step; returns the daughters."""
    mother, frame = proposal.mother, proposal.frame
    if mother is None:
        return session.divide(None, frame, proposal.daughters, track=track)
    with session.step():
        if proposal.place is not None:
            return session.divide(mother, frame, [session.cut(mother, frame), proposal.place], track=track)
        if proposal.daughters == (mother, mother):
            parts = _two_parts(session.labels.read(frame) == mother)
            return session.divide(mother, frame, parts, track=track)
        if mother not in proposal.daughters:
            return session.divide(mother, frame, proposal.daughters, track=track)
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
