"""The truth of a Cell Tracking Challenge movie as the measures need it: whole cells with ids that persist in time.

Where the tracking truth holds whole cells, it is the truth. Where it holds markers only, whole cells come from the gold
segmentation truth, or from the silver one (``01_ST``), on the frames that have one, and take their ids from the markers
that they cover; overlaps are then counted on those frames only.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks._data import CtcMovie, Frames
from benchmarks._quality.clicks import Overlaps, interior_point

Labels = npt.NDArray[np.int32]

#: Tracking truth that overlaps with the segmentation truth by more than this is taken for whole cells.
WHOLE_OVERLAP = 0.8
#: Frames compared for that.
COMPARED_FRAMES = 5
#: A whole cell belongs to the marker of which it covers more than this part.
MARKER_COVER = 0.5
#: Label images kept in memory.
KEPT = 8


@dataclass
class Truth:
    """The truth of one movie, or of its beginning.

    Parameters
    ----------
    movie
        The movie.
    max_frames
        Use only so many frames; 0 uses all.
    max_cells
        Measure only so many cells of the first frame, evenly chosen, and their descendants; 0 measures all.
    """

    movie: CtcMovie
    max_frames: int = 0
    max_cells: int = 0

    def __post_init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], Labels] = OrderedDict()

    @property
    def name(self) -> str:
        return self.movie.name

    @cached_property
    def images(self) -> Frames:
        """The frames, (T, Y, X)."""
        return self._cut(self.movie.frames())

    @property
    def n_frames(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.images.shape[1]), int(self.images.shape[2])

    def tracked(self, frame: int) -> Labels:
        """(Y, X) tracking truth of all cells: whole cells or markers."""
        return self._keep("tracked", frame, lambda: self._tracking[frame])

    def whole(self, frame: int) -> Labels:
        """(Y, X) whole cells with the ids of their tracks; empty where the truth has none for this frame."""
        if self.tracking_is_whole:
            return self.tracked(frame)
        return self._keep("whole", frame, lambda: self._whole(frame))

    @cached_property
    def present(self) -> dict[int, list[int]]:
        """The frames on which each cell is seen, whether it is measured or not."""
        frames: dict[int, list[int]] = {}
        for t in range(self.n_frames):
            for cell in np.unique(self.tracked(t)).tolist():
                if cell:
                    frames.setdefault(cell, []).append(t)
        return frames

    @cached_property
    def parents(self) -> dict[int, int]:
        """Daughter to mother, where both are seen, the mother first."""
        return {
            child: mother
            for child, mother in self.movie.parents().items()
            if child in self.present and mother in self.present and self.present[mother][0] < self.present[child][0]
        }

    @cached_property
    def cells(self) -> list[int]:
        """The cells that are measured."""
        everything = sorted(self.present)
        if not self.max_cells:
            return everything
        start = min(frames[0] for frames in self.present.values())
        first = [cell for cell in everything if self.present[cell][0] == start]
        chosen = {first[i] for i in np.linspace(0, len(first) - 1, min(self.max_cells, len(first))).round().astype(int)}
        for child in sorted(self.parents, key=lambda c: self.present[c][0]):
            if self.parents[child] in chosen:
                chosen.add(child)
        return sorted(chosen)

    @cached_property
    def first_cells(self) -> tuple[int, list[int]]:
        """The first frame that shows a cell, and the measured cells on it."""
        start = min(frames[0] for frames in self.present.values())
        return start, [cell for cell in self.cells if self.present[cell][0] == start]

    @cached_property
    def lifetimes(self) -> dict[int, tuple[int, int]]:
        """What a user knows of each cell: when it begins, and that it ends when its daughters begin.

        A cell that leaves or dies without daughters has the movie's last frame as its end.
        """
        ends: dict[int, int] = {}
        for child, mother in self.parents.items():
            ends[mother] = min(ends.get(mother, self.n_frames), self.present[child][0])
        return {c: (self.present[c][0], ends[c] - 1 if c in ends else self.n_frames - 1) for c in self.cells}

    def click(self, cell: int, frame: int) -> tuple[float, float]:
        """The most interior point (y, x) of a cell."""
        mask = self.whole(frame) == cell
        return interior_point(mask if mask.any() else self.tracked(frame) == cell)

    @cached_property
    def first_whole(self) -> dict[int, int]:
        """The first frame on which each measured cell is known whole."""
        if self.tracking_is_whole:
            return {cell: self.present[cell][0] for cell in self.cells}
        first: dict[int, int] = {}
        wanted = set(self.cells)
        for t in sorted(self._segmentations):
            for cell in np.unique(self.whole(t)).tolist():
                if cell in wanted:
                    first.setdefault(cell, t)
        return first

    @property
    def segmented(self) -> frozenset[int]:
        """The frames with a segmentation truth; all of them where only the tracking truth is there, and whole."""
        return frozenset(self._segmentations or range(self.n_frames))

    @cached_property
    def tracking_is_whole(self) -> bool:
        """Whether the tracking truth holds whole cells and not markers."""
        frames = sorted(self._segmentations)
        if not frames:
            return True
        ious: list[float] = []
        for i in np.unique(np.linspace(0, len(frames) - 1, COMPARED_FRAMES).round().astype(int)):
            overlaps = Overlaps.of(self._segmentations[frames[i]](), self.tracked(frames[i]))
            for cell, area in overlaps.found.items():
                other = overlaps.best(cell)
                both = overlaps.shared.get((cell, other), 0)
                ious.append(both / (area + overlaps.true.get(other, 0) - both))
        return bool(ious) and float(np.median(ious)) > WHOLE_OVERLAP

    # inside -------------------------------------------------------------------------------------------------------

    @cached_property
    def _tracking(self) -> Frames:
        return self._cut(self.movie.tracking_truth())

    @cached_property
    def _segmentations(self) -> dict[int, Callable[[], Labels]]:
        """Readers of the segmentation truth by frame; gold before silver."""
        files: dict[int, Path] = {}
        for kind in ("ST", "GT"):
            for file in (self.movie.folder / f"{self.movie.sequence}_{kind}" / "SEG").glob("man_seg*.tif"):
                number = file.stem.removeprefix("man_seg")
                if number.isdigit() and int(number) < self.n_frames:
                    files[int(number)] = file
        return {t: lambda file=file: _read(file) for t, file in files.items()}  # type: ignore[misc]

    def _whole(self, frame: int) -> Labels:
        out = np.zeros(self.shape, np.int32)
        if frame not in self._segmentations:
            return out
        drawn = self._segmentations[frame]()
        overlaps = Overlaps.of(drawn, self.tracked(frame))
        for cell in overlaps.found:
            marker = overlaps.best(cell)
            if marker and overlaps.shared[cell, marker] > MARKER_COVER * overlaps.true[marker]:
                out[drawn == cell] = marker
        return out

    def _cut(self, frames: Frames) -> Frames:
        return Frames(frames.files[: self.max_frames]) if self.max_frames else frames

    def _keep(self, kind: str, frame: int, read: Callable[[], npt.NDArray[Any]]) -> Labels:
        key = (kind, frame)
        if key not in self._kept:
            while len(self._kept) >= KEPT:
                self._kept.popitem(last=False)
            self._kept[key] = np.asarray(read()).astype(np.int32)
        self._kept.move_to_end(key)
        return self._kept[key]


def _read(file: Path) -> Labels:
    import tifffile

    return np.asarray(tifffile.imread(file)).astype(np.int32)
