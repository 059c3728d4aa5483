"""A strip of frames to look at: the truth in white, what was tracked in each cell's own colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks._quality.truth import Truth

#: Frames in a strip.
FRAMES = 6
#: Percentiles of a frame that become black and white.
CONTRAST = (0.5, 99.8)


@dataclass
class Strip:
    """Collects the frames to be drawn while a movie is tracked.

    Parameters
    ----------
    truth
        The movie.
    title
        Written into the first frame's corner.
    clicks
        (y, x) of each click, by frame and cell.
    """

    truth: Truth
    title: str
    clicks: Mapping[int, Mapping[int, tuple[float, float]]] = field(default_factory=dict)
    labels: dict[int, npt.NDArray[np.int32]] = field(default_factory=dict)

    @property
    def wanted(self) -> list[int]:
        """Frames to draw, evenly over the movie."""
        return np.unique(np.linspace(0, self.truth.n_frames - 1, FRAMES).round().astype(int)).tolist()

    def add(self, frame: int, labels: npt.NDArray[Any]) -> None:
        """Take a tracked frame (Y, X), if it is one of those."""
        if frame in self.wanted:
            self.labels[frame] = np.array(labels, np.int32)

    def save(self, path: Path) -> None:
        """Draw what was collected into a PNG."""
        from napari_sam2.cli.picture import draw_strip, save_picture

        frames = sorted(self.labels)
        if not frames:
            return
        images = [self._image(t) for t in frames]
        captions = [f"{self.title}: frame {t}" if i == 0 else f"frame {t}" for i, t in enumerate(frames)]
        marks = [self.clicks.get(t, {}) for t in frames]
        path.parent.mkdir(parents=True, exist_ok=True)
        save_picture(path, draw_strip(images, [self.labels[t] for t in frames], captions, marks))

    def _image(self, frame: int) -> npt.NDArray[np.float32]:
        image = np.asarray(self.truth.images[frame], np.float32)
        low, high = np.percentile(image, CONTRAST)
        grey = np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 0.8  # white is for the truth
        true = self.truth.tracked(frame)
        edge = np.zeros(true.shape, bool)
        for axis in (0, 1):
            edge |= (np.roll(true, 1, axis) != true) & (true > 0)
        return np.where(edge, np.float32(1), grey)[..., None].repeat(3, axis=2)
