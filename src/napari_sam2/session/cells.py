"""A cell of the session, and the tree of mothers and daughters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

LARGEST = 2**31 - 1
"""Largest number that a label image (int32) can hold."""


@dataclass(frozen=True)
class Cell:
    """A cell.

    Parameters
    ----------
    id
        Its number, and its label in the label image. Never used for another cell of the session.
    row
        Its row in the table of measurements.
    name, notes, category
        What the user wrote about it.
    colour
        Seed of its colour.
    parent
        Its mother, or None.
    begin, end
        First frame of its life, and one past the last; None where the movie's ends are meant.
    level
        Field scale that it is tracked in, as octaves above the typical cell's; None before it was tracked.
    """

    id: int
    row: int
    name: str = ""
    notes: str = ""
    category: str = ""
    colour: int = 0
    parent: int | None = None
    begin: int | None = None
    end: int | None = None
    level: int | None = None

    def life(self, frames: int) -> tuple[int, int]:
        """First frame of its life and one past the last, in a movie of so many frames."""
        return (0 if self.begin is None else self.begin, frames if self.end is None else self.end)

    def to_json(self) -> dict[str, Any]:
        """As a dict; what has its usual value is left out."""
        usual = Cell(self.id, self.row)
        return {k: v for k, v in asdict(self).items() if k in ("id", "row") or v != getattr(usual, k)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cell:
        """Undo `to_json`."""
        return cls(**data)


def daughters(cells: Mapping[int, Cell], mother: int) -> list[int]:
    """Daughters of a cell, in ascending order."""
    return sorted(c.id for c in cells.values() if c.parent == mother)


def descends(cells: Mapping[int, Cell], cell: int, ancestor: int) -> bool:
    """Whether a cell is, or descends from, another."""
    seen: set[int] = set()
    at: int | None = cell
    while at is not None and at not in seen:
        if at == ancestor:
            return True
        seen.add(at)
        found = cells.get(at)
        at = None if found is None else found.parent
    return False


@dataclass(frozen=True)
class Division:
    """A mother that divided, the first frame of its daughters, and these."""

    mother: int
    frame: int
    daughters: tuple[int, ...]


def divisions(cells: Mapping[int, Cell]) -> list[Division]:
    """All divisions, in order of time."""
    found = []
    for mother in {c.parent for c in cells.values() if c.parent is not None}:
        born = daughters(cells, mother)
        frames = [begin for d in born if (begin := cells[d].begin) is not None]
        end = cells[mother].end if mother in cells else None
        found.append(Division(mother, end if end is not None else min(frames, default=0), tuple(born)))
    return sorted(found, key=lambda d: (d.frame, d.mother))
