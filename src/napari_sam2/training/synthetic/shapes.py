"""Cell outlines: star-shaped harmonic contours and bending rods, rasterised in their own bounding boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

N_ANGLES = 1024
"""Entries of a contour table."""
_TIP_ROUNDING = np.float32(0.06)  # radians
_MOST_BENT = 0.18  # sag of a rod over its half length
_BOX_STEP = 8  # every so many entries serve to find the bounding box; the pad covers what lies between
N_HARMONICS = 9
"""Harmonics 2..10 of a contour (the first one only moves the centre)."""


def _directions() -> tuple[F32, F32]:
    """Unit vectors of the table entries, which are equally spaced in the *diamond* angle (no arctangent needed)."""
    p = (np.arange(N_ANGLES, dtype=np.float64) + 0.5) * (4.0 / N_ANGLES)
    x = np.where(p <= 2, 1 - p, p - 3)
    y = np.where(p <= 2, 1 - np.abs(x), np.abs(x) - 1)
    norm = np.hypot(x, y)
    return (x / norm).astype(np.float32), (y / norm).astype(np.float32)


COS, SIN = _directions()
THETA = np.arctan2(SIN, COS)
_ORDERS = np.arange(2, 2 + N_HARMONICS, dtype=np.float32)[:, None]
_BASIS = np.concatenate([np.cos(_ORDERS * THETA), np.sin(_ORDERS * THETA)]).astype(np.float32)
# Weights that turn a sum over table entries into an integral over the angle.
_STEP = np.diff(np.unwrap(np.append(THETA, THETA[0] + 2 * np.pi))).astype(np.float32)
_DTHETA = (np.abs(np.diff(np.unwrap(np.append(THETA, THETA[0] + 2 * np.pi)))) / (2 * np.pi)).astype(np.float32)


@dataclass
class Patch:
    """A cell's bounding box on the image and its coordinates there; arrays are (h, w) float32.

    Attributes
    ----------
    rows, cols : slice
        Where the patch lies in the frame.
    rho : ndarray
        Normalised radius: 0 at the centre (or on a rod's axis), 1 on the contour.
    edge : ndarray
        Distance to the contour in px, positive inside; exact enough near the contour.
    u, v : ndarray
        px along and across the cell's long axis; they move and turn with the cell, so texture sticks to it.
    """

    rows: slice
    cols: slice
    rho: F32
    edge: F32
    u: F32
    v: F32

    @property
    def window(self) -> tuple[slice, slice]:
        """Index of the patch in a (Y, X) frame."""
        return self.rows, self.cols


def contour_table(coefficients: F32, tips: F32 | None = None, roundness: float = 0.0) -> F32:
    """Radius over direction, scaled so that the enclosed area is pi.

    Parameters
    ----------
    coefficients : ndarray, (2 * N_HARMONICS,) float32
        Cosine amplitudes of the harmonics 2.., then the sine amplitudes.
    tips : ndarray, (n, 3) float32, optional
        Protrusions: direction (radians), height, sharpness (larger is narrower). They end in a point and have hollow
        flanks, as membrane that is pulled out between two places where the cell holds on.
    roundness : float
        1 makes a circle, whatever the rest says.

    Returns
    -------
    ndarray, (N_ANGLES,) float32
    """
    keep = np.float32(1.0 - roundness)
    table = 1.0 + (keep * coefficients) @ _BASIS
    if tips is not None and len(tips):
        apart = 2 * np.sin(0.5 * (THETA[None] - tips[:, 0:1]))
        bumps = np.exp(-tips[:, 2:3] * (np.sqrt(apart * apart + _TIP_ROUNDING**2) - _TIP_ROUNDING))
        table = table + (keep * tips[:, 1]) @ bumps
    np.maximum(table, 0.15, out=table)
    return (table / np.sqrt(np.sum(table * table * _DTHETA))).astype(np.float32)


def _box(
    y: float, x: float, half_y: tuple[float, float], half_x: tuple[float, float], shape: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Clip a box around (y, x) to the frame; None when nothing is left."""
    y0, y1 = max(0, int(np.floor(y + half_y[0]))), min(shape[0], int(np.ceil(y + half_y[1])) + 1)
    x0, x1 = max(0, int(np.floor(x + half_x[0]))), min(shape[1], int(np.ceil(x + half_x[1])) + 1)
    return (y0, y1, x0, x1) if y1 > y0 and x1 > x0 else None


def _local(box: tuple[int, int, int, int], y: float, x: float, angle: float) -> tuple[F32, F32]:
    """Coordinates (u along, v across) of a box's pixels in the frame of a cell."""
    y0, y1, x0, x1 = box
    dy = np.arange(y0 - y, y1 - y - 0.5, dtype=np.float32)[:, None]
    dx = np.arange(x0 - x, x1 - x - 0.5, dtype=np.float32)[None, :]
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return dx * c + dy * s, dy * c - dx * s


def star_patch(
    shape: tuple[int, int],
    y: float,
    x: float,
    radius: float,
    angle: float,
    elongation: float,
    bend: float,
    table: F32,
    reach: float = 1.0,
    pad: float = 2.0,
) -> Patch | None:
    """Rasterise a star-shaped contour, stretched, bent and turned.

    Parameters
    ----------
    shape : tuple of int
        (Y, X) of the frame.
    y, x : float
        Centre in px.
    radius : float
        Radius in px of the circle of the same area.
    angle : float
        Direction of the long axis, radians from +x towards +y.
    elongation : float
        Long over short axis.
    bend : float
        Sag of the long axis at its ends, in units of the short half-axis.
    table : ndarray, (N_ANGLES,) float32
        From :func:`contour_table`.
    reach : float
        How far out, in units of the contour, the patch goes.
    pad : float
        Extra px around the contour.

    Returns
    -------
    Patch or None
        None when the cell lies outside the frame.
    """
    stretch = float(np.sqrt(elongation))
    along, across = radius * stretch, radius / stretch
    sag = bend * across / (along * along)
    # The box comes from the true contour, so that long thin cells do not pay for a big square.
    coarse = table[::_BOX_STEP] * np.float32(reach)
    contour_u = along * coarse * COS[::_BOX_STEP]
    contour_v = across * coarse * SIN[::_BOX_STEP] + sag * contour_u * contour_u
    c, s = float(np.cos(angle)), float(np.sin(angle))
    py, px = contour_u * s + contour_v * c, contour_u * c - contour_v * s
    box = _box(
        y, x, (float(py.min()) - pad, float(py.max()) + pad), (float(px.min()) - pad, float(px.max()) + pad), shape
    )
    if box is None:
        return None
    u, v = _local(box, y, x, angle)
    if sag:
        v = v - np.float32(sag) * u * u
    a, b = u * np.float32(1.0 / along), v * np.float32(1.0 / across)
    absolute = np.abs(a) + np.abs(b) + np.float32(1e-6)
    q = a / absolute
    index = (np.where(b >= 0, 1 - q, 3 + q) * np.float32(N_ANGLES / 4)).astype(np.int32)
    limit = table[np.minimum(index, N_ANGLES - 1, out=index)]
    s_norm = np.sqrt(a * a + b * b)
    rho = s_norm / limit
    slope = np.sqrt((a / np.float32(along)) ** 2 + (b / np.float32(across)) ** 2) + np.float32(1e-6)
    # Where the radius changes quickly with the angle, the contour is nearer than straight outwards.
    change = np.diff(table, append=table[:1]) / _STEP / table
    edge = (1 - rho) * limit * s_norm / slope / np.sqrt(1 + change * change)[index]
    # At the very centre the quotient is 0/0: it is the inside.
    edge[s_norm < 0.05] = across
    return Patch(slice(box[0], box[1]), slice(box[2], box[3]), rho, edge, u, v)


def rod_patch(
    shape: tuple[int, int],
    y: float,
    x: float,
    half_length: float,
    half_width: float,
    angle: float,
    bend: float,
    constriction: float = 0.0,
    reach: float = 1.0,
    pad: float = 2.0,
) -> Patch | None:
    """Rasterise a rod with round ends, possibly bent and pinched in the middle.

    Parameters
    ----------
    shape : tuple of int
        (Y, X) of the frame.
    y, x, half_length, half_width : float
        px; ``half_length`` reaches to the tip and is at least ``half_width``.
    angle : float
        Radians from +x towards +y.
    bend : float
        Sag of the ends in units of ``half_width``.
    constriction : float
        0 to 1, depth of the septum in the middle.

    Returns
    -------
    Patch or None
    """
    straight = max(half_length - half_width, 0.0)
    # A rod bent more sharply than this would no longer be one: short ones are nearly straight.
    bend = float(np.clip(bend * half_width, -_MOST_BENT * half_length, _MOST_BENT * half_length)) / half_width
    sag = bend * half_width / max(half_length, 1.0) ** 2
    c, s = abs(float(np.cos(angle))), abs(float(np.sin(angle)))
    spread = half_width * reach + pad + abs(bend) * half_width
    half_y, half_x = straight * s + spread, straight * c + spread
    box = _box(y, x, (-half_y, half_y), (-half_x, half_x), shape)
    if box is None:
        return None
    u, v = _local(box, y, x, angle)
    if sag:
        v = v - np.float32(sag) * (u * u - np.float32(half_length * half_length / 3))
    beyond = np.maximum(np.abs(u) - np.float32(straight), 0)
    distance = np.sqrt(beyond * beyond + v * v)
    if constriction > 0:
        pinch = np.exp(-((u * np.float32(1.6 / half_width)) ** 2))
        width = np.float32(half_width) * (1 - np.float32(constriction) * pinch)
    else:
        width = np.float32(half_width)
    return Patch(slice(box[0], box[1]), slice(box[2], box[3]), distance / width, width - distance, u, v)
