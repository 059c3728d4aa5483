"""Rows into tables: CSV with everything, markdown with one table for each part, JSON with the circumstances."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]

NAMES = ("movie", "method", "mode", "frames")

#: Part, then (key in a row, heading, decimals).
TABLES: dict[str, tuple[tuple[str, str, int], ...]] = {
    "One click": (
        ("click_cells", "cells", 0),
        ("click_median_iou", "median IoU", 3),
        ("click_mean_iou", "mean", 3),
        ("click_p10_iou", "10th percentile", 3),
        ("click_share_50", "> 0.5", 2),
        ("click_share_80", "> 0.8", 2),
        ("box_median_iou", "box: median IoU", 3),
        ("clicks_to_80", "clicks to 0.8", 2),
        ("share_80_in_3", "0.8 within 3", 2),
        ("share_80_in_10", "within 10", 2),
    ),
    "Follow": (
        ("follow_cells", "cells", 0),
        ("follow_cell_frames", "cell-frames", 0),
        ("follow_mean_iou", "mean IoU", 3),
        ("follow_tracked_iou", "without the clicked frame", 3),
        ("follow_share_right", "share right", 3),
        ("right_after_10", "right after 10", 2),
        ("right_after_20", "after 20", 2),
        ("right_after_50", "after 50", 2),
        ("right_at_end", "at the end", 2),
        ("switches", "switches", 0),
        ("switches_per_1000", "per 1000 cell-frames", 1),
        ("seconds_per_frame", "s per frame", 3),
    ),
    "Work left": (
        ("work_cell_frames", "cell-frames", 0),
        ("work_first_clicks", "first clicks", 0),
        ("work_wrong_before_per_1000", "wrong per 1000", 1),
        ("work_corrections", "corrections", 0),
        ("work_per_1000", "per 1000 cell-frames", 1),
        ("work_wrong_after_per_1000", "still wrong per 1000", 1),
        ("work_mean_iou_after", "mean IoU then", 3),
    ),
    "Challenge measures": (
        ("seg", "SEG", 3),
        ("det", "DET", 3),
        ("tra", "TRA", 3),
        ("ctc_fn", "missing", 0),
        ("ctc_fp", "too many", 0),
        ("ctc_ns", "merged", 0),
        ("ctc_ea", "links missing", 0),
    ),
    "Object score": (
        ("score_auc", "AUC", 3),
        ("score_auc_divided", "divided", 3),
        ("score_auc_left", "left", 3),
        ("score_absent_frames", "absent cell-frames", 0),
        ("score_missed", "present, <= 0.5", 3),
        ("score_ghosts", "absent, > 0.5", 3),
        ("score_brier", "Brier", 3),
        ("score_ece", "calibration error", 3),
        ("iou_prediction_auc", "predicted IoU: AUC", 3),
        ("iou_prediction_error", "its error", 3),
    ),
}

TABLES["Time"] = tuple((f"seconds_{part}", part, 0) for part in ("one-click", "follow", "ctc", "work"))

EXPLANATIONS = {
    "One click": "Each cell on its first frame, one click (or one box) at its most interior point, by itself; then "
    "clicks at the middle of the largest error until the IoU is 0.8, ten at most.",
    "Follow": "Every cell of the first frame clicked once and tracked forward while the truth shows it. A missing cell "
    "counts as 0, the clicked frame counts; right means IoU > 0.5; a switch is a change of the true cell that is "
    "covered most.",
    "Work left": "Every new cell clicked once on its first frame (a mother ends when her daughters are clicked); then "
    "one click on the worst frame of each cell that is wrong somewhere, tracking what is stale, and again, until every "
    "cell-frame is above IoU 0.5 or the rounds are over. Where some are still wrong, the corrections are too few.",
    "Challenge measures": "The same clicks without corrections, scored by py-ctcmetrics. When a cell leaves or dies, "
    "the tracker has to notice by itself.",
    "Object score": "The cells of *Follow* after the clicked frame. A cell that has divided or left counts as absent.",
    "Time": "Seconds that each part took when it was run, with everything around it.",
}


def write_reports(rows: Sequence[Row], circumstances: dict[str, Any], stem: Path) -> list[Path]:
    """Write ``stem.csv``, ``.md`` and ``.json``; returns the files."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    files = [stem.with_name(stem.name + suffix) for suffix in (".csv", ".md", ".json")]
    keys = list(dict.fromkeys(key for row in rows for key in row if key != "curves"))
    with files[0].open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, keys, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: _plain(v) for k, v in row.items()} for row in rows)
    files[1].write_text(markdown(rows, circumstances), encoding="utf-8")
    content = {"circumstances": circumstances, "rows": [_jsonable(row) for row in rows]}
    files[2].write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return files


def markdown(rows: Sequence[Row], circumstances: dict[str, Any]) -> str:
    """One table for each part that was run."""
    m = circumstances["machine"]
    where = m["gpu"] or m["cpu"]
    parts = [
        "# Quality\n",
        f"`{circumstances['command']}`\n",
        f"{m['date']}, commit {m['commit'] or '?'}, {where}, {m['threads']} of {m['cores']} cores, torch {m['torch']}.",
    ]
    for name, digest in circumstances["models"].items():
        parts.append(f"Weights of {name}: {digest[:16]}.")
    for title, columns in TABLES.items():
        shown = [c for c in columns if any(c[0] in row for row in rows)]
        if not shown:
            continue
        parts += [f"\n## {title}\n", EXPLANATIONS[title] + "\n"]
        parts.append("| movie | method | " + " | ".join(heading for _, heading, _ in shown) + " |")
        parts.append("|---|---|" + "---:|" * len(shown))
        for row in rows:
            if any(key in row for key, _, _ in shown):
                method = row["method"] + (f" ({row['mode']})" if row["mode"] else "")
                cells = [_format(row.get(key), decimals) for key, _, decimals in shown]
                parts.append(f"| {row['movie']} | {method} | " + " | ".join(cells) + " |")
    return "\n".join(parts) + "\n"


def _format(value: Any, decimals: int) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.{decimals}f}"


def _plain(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(each) for each in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value
