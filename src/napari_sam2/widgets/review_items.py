"""Suspects and proposed divisions as one kind of thing to look at, and finding them. No Qt in here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_sam2.session.divisions import Proposal, find_divisions
from napari_sam2.session.review import Suspect
from napari_sam2.widgets.runner import Job

if TYPE_CHECKING:
    from napari_sam2.session import Session

Found = tuple["Session", list["Item"]]


@dataclass(frozen=True)
class Item:
    """Something to look at.

    Parameters
    ----------
    kind
        ``"suspect"`` or ``"division"``.
    cell, frame
        Where to look.
    first, last
        The stretch of frames it is about.
    weight
        How much it deserves a look, 0..1.
    reasons
        In words, weightiest first.
    proposal
        Of a division.
    """

    kind: Literal["suspect", "division"]
    cell: int
    frame: int
    first: int
    last: int
    weight: float
    reasons: tuple[str, ...]
    proposal: Proposal | None = None

    @property
    def frames(self) -> str:
        """The stretch, in words."""
        return str(self.frame) if self.first == self.last else f"{self.first}\N{EN DASH}{self.last}"

    def near(self, other: Item) -> bool:
        """Whether another one, found later, is about the same."""
        touches = self.first <= other.last + 1 and other.first <= self.last + 1
        return self.kind == other.kind and self.cell == other.cell and touches

    @classmethod
    def of(cls, found: Suspect | Proposal) -> Item:
        """Make one of what the session finds."""
        if isinstance(found, Suspect):
            return cls("suspect", found.cell, found.frame, found.first, found.last, found.doubt, found.reasons)
        frame = found.frame
        return cls("division", found.key, frame, frame, frame, found.certainty, (found.reason,), found)


def find_items(session: Session, job: Job) -> Iterator[Found]:
    """Find items; the session has measured everything that they go by while it wrote its frames."""
    found: list[Suspect | Proposal] = [*find_divisions(session)]
    if not job.stop.is_set():
        found += session.review()
        yield session, sorted((Item.of(one) for one in found), key=lambda i: (-i.weight, i.frame, i.cell))
