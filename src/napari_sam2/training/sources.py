"""Clip sources on real images: stills that are set in motion, a real movie, and mixtures of sources."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_sam2.training.clip import Clip, ClipSource
from napari_sam2.training.intensity import vary_intensity
from napari_sam2.training.motion import animate
from napari_sam2.training.pack import Pack, Record
from napari_sam2.training.resample import halve, sample, view_grid

DIAMETERS = (16.0, 100.0)  # model px that a typical cell may have
TYPICAL_DIAMETERS = (24.0, 64.0)  # ... and has most of the time
TYPICAL_SHARE = 0.8
CANVAS_MARGIN = 32  # px around a clip from which cells drift in
MIN_FILL = 0.9  # share of a field's side that the image must at least cover
OFF_FIELD = 0.10  # share of clips with empty padding, as at the rim of a movie
OFF_FIELD_DEPTH = (8, 112)  # px
MAX_SKIP = 3  # frames of a movie between two frames of a clip


def draw_diameter(rng: np.random.Generator) -> float:
    """Draw the model px that the typical cell of a clip shall have, evenly over scales."""
    low, high = TYPICAL_DIAMETERS if rng.random() < TYPICAL_SHARE else DIAMETERS
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


class PackSource:
    """Clips from packed real images.

    Parameters
    ----------
    pack : Pack
    kinds : sequence of str
        Which kinds to use.
    validation : bool
        Use the held-out images, or all others.
    movies : bool
        Use the movies rather than the stills.
    """

    def __init__(self, pack: Pack, kinds: Sequence[str], validation: bool = False, movies: bool = False) -> None:
        self._pack = pack
        self._records = [
            r
            for r in pack.records
            if r.kind in kinds and r.validation == validation and (r.shape[0] > 1) == movies and r.diameter > 0
        ]
        if not self._records:
            raise ValueError(f"the pack has no {'movies' if movies else 'stills'} of kind {', '.join(kinds)}")

    def __len__(self) -> int:
        return len(self._records)

    def sample(self, rng: np.random.Generator, size: int, length: int) -> Clip:
        """Return a clip (see `ClipSource`); a negative label is a cell whose identity is not to be trusted."""
        record = self._records[rng.integers(len(self._records))]
        if record.shape[0] > 1:
            return self._movie_clip(record, rng, size, length)
        return self._still_clip(record, rng, size, length)

    def _still_clip(self, record: Record, rng: np.random.Generator, size: int, length: int) -> Clip:
        image, labels = self._pack.image(record)[0], self._pack.label(record)[0]
        canvas = size + (2 * CANVAS_MARGIN if length > 1 else 0)
        zoom = _zoom(record, rng, canvas)
        (view,), (mask,) = take_view(image[None], labels[None], rng, canvas, zoom)
        diameter = record.diameter * zoom
        if length > 1:
            frames, tracks = animate(view, mask, rng, length, size, diameter)
        else:
            frames, tracks = view[None], mask[None]
        return finish(frames, tracks, rng, record.kind)

    def _movie_clip(self, record: Record, rng: np.random.Generator, size: int, length: int) -> Clip:
        total = record.shape[0]
        if total < length:
            frames = to_and_fro(total, length, rng)
        else:
            skip = int(rng.integers(1, max(1, min(MAX_SKIP, (total - 1) // max(1, length - 1))) + 1))
            start = int(rng.integers(total - skip * (length - 1)))
            frames = np.arange(start, start + skip * (length - 1) + 1, skip)
        zoom = _zoom(record, rng, size)
        views, masks = take_view(self._pack.image(record)[frames], self._pack.label(record)[frames], rng, size, zoom)
        steps = record.clean[frames.min() : frames.max()]
        trusted = set.intersection(*(set(s) for s in steps)) if steps else set(np.unique(masks).tolist())
        keep = np.isin(masks, list(trusted))
        return finish(views, np.where(keep, masks, -masks), rng, record.kind)


class MixedSource:
    """Draws each clip from one of several sources.

    Parameters
    ----------
    sources : sequence of ClipSource
    weights : sequence of float
        Relative frequencies.
    """

    def __init__(self, sources: Sequence[ClipSource], weights: Sequence[float]) -> None:
        if len(sources) != len(weights) or not sources:
            raise ValueError(f"{len(sources)} sources need as many weights, got {len(weights)}")
        self._sources = list(sources)
        self._weights = np.asarray(weights, float) / np.sum(weights)

    def sample(self, rng: np.random.Generator, size: int, length: int) -> Clip:
        """Return a clip of one of the sources."""
        return self._sources[rng.choice(len(self._sources), p=self._weights)].sample(rng, size, length)


def to_and_fro(total: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """Frame numbers (length,) of a clip from a movie of fewer frames, played to its end, back, and so on."""
    turn = 2 * (total - 1)  # frames until it is where it was
    wave = (int(rng.integers(turn)) + np.arange(length)) % turn
    return np.where(wave < total, wave, turn - wave)


def take_view(
    images: np.ndarray, labels: np.ndarray, rng: np.random.Generator, size: int, zoom: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cut one random view, the same for all frames.

    Parameters
    ----------
    images, labels : (T, H, W)
    size : int
        Side of the view in px.
    zoom : float
        View px per image px.

    Returns
    -------
    views : (T, size, size) float32
    masks : (T, size, size) int32
    """
    shrunk = images.astype(np.float32)
    step = 1
    while zoom * step < 0.6:  # average before skipping pixels, or fine structure aliases
        shrunk = np.stack([halve(i) for i in shrunk])
        step *= 2
    rows, cols = view_grid(rng, images.shape[-2:], size, zoom, turn=bool(rng.random() < 0.5))
    offset = (step - 1) / 2
    views = sample(shrunk[None], (rows - offset) / step, (cols - offset) / step, "linear")[0]
    masks = sample(labels.astype(np.float32)[None], rows, cols, "nearest")[0].astype(np.int32)
    inside = (rows[0] >= 0) & (rows[0] <= images.shape[-2] - 1) & (cols[0] >= 0) & (cols[0] <= images.shape[-1] - 1)
    views[:, ~inside] = np.nan  # off the field: `finish` sets it to zero after scaling
    return views, masks


def finish(frames: np.ndarray, labels: np.ndarray, rng: np.random.Generator, kind: str) -> Clip:
    """Vary the intensity, empty what lies off the field (NaN, and sometimes a strip), and make the clip."""
    off = np.isnan(frames)
    if off.any():
        frames = np.where(off, np.nanmedian(frames[:, ::4, ::4]) if not off.all() else 0.0, frames)
    out = vary_intensity(frames.astype(np.float32, copy=False), rng)
    if rng.random() < OFF_FIELD:
        for _ in range(int(rng.integers(1, 3))):
            depth = int(rng.integers(*OFF_FIELD_DEPTH))
            side = (slice(None), slice(0, depth)) if rng.random() < 0.5 else (slice(None), slice(-depth, None))
            strip = side if rng.random() < 0.5 else (slice(None), slice(None), side[1])
            off[strip] = True
    out[off] = 0
    return Clip(out, np.where(off, 0, labels).astype(np.int32, copy=False), {}, kind)


def _zoom(record: Record, rng: np.random.Generator, size: int) -> float:
    """Zoom that gives the drawn diameter, but leaves no field mostly empty."""
    zoom = draw_diameter(rng) / record.diameter
    return max(zoom, MIN_FILL * size / min(record.shape[1:]))
