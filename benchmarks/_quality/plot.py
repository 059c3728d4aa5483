"""One picture of all methods on all movies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

#: Line styles of the movies, in turn; methods differ in colour.
STYLES = ("-", "--", ":", "-.")


def plot(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw one click, IoU by distance from the click, work left, and the challenge's measures.

    Needs matplotlib, which draws without a screen here.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8.5), layout="constrained")
    FigureCanvasAgg(figure)
    click, distance, work, scores = figure.subplots(2, 2).ravel()
    movies = list(dict.fromkeys(row["movie"] for row in rows))
    methods = list(dict.fromkeys((row["method"], row["mode"]) for row in rows))
    for row in rows:
        colour = f"C{methods.index((row['method'], row['mode'])) % 10}"
        style = STYLES[movies.index(row["movie"]) % len(STYLES)]
        mode = f" ({row['mode']})" if row["mode"] else ""
        look = {"color": colour, "linestyle": style, "label": f"{row['method']}{mode}, {row['movie']}"}
        curves = row["curves"]
        if "click" in curves:
            ious = np.array(curves["click"])
            click.plot(np.linspace(0, 100, len(ious)), ious, **look)
        if "distance" in curves:
            distance.plot(*curves["distance"], **look)
        if "work" in curves:
            work.plot(*curves["work"], marker=".", **look)
    click.set(title="One click", xlabel="percent of cells", ylabel="IoU", ylim=(0, 1))
    distance.set(title="Follow", xlabel="frames from the click", ylabel="mean IoU", ylim=(0, 1))
    work.set(title="Work left", xlabel="corrections per 1000 cell-frames", ylabel="wrong per 1000 cell-frames")
    work.set_ylim(bottom=0)
    scored = [row for row in rows if "tra" in row]
    for i, row in enumerate(scored):
        colour = f"C{methods.index((row['method'], row['mode'])) % 10}"
        values = [row["seg"], row["det"], row["tra"], row.get("score_auc", float("nan"))]
        width = 0.8 / len(scored)
        hatch = ("", "//", "..", "xx")[movies.index(row["movie"]) % 4]
        scores.bar(np.arange(4) + (i - (len(scored) - 1) / 2) * width, values, width, color=colour, hatch=hatch)
    scores.set_xticks(range(4), ["SEG", "DET", "TRA", "AUC of object score"])
    scores.set(title="Challenge measures, one click for each cell", ylim=(0, 1))
    for axes in (click, distance, work, scores):
        axes.grid(alpha=0.3)
    labelled = next((axes for axes in (distance, click, work) if axes.lines), None)
    if labelled is not None:
        figure.legend(*labelled.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small")
    figure.savefig(file, dpi=110, metadata={"Software": None})
