"""What is known of segments that were tracked: which are done, and where cells of an interrupted pass stand.

The next pass goes on from there instead of from their prompts.

A user who corrects one cell while fifty are tracked interrupts all of them. What the others remember depends on their
own prompts alone, so it is still right: it is kept, a few hundred kilobytes a cell, and taken up again.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from types import MethodType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.tracking.masks import Masks
from napari_sam2.tracking.plan import Segment

if TYPE_CHECKING:
    from napari_sam2.tracking.memory import Kept
    from napari_sam2.tracking.prompts import PromptBook

Key = tuple[int, int, int]


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
        return Begun({_key(segment): Tracked(segment, sign(segment)) for segment in segments}, _said(book))

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
            known = self._known.get(_key(segment))
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


@dataclass
class Parked:
    """One cell on its way.

    Parameters
    ----------
    frame
        The last frame that it was tracked to.
    masks
        What was found there, a batch of one: the frame may not have been written any more.
    suspect
        Why that is doubtful; empty where it is not.
    age
        Frames from its nearest prompt.
    memory
        What is remembered.
    state
        Arrays of the pass, by name.
    displaced
        Cells that had to give way to it there (`arbitrate.settle_with_present`), and will have to further on.
    """

    frame: int
    masks: Masks
    suspect: str
    age: int
    memory: Kept
    state: Mapping[str, npt.NDArray[np.generic]]
    displaced: frozenset[int] = frozenset()


class Parking:
    """Cells of interrupted passes.

    Parameters
    ----------
    sign
        Gives everything that a segment's masks depend on, wherever it ends. A cell is taken up again only where that is
        as it was. A method does not keep its owner alive, who has the parking: all that a tracker keeps goes with it.
    """

    def __init__(self, sign: Callable[[Segment], object]) -> None:
        self._find_sign = weakref.WeakMethod(sign) if isinstance(sign, MethodType) else lambda: sign
        self._known: dict[Key, tuple[Segment, object, Parked]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def sign(self, segments: Iterable[Segment]) -> dict[Segment, object]:
        """Note everything that the masks of segments depend on, before they are tracked: it may change meanwhile."""
        return {segment: self._sign(segment) for segment in segments}

    def keep(self, cells: Iterable[tuple[Segment, Parked]], signed: Mapping[Segment, object]) -> None:
        """Keep where some cells stand, which was `signed` before, and nothing of segments that are no more."""
        self._known = {key: entry for key, entry in self._known.items() if self._holds(*entry[:2])}
        for segment, parked in cells:
            self._known[_key(segment)] = segment, signed[segment], parked

    def take(self, segments: Sequence[Segment], held: Callable[[int], Iterable[int]]) -> dict[Segment, Parked]:
        """Hand out those of the segments that can be taken up again; they are not kept any longer.

        Parameters
        ----------
        segments
            What is to be tracked.
        held
            Function from a frame number to cells that are as they should be there: only a segment of which nothing
            before the frame where it stands is wanted can go on from that.
        """
        found: dict[Segment, Parked] = {}
        settled: dict[int, frozenset[int]] = {}
        for segment in segments:
            known = self._known.get(_key(segment))
            if known is None or segment.last == segment.start or known[1] != self._sign(segment):
                continue
            parked = known[2]
            before = range(segment.start, parked.frame, segment.step)
            for frame in before:
                if frame not in settled:
                    settled[frame] = frozenset(held(frame))
            if segment.covers(parked.frame) and all(segment.cell in settled[frame] for frame in before):
                found[segment] = parked
                del self._known[_key(segment)]
        return found

    def _sign(self, segment: Segment) -> object:
        sign = self._find_sign()
        if sign is None:
            raise ReferenceError("the tracker that these cells were parked by is gone")
        return sign(segment)

    def _holds(self, segment: Segment, signature: object) -> bool:
        try:
            return self._sign(segment) == signature
        except KeyError:  # its prompts are gone
            return False


def _said(book: PromptBook) -> dict[int, object]:
    """What was said about each cell; nothing else of it makes others give way."""
    said: dict[int, list[object]] = {}
    for cell, frame, prompts in book:
        said.setdefault(cell, []).append((frame, prompts))
    return {**said}


def _key(segment: Segment) -> Key:
    return segment.cell, segment.start, segment.step
