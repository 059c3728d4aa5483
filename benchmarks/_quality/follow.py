"""Parts 2 and 5: cells of the first frame clicked once and followed; does the object score know when they end?"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks._quality.clicks import RIGHT, Overlaps
from benchmarks._quality.one_click import Make, Tick
from benchmarks._quality.picture import Strip
from benchmarks._quality.truth import Truth

#: Frames after the click on which the cells still right are counted.
MILESTONES = (10, 20, 50)
#: Bins of object score for the calibration.
BINS = 10


def follow(truth: Truth, make: Make, tick: Tick, strip: Strip | None = None) -> dict[str, Any]:
    """Click every measured cell of the first frame once and track forward.

    Nothing is told about divisions: the mother has no truth once her daughters begin, and the tracker should notice.

    Returns
    -------
    dict
        Lists over cells and frames from the click on: ``cell``, ``distance`` (frames from the click), ``iou`` (None
        where the whole cell is not known), ``present`` (whether the truth shows it), ``best`` (true cell covered most;
        0 for none), ``score`` (object score), ``predicted`` (predicted IoU); ``divides``: cells that divide;
        ``seconds`` of tracking, ``cells`` and ``frames``.
    """
    start, cells = truth.first_cells
    tracker = make(truth)
    for cell in cells:
        tracker.add_click(cell, start, truth.click(cell, start))
    rows: dict[str, list[Any]] = {k: [] for k in ("cell", "distance", "iou", "present", "best", "score", "predicted")}
    seconds, before = 0.0, time.perf_counter()
    for result in tracker.track(direction="forward", frames=(start, truth.n_frames)):
        seconds += time.perf_counter() - before
        t = result.frame
        tracked, whole = truth.tracked(t), truth.whole(t)
        overlaps = Overlaps.of(result.labels, tracked)
        whole_overlaps = overlaps if whole is tracked else Overlaps.of(result.labels, whole)
        for cell in cells:
            rows["cell"].append(cell)
            rows["distance"].append(t - start)
            rows["iou"].append(round(whole_overlaps.iou(cell), 5) if cell in whole_overlaps.true else None)
            rows["present"].append(cell in overlaps.true)
            rows["best"].append(overlaps.best(cell))
            rows["score"].append(round(result.scores.get(cell, 0.0), 5))
            rows["predicted"].append(round(result.ious.get(cell, 0.0), 5))
        if strip is not None:
            strip.add(t, result.labels)
        tick((t + 1) / truth.n_frames)
        before = time.perf_counter()
    divided = sorted({mother for mother in truth.parents.values() if mother in cells})
    return {**rows, "divides": divided, "seconds": seconds, "cells": len(cells), "frames": truth.n_frames - start}


def summarise_follow(data: dict[str, Any]) -> dict[str, float]:
    """The numbers of the table."""
    ious = _floats(data["iou"])
    known = ~np.isnan(ious)
    distance, cell = np.array(data["distance"]), np.array(data["cell"])
    tracked = known & (distance > 0)
    out = {
        "follow_cells": float(data["cells"]),
        "follow_cell_frames": float(known.sum()),
        "follow_mean_iou": float(ious[known].mean()),
        "follow_tracked_iou": float(ious[tracked].mean()) if tracked.any() else float("nan"),
        "follow_share_right": float((ious[known] > RIGHT).mean()),
        "seconds_per_frame": data["seconds"] / data["frames"],
    }
    for after in MILESTONES:
        there = known & (distance == after)
        out[f"right_after_{after}"] = float((ious[there] > RIGHT).mean()) if there.any() else float("nan")
    ends = [ious[mine][distance[mine].argmax()] for c in np.unique(cell) if (mine := known & (cell == c)).any()]
    out["right_at_end"] = float((np.array(ends) > RIGHT).mean())
    switches = count_switches(data)
    out["switches"] = float(switches)
    out["switches_per_1000"] = 1000 * switches / max(int(np.sum(data["present"])), 1)
    return out


def count_switches(data: dict[str, Any]) -> int:
    """How often the true cell that a tracked one covers most changes while its own truth exists."""
    last: dict[int, int] = {}
    switches = 0
    for cell, present, best in zip(data["cell"], data["present"], data["best"], strict=True):
        if present and best:
            switches += last.get(cell, best) != best
            last[cell] = best
    return switches


def distance_curve(data: dict[str, Any]) -> tuple[list[int], list[float]]:
    """Mean IoU by frames from the click."""
    ious, distance = _floats(data["iou"]), np.array(data["distance"])
    known = ~np.isnan(ious)
    at = np.unique(distance[known])
    return at.tolist(), [float(ious[known & (distance == d)].mean()) for d in at]


def summarise_score(data: dict[str, Any]) -> dict[str, float]:
    """How well the object score tells cells that are there from those that have divided or left; the table's numbers.

    Frames after the click only. A cell whose truth is gone counts as absent, for whatever reason.
    """
    later = np.array(data["distance"]) > 0
    score, present = np.array(data["score"])[later], np.array(data["present"], bool)[later]
    cell = np.array(data["cell"])[later]
    divided = np.isin(cell, data["divides"])
    ious, predicted = _floats(data["iou"])[later], np.array(data["predicted"])[later]
    known = ~np.isnan(ious)
    return {
        "score_auc": auc(score[present], score[~present]),
        "score_auc_divided": auc(score[present], score[~present & divided]),
        "score_auc_left": auc(score[present], score[~present & ~divided]),
        "score_absent_frames": float((~present).sum()),
        "score_mean_present": _mean(score[present]),
        "score_mean_absent": _mean(score[~present]),
        "score_missed": _mean(score[present] <= 0.5),
        "score_ghosts": _mean(score[~present] > 0.5),
        "score_brier": _mean((score - present) ** 2),
        "score_ece": calibration_error(score, present),
        "iou_prediction_error": _mean(np.abs(predicted - ious)[known]),
        "iou_prediction_auc": auc(predicted[known][ious[known] > RIGHT], predicted[known][ious[known] <= RIGHT]),
    }


def auc(positive: npt.NDArray[np.floating[Any]], negative: npt.NDArray[np.floating[Any]]) -> float:
    """Chance that a positive has a higher score than a negative one, ties counting half; NaN where one kind lacks."""
    if not len(positive) or not len(negative):
        return float("nan")
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate((positive, negative)))[: len(positive)]
    return float((ranks.sum() - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative)))


def calibration_error(score: npt.NDArray[np.floating[Any]], present: npt.NDArray[np.bool_]) -> float:
    """Expected calibration error: mean distance of a bin's mean score from its share of present cells, by its size."""
    if not len(score):
        return float("nan")
    bins = np.minimum((score * BINS).astype(int), BINS - 1)
    error = 0.0
    for b in np.unique(bins):
        inside = bins == b
        error += float(inside.mean() * abs(score[inside].mean() - present[inside].mean()))
    return error


def _floats(values: list[float | None]) -> npt.NDArray[np.float64]:
    return np.array([np.nan if v is None else v for v in values], np.float64)


def _mean(values: npt.NDArray[Any]) -> float:
    return float(values.mean()) if values.size else float("nan")
