"""Which segments are done, and what is known of the labels that the next run begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field

from napari_sam2.tracking.plan import Key, Segment
from napari_sam2.tracking.prompts import PromptBook


@dataclass(frozen=True)
class Before:
    """What is known of the labels that a run begins with.

    Parameters
    ----------
    leftovers
        Function from a frame number to cells whose pixels there come from prompts that are gone: they defend nothing.
    gave_way
        (winner, loser) by frame, of losers that are tracked again: where the two are doubles still, it stays at that.
    """

    leftovers: Callable[[int], Iterable[int]] = lambda frame: ()
    gave_way: Mapping[int, Set[tuple[int, int]]] = field(default_factory=dict)


@dataclass
class Tracked:
    """A segment that was tracked.

    Parameters
    ----------
    segment, signature
        Which, and everything that its masks depended on.
    winners
        Cells that it gave way to on some frame, with what was said about them.
    pairs
        (winner, loser) on these frames.
    """

    segment: Segment
    signature: object
    winners: dict[int, object] = field(default_factory=dict)
    pairs: dict[int, set[tuple[int, int]]] = field(default_factory=dict)


@dataclass
class Begun:
    """Segments of a pass, and what was said about all cells, as it was before the pass: it may change meanwhile."""

    tracked: dict[Key, Tracked]
    said: dict[int, object]


class Done:
    """Segments that were tracked to their ends.

    They are done until something changes that they depend on. Where a cell gave way to another one
    (`FrameResult.gave_way`), that is what was said about the other one, too: a mistaken click erases a cell only for as
    long as it stands.
    """

    def __init__(self) -> None:
        self._known: dict[Key, Tracked] = {}

    def begin(self, segments: Iterable[Segment], sign: Callable[[Segment], object], book: PromptBook) -> Begun:
        """Note what segments depend on that are about to be tracked."""
        return Begun({segment.key: Tracked(segment, sign(segment)) for segment in segments}, _said(book))

    def gave_way(self, begun: Begun, frame: int, pairs: Iterable[tuple[int, int]]) -> None:
        """Note who gave way to whom on a frame, (winner, loser), be the loser on its way or done already."""
        winners: dict[int, set[int]] = {}
        for winner, loser in pairs:
            winners.setdefault(loser, set()).add(winner)
        for tracked in (*begun.tracked.values(), *self._known.values()) if winners else ():
            segment = tracked.segment
            if segment.cell in winners and (segment.start == frame or segment.covers(frame)):
                tracked.winners.update((winner, begun.said.get(winner)) for winner in winners[segment.cell])
                tracked.pairs[frame] = {(winner, segment.cell) for winner in winners[segment.cell]}

    def end(self, begun: Begun) -> None:
        """Note that all segments of a pass have been tracked."""
        self._known.update(begun.tracked)

    def missing(
        self, segments: Iterable[Segment], sign: Callable[[Segment], object], book: PromptBook
    ) -> list[Segment]:
        """Those of the segments that are not done."""
        said = _said(book)

        def holds(segment: Segment) -> bool:
            known = self._known.get(segment.key)
            if known is None or known.signature != sign(segment):
                return False
            return all(said.get(winner) == before for winner, before in known.winners.items())

        return [segment for segment in segments if not holds(segment)]

    def before(self, segments: Iterable[Segment], book: PromptBook) -> Before:
        """What is known of the labels when some segments are tracked again."""
        winners = {winner for tracked in self._known.values() for winner in tracked.winners}
        gone = winners.difference(book.cells()) if winners else winners
        gave_way: dict[int, set[tuple[int, int]]] = {}
        again = {segment.cell for segment in segments}
        for tracked in (t for t in self._known.values() if t.segment.cell in again):
            for frame, pairs in tracked.pairs.items():
                gave_way.setdefault(frame, set()).update(pairs)
        return Before(lambda frame: gone, gave_way)


def _said(book: PromptBook) -> dict[int, object]:
    """What was said about each cell; nothing else of it makes others give way."""
    said: dict[int, list[object]] = {}
    for cell, frame, prompts in book:
        said.setdefault(cell, []).append((frame, prompts))
    return {**said}
