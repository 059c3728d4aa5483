"""The part of a session that tracks: its engine, runs, and masks of fresh prompts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from napari_sam2.session.engine import Engine, EngineMaker
from napari_sam2.session.errors import Refused
from napari_sam2.session.preview import preview
from napari_sam2.session.run import What, end_run, find_work, track
from napari_sam2.session.stale import Anchor, Stale
from napari_sam2.tracking.plan import Direction
from napari_sam2.tracking.prompts import PromptBook

if TYPE_CHECKING:
    from napari_sam2.session.document import Document
    from napari_sam2.session.session import Session
    from napari_sam2.tracking import FrameResult
    from napari_sam2.tracking.estimate import Estimate
    from napari_sam2.tracking.movie import Movie


class Tracking:
    """Tracking, as methods of a session."""

    document: Document
    movie: Movie | None
    stale_index: Stale
    _engine: Engine | None
    _make_engine: EngineMaker

    @property
    def _session(self) -> Session:
        return cast("Session", self)

    @property
    def engine(self) -> Engine:
        """The tracker, made when first needed."""
        if self._engine is None:
            if self.movie is None:
                raise Refused("the session was opened without its movie: open it with movie=...")
            self._engine = self._make_engine(self.movie, self.document.meta, self.document.labels)
            known = self.document.meta["model"].get("hash")
            if known and self._engine.weights_hash != known:
                name, found, self._engine = self.document.meta["model"]["name"], self._engine.weights_hash, None
                raise Refused(
                    f"the weights of model {name!r} are not those the session was made with ({found[:12]}... not "
                    f"{known[:12]}...): choose it again with set_options(model=...), and everything is tracked afresh"
                )
        return self._engine

    @property
    def computes_on(self) -> str | None:
        """Device and precision in use, such as ``"cpu, bfloat16"``; None before the tracker was needed."""
        return getattr(self._engine, "computes_on", None)

    def track(
        self,
        cells: Iterable[int] | None = None,
        frames: tuple[int, int] | None = None,
        direction: Direction = "both",
        what: What = "needed",
        *,
        stop_after: int | None = None,
        join: bool = False,
    ) -> Iterator[FrameResult]:
        """Track cells; yields each frame when it is saved. One step of the history, whatever it took.

        Parameters
        ----------
        cells
            Which cells; all that have prompts when None.
        frames
            (first, one past the last) frame; all when None.
        direction
            ``"both"``, ``"forward"`` or ``"backward"``.
        what
            ``"needed"``: stale frames and those never tracked. ``"stale"``: only stale ones. ``"prompted"``: of what is
            needed, only the prompted frames themselves. ``"all"``: everything again.
        stop_after
            Stop after so many frames, as closing the generator would.
        join
            Be part of the step before: `undo` takes back both.

        Notes
        -----
        Frames that are as they should be are not written again, locked ones never change, and other cells' pixels
        change only where a tracked cell's logits win.
        """
        return track(self._session, cells, frames, direction, what, stop_after, join)

    def run(self, cells: Iterable[int] | None = None, frames: tuple[int, int] | None = None, **options: Any) -> int:
        """Track to the end; as `track`, but returns the number of frames that were written."""
        return sum(1 for _ in self.track(cells, frames, **options))

    def preview(self, frame: int, cells: Iterable[int]) -> list[int]:
        """Segment cells on a frame that they are prompted on, as part of the steps that prompted them.

        For a thread beside the one that acts: see `session.preview`. Returns the cells whose masks were written.
        """
        return preview(self._session, frame, cells)

    def stop_tracking(self) -> None:
        """End a run that another thread is in, at once: what is saved stays, and its generator ends by itself.

        Actions can follow without waiting for the frame that is being computed; that frame is left out.
        """
        end_run(self._session)

    def cost(self, cells: Iterable[int] | None = None, frames: tuple[int, int] | None = None, **options: Any) -> int:
        """How many masks tracking would write."""
        return find_work(
            self._session, cells, frames, options.get("direction", "both"), options.get("what", "needed")
        ).frames

    def estimate(
        self,
        cells: Iterable[int] | None = None,
        frames: tuple[int, int] | None = None,
        direction: Direction = "both",
    ) -> Estimate:
        """Time and memory of tracking everything that is asked for, by tracking a few cells for one frame.

        Raises
        ------
        Refused
            If there is nothing to track from, or the tracker cannot tell.
        """
        engine = self.engine
        asked = getattr(engine, "estimate", None)
        with self.document.lock:
            if asked is None or not self.document.said:
                raise Refused("there is nothing to be estimated: click on a cell first")
            self.fill_prompts()
        found: Estimate = asked(direction, frames, cells)
        return found

    def make_book(self, anchors: Mapping[int, Mapping[int, Anchor]]) -> PromptBook:
        """A book of prompts as the tracker takes them."""
        book = PromptBook(self.document.frames, self.document.frame_shape)
        for cell, found in anchors.items():
            for frame, anchor in found.items():
                book.put(cell, frame, anchor.prompts)
        return book

    def fill_prompts(self) -> None:
        """Bring the tracker's prompts up to date."""
        self.stale_index.fill(self.engine.prompts, sorted(self.document.cells))
