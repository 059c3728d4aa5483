"""Turn one labelled still into a clip: every cell moves, turns and deforms by itself over a filled-in background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from napari_sam2.training.resample import sample, smooth_noise

FEATHER = 3  # px over which a pasted cell fades into its surroundings (halos and blur go along)
VANISH = 0.12  # share of cells that are absent for a while
DIVIDE = 0.08  # share of cells that are replaced by two daughters
DAUGHTER_SIZES = (0.62, 0.8)  # of the mother's, in length
DAUGHTER_GAPS = (0.45, 0.75)  # from the mother's middle to a daughter's, in radii of the mother
DAUGHTERS_PART = 0.12  # ... and so much more each frame
MAX_PATCH = 160  # px; larger cells move with the warp only
NOISE_WINDOW = 16


@dataclass(frozen=True)
class Motion:
    """How lively a clip is; lengths in cell diameters, angles in radians, all per frame."""

    step: float = 0.15
    turn: float = 0.15
    shear: float = 0.05
    drift: float = 0.03
    warp: float = 0.06


def random_motion(rng: np.random.Generator) -> Motion:
    """Draw how lively a clip is, from nearly still to quick."""
    pace = rng.choice((0.3, 1.0, 2.0), p=(0.35, 0.45, 0.2)) * rng.uniform(0.5, 1.5)
    return Motion(step=0.13 * pace, turn=0.15 * pace, shear=0.05 * pace, drift=0.05 * pace, warp=0.06 * pace)


def animate(
    image: np.ndarray, labels: np.ndarray, rng: np.random.Generator, length: int, size: int, diameter: float
) -> tuple[np.ndarray, np.ndarray]:
    """Make a clip from a still.

    Parameters
    ----------
    image, labels : (K, K) float32 and int32
        The still on a canvas larger than `size` (what drifts in must come from somewhere); NaN is off the field.
    length : int
        Number of frames.
    size : int
        Side of the clip in px.
    diameter : float
        Typical cell diameter in px, the unit of motion.

    Returns
    -------
    frames : (T, size, size) float32
    labels : (T, size, size) int32
        Ids are those of the still, in every frame; daughters of a division get new ones.
    """
    motion = random_motion(rng)
    canvas = image.shape[-1]
    off = np.isnan(image)
    if off.any():
        image = np.where(off, np.nanmedian(image[::3, ::3]), image)
    if rng.random() < 0.75:
        frames, tracks = _move_cells(image, labels, rng, length, diameter, motion)
    else:
        frames, tracks = np.repeat(image[None], length, 0), np.repeat(labels[None], length, 0)
        # Without cutting cells out, neighbours still move against each other by a warp as fine as a cell.
        motion = Motion(0, 0, 0, motion.drift, motion.warp * 2)
    # One warp for the whole field, growing from frame to frame (a random walk of smooth fields), and a drift.
    fields = smooth_noise(rng, 2 * length, size, diameter * rng.uniform(1.2, 4)).reshape(2, length, size, size)
    fields[:, 0] *= 0.3
    warp = np.cumsum(fields, axis=1) * np.float32(motion.warp * diameter)
    walk = rng.normal(0, 1, (length, 2)) + rng.normal(0, 1, 2)
    drift = np.cumsum(walk * motion.drift * diameter, axis=0)
    limit = (canvas - size) / 2
    drift = np.clip(drift - drift[0], -limit, limit)
    if rng.random() < 0.06 and length > 1:  # the stage jumps
        drift[rng.integers(1, length) :] += rng.normal(0, 0.4 * diameter, 2)
    axis = np.arange(size, dtype=np.float32) + np.float32(limit)
    rows = axis[None, :, None] + warp[0] + drift[:, :1, None].astype(np.float32)
    cols = axis[None, None, :] + warp[1] + drift[:, 1:, None].astype(np.float32)
    out = sample(frames[:, None], rows, cols, "linear")[:, 0]
    moved = sample(tracks[:, None], rows, cols, "nearest")[:, 0].astype(np.int32)
    if off.any():
        out[sample(off[None, None], rows, cols, "nearest")[:, 0] > 0] = np.nan
    return out, moved


def fill_background(image: np.ndarray, cells: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Replace cells by what surrounds them (coarse-to-fine averages of the background), with its grain.

    Parameters
    ----------
    image : (K, K) float32
    cells : (K, K) bool
        What to replace.

    Returns
    -------
    (K, K) float32
    """
    known = torch.from_numpy((~cells).astype(np.float32))[None, None]
    values = torch.from_numpy(image)[None, None] * known
    levels = [(values, known)]
    while levels[-1][0].shape[-1] >= 4:
        v, k = levels[-1]
        levels.append((F.avg_pool2d(v, 2, ceil_mode=True), F.avg_pool2d(k, 2, ceil_mode=True)))
    v, k = levels[-1]
    filled = v.sum() / k.sum().clamp(min=1e-6) * torch.ones_like(v)
    for v, k in reversed(levels):
        up = F.interpolate(filled, size=v.shape[-2:], mode="bilinear", align_corners=False)
        filled = torch.where(k > 0, (v + up * 0.05 * (k < 1)) / (k + 0.05 * (k < 1)).clamp(min=1e-6), up)
    out = filled[0, 0].numpy()
    background = image[~cells]
    if background.size > NOISE_WINDOW:
        grain = np.median(np.abs(np.diff(background[: 1 << 15]))) / 0.95
        out = out + (rng.standard_normal(out.shape, dtype=np.float32) * np.float32(grain)) * cells
    return out.astype(np.float32, copy=False)


def _move_cells(
    image: np.ndarray, labels: np.ndarray, rng: np.random.Generator, length: int, diameter: float, motion: Motion
) -> tuple[np.ndarray, np.ndarray]:
    """Cut movable cells out and paste moved copies frame by frame; returns frames and labels (T, K, K)."""
    boxes = ndimage.find_objects(labels)
    ids, centres, reach = [], [], 0
    for index, box in enumerate(boxes):
        if box is None:
            continue
        tall, wide = box[0].stop - box[0].start, box[1].stop - box[1].start
        if max(tall, wide) + 4 * FEATHER > MAX_PATCH:
            continue
        ids.append(index + 1)
        centres.append(((box[0].start + box[0].stop - 1) / 2, (box[1].start + box[1].stop - 1) / 2))
        reach = max(reach, tall, wide)
    frames, tracks = np.repeat(image[None], length, 0), np.repeat(labels[None], length, 0)
    if not ids:
        return frames, tracks
    movable = np.isin(labels, ids)
    grown = ndimage.binary_dilation(movable, iterations=FEATHER) & ((labels == 0) | movable)
    empty = fill_background(image, grown, rng)
    frames[:] = empty
    tracks[:] = np.where(movable, 0, labels)
    side = int(reach * 1.25) + 4 * FEATHER
    side += side % 2
    count = len(ids)
    centre = np.asarray(centres)
    # Persistent random walks in place, angle and shape; frame 0 is the still itself.
    persistence = rng.uniform(0.2, 0.9)
    speed = rng.normal(0, 1, (count, 1, 2)) * persistence + rng.normal(0, 1, (count, length, 2)) * (1 - persistence)
    if rng.random() < 0.3:
        speed *= np.exp(rng.normal(0, 0.7, (count, 1, 1)))  # some run, some rest
    place = np.cumsum(speed * motion.step * diameter, axis=1)
    angle = np.cumsum(rng.normal(0, motion.turn, (count, length)), axis=1)
    shape = np.cumsum(rng.normal(0, motion.shear, (count, length, 2, 2)), axis=1)
    for walk in (place, angle, shape):
        walk -= walk[:, :1]
    gone = np.zeros((count, length), bool)
    if length > 2:
        for cell in np.flatnonzero(rng.random(count) < VANISH):
            start = rng.integers(1, length)
            gone[cell, start : start + rng.integers(1, length)] = True
    patches, alphas, masks, corners = _cut(image, labels, centre, ids, side)
    scale = np.ones(count)
    if length > 2:
        mothers = np.flatnonzero((rng.random(count) < DIVIDE) & ~gone.any(1))
        births = rng.integers(1, length, len(mothers))
        pairs = np.repeat(mothers, 2)
        radius = np.sqrt(masks[mothers].sum((1, 2)) / np.pi)
        place = np.concatenate((place, place[pairs] + _part(rng, births, radius, length)))
        angle, shape, centre, patches, alphas, masks = (
            np.concatenate((a, a[pairs])) for a in (angle, shape, centre, patches, alphas, masks)
        )
        scale = np.concatenate((scale, rng.uniform(*DAUGHTER_SIZES, len(pairs))))
        born = np.arange(length) >= births[:, None]
        gone[mothers] = born
        gone = np.concatenate((gone, np.repeat(~born, 2, 0)))
        ids += range(int(labels.max()) + 1, int(labels.max()) + 1 + len(pairs))
        count = len(ids)
    moved = _warp_patches(patches, alphas, masks, angle, shape, place, scale)
    order = rng.permutation(count)
    canvas = image.shape[0]
    fraction = np.rint(place + centre[:, None] - side / 2 + 0.5)  # whole px; the rest went into the warp
    for t in range(length):
        for cell in order:
            if gone[cell, t]:
                continue
            top, left = (int(v) for v in fraction[cell, t])
            r0, c0, r1, c1 = max(0, top), max(0, left), min(canvas, top + side), min(canvas, left + side)
            if r0 >= r1 or c0 >= c1:
                continue
            patch = moved[cell, t, :, r0 - top : r1 - top, c0 - left : c1 - left]
            view = frames[t, r0:r1, c0:c1]
            view += patch[1] * (patch[0] - view)
            tracks[t, r0:r1, c0:c1][patch[2] > 0.5] = ids[cell]
    return frames, tracks


def _part(rng: np.random.Generator, births: np.ndarray, radius: np.ndarray, length: int) -> np.ndarray:
    """Way of daughters from where their mother would be, (2 D, T, 2): apart along a random axis, further each frame."""
    axis = rng.uniform(0, 2 * np.pi, len(births))
    ahead = np.stack((np.sin(axis), np.cos(axis)), -1)
    age = np.maximum(np.arange(length) - births[:, None], 0)
    gap = (rng.uniform(*DAUGHTER_GAPS, (len(births), 1)) + DAUGHTERS_PART * age) * radius[:, None]
    way = gap[..., None] * ahead[:, None]
    return np.stack((way, -way), 1).reshape(-1, length, 2)


def _cut(
    image: np.ndarray, labels: np.ndarray, centre: np.ndarray, ids: list[int], side: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Patches around cells: pixels, soft alpha, masks (N, side, side), and the patches' exact centres (N, 2)."""
    pad = side
    wide_image, wide_labels = np.pad(image, pad, mode="edge"), np.pad(labels, pad)
    # The patch's middle lies between pixels side/2 - 1 and side/2.
    corner = np.rint(centre - side / 2 + 0.5).astype(int) + pad
    rows = corner[:, 0, None, None] + np.arange(side)[None, :, None]
    cols = corner[:, 1, None, None] + np.arange(side)[None, None, :]
    own = wide_labels[rows, cols]
    masks = (own == np.asarray(ids)[:, None, None]).astype(np.float32)
    soft = F.avg_pool2d(F.max_pool2d(torch.from_numpy(masks)[:, None], 3, 1, 1), 2 * FEATHER - 1, 1, FEATHER - 1)[
        :, 0
    ].numpy()
    alphas = np.maximum(masks, soft)
    # A neighbour's pixels do not belong to this cell's halo.
    alphas[(own > 0) & (masks == 0)] = 0
    return wide_image[rows, cols], alphas, masks, corner - pad + (side - 1) / 2


def _warp_patches(
    patches: np.ndarray,
    alphas: np.ndarray,
    masks: np.ndarray,
    angle: np.ndarray,
    shape: np.ndarray,
    place: np.ndarray,
    scale: np.ndarray,
) -> np.ndarray:
    """Rotate, shear and scale patches (N, s, s) for every frame; returns (N, T, 3, s, s): pixels, alpha, mask."""
    count, length = angle.shape
    side = patches.shape[-1]
    planes = np.repeat(np.stack((patches, alphas, masks), 1)[:, None], length, 1).reshape(-1, 3, side, side)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.stack((np.stack((cos, -sin), -1), np.stack((sin, cos), -1)), -2)  # (N, T, 2, 2)
    linear = turn @ (np.eye(2) + np.clip(shape, -0.35, 0.35)) / scale[:, None, None, None]
    matrix = linear.reshape(-1, 2, 2).astype(np.float32)
    axis = np.arange(side, dtype=np.float32) - (side - 1) / 2
    y, x = axis[None, :, None], axis[None, None, :]
    rows = matrix[:, 0, 0, None, None] * y + matrix[:, 0, 1, None, None] * x + (side - 1) / 2
    cols = matrix[:, 1, 0, None, None] * y + matrix[:, 1, 1, None, None] * x + (side - 1) / 2
    return sample(planes, rows, cols, "linear").reshape(count, length, 3, side, side)
