"""Which cells on which frames deserve a look: suspects, most doubtful first, each with its reasons in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session.table import GIVEN, REVIEWS, ROW, STATES, Rows

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

FloatFrames = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

CHECKED, SUSPECT = REVIEWS.index("checked"), REVIEWS.index("suspect")
EXPECTED_ABSENT = tuple(STATES.index(name) for name in ("left", "dead", "divided"))

# From where on a feature counts, and where it counts fully.
POOR_SCORE = (0.1, 0.6)  # object score below the session's usual one: models differ in what they call sure
POOR_IOU = (0.1, 0.4)  # predicted IoU below the session's usual one
AREA_STEP = (math.log(1.35), math.log(2.5))  # logarithm of the area's change from one frame to the next
AREA_OFF = (math.log(1.8), math.log(4.0))  # the same against the cell's median area
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
LONG_GONE = 0.3
"""What counts of a missing cell on frames between the one where it goes and the one where it comes back."""
BLOCK = 32
"""Cells that are looked at together: what their numbers take stays in the processor's cache."""
SAMPLED = 200_000
"""Cell-frames that the usual scores are taken from."""


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
    most: int | None = None,
) -> list[Suspect]:
    """Rank what deserves a look.

    Parameters
    ----------
    session
        The session.
    cells, frames
        Which cells, and which range of frames; all when None.
    most
        So many at most, the most doubtful ones; all when None.

    Returns
    -------
    list of Suspect
        Most doubtful first. Frames that were checked are left out.

    Notes
    -----
    Reads no label image: everything it goes by was measured when the frames were written.
    """
    wanted = sorted(session.cells if cells is None else set(cells))
    first, stop = frames or (0, session.n_frames)
    usual = _usual(session)
    parts = [_Part.empty()]
    for at in range(0, len(wanted), BLOCK):
        rows, lives = _records(session, wanted[at : at + BLOCK])
        doubts = evidence(rows, lives, usual)
        total = combined(doubts, rows)
        total[:, :first], total[:, stop:] = 0, 0
        parts.append(_Part.of(total, doubts, rows, at))
    found = _Part.join(parts)
    best = np.lexsort((found.row, found.frame, -found.doubt))[:most]
    return [found.suspect(i, wanted[found.row[i]]) for i in best.tolist()]


def doubt_of_frames(session: Session, cells: Sequence[int]) -> FloatFrames:
    """How doubtful cells are on every frame, (N, T) in 0..1; for a strip of cells by time."""
    usual = _usual(session)
    out = np.zeros((len(cells), session.n_frames), np.float32)
    for at in range(0, len(cells), BLOCK):
        rows, lives = _records(session, cells[at : at + BLOCK])
        out[at : at + BLOCK] = combined(evidence(rows, lives, usual), rows)
    return out


def combined(doubts: dict[str, FloatFrames], rows: Rows) -> FloatFrames:
    """How likely masks (N, T) are wrong, 0..1, from all that speaks against them; 0 where a person has checked."""
    sure = np.ones(rows.shape, np.float32)
    for name, value in doubts.items():
        sure *= 1 - WEIGHTS[name] * value
    total: FloatFrames = 1 - sure
    total[rows["review"] == CHECKED] = 0
    return total


def _records(session: Session, cells: Sequence[int]) -> tuple[Rows, npt.NDArray[np.int64]]:
    """Records (N, T) of some cells, and first frame and one past the last of their lives, (N, 2)."""
    document = session.document
    rows = document.table.block([document.cell(c).row for c in cells], 0, document.frames)
    return rows, np.array([document.cells[c].life(document.frames) for c in cells])


def _usual(session: Session) -> tuple[float, float]:
    """Median object score and predicted IoU of everything that was tracked (of a sample where that is much)."""
    data = session.document.table.data
    data = data[:, :: max(1, data.size // SAMPLED)]
    there = (data["area"] > 0) & (data["made"] > GIVEN)
    if not there.any():
        return 1.0, 1.0
    return float(np.median(data["score"][there])), float(np.median(data["iou"][there]))


def evidence(rows: Rows, lives: npt.NDArray[np.int64], usual_scores: tuple[float, float]) -> dict[str, FloatFrames]:
    """What speaks against the masks of cells, (N, T) each, from 0 (nothing) to 1.

    Parameters
    ----------
    rows
        (N, T) records.
    lives
        (N, 2) first frame and one past the last.
    usual_scores
        Object score and predicted IoU that are usual in this session.
    """
    there, tracked = rows["area"] > 0, rows["made"] > 0
    area = np.maximum(rows["area"], 1).astype(np.float32)
    median = np.array([np.median(a[t]) if t.any() else 1.0 for a, t in zip(area, there, strict=True)], np.float32)
    diameter = 2 * np.sqrt(median / np.pi)
    both = there[:, 1:] & there[:, :-1]
    step, jump = np.zeros(rows.shape, np.float32), np.zeros(rows.shape, np.float32)
    size = np.log(area)
    step[:, 1:] = np.where(both, _ramp(np.abs(np.diff(size)), *AREA_STEP), 0)
    moved = np.hypot(np.diff(rows["y"]), np.diff(rows["x"])) / diameter[:, None]
    usual = np.array([np.median(m[b]) if b.any() else 0.0 for m, b in zip(moved, both, strict=True)], np.float32)
    jump[:, 1:] = np.where(both, _ramp(moved - usual[:, None], *JUMP), 0)
    at = np.arange(rows.shape[1])
    alive = (at >= lives[:, :1]) & (at < lives[:, 1:])
    absent = tracked & ~there & alive & ~np.isin(rows["state"], EXPECTED_ABSENT) & (rows["locked"] == 0)
    # a look is worth it where a cell goes or comes, not on every frame between
    inside = np.zeros_like(absent)
    inside[:, 1:-1] = absent[:, :-2] & absent[:, 2:]
    return {
        "score": np.where(there & tracked, _ramp(usual_scores[0] - rows["score"], *POOR_SCORE), 0),
        "iou": np.where(there & tracked, _ramp(usual_scores[1] - rows["iou"], *POOR_IOU), 0),
        "step": step,
        "off": np.where(there, _ramp(np.abs(size - np.log(median)[:, None]), *AREA_OFF), 0),
        "jump": jump,
        "doubt": np.where(there, rows["doubt"], 0).astype(np.float32),
        "gone": np.where(absent, np.where(inside, np.float32(LONG_GONE), np.float32(1)), np.float32(0)),
        "person": (rows["review"] == SUSPECT).astype(np.float32),
        # what was not measured yet says nothing
        "touching": np.nan_to_num(_ramp(rows["touching"].astype(np.float32), *TOUCHING)),
        "parts": np.nan_to_num(_ramp(rows["second"].astype(np.float32), *PARTS)),
    }


def _ramp(value: npt.NDArray[Any], none: float, full: float) -> FloatFrames:
    """0 up to `none`, 1 from `full` on, straight between; `full` may lie below `none`."""
    return np.clip((value - none) / (full - none), 0.0, 1.0).astype(np.float32)


@dataclass(frozen=True)
class _Part:
    """Stretches of frames that deserve a look, (N,) each; what becomes suspects, or does not.

    Parameters
    ----------
    row, first, stop, frame, doubt
        Place of the cell, the stretch, where it is most doubtful, and how much.
    evidence
        (N, features) there, in the order of `WEIGHTS`.
    records, before
        Records of the table there, and areas on the frame before.
    """

    row: Ints
    first: Ints
    stop: Ints
    frame: Ints
    doubt: FloatFrames
    evidence: FloatFrames
    records: Rows
    before: Ints

    @classmethod
    def empty(cls) -> _Part:
        none = np.zeros(0, np.int64)
        return cls(
            *(none,) * 4, np.zeros(0, np.float32), np.zeros((0, len(WEIGHTS)), np.float32), np.zeros(0, ROW), none
        )

    @classmethod
    def of(cls, total: FloatFrames, doubts: dict[str, FloatFrames], rows: Rows, offset: int) -> _Part:
        """Find the stretches of some cells, whose first has the place `offset`."""
        which = total >= LEAST
        edges = np.diff(np.pad(which, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        row, first = np.nonzero(edges == 1)
        if not row.size:
            return cls.empty()
        stop = np.nonzero(edges == -1)[1]
        at_row, at = np.nonzero(which)
        stretch = np.repeat(np.arange(len(row)), stop - first)
        value = total[at_row, at]
        peak = np.maximum.reduceat(value, np.cumsum(stop - first) - (stop - first))
        # the first frame of a stretch that is as doubtful as its most doubtful one
        _, where = np.unique(stretch[value == peak[stretch]], return_index=True)
        frame = at[value == peak[stretch]][where]
        seen = np.stack([doubts[name][row, frame] for name in WEIGHTS], axis=1)
        before = np.where(frame > 0, rows["area"][row, frame - 1], 0)
        return cls(row + offset, first, stop, frame, peak, seen, rows[row, frame], before)

    @classmethod
    def join(cls, parts: Sequence[_Part]) -> _Part:
        return cls(*(np.concatenate([getattr(part, name.name) for part in parts]) for name in fields(cls)))

    def suspect(self, i: int, cell: int) -> Suspect:
        """Put one in words."""
        doubts = dict(zip(WEIGHTS, self.evidence[i].tolist(), strict=True))
        reasons = _reasons(doubts, self.records[i], int(self.before[i]))
        first, stop, frame = int(self.first[i]), int(self.stop[i]), int(self.frame[i])
        return Suspect(cell, frame, first, stop - 1, float(self.doubt[i]), reasons)


def _reasons(doubts: dict[str, float], row: Any, before: int) -> tuple[str, ...]:
    """The features that count on a frame, weightiest first, in words; `before` is the area on the frame before."""
    change = row["area"] / max(before, 1)
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
