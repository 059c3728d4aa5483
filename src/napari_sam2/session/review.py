"""Which cells on which frames deserve a look: suspects, most doubtful first, each with its reasons in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.session.shapes import Shape, shapes
from napari_sam2.session.table import GIVEN, REVIEWS, STATES, Rows

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

FloatFrames = npt.NDArray[np.float64]

CHECKED, SUSPECT = REVIEWS.index("checked"), REVIEWS.index("suspect")
EXPECTED_ABSENT = tuple(STATES.index(name) for name in ("left", "dead", "divided"))

# From where on a feature counts, and where it counts fully.
POOR_SCORE = (0.1, 0.6)  # object score below the session's usual one: models differ in what they call sure
POOR_IOU = (0.1, 0.4)  # predicted IoU below the session's usual one
AREA_STEP = (np.log(1.35), np.log(2.5))  # logarithm of the area's change from one frame to the next
AREA_OFF = (np.log(1.8), np.log(4.0))  # the same against the cell's median area
JUMP = (0.5, 1.5)  # displacement in diameters beyond the cell's usual one
TOUCHING = (0.35, 0.8)  # share of the border
PARTS = (0.05, 0.25)  # share of the second part
#: What a feature says at most: how likely a mask is wrong that has it fully.
WEIGHTS = {
    "score": 0.9,
    "iou": 0.8,
    "step": 0.6,
    "off": 0.5,
    "jump": 0.7,
    "touching": 0.3,
    "parts": 0.7,
    "doubt": 0.5,
    "gone": 0.6,
    "person": 1.0,
}
LEAST = 0.15
"""Doubt under which a cell-frame is no suspect."""


@dataclass(frozen=True)
class Suspect:
    """A stretch of frames of a cell that deserves a look.

    Parameters
    ----------
    cell
        The cell.
    frame
        Where to look: the most doubtful frame.
    first, last
        The stretch.
    doubt
        How likely the mask is wrong, 0..1; for ranking.
    reasons
        In words.
    """

    cell: int
    frame: int
    first: int
    last: int
    doubt: float
    reasons: tuple[str, ...]


def find_suspects(
    session: Session,
    cells: Iterable[int] | None = None,
    frames: tuple[int, int] | None = None,
    pixels: bool = True,
    known: Mapping[int, Mapping[int, Shape]] | None = None,
) -> list[Suspect]:
    """Rank what deserves a look.

    Parameters
    ----------
    session
        The session.
    cells, frames
        Which cells, and which range of frames; all when None.
    pixels
        Look at the labels too, for parts and neighbours. Needs every frame to be read.
    known
        Shapes (`shapes`) of frames that have been looked at already, by frame; only the others are read.

    Returns
    -------
    list of Suspect
        Most doubtful first. Frames that were checked are left out.
    """
    wanted = sorted(session.cells if cells is None else set(cells))
    first, stop = frames or (0, session.n_frames)
    seen: dict[int, Mapping[int, Shape]] = {}
    for t in range(first, stop) if pixels else ():
        seen[t] = known[t] if known is not None and t in known else shapes(session.labels.read(t))
    found: list[Suspect] = []
    usual = _usual(session)
    for cell in wanted:
        rows = session.measurements(cell)
        life = session.cells[cell].life(session.n_frames)
        doubts = _doubts(rows, life, {t: s[cell] for t, s in seen.items() if cell in s}, usual)
        total = 1 - np.prod([1 - WEIGHTS[name] * value for name, value in doubts.items()], axis=0)
        total[rows["review"] == CHECKED] = 0
        total[:first], total[stop:] = 0, 0
        for a, b in _stretches(total >= LEAST):
            at = a + int(np.argmax(total[a:b]))
            reasons = _reasons({name: float(value[at]) for name, value in doubts.items()}, rows, at)
            found.append(Suspect(cell, at, a, b - 1, float(total[at]), reasons))
    return sorted(found, key=lambda s: (-s.doubt, s.frame, s.cell))


def doubt_of_frames(session: Session, cell: int, seen: dict[int, Shape] | None = None) -> FloatFrames:
    """How doubtful a cell is on every frame, (T,), 0..1; for a strip of cells by time."""
    rows = session.measurements(cell)
    doubts = _doubts(rows, session.cells[cell].life(session.n_frames), seen or {}, _usual(session))
    total: FloatFrames = 1 - np.prod([1 - WEIGHTS[name] * value for name, value in doubts.items()], axis=0)
    total[rows["review"] == CHECKED] = 0
    return total


def _usual(session: Session) -> tuple[float, float]:
    """Median object score and predicted IoU of everything that was tracked."""
    data = session.document.table.data
    there = (data["area"] > 0) & (data["made"] > GIVEN)
    if not there.any():
        return 1.0, 1.0
    return float(np.median(data["score"][there])), float(np.median(data["iou"][there]))


def _doubts(
    rows: Rows, life: tuple[int, int], seen: dict[int, Shape], usual_scores: tuple[float, float]
) -> dict[str, FloatFrames]:
    """Each feature on every frame, from 0 (nothing to be seen) to 1."""
    frames = len(rows)
    there, tracked = rows["area"] > 0, rows["made"] > 0
    area = np.where(there, rows["area"], np.nan).astype(float)
    median = float(np.nanmedian(area)) if there.any() else 1.0
    diameter = 2 * np.sqrt(max(median, 1.0) / np.pi)
    step, moved = np.zeros(frames), np.zeros(frames)
    with np.errstate(invalid="ignore"):
        step[1:] = np.abs(np.diff(np.log(area)))
        moved[1:] = np.hypot(np.diff(rows["y"].astype(float)), np.diff(rows["x"].astype(float))) / diameter
    both = np.zeros(frames, bool)
    both[1:] = there[1:] & there[:-1]
    usual = float(np.median(moved[both])) if both.any() else 0.0
    gone = np.zeros(frames)
    alive = np.zeros(frames, bool)
    alive[life[0] : life[1]] = True
    absent = tracked & ~there & alive & ~np.isin(rows["state"], EXPECTED_ABSENT) & (rows["locked"] == 0)
    edge = absent.copy()
    # a look is worth it where a cell goes or comes, not on every frame between
    edge[1:-1] &= ~(absent[:-2] & absent[2:])
    gone[absent] = 0.3
    gone[edge] = 1
    out = {
        "score": np.where(there & tracked, _ramp(usual_scores[0] - rows["score"], *POOR_SCORE), 0.0),
        "iou": np.where(there & tracked, _ramp(usual_scores[1] - rows["iou"], *POOR_IOU), 0.0),
        "step": np.where(both, _ramp(step, *AREA_STEP), 0.0),
        "off": np.where(there, _ramp(np.abs(np.log(np.maximum(area, 1) / median)), *AREA_OFF), 0.0),
        "jump": np.where(both, _ramp(moved - usual, *JUMP), 0.0),
        "doubt": np.where(there, rows["doubt"].astype(float), 0.0),
        "gone": gone,
        "person": (rows["review"] == SUSPECT).astype(float),
    }
    touching, second = np.zeros(frames), np.zeros(frames)
    for t, shape in seen.items():
        touching[t], second[t] = shape.touching, shape.second
    out["touching"], out["parts"] = _ramp(touching, *TOUCHING), _ramp(second, *PARTS)
    # what the user drew or checked by prompting is not in doubt
    return {name: np.nan_to_num(value) for name, value in out.items()}


def _ramp(value: FloatFrames, none: float, full: float) -> FloatFrames:
    """0 up to `none`, 1 from `full` on, straight between; `full` may lie below `none`."""
    return np.clip((value - none) / (full - none), 0.0, 1.0)


def _reasons(doubts: dict[str, float], rows: Rows, frame: int) -> tuple[str, ...]:
    """The features that count on a frame, weightiest first, in words."""
    row = rows[frame]
    before = max(int(rows["area"][frame - 1]), 1) if frame else 1
    change = row["area"] / before
    words = {
        "score": f"the model is not sure that the cell is there (score {row['score']:.2f})",
        "iou": f"the model expects a poor mask (predicted IoU {row['iou']:.2f})",
        "step": f"the area {'grew' if change > 1 else 'shrank'} to {change:.0%} of the frame before",
        "off": f"the area of {row['area']} px is unusual for this cell",
        "jump": "the cell jumped",
        "touching": "it touches its neighbours",
        "parts": "the mask is in two parts",
        "doubt": "tracking itself did not trust this mask",
        "gone": "the cell is not found here",
        "person": "marked as suspect",
    }
    ranked = sorted((name for name in doubts if doubts[name] > 0), key=lambda n: -WEIGHTS[n] * doubts[n])
    return tuple(words[name] for name in ranked)


def _stretches(which: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of true frames, (first, one past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], which.astype(np.int8), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
