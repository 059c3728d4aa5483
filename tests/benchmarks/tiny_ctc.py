"""A tiny movie with known truth in the challenge's layout, and a tracker whose mistakes are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from benchmarks._quality.trackers import Direction

Labels = npt.NDArray[np.int32]

FRAMES, SIDE = 24, 64


def make_truth() -> Labels:
    """Cell 1 stays, 2 divides into 4 and 5 after frame 9, 3 leaves after frame 14; 6 comes in on frame 5."""
    truth = np.zeros((FRAMES, SIDE, SIDE), np.int32)
    for t in range(FRAMES):
        truth[t, 4:14, 4 + t // 4 : 14 + t // 4] = 1
        if t < 10:
            truth[t, 24:34, 20:36] = 2
        else:
            truth[t, 24:34, 20:27] = 4
            truth[t, 24:34, 30:37] = 5
        if t < 15:
            truth[t, 44:56, 44:56] = 3
        if t >= 5:
            truth[t, 48:58, 4:14] = 6
    return truth


TRACKS = "1 0 23 0\n2 0 9 0\n3 0 14 0\n4 10 23 2\n5 10 23 2\n6 5 23 0\n"


def write_movie(folder: Path, truth: Labels, markers: bool = False) -> Path:
    """Write the movie; with `markers` the tracking truth holds small squares, and frames 0 and 12 are segmented."""
    for sub in ("01", "01_GT/TRA", "01_GT/SEG"):
        (folder / sub).mkdir(parents=True)
    for t, labels in enumerate(truth):
        image = np.where(labels > 0, 200, 20).astype(np.uint8)
        tracked = np.zeros_like(labels)
        for cell in np.unique(labels[labels > 0]):
            y, x = (int(each.mean()) for each in np.nonzero(labels == cell))
            tracked[y - 1 : y + 2, x - 1 : x + 2] = cell
        tifffile.imwrite(folder / f"01/t{t:03d}.tif", image)
        kept = tracked if markers else labels
        tifffile.imwrite(folder / f"01_GT/TRA/man_track{t:03d}.tif", kept.astype(np.uint16))
        if not markers or t in (0, 12):
            # the segmentation truth of the challenge need not have the tracks' numbers
            drawn = np.where(labels > 0, 10 - labels, 0) if markers else labels
            tifffile.imwrite(folder / f"01_GT/SEG/man_seg{t:03d}.tif", drawn.astype(np.uint16))
    (folder / "01_GT/TRA/man_track.txt").write_text(TRACKS)
    return folder


@dataclass
class OracleResult:
    frame: int
    labels: Labels
    scores: dict[int, float] = field(default_factory=dict)
    ious: dict[int, float] = field(default_factory=dict)


@dataclass
class Oracle:
    """Knows the truth; makes the mistakes that `wrong` gives for (cell, frame), until that frame is clicked on.

    A mistake is a label image value to show in the cell's place: 0 for a missing cell, or another true cell to be on.
    """

    truth: Labels
    wrong: dict[tuple[int, int], int] = field(default_factory=dict)
    half: frozenset[int] = frozenset()
    lifetimes: dict[int, tuple[int, int]] = field(default_factory=dict)
    clicks: dict[tuple[int, int], list[bool]] = field(default_factory=dict)
    stale: bool = False

    def __post_init__(self) -> None:
        self.labels: Labels = np.zeros_like(self.truth)

    def add_click(self, cell: int, frame: int, yx: Sequence[float], foreground: bool = True) -> None:
        y, x = (round(float(each)) for each in yx)
        assert (self.truth[frame, y, x] == cell) == foreground
        self.clicks.setdefault((cell, frame), []).append(foreground)
        self.stale = True

    def add_box(self, cell: int, frame: int, box: Sequence[Sequence[float]]) -> None:
        self.clicks.setdefault((cell, frame), [])

    def segment(self, frame: int, cells: Iterable[int] | None = None) -> Labels:
        """The cell; of the cells in `half` only the upper half until their third click."""
        wanted = [c for c, t in self.clicks if t == frame] if cells is None else list(cells)
        out = np.where(np.isin(self.truth[frame], wanted), self.truth[frame], 0)
        for cell in self.half.intersection(wanted):
            if len(self.clicks[cell, frame]) < 3:
                rows = np.flatnonzero((self.truth[frame] == cell).any(1))
                lower = out[rows[len(rows) // 2] :]
                lower[lower == cell] = 0
        return out

    def track(
        self,
        direction: Direction = "both",
        frames: tuple[int, int] | None = None,
        cells: Iterable[int] | None = None,
        *,
        only_stale: bool = False,
    ) -> Iterator[OracleResult]:
        if only_stale and not self.stale:
            return
        self.stale = False
        known = {cell for cell, _ in self.clicks}
        for t in range(*(frames or (0, len(self.truth)))):
            labels = np.where(np.isin(self.truth[t], list(known)), self.truth[t], 0)
            for (cell, frame), instead in self.wrong.items():
                if frame == t and (cell, frame) not in self.clicks:
                    labels[labels == cell] = 0
                    if instead:
                        labels[self.truth[t] == instead] = cell
            self.labels[t] = labels
            there = {cell: 0.9 if (labels == cell).any() else 0.1 for cell in known}
            yield OracleResult(t, labels, there, there)
