"""Parts 3 and 4: each new cell clicked once and tracked, scored as the challenge does, then corrected.

What the simulated user tells the tracker, and nothing more: one click in the middle of each cell on the first frame
that shows it (daughters of a division too, and cells that come in from outside); that a cell does not exist before that
frame; and, with the clicks on the daughters of a division, that their mother ended on the frame before. When a cell
leaves or dies, the tracker has to notice by itself: an object score of one half or less means absent, and nothing is
painted.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks._quality.clicks import RIGHT, Overlaps, correction
from benchmarks._quality.one_click import Make, Tick
from benchmarks._quality.trackers import TrackerLike
from benchmarks._quality.truth import Truth

#: Rounds of corrections, in each of which every cell that is wrong somewhere gets one click.
MAX_ROUNDS = 20
#: Clicks on one cell-frame after which the user leaves it wrong and looks at the cell's next worst frame.
MAX_CLICKS = 3


class Clicked:
    """A movie with each new cell clicked once and tracked.

    Parameters
    ----------
    truth, make
        The movie and the tracker.
    tick
        Told the share that is done.
    """

    def __init__(self, truth: Truth, make: Make, tick: Tick) -> None:
        self.truth = truth
        self.tracker: TrackerLike = make(truth)
        self.ious: dict[tuple[int, int], float] = {}
        self.tracker.lifetimes.update(truth.lifetimes)
        for cell in truth.cells:
            first = truth.present[cell][0]
            self.tracker.add_click(cell, first, truth.click(cell, first))
        self.seconds = 0.0
        self.track(tick)

    def track(self, tick: Tick) -> None:
        """Track what is stale, and measure the frames that changed."""
        before = time.perf_counter()
        wanted = set(self.truth.cells)
        for done, result in enumerate(self.tracker.track(direction="both", only_stale=True), 1):
            self.seconds += time.perf_counter() - before
            overlaps = Overlaps.of(result.labels, self.truth.whole(result.frame))
            for cell in wanted.intersection(overlaps.true):
                self.ious[cell, result.frame] = overlaps.iou(cell)
            tick(min(done / self.truth.n_frames, 1.0))
            before = time.perf_counter()
        self.seconds += time.perf_counter() - before


def work_left(clicked: Clicked, tick: Tick, max_rounds: int = MAX_ROUNDS) -> dict[str, Any]:
    """Correct the worst frame of each cell with one click, track again what is stale, until every cell-frame is right.

    The user clicks where the error is largest (`correction`), on the frame with the lowest IoU, the earliest of equals.

    Returns
    -------
    dict
        ``cell_frames``, ``first_clicks`` (one for each cell), ``corrections`` and ``wrong`` (cell-frames): lists over
        rounds, the first entry before any correction; ``mean_iou`` after the last; ``seconds`` of tracking.
    """
    truth, tracker = clicked.truth, clicked.tracker
    said: dict[tuple[int, int], int] = {}
    corrections = [0]
    wrong = [_wrong(clicked)]
    for turn in range(max_rounds):
        given = 0
        for cell, frame in _worst(clicked, said).items():
            true = truth.whole(frame) == cell
            yx, foreground = correction(np.asarray(tracker.labels[frame]) == cell, true)
            tracker.add_click(cell, frame, yx, foreground)
            said[cell, frame] = said.get((cell, frame), 0) + 1
            given += 1
        if not given:
            break
        clicked.track(lambda share, turn=turn: tick((turn + share) / max_rounds))  # type: ignore[misc]
        corrections.append(corrections[-1] + given)
        wrong.append(_wrong(clicked))
    tick(1.0)
    return {
        "cell_frames": len(clicked.ious),
        "first_clicks": len(truth.cells),
        "corrections": corrections,
        "wrong": wrong,
        "mean_iou": float(np.mean(list(clicked.ious.values()))),
        "seconds": clicked.seconds,
    }


def summarise_work(data: dict[str, Any]) -> dict[str, float]:
    """The numbers of the table."""
    frames = data["cell_frames"]
    return {
        "work_cell_frames": float(frames),
        "work_first_clicks": float(data["first_clicks"]),
        "work_corrections": float(data["corrections"][-1]),
        "work_per_1000": 1000 * data["corrections"][-1] / frames,
        "work_wrong_before_per_1000": 1000 * data["wrong"][0] / frames,
        "work_wrong_after_per_1000": 1000 * data["wrong"][-1] / frames,
        "work_rounds": float(len(data["wrong"]) - 1),
        "work_mean_iou_after": data["mean_iou"],
    }


def _wrong(clicked: Clicked) -> int:
    return sum(value <= RIGHT for value in clicked.ious.values())


def _worst(clicked: Clicked, said: dict[tuple[int, int], int]) -> dict[int, int]:
    """The frame to correct of each cell that is wrong somewhere."""
    worst: dict[int, tuple[float, int]] = {}
    for (cell, frame), value in clicked.ious.items():
        if value <= RIGHT and said.get((cell, frame), 0) < MAX_CLICKS:
            worst[cell] = min(worst.get(cell, (2.0, 0)), (value, frame))
    return {cell: frame for cell, (_, frame) in sorted(worst.items())}
