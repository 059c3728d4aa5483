"""Where cells stand at first, and how they push each other away."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from .cells import Cell

F64 = npt.NDArray[np.float64]

_TRIES = 12  # candidates per wanted cell
_MAX_TURN = 0.25  # radians that contact may turn a rod in one step


def place(
    rng: np.random.Generator, count: int, low: tuple[float, float], high: tuple[float, float], gap: float, clump: float
) -> F64:
    """Draw up to ``count`` positions (n, 2) (y, x) at least ``gap`` px apart, in the box from ``low`` to ``high``.

    ``clump`` 0 spreads them evenly, 1 gathers them in colonies. When the box is full, fewer come back.
    """
    size = np.subtract(high, low)
    candidates = rng.uniform(low, high, (count * _TRIES, 2))
    if clump > 0:
        n_colonies = max(1, int(rng.integers(1, 2 + count // 8)))
        centres = rng.uniform(low, high, (n_colonies, 2))
        spread = gap * np.sqrt(count / n_colonies) * 0.55
        near = centres[rng.integers(0, n_colonies, len(candidates))] + rng.normal(0, spread, candidates.shape)
        pick = rng.random(len(candidates)) < clump
        near = np.clip(near, low, np.asarray(low) + size)
        candidates = np.where(pick[:, None], near, candidates)
    taken = np.empty((count, 2))
    n = 0
    for candidate in candidates:
        if n == count:
            break
        if n and float(((taken[:n] - candidate) ** 2).sum(1).min()) < gap * gap:
            continue
        taken[n] = candidate
        n += 1
    return taken[:n]


def _discs(cells: list[Cell]) -> tuple[F64, F64, npt.NDArray[np.intp], F64]:
    """Discs that stand for the cells in contacts: positions (n, 2), radii, owners and lever arms along a rod."""
    positions: list[tuple[float, float]] = []
    radii: list[float] = []
    owners: list[int] = []
    arms: list[float] = []
    for index, cell in enumerate(cells):
        if not cell.is_rod:
            positions.append((cell.y, cell.x))
            radii.append(cell.radius)
            owners.append(index)
            arms.append(0.0)
            continue
        reach = max(cell.half_length - cell.half_width, 0.0)
        n = max(2, int(np.ceil(1.7 * reach / cell.half_width)) + 1)
        dy, dx = np.sin(cell.angle), np.cos(cell.angle)
        for arm in np.linspace(-reach, reach, n):
            positions.append((cell.y + arm * dy, cell.x + arm * dx))
            radii.append(cell.half_width)
            owners.append(index)
            arms.append(float(arm))
    return np.asarray(positions), np.asarray(radii), np.asarray(owners), np.asarray(arms)


def _contacts(
    positions: F64, radii: F64, owners: npt.NDArray[np.intp], crowding: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], F64]:
    """Ordered pairs of discs of different cells that overlap, both ways round, and by how many px."""
    # Sorted, since the order of additions must not depend on how the tree walks.
    pairs = cKDTree(positions).query_pairs(2 * crowding * float(radii.max()), output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    first, second = pairs[:, 0], pairs[:, 1]
    overlap = crowding * (radii[first] + radii[second]) - np.sqrt(((positions[first] - positions[second]) ** 2).sum(1))
    keep = (overlap > 0) & (owners[first] != owners[second])
    return first[keep], second[keep], overlap[keep]


def drop_crossing(cells: list[Cell], depth: float) -> list[Cell]:
    """Return the cells without those of which a disc lies more than ``depth`` (0..1) inside one of another's."""
    if len(cells) < 2:
        return cells
    positions, radii, owners, _ = _discs(cells)
    first, second, overlap = _contacts(positions, radii, owners, 1.0)
    deep = overlap > depth * (radii[first] + radii[second])
    gone: set[int] = set()
    for a, b in zip(owners[first[deep]].tolist(), owners[second[deep]].tolist(), strict=True):
        if a not in gone and b not in gone:
            gone.add(max(a, b))
    return [cell for index, cell in enumerate(cells) if index not in gone]


def push_apart(cells: list[Cell], strength: float, crowding: float, iterations: int = 1) -> None:
    """Move cells (and turn rods) that stand closer than ``crowding`` times the sum of their radii."""
    if strength <= 0 or len(cells) < 2:
        return
    for _ in range(iterations):
        positions, radii, owners, arms = _discs(cells)
        first, second, overlap = _contacts(positions, radii, owners, crowding)
        if len(first) == 0:
            return
        apart = positions[first] - positions[second]
        distance = np.sqrt((apart * apart).sum(1)) + 1e-6
        push = 0.5 * strength * overlap / distance
        fy, fx = push * apart[:, 0], push * apart[:, 1]
        n = len(cells)
        who = owners[first]
        touches = np.maximum(np.bincount(who, minlength=n), 1)
        move_y = np.bincount(who, fy, n) / np.sqrt(touches)
        move_x = np.bincount(who, fx, n) / np.sqrt(touches)
        angles = np.array([c.angle for c in cells])[who]
        torque = np.bincount(who, arms[first] * (fy * np.cos(angles) - fx * np.sin(angles)), n)
        for index, cell in enumerate(cells):
            cell.y += float(move_y[index])
            cell.x += float(move_x[index])
            if cell.is_rod:
                turn = float(torque[index]) * 1.5 / max(cell.half_length, 1.0) ** 2
                cell.angle += float(np.clip(turn, -_MAX_TURN, _MAX_TURN))
