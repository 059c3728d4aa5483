"""`Session`: the document, its movie and its tracker; what a user works on, from a script or from the docks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session import folder as files
from napari_sam2.session.cells import Cell, Division, divisions
from napari_sam2.session.division_parts import Parts
from napari_sam2.session.divisions import Proposal, accept, find_divisions, reject
from napari_sam2.session.document import Document
from napari_sam2.session.encode import Said
from napari_sam2.session.engine import Engine, EngineMaker, TrackerEngine
from napari_sam2.session.events import Changed, Signal
from napari_sam2.session.history import History
from napari_sam2.session.labels import LabelStore
from napari_sam2.session.review import Suspect, find_suspects
from napari_sam2.session.run import end_run
from napari_sam2.session.saving import Progress
from napari_sam2.session.saving import settle as settle_frames
from napari_sam2.session.script import make_script, save_script
from napari_sam2.session.sisters import Sisters
from napari_sam2.session.stale import Stale
from napari_sam2.session.table import Rows
from napari_sam2.session.tracking import Tracking
from napari_sam2.session.verbs import Verbs
from napari_sam2.tracking.movie import Movie

SAVE_EVERY = 200
"""Lines of the log after which the readable tables are written again; until then opening follows the log."""


MOST_SUSPECTS = 1000
"""Suspects that are handed out at once: nobody looks at more before something changes."""


class Session(History, Tracking, Verbs):
    """A session on a movie; made by `new_session` and `open_session`, closed by ``close()`` or a ``with`` block.

    Everything is saved at once, by itself. Actions are methods (`Verbs`); each is one step that `undo` takes back.

    Parameters
    ----------
    document
        What is in the folder.
    movie
        The movie; None for a session that was opened to look at only.
    owner
        Holds the folder; None when reading only.
    make_engine
        Makes the tracker when it is first needed.
    close_movie
        Lets go of the movie's files.

    Attributes
    ----------
    changed : Signal of Changed
        Tells what every action, undo and tracked frame has changed.
    """

    def __init__(
        self,
        document: Document,
        movie: Movie | None,
        owner: files.Owner | None,
        make_engine: EngineMaker = TrackerEngine,
        close_movie: Callable[[], object] = lambda: None,
    ) -> None:
        self.document = document
        self.movie = movie
        self.changed: Signal[Changed] = Signal()
        self.stale_index = Stale(document)
        self.sisters = Sisters(self)
        self.parts = Parts(self)
        self._owner = owner
        self._make_engine = make_engine
        self._close_movie = close_movie
        self._engine: Engine | None = None
        self._step: int | None = None
        self._in_step = False
        self._saved_at = len(document.journal)
        self._closed = False

    # what is in it ------------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The folder."""
        return self.document.folder

    @property
    def cells(self) -> Mapping[int, Cell]:
        """All cells, by number."""
        return MappingProxyType(self.document.cells)

    @property
    def labels(self) -> LabelStore:
        """The label image of every frame, (T, Y, X) int32; read-only."""
        return self.document.labels

    @property
    def meta(self) -> Mapping[str, Any]:
        """Settings: movie, axes, scale, units, limits, cell_diameter, model, ..."""
        return MappingProxyType(self.document.meta)

    @property
    def n_frames(self) -> int:
        """Length of the movie."""
        return self.document.frames

    def prompts(self, cell: int) -> Mapping[int, Said]:
        """What was said about a cell, by frame."""
        return MappingProxyType(dict(sorted(self.document.prompts_of(cell).items())))

    def measurements(self, cell: int) -> Rows:
        """Records of a cell on every frame, (T,): score, iou, y, x, area, state, review, locked, doubt, made."""
        return self.document.table.row(self.document.cell(cell).row).copy()

    def lineage(self) -> list[Division]:
        """All divisions, in order of time."""
        return divisions(self.document.cells)

    def new_id(self) -> int:
        """A number that no cell of this session has ever had."""
        return self.document.new_id()

    def locked_on(self, frame: int) -> set[int]:
        """Cells that are locked on a frame."""
        rows = self.document.table.data["locked"][:, frame]
        return {c.id for c in self.document.cells.values() if rows[c.row]}

    def stale(self, cells: Iterable[int] | None = None) -> dict[int, npt.NDArray[np.int64]]:
        """Frames, by cell, whose masks come from prompts that have changed since; cells without any are left out."""
        wanted = sorted(self.document.cells if cells is None else cells)
        found = {c: np.flatnonzero(self.stale_index.of(c).stale) for c in wanted}
        return {c: frames for c, frames in found.items() if frames.size}

    # what it tells -----------------------------------------------------------------------------------------------

    def script(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return a Python script that does again what was done, without a screen; written to `path` where one is given.

        With masks beside it (``NAME-masks.npz``) where the session has painted or drawn ones. The same machine, weights
        and library versions give the same labels.
        """
        if path is None:
            return make_script(self, "masks.npz")[0]
        return save_script(self, path).read_text()

    def review(self, cells: Iterable[int] | None = None, most: int | None = MOST_SUSPECTS) -> list[Suspect]:
        """Cell-frames that deserve a look, most doubtful first, each with its reason; checked ones are left out.

        The most doubtful thousand; ``most=None`` gives all.
        """
        return find_suspects(self, cells, most=most)

    def proposals(self) -> list[Proposal]:
        """Divisions that the tracks suggest, most certain first; to be accepted with `accept`, or rejected."""
        return find_divisions(self)

    def accept(self, proposal: Proposal, *, track: bool = True, force: bool = False) -> list[int]:
        """Make a proposed division; returns the daughters. With `force` as in `divide`."""
        return accept(self, proposal, track, force)

    def reject(self, proposal: Proposal) -> None:
        """Not propose a division again."""
        reject(self, proposal)

    # saving -------------------------------------------------------------------------------------------------------

    def after_entry(self) -> None:
        """Write the readable tables now and then, and label frames when nothing else is done; the log has it all."""
        self.document.writer.changed()
        if len(self.document.journal) - self._saved_at >= SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Bring all files up to date, except for label frames that are pending (`settle`)."""
        if not self.document.read_only:
            with self.document.lock:
                files.save_tables(self.document)
                self._saved_at = len(self.document.journal)

    def settle(self, seconds: float | None = None, progress: Progress | None = None) -> int:
        """Write label frames that an action on whole tracks has only noted so far.

        Parameters
        ----------
        seconds
            Stop after this time; None writes all.
        progress
            Called with (frames done, frames in all) after each; returning False stops.

        Returns
        -------
        int
            How many frames are still pending. They are safe all the same; only other programs do not see them yet.
        """
        return settle_frames(self.document, seconds, progress)

    def close(self, *, settle: bool = True, seconds: float | None = None, progress: Progress | None = None) -> None:
        """Write what is pending, bring the files up to date and let go of the folder.

        Parameters
        ----------
        settle
            Write pending label frames, so that other programs see them. They are written beside whatever is done when
            nothing else goes on, so only what was done last is left: some milliseconds a frame. The session itself does
            not need it.
        seconds
            Stop writing them after this time; None writes all.
        progress
            As for `settle`; returning False leaves the rest pending.
        """
        if self._closed:
            return
        self._closed = True
        try:
            end_run(self)
            self.document.writer.flush()
            if settle:
                settle_frames(self.document, seconds, progress, measure=False)
            self.save()
        finally:
            self.document.writer.stop()
            self.document.read_only = True
            self._engine = None
            self._close_movie()
            if self._owner is not None:
                self._owner.leave()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Session {self.path.name}: {len(self.cells)} cells, {self.n_frames} frames>"
