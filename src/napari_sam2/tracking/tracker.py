"""`CellTracker`: movie and prompts in, masklets out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_sam2.tracking import start
from napari_sam2.tracking.done import Before, Done
from napari_sam2.tracking.engine import Engine
from napari_sam2.tracking.estimate import Estimate, estimate
from napari_sam2.tracking.features import DEFAULT_BUDGET, FeatureSource
from napari_sam2.tracking.labels import check_labels, make_labels, read_frame
from napari_sam2.tracking.masks import join_masks
from napari_sam2.tracking.movie import Movie
from napari_sam2.tracking.parking import Parking
from napari_sam2.tracking.plan import Direction, Segment, plan
from napari_sam2.tracking.prompts import FramePrompts, MaskCrop, PromptBook
from napari_sam2.tracking.propagate import run_pass
from napari_sam2.tracking.reference import ReferenceRun
from napari_sam2.tracking.results import Found, FrameResult, merge
from napari_sam2.tracking.said import Said
from napari_sam2.tracking.scales import Scales
from napari_sam2.tracking.settings import EXACT, REFERENCE, Settings

if TYPE_CHECKING:
    from napari_sam2.network import Sam2

LabelImage = npt.NDArray[np.int32]
Mode = Literal["auto", "windows", "exact", "reference"]


class CellTracker(Said):
    """Segment and track cells in a 2D time-lapse movie from clicks, boxes and masks.

    Parameters
    ----------
    movie
        Array (T, Y, X) or (T, C, Y, X) of any kind (numpy, dask, zarr, ...), or a `Movie`. Frames are read when needed.
    model
        Name of a model (``"cell"``, ``"sam2.1-tiny"``, ...), path to a checkpoint, or a loaded network.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``.
    dtype
        Precision of the network, ``"float32"``, ``"bfloat16"`` or ``"float16"``; None chooses by device and processor.
    limits
        Intensities (low, high) that become black and white, for the whole movie; percentiles when None.
    cell_diameter
        Typical diameter of a cell in pixels; taken from the prompts when None.
    mode
        ``"windows"``: each cell sees a window around itself, at the scale that suits its size. ``"exact"``: each cell
        sees the whole frame, as published. ``"reference"``: the published tracker to the letter, for comparisons.
        ``"auto"`` takes windows for the bundled model, which was trained on them, and exact for the published ones.
    labels
        Array (T, Y, X) that the masklets are written to (numpy or zarr, int32); made when None. Labels that are already
        in it are kept where no tracked cell wins their pixels.
    locked
        Function from a frame number to the set of cells whose pixels on it must not change.
    settings
        Overrides of the tracking settings.
    cache_bytes
        Bytes of features kept for frames seen before.
    cache_folder
        Folder in which features are kept for the next time this movie is opened; None keeps them in memory only.

    Attributes
    ----------
    model
        The network as it was loaded.
    network
        What computes: the model itself, or a copy of it that is laid out for speed.
    prompts
        Everything that was said about the cells.

    Examples
    --------
    >>> tracker = CellTracker(movie)
    >>> tracker.add_click(cell=1, frame=0, yx=(120.0, 84.5))
    >>> for result in tracker.track(direction="forward"):
    ...     print(result.frame, result.scores)
    0 {1: ...}
    1 {1: ...}
    2 {1: ...}
    """

    def __init__(
        self,
        movie: Any,
        model: str | os.PathLike[str] | Sam2 = "cell",
        *,
        device: str = "auto",
        dtype: str | None = None,
        limits: Sequence[float] | Sequence[Sequence[float]] | None = None,
        cell_diameter: float | None = None,
        mode: Mode = "auto",
        labels: Any = None,
        locked: Callable[[int], Iterable[int]] | None = None,
        settings: Settings | None = None,
        cache_bytes: int = DEFAULT_BUDGET,
        cache_folder: str | os.PathLike[str] | None = None,
    ) -> None:
        self.movie = movie if isinstance(movie, Movie) else Movie(movie, limits=limits)
        diameter = None if cell_diameter is None else start.check_diameter(cell_diameter)
        self.model = start.load(model, device, dtype)
        self.mode = start.resolve_mode(mode, self.model)
        self.settings = settings or {"windows": Settings(), "exact": EXACT, "reference": REFERENCE}[self.mode]
        self.prompts = PromptBook(self.movie.n_frames, self.movie.frame_shape)
        shape = (self.movie.n_frames, *self.movie.frame_shape)
        self.labels = make_labels(shape) if labels is None else check_labels(labels, shape)
        #: (first, last) frame of cells that are known to be born, to divide or to leave; they are not tracked beyond.
        self.lifetimes: dict[int, tuple[int, int]] = {}
        self._locked = locked
        disk = None if cache_folder is None else start.disk_cache(cache_folder, self.movie, self.model)
        chosen = dtype is None and isinstance(model, (str, os.PathLike))
        self.network = start.for_inference(self.model, choose_precision=chosen)
        self._features = FeatureSource(self.network, self.movie, cache_bytes, disk)
        self._engine = Engine(self.network, self._features, self.settings)
        native = self.model.config.image_size if start.has_native_size(self.model) else None
        self._scales = Scales(self._engine, self.prompts, diameter, native)
        self._reference: ReferenceRun | None = None
        self._done = Done()
        self._parking = Parking(self._signature_at_start)

    # results ------------------------------------------------------------------------------------------------------

    def segment(self, frame: int, cells: Iterable[int] | None = None) -> LabelImage:
        """Segment the cells prompted on a frame, without tracking and without changing `labels`.

        Returns
        -------
        ndarray
            (Y, X) int32 label image of these cells.
        """
        self.prompts.check_frame(frame)
        asked = None if cells is None else set(cells)
        wanted = [c for c in self.prompts.on_frame(frame) if asked is None or c in asked]
        empty = np.zeros(self.movie.frame_shape, np.int32)
        if not wanted:
            return empty
        found = []
        for anchors, group in self._scales.group(wanted):
            masks = join_masks([anchor.masks for anchor in anchors.get([(cell, frame) for cell in group])])
            said = {cell: self.prompts[cell, frame] for cell in group}
            found.append(Found(anchors.geometry, group, masks, said))
        return merge(frame, found, empty, clean=self.settings.tidy).labels

    def track(
        self,
        direction: Direction = "both",
        frames: tuple[int, int] | None = None,
        cells: Iterable[int] | None = None,
        *,
        only_stale: bool = False,
    ) -> Iterator[FrameResult]:
        """Track cells from their prompts; yields each frame as it is done, and writes it to `labels` before that.

        Parameters
        ----------
        direction
            ``"forward"`` from each cell's first prompt, ``"backward"`` from its last, ``"both"`` over all frames:
            then the frames between two prompts are tracked from the nearer one.
        frames
            (first, one past the last) frame wanted; the whole movie when None.
        cells
            Cells wanted; all that have prompts when None.
        only_stale
            Run only the stretches whose prompts, or those of whom they gave way to, have changed since.

        Notes
        -----
        Closing the generator keeps all finished frames. Other cells' pixels change only where a tracked cell's logits
        win.
        """
        span = (0, self.movie.n_frames) if frames is None else (int(frames[0]), int(frames[1]))
        segments = plan(self.prompts, direction, span, cells, self.lifetimes)
        if self.settings.reference:
            return self._track_reference(direction, span)
        if only_stale:
            segments = self._done.missing(segments, self._signature, self.prompts)
        return self.track_segments(segments, span, before=self._done.before(segments, self.prompts))

    def track_segments(
        self,
        segments: list[Segment],
        span: tuple[int, int],
        held: Callable[[int], Iterable[int]] = lambda frame: (),
        before: Before | None = None,
    ) -> Iterator[FrameResult]:
        """Track segments that the caller has chosen (`tracking.plan`), as `track` does.

        Parameters
        ----------
        segments
            What to track.
        span
            (first, one past the last) frame to be written.
        held
            Function from a frame number to tracked cells that are not to be written on it, because they are as they
            should be there. Unlike locked ones, they can lose pixels to others.
        before
            What is known of the labels as they are.
        """
        written: dict[int, frozenset[int]] = {}
        displaced: dict[int, Set[tuple[int, int]]] = {}
        groups = self._scales.group(sorted({s.cell for s in segments}))
        for step in (1, -1):
            part = [s for s in segments if s.step == step]
            trails = [(anchors, [s for s in part if s.cell in set(cells)]) for anchors, cells in groups]
            # what a cell remembers depends on others where neighbours count
            parking = None if self.settings.neighbours else self._parking
            later = [s for s in segments if step > 0 > s.step]
            begun = self._done.begin(part, self._signature, self.prompts)
            found = run_pass(trails, span, self._read, self._locks, written, held, parking, displaced, later, before)
            with self._features.pixels.reading(), closing(found) as results:
                for result in results:
                    self.labels[result.frame] = result.labels
                    if result.prompted:  # nothing that grows with the movie for frames that nobody prompted
                        written[result.frame] = result.prompted
                    self._done.gave_way(begun, result.frame, result.gave_way)
                    yield result
            self._done.end(begun)

    def estimate(
        self,
        direction: Direction = "both",
        frames: tuple[int, int] | None = None,
        cells: Iterable[int] | None = None,
    ) -> Estimate:
        """Estimate time and memory of `track` with the same arguments, by tracking a few cells for one frame."""
        span = (0, self.movie.n_frames) if frames is None else (int(frames[0]), int(frames[1]))
        segments = plan(self.prompts, direction, span, cells, self.lifetimes)
        groups = self._scales.group(sorted({s.cell for s in segments}))
        parts = [(a, [s for s in segments if s.cell in set(own)]) for a, own in groups]
        with self._features.pixels.reading():
            return estimate(parts, self.movie.n_frames)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False, **options: Any) -> None:
        """Write what was tracked; the suffix says the format.

        Parameters
        ----------
        path
            ``.ome.zarr``, ``.tif``, ``.ome.tif``, a folder without a suffix (Cell Tracking Challenge), ``.geff``,
            ``.xml`` (TrackMate), ``.csv`` (tracks), ``.measurements.csv``, ``.mp4`` and more: `export.export`.
        overwrite
            Replace what is there.
        options
            As for `export.export`: ``cells``, ``progress``, ``known`` (scale, units, parents), ...
        """
        from napari_sam2.export import export

        export(self, path, overwrite=overwrite, **options)

    # scale --------------------------------------------------------------------------------------------------------

    @property
    def cell_diameter(self) -> float:
        """Typical diameter of a cell in pixels: given, or taken from the prompts when first needed, and then fixed."""
        return self._scales.cell_diameter

    @cell_diameter.setter
    def cell_diameter(self, value: float) -> None:
        self._scales.cell_diameter = start.check_diameter(value)

    def level(self, cell: int) -> int:
        """Octaves between a cell's size and the typical one: cells of one level are tracked in the same field."""
        return self._scales.level(cell)

    # inside -------------------------------------------------------------------------------------------------------

    def _signature(self, segment: Segment) -> tuple[object, ...]:
        """Everything that a segment's masks depend on besides movie and model."""
        said: list[FramePrompts] = [self.prompts[segment.cell, frame] for frame in segment.conditioning]
        return (segment, *said, self._scales.known_diameter, self._scales.level(segment.cell))

    def _signature_at_start(self, segment: Segment) -> tuple[object, ...]:
        return self._signature(replace(segment, last=segment.start))

    def _read(self, frame: int) -> LabelImage:
        return read_frame(self.labels, frame)

    def _locks(self, frame: int) -> frozenset[int]:
        return frozenset() if self._locked is None else frozenset(self._locked(frame))

    def _tracked(self, cell: int, frame: int) -> MaskCrop | None:
        """The mask that tracking left of a cell on a frame, which a correction starts from."""
        if self.settings.reference or (cell, frame) in self.prompts:
            return None
        mask = MaskCrop.of(self._read(frame) == cell)
        return mask if mask.area else None

    def _track_reference(self, direction: Direction, span: tuple[int, int]) -> Iterator[FrameResult]:
        if self._reference is None:
            self._reference = ReferenceRun(self._engine, self._scales.geometry(), self.prompts)
        for result in self._reference.results(direction, span, self._read, self._locks):
            self.labels[result.frame] = result.labels
            yield result
