"""Part 1: a cell from one click, from one box, and how many clicks it takes to be good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._quality.clicks import bounding_box, correction, iou
from benchmarks._quality.trackers import TrackerLike
from benchmarks._quality.truth import Truth

#: The overlap that a user is content with.
GOOD = 0.8
#: Clicks after which the simulated user gives up.
MAX_CLICKS = 10

Make = Callable[[Truth], TrackerLike]
Tick = Callable[[float], None]


def one_click(truth: Truth, make: Make, tick: Tick) -> dict[str, Any]:
    """Measure each cell on the first frame that shows it whole.

    Each mask is compared by itself: neighbours do not help, although all cells are prompted, since the tracker finds
    the cells' size from all clicks.

    Returns
    -------
    dict
        Lists over cells: ``cell``, ``area`` (pixels), ``click`` and ``box`` (IoU), ``clicks`` (IoU after 1, 2, ...
        clicks, until it is `GOOD`).
    """
    cells = sorted(truth.first_whole, key=lambda cell: (truth.first_whole[cell], cell))
    frames = sorted(set(truth.first_whole.values()))
    tracker, boxed = make(truth), make(truth)
    for cell in cells:
        frame = truth.first_whole[cell]
        mask = truth.whole(frame) == cell
        tracker.add_click(cell, frame, truth.click(cell, frame))
        (y, x), (y2, x2) = bounding_box(mask)
        if y2 > y and x2 > x:
            boxed.add_box(cell, frame, ((y, x), (y2, x2)))
    box: dict[int, float] = {}
    clicks: dict[int, list[float]] = {}
    area: dict[int, int] = {}
    for done, frame in enumerate(frames):
        here = [cell for cell in cells if truth.first_whole[cell] == frame]
        whole = truth.whole(frame)
        boxed.segment(frame)  # all cells in one batch; one by one they come from the cache
        for cell in here:
            area[cell] = int(np.count_nonzero(whole == cell))
            box[cell] = iou(boxed.segment(frame, [cell]) == cell, whole == cell)
        clicks.update(_until_good(tracker, truth, frame, here))
        tick((done + 1) / len(frames))
    return {
        "cell": cells,
        "area": [area[c] for c in cells],
        "click": [clicks[c][0] for c in cells],
        "box": [box[c] for c in cells],
        "clicks": [clicks[c] for c in cells],
    }


def _until_good(tracker: TrackerLike, truth: Truth, frame: int, cells: list[int]) -> dict[int, list[float]]:
    """IoU after each click, clicking where the largest error is until the mask is good."""
    whole = truth.whole(frame)
    reached: dict[int, list[float]] = {cell: [] for cell in cells}
    open_cells = list(cells)
    for turn in range(MAX_CLICKS):
        tracker.segment(frame, open_cells)
        still: list[int] = []
        for cell in open_cells:
            true = whole == cell
            found = tracker.segment(frame, [cell]) == cell
            reached[cell].append(iou(found, true))
            if reached[cell][-1] < GOOD:
                still.append(cell)
                if turn + 1 < MAX_CLICKS:
                    yx, foreground = correction(found, true)
                    tracker.add_click(cell, frame, yx, foreground)
        open_cells = still
        if not open_cells:
            break
    return reached


def summarise_one_click(data: dict[str, Any]) -> dict[str, float]:
    """The numbers of the table."""
    click, box = np.array(data["click"]), np.array(data["box"])
    needed = [len(each) if each[-1] >= GOOD else MAX_CLICKS + 1 for each in data["clicks"]]
    tries = np.array(needed)
    return {
        "click_cells": float(len(click)),
        "click_median_iou": float(np.median(click)),
        "click_mean_iou": float(click.mean()),
        "click_p10_iou": float(np.percentile(click, 10)),
        "click_share_50": float((click > 0.5).mean()),
        "click_share_80": float((click > GOOD).mean()),
        "box_median_iou": float(np.median(box)),
        "box_mean_iou": float(box.mean()),
        "clicks_to_80": float(np.minimum(tries, MAX_CLICKS).mean()),
        "share_80_in_3": float((tries <= 3).mean()),
        "share_80_in_10": float((tries <= MAX_CLICKS).mean()),
    }
