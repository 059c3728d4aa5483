"""Where cells of an interrupted pass stand, so that the next one goes on from there instead of from their prompts.

A user who corrects one cell while fifty are tracked interrupts all of them. What the others remember depends on their
own prompts alone, so it is still right: it is kept, a few hundred kilobytes a cell, and taken up again.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MethodType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.tracking.masks import Masks
from napari_sam2.tracking.plan import Key, Segment

if TYPE_CHECKING:
    from napari_sam2.tracking.memory import Kept


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
            self._known[segment.key] = segment, signed[segment], parked

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
            known = self._known.get(segment.key)
            if known is None or segment.last == segment.start or known[1] != self._sign(segment):
                continue
            parked = known[2]
            before = range(segment.start, parked.frame, segment.step)
            for frame in before:
                if frame not in settled:
                    settled[frame] = frozenset(held(frame))
            if segment.covers(parked.frame) and all(segment.cell in settled[frame] for frame in before):
                found[segment] = parked
                del self._known[segment.key]
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
