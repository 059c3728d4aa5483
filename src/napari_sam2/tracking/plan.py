"""Which frames of which cells are to be computed, and from where.

Between two prompted frames of a cell the nearer one leads: the first half of the gap is tracked forward from the
earlier prompt, the second half backward from the later one, and both prompts are remembered throughout. So a segment
depends on the two prompts at its ends and on nothing else: a correction changes exactly the segments beside it, and
the same prompts always give the same masklets, whatever the order in which they were given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from napari_sam2.tracking.prompts import PromptBook

Direction = Literal["forward", "backward", "both"]
DIRECTIONS: tuple[Direction, ...] = ("forward", "backward", "both")
Key = tuple[int, int, int]
"""Cell, start and step of a segment."""


@dataclass(frozen=True)
class Segment:
    """A stretch of one cell's frames, tracked from a prompted one.

    Parameters
    ----------
    cell
        The cell.
    start
        The prompted frame it starts from; not itself part of the stretch.
    last
        Its last frame, ``start`` where there is none.
    step
        +1 forward, -1 backward.
    conditioning
        The prompted frames remembered throughout, `start` first.
    """

    cell: int
    start: int
    last: int
    step: int
    conditioning: tuple[int, ...]

    @property
    def key(self) -> Key:
        """What a segment is known by, wherever it ends."""
        return self.cell, self.start, self.step

    def covers(self, frame: int) -> bool:
        """Whether a frame belongs to the stretch."""
        low, high = sorted((self.start + self.step, self.last))
        return self.start != self.last and low <= frame <= high

    @property
    def frames(self) -> range:
        """The frames of the stretch in tracking order."""
        return range(self.start + self.step, self.last + self.step, self.step)


def plan(
    book: PromptBook,
    direction: Direction,
    frames: tuple[int, int],
    cells: Iterable[int] | None = None,
    lifetimes: Mapping[int, tuple[int, int]] | None = None,
) -> list[Segment]:
    """Cut the wanted frames of the wanted cells into segments.

    Parameters
    ----------
    book
        All prompts.
    direction
        "forward" goes from a cell's first prompt to the end, "backward" from its last to the beginning, "both" fills
        everything.
    frames
        (first, one past the last) frame wanted.
    cells
        Cells wanted; all with prompts when None.
    lifetimes
        (first, last) frame of cells that are known to exist only in between; they are not tracked beyond.

    Raises
    ------
    ValueError
        If the direction is unknown, the range is empty, a wanted cell has no prompt or no prompt was given at all.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction must be one of {', '.join(DIRECTIONS)}; got {direction!r}")
    first, stop = frames
    if not 0 <= first < stop <= book.frames:
        raise ValueError(f"frames must be a range within 0 to {book.frames}, got {frames}")
    wanted = book.cells() if cells is None else sorted(set(cells))
    if cells is None and not wanted:
        raise ValueError("no prompt was given: click on a cell first")
    unknown = [cell for cell in wanted if not book.frames_of(cell)]
    if unknown:
        raise ValueError(
            f"no prompt was given for cell {', '.join(map(str, unknown))}; click on it on some frame first"
        )
    segments: list[Segment] = []
    for cell in wanted:
        born, last = (lifetimes or {}).get(cell, (0, book.frames - 1))
        for segment in _of_cell(cell, book.frames_of(cell), direction, book.frames):
            cut = _clip(segment, max(first, born), min(stop, last + 1))
            segments += [cut] if cut is not None else []
    return segments


def _of_cell(cell: int, prompted: list[int], direction: Direction, frames: int) -> list[Segment]:
    out: list[Segment] = []
    neighbours = zip([None, *prompted[:-1]], prompted, [*prompted[1:], None], strict=True)
    for before, at, after in neighbours:
        if direction != "backward":
            last = frames - 1 if after is None else (after - 1 if direction == "forward" else (at + after) // 2)
            last = last if after is None else min(last, after - 1)
            out.append(Segment(cell, at, last, 1, (at,) if after is None else (at, after)))
        if direction != "forward":
            last = 0 if before is None else (before + 1 if direction == "backward" else (before + at) // 2 + 1)
            if last <= at:
                out.append(Segment(cell, at, last, -1, (at,) if before is None else (at, before)))
    return out


def _clip(segment: Segment, first: int, stop: int) -> Segment | None:
    """Cut a segment's far end to the range; None where neither it nor its start lies inside."""
    s = segment
    last = min(s.last, stop - 1) if s.step > 0 else max(s.last, first)
    if (last - s.start) * s.step < 0:
        last = s.start
    clipped = Segment(s.cell, s.start, last, s.step, s.conditioning)
    inside = any(first <= t < stop for t in (s.start, *clipped.frames))
    return clipped if inside else None
