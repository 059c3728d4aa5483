"""From clips to batches: which cells are prompted where, their windows, their true masks, all as plain tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_sam2.training.batch import Batch
from napari_sam2.training.clip import Clip
from napari_sam2.training.conventions import redraw
from napari_sam2.training.dense import dense_targets
from napari_sam2.training.prompts import CENTRE, FINE_STRIDE, MASK, SLOTS, draw_prompt

TOKEN = 16  # model px
SOFT = FINE_STRIDE * FINE_STRIDE  # target value of a fully covered stride-4 pixel
MIN_AREA = 40  # px a cell must show to be prompted
PRESENT_AREA = 16  # px a cell must show in its window to count as there
ORIGIN_JITTER = 1.2  # tokens, standard deviation
LEAVER_ODDS = 4.0  # how much likelier a cell is followed that is absent on some frame (they are rare)
LOST_JITTER = 0.06  # share of windows that are badly centred
REDRAWN_BY_MASK = 0.6  # share of redrawn cells of clips that are prompted by their mask; a click tells less


@dataclass(frozen=True)
class BatchPlan:
    """How much of what goes into a batch.

    Attributes
    ----------
    stills, still_cells : int
        Single frames, and cells prompted on each.
    clips, clip_cells : int
        Clips, and cells followed in each.
    frames : tuple of int
        Fewest and most frames of a clip.
    size : int
        Side of a field, model px; a multiple of 32.
    window : int
        Side of a cell's window, tokens.
    second_prompt : float
        Share of clips whose cells are prompted on a second frame too.
    reverse : float
        Share of clips played backward.
    redrawn : float
        Share of cells that are drawn after another convention than the truth's (`training.conventions`).
    prompt : str
        The only kind of prompt to use (see `napari_sam2.training.prompts.KINDS`); ``"centre"`` is a click at the most
        interior point in a window without jitter, for validation. Empty: all kinds.
    """

    stills: int = 4
    still_cells: int = 8
    clips: int = 1
    clip_cells: int = 8
    frames: tuple[int, int] = (3, 5)
    size: int = 320
    window: int = 16
    second_prompt: float = 0.2
    reverse: float = 0.3
    redrawn: float = 0.2
    prompt: str = ""


def window_origin(row: float, col: float, tokens: int, window: int) -> tuple[int, int]:
    """Token (row, col) of the window centred on a px position, clamped into a field of `tokens` tokens."""
    top, left = (round(v / TOKEN - window / 2) for v in (row, col))
    limit = max(0, tokens - window)
    return min(max(top, 0), limit), min(max(left, 0), limit)


def window_of(frame: np.ndarray, origin: tuple[int, int], window: int) -> np.ndarray:
    """View of a frame (H, W) in a window at `origin` tokens."""
    top, left = origin[0] * TOKEN, origin[1] * TOKEN
    return frame[top : top + window * TOKEN, left : left + window * TOKEN]


def soft_mask(mask: np.ndarray) -> np.ndarray:
    """Count set pixels in 4x4 blocks: (h, w) bool -> (h/4, w/4) uint8 of 0..16."""
    height, width = mask.shape
    blocks = mask.reshape(height // FINE_STRIDE, FINE_STRIDE, width // FINE_STRIDE, FINE_STRIDE)
    return blocks.sum((1, 3), dtype=np.uint8)


@dataclass
class _Row:
    image: int
    origin: tuple[int, int]
    target: np.ndarray
    points: np.ndarray
    labels: np.ndarray
    use_mask: bool
    redrawn: bool


@dataclass
class _Track:
    cell: int
    labels: np.ndarray  # (T, H, W) of its clip
    images: list[int]
    origins: list[tuple[int, int]]
    targets: list[np.ndarray]
    first: int
    prompt: str | None = None
    redrawn: bool = False
    second: int = -1
    second_frame: int = -1


class BatchBuilder:
    """Collects clips and stills, and makes one `Batch` of them."""

    def __init__(self, plan: BatchPlan, rng: np.random.Generator) -> None:
        self._plan = plan
        self._rng = rng
        self._tokens = plan.size // TOKEN
        self._images: list[np.ndarray] = []
        self._dense: list[np.ndarray] = []
        self._rows: list[_Row] = []
        self._tracks: list[_Track] = []

    def add_still(self, clip: Clip) -> None:
        """Add the first frame of a clip and prompt its cells."""
        image = self._add_frames(clip)
        for cell in self._choose(clip.labels[0], self._plan.still_cells):
            labels, redrawn = self._drawn(clip, cell)
            self._add_row(image, labels[0], cell, allow_mask=False, redrawn=redrawn)

    def add_clip(self, clip: Clip, second_frame: int = -1) -> None:
        """Follow cells of a clip's first frame; `second_frame` > 0 is prompted too, where a cell is visible."""
        first_image = self._add_frames(clip)
        length = len(clip.frames)
        lasting = set.intersection(*(set(np.unique(labels).tolist()) for labels in clip.labels))
        for cell in self._choose(clip.labels[0], self._plan.clip_cells, lasting):
            labels, redrawn = self._drawn(clip, cell)
            kind = MASK if redrawn and self._rng.random() < REDRAWN_BY_MASK else None
            row = self._add_row(first_image, labels[0], cell, kind=kind, redrawn=redrawn)
            if row is None:
                continue
            images = [first_image + t for t in range(length)]
            track = _Track(cell, labels, images, [], [], row, prompt=kind, redrawn=redrawn)
            track.origins.append(self._rows[row].origin)
            track.targets.append(self._rows[row].target)
            centre = _centre(labels[0], cell) or (0.0, 0.0)
            for t in range(1, length):
                # The window stands where the cell was on the frame before, as in tracking.
                track.origins.append(self._place(centre))
                window = window_of(labels[t], track.origins[t], self._plan.window)
                track.targets.append(soft_mask(window == cell))
                centre = _centre(labels[t], cell) or centre
            track.second_frame = second_frame
            self._tracks.append(track)

    def build(self) -> Batch:
        """Make the batch; second prompts become the last rows."""
        for track in self._tracks:
            if track.second_frame <= 0:
                continue
            t = track.second_frame
            row = self._add_row(track.images[t], track.labels[t], track.cell, kind=track.prompt, redrawn=track.redrawn)
            track.second, track.second_frame = (-1, -1) if row is None else (row, t)
            if row is not None:  # one window for this frame, that of its prompt
                track.origins[t], track.targets[t] = self._rows[row].origin, self._rows[row].target
        side = self._plan.window * TOKEN // FINE_STRIDE
        rows, tracks = self._rows, self._tracks
        length = len(tracks[0].images) if tracks else 1
        targets = _stack([np.stack(t.targets) for t in tracks], (length, side, side), np.uint8)
        return Batch(
            images=torch.from_numpy(np.stack(self._images)),
            dense=torch.from_numpy(np.stack(self._dense)),
            row_image=torch.tensor([r.image for r in rows], dtype=torch.long),
            row_origin=_stack([np.array(r.origin) for r in rows], (2,), np.int64),
            row_target=_stack([r.target for r in rows], (side, side), np.uint8),
            row_points=_stack([r.points for r in rows], (SLOTS, 2), np.float32),
            row_labels=_stack([r.labels for r in rows], (SLOTS,), np.int64),
            row_use_mask=torch.tensor([r.use_mask for r in rows], dtype=torch.bool),
            row_redrawn=torch.tensor([r.redrawn for r in rows], dtype=torch.bool),
            track_image=_stack([np.array(t.images) for t in tracks], (length,), np.int64),
            track_origin=_stack([np.array(t.origins) for t in tracks], (length, 2), np.int64),
            track_target=targets,
            track_present=targets.flatten(2).sum(2) >= PRESENT_AREA
            if tracks
            else torch.zeros(0, length, dtype=torch.bool),
            track_first=torch.tensor([t.first for t in tracks], dtype=torch.long),
            track_second=torch.tensor([t.second for t in tracks], dtype=torch.long),
            second_frame=torch.tensor([t.second_frame for t in tracks], dtype=torch.long),
        )

    def _add_frames(self, clip: Clip) -> int:
        first = len(self._images)
        for frame, labels in zip(clip.frames, clip.labels, strict=True):
            self._images.append(np.rint(frame * 255).astype(np.uint8))
            self._dense.append(dense_targets(np.abs(labels)))
        return first

    def _choose(self, labels: np.ndarray, count: int, lasting: set[int] | None = None) -> list[int]:
        """Draw cells of a frame; those that are not `lasting` through their clip are likelier."""
        areas = np.bincount(np.maximum(labels, 0).ravel())
        ids = np.flatnonzero(areas >= MIN_AREA)
        ids = ids[ids > 0]
        if not len(ids):
            return []
        odds = np.array([1.0 if lasting is None or int(i) in lasting else LEAVER_ODDS for i in ids])
        if self._plan.prompt:
            odds[:] = 1.0  # validation looks at cells as they come
        return [int(i) for i in self._rng.choice(ids, min(count, len(ids)), replace=False, p=odds / odds.sum())]

    def _place(self, centre: tuple[float, float]) -> tuple[int, int]:
        if self._plan.prompt == CENTRE:
            return window_origin(*centre, self._tokens, self._plan.window)
        spread = ORIGIN_JITTER * (3.0 if self._rng.random() < LOST_JITTER else 1.0) * TOKEN
        shift = self._rng.normal(0, spread, 2)
        return window_origin(centre[0] + shift[0], centre[1] + shift[1], self._tokens, self._plan.window)

    def _drawn(self, clip: Clip, cell: int) -> tuple[np.ndarray, bool]:
        """Labels (T, H, W) to teach a cell by, and whether they are drawn after another convention."""
        share = 0.0 if self._plan.prompt else self._plan.redrawn  # validation looks at cells as they are
        if share <= 0 or self._rng.random() >= share:
            return clip.labels, False
        labels = redraw(clip.frames, clip.labels, cell, self._rng)
        return (clip.labels, False) if labels is None else (labels, True)

    def _add_row(
        self,
        image: int,
        labels: np.ndarray,
        cell: int,
        allow_mask: bool = True,
        kind: str | None = None,
        redrawn: bool = False,
    ) -> int | None:
        """Prompt a cell on a frame; None if its window shows too little of it.

        A mask is its own answer and teaches only what is remembered of it, so on stills it would be wasted.
        """
        centre = _centre(labels, cell)
        if centre is None:
            return None
        origin = self._place(centre)
        window = window_of(labels, origin, self._plan.window)
        mask = window == cell
        if np.count_nonzero(mask) < MIN_AREA // 2:
            return None
        prompt = draw_prompt(window, cell, self._rng, self._plan.prompt or kind, allow_mask)
        self._rows.append(_Row(image, origin, soft_mask(mask), prompt.points, prompt.labels, prompt.use_mask, redrawn))
        return len(self._rows) - 1


def _stack(items: list[np.ndarray], shape: tuple[int, ...], dtype: type) -> Tensor:
    """Stack arrays, or an empty tensor of the right shape."""
    return torch.from_numpy(np.stack(items).astype(dtype) if items else np.zeros((0, *shape), dtype))


def _centre(labels: np.ndarray, cell: int) -> tuple[float, float] | None:
    rows, cols = np.nonzero(labels == cell)
    return (float(rows.mean()), float(cols.mean())) if rows.size else None
