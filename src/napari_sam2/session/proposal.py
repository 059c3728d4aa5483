"""A division that the tracks suggest."""

from __future__ import annotations

from dataclasses import dataclass


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
        Numbers of the daughters: the mother's own number where she seems to go on as one of them, and twice where her
        mask is in two parts, or where nobody tracks the other daughter.
    certainty
        0..1, for ranking.
    reason
        In words.
    place
        (y, x) of a daughter that nobody tracks; None for others.
    """

    mother: int | None
    frame: int
    daughters: tuple[int, int]
    certainty: float
    reason: str
    place: tuple[float, float] | None = None

    @property
    def key(self) -> int:
        """The cell by which it is noted as rejected."""
        return self.daughters[0] if self.mother is None else self.mother
