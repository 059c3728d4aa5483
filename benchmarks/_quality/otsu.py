"""The plain baseline: Otsu's threshold, watershed, and linking by overlap; a click picks the segment under it.

It has the calls of `CellTracker`, so it goes through the same measures. Its numbers are fixed for all movies, as the
network's are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks._quality.trackers import Direction
from napari_sam2.tracking.labels import make_labels, read_frame
from napari_sam2.tracking.plan import Segment, plan
from napari_sam2.tracking.prompts import PromptBook

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

#: Pixels of the Gaussian blur before the threshold, and of the one of the distances before seeds are sought.
BLUR = 2.0
SEED_BLUR = 2.0
#: Pixels that two seeds are apart at least.
SEED_DISTANCE = 10
#: Pixels; smaller segments are noise.
SMALLEST = 30
#: Bytes of segmented frames kept for the next measure.
KEPT_BYTES = 1 << 29


def segment_frame(image: npt.NDArray[Any]) -> Labels:
    """Segment a frame (Y, X): bright objects on dark ground, cut apart where they narrow."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter
    from skimage.feature import peak_local_max
    from skimage.filters import threshold_otsu
    from skimage.morphology import remove_small_objects
    from skimage.segmentation import watershed

    smooth = gaussian_filter(image.astype(np.float32), BLUR)
    if float(smooth.min()) == float(smooth.max()):
        return np.zeros(image.shape, np.int32)
    bright = remove_small_objects(smooth > threshold_otsu(smooth), max_size=SMALLEST - 1)
    depth = gaussian_filter(distance_transform_edt(bright), SEED_BLUR)
    seeds = np.zeros(image.shape, np.int32)
    for number, (y, x) in enumerate(peak_local_max(depth, min_distance=SEED_DISTANCE, labels=bright.astype(int)), 1):
        seeds[y, x] = number
    return np.asarray(watershed(-depth, seeds, mask=bright)).astype(np.int32)


@dataclass
class LinkedFrame:
    """One tracked frame, as `FrameResult`."""

    frame: int
    labels: Labels
    scores: dict[int, float] = field(default_factory=dict)
    ious: dict[int, float] = field(default_factory=dict)


class OtsuTracker:
    """`segment_frame` on each frame; a cell goes on as the segment that its mask overlaps most.

    Where several cells want one segment, the one with the largest overlap has it and the others are lost.

    Parameters
    ----------
    images
        (T, Y, X).
    segmented
        Segmented frames known already; filled as more are needed.
    """

    def __init__(self, images: Any, segmented: dict[int, npt.NDArray[np.uint16]] | None = None) -> None:
        self.images = images
        self.lifetimes: dict[int, tuple[int, int]] = {}
        shape = (len(images), int(images.shape[1]), int(images.shape[2]))
        self.labels = make_labels(shape)
        self.prompts = PromptBook(shape[0], shape[1:])
        self._segmented = {} if segmented is None else segmented
        self._corrected: dict[tuple[int, int], Mask] = {}
        self._done: dict[tuple[int, int, int], tuple[object, ...]] = {}

    def add_click(self, cell: int, frame: int, yx: Sequence[float], foreground: bool = True) -> None:
        """A click picks the segment under it, a later one adds one; a negative click takes one away."""
        if not foreground and (cell, frame) not in self.prompts:
            self._corrected[cell, frame] = read_frame(self.labels, frame) == cell
        self.prompts.add_clicks(cell, frame, [(float(yx[0]), float(yx[1]), foreground)])

    def add_box(self, cell: int, frame: int, box: Sequence[Sequence[float]]) -> None:
        """A box picks the segment that shares most with it."""
        (y, x), (y2, x2) = box
        self.prompts.add_box(cell, frame, ((y, x), (y2, x2)))

    def segment(self, frame: int, cells: Iterable[int] | None = None) -> Labels:
        """Label image of the cells prompted on a frame."""
        out = np.zeros(self.prompts.shape, np.int32)
        for cell in self.prompts.on_frame(frame) if cells is None else cells:
            out[self._picked(cell, frame)] = cell
        return out

    def track(
        self,
        direction: Direction = "both",
        frames: tuple[int, int] | None = None,
        cells: Iterable[int] | None = None,
        *,
        only_stale: bool = False,
    ) -> Iterator[LinkedFrame]:
        """Link segments from the prompts on; as `CellTracker.track`."""
        span = (0, self.prompts.frames) if frames is None else frames
        segments = plan(self.prompts, direction, span, cells, self.lifetimes)
        if only_stale:
            segments = [s for s in segments if self._done.get((s.cell, s.start, s.step)) != self._signature(s)]
        for step in (1, -1):
            part = [s for s in segments if s.step == step]
            yield from self._link(part, step)
            self._done.update({(s.cell, s.start, s.step): self._signature(s) for s in part})

    def _link(self, segments: list[Segment], step: int) -> Iterator[LinkedFrame]:
        if not segments:
            return
        ends = [t for s in segments for t in (s.start, s.last)]
        order = range(min(ends), max(ends) + 1)
        masks: dict[int, Mask] = {}
        for frame in order if step > 0 else reversed(order):
            running = [s.cell for s in segments if s.covers(frame)]
            starting = [s.cell for s in segments if s.start == frame]
            if not running and not starting:
                continue
            labels = read_frame(self.labels, frame)
            labels[np.isin(labels, running + starting)] = 0
            now = self._follow({cell: masks[cell] for cell in running if cell in masks}, frame, labels)
            now.update({cell: self._picked(cell, frame) for cell in starting})
            for cell, mask in now.items():
                labels[mask & (labels == 0)] = cell
            self.labels[frame] = labels
            masks = now
            found = {cell: float(cell in now and bool(now[cell].any())) for cell in running + starting}
            yield LinkedFrame(frame, labels, found, dict(found))

    def _follow(self, masks: dict[int, Mask], frame: int, taken: Labels) -> dict[int, Mask]:
        segments = self._segments(frame)
        wishes: list[tuple[int, int, int]] = []
        for cell, mask in masks.items():
            under = np.bincount(segments[mask])
            if under.size > 1:
                best = int(under[1:].argmax()) + 1
                wishes.append((int(under[best]), cell, best))
        owned = set(np.unique(segments[taken > 0]).tolist())
        found: dict[int, Mask] = {}
        for _, cell, best in sorted(wishes, reverse=True):
            if best not in owned:
                owned.add(best)
                found[cell] = segments == best
        return found

    def _picked(self, cell: int, frame: int) -> Mask:
        segments = self._segments(frame)
        mask = self._corrected.get((cell, frame), np.zeros(segments.shape, bool)).copy()
        for said in self.prompts[cell, frame].rounds:
            if said.box is not None:
                (y, x), (y2, x2) = said.box
                inside = segments[round(y) : round(y2) + 1, round(x) : round(x2) + 1]
                under = np.bincount(inside.ravel())
                if under.size > 1:
                    mask |= segments == int(under[1:].argmax()) + 1
            for y, x, foreground in said.clicks:
                number = segments[round(y), round(x)]
                if number:
                    mask = mask | (segments == number) if foreground else mask & (segments != number)
        return mask

    def _segments(self, frame: int) -> npt.NDArray[np.uint16]:
        if frame not in self._segmented:
            found = segment_frame(np.asarray(self.images[frame])).astype(np.uint16)
            while self._segmented and (len(self._segmented) + 1) * found.nbytes > KEPT_BYTES:
                del self._segmented[next(iter(self._segmented))]
            self._segmented[frame] = found
        return self._segmented[frame]

    def _signature(self, segment: Segment) -> tuple[object, ...]:
        return (segment, *(self.prompts[segment.cell, frame] for frame in segment.conditioning))
