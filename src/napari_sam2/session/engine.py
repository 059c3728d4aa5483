"""What a session needs of the tracker, and the real one behind it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from napari_sam2.session.labels import LabelStore
from napari_sam2.tracking.done import Before
from napari_sam2.tracking.movie import Movie
from napari_sam2.tracking.plan import Direction, Segment
from napari_sam2.tracking.prompts import PromptBook

if TYPE_CHECKING:
    from napari_sam2.tracking import FrameResult
    from napari_sam2.tracking.estimate import Estimate


Cells = Callable[[int], Iterable[int]]
"""From a frame to cells."""


class Engine(Protocol):
    """Tracks segments: `CellTracker` in real life, something quick in tests."""

    prompts: PromptBook

    @property
    def weights_hash(self) -> str:
        """Which weights these are."""

    @property
    def cell_diameter(self) -> float:
        """Typical diameter of a cell in pixels, taken from the prompts where it was not given."""

    def level(self, cell: int) -> int:
        """Which field scale a cell is tracked in."""

    def run(
        self,
        segments: list[Segment],
        frames: tuple[int, int],
        locked: Cells,
        held: Cells,
        before: Before | None = None,
    ) -> Iterator[FrameResult]:
        """Track segments over a range of frames. Locked cells keep their pixels; held ones are not written either.

        `before` is what is known of the labels as they are.
        """


EngineMaker = Callable[[Movie, dict[str, Any], LabelStore], Engine]
"""From a movie, the settings of the session and its labels to an engine."""


class _Port:
    """The session's labels as the tracker sees them: it reads them; what it writes goes through the session."""

    def __init__(self, labels: LabelStore) -> None:
        self._labels = labels
        self.shape, self.dtype, self.ndim = labels.shape, labels.dtype, 3

    def __getitem__(self, frame: int) -> Any:
        return self._labels.read(frame)

    def __setitem__(self, frame: int, image: object) -> None:
        """The session gets the same image as the result, and writes it with its log."""


class TrackerEngine:
    """The real tracker.

    Parameters
    ----------
    movie, meta, labels
        Of the session.
    dtype, cache_bytes, cache_folder
        As `CellTracker`. They belong to the computer that tracks, and so are not kept with the session.
    """

    def __init__(
        self,
        movie: Movie,
        meta: dict[str, Any],
        labels: LabelStore,
        *,
        dtype: str | None = None,
        cache_bytes: int | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
    ) -> None:
        from napari_sam2.tracking import CellTracker, Settings
        from napari_sam2.tracking.features import DEFAULT_BUDGET
        from napari_sam2.weights import weights_hash

        self._locked: Cells = lambda frame: ()
        settings = meta.get("settings")
        self.tracker = CellTracker(
            movie,
            model=meta["model"]["name"],
            device=meta.get("device") or "auto",
            dtype=dtype,
            cell_diameter=meta.get("cell_diameter"),
            mode=meta.get("mode") or "auto",
            labels=_Port(labels),
            locked=lambda frame: self._locked(frame),
            settings=Settings(**settings) if settings else None,
            cache_bytes=DEFAULT_BUDGET if cache_bytes is None else cache_bytes,
            cache_folder=cache_folder,
        )
        self.prompts = self.tracker.prompts
        self._hash = weights_hash(self.tracker.model)

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the weights."""
        return self._hash

    @property
    def cell_diameter(self) -> float:
        """Typical diameter of a cell in pixels."""
        return float(self.tracker.cell_diameter)

    def level(self, cell: int) -> int:
        """Octaves between a cell and the typical one."""
        return self.tracker.level(cell)

    @property
    def computes_on(self) -> str:
        """Device and precision really in use, such as ``"cpu, bfloat16"``."""
        parameter = next(self.tracker.network.parameters())
        return f"{parameter.device}, {str(parameter.dtype).removeprefix('torch.')}"

    def estimate(self, direction: Direction, frames: tuple[int, int] | None, cells: Iterable[int] | None) -> Estimate:
        """Time and memory of a run over everything that is asked for; see `CellTracker.estimate`."""
        return self.tracker.estimate(direction, frames, cells)

    def run(
        self,
        segments: list[Segment],
        frames: tuple[int, int],
        locked: Cells,
        held: Cells,
        before: Before | None = None,
    ) -> Iterator[FrameResult]:
        """Track segments; see `Engine`."""
        self._locked = locked
        return self.tracker.track_segments(segments, frames, held, before)
