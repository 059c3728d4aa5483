"""One picture of all parts that were measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks._book import Book
from benchmarks._speed.watch import PARTS


def plot(book: Book, file: Path) -> None:
    """Draw what the book holds; needs matplotlib, which draws without a screen here."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    draw = {"reference": _reference, "scaling": _scaling, "floor": _floor, "click": _click}
    parts = [name for name in draw if name in book.parts and book.parts[name].rows]
    if not parts:
        return
    figure = Figure(figsize=(6.5 * min(2, len(parts)), 4.5 * -(-len(parts) // 2)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(-(-len(parts) // 2), min(2, len(parts)), squeeze=False).ravel()
    for axes, name in zip(grid, parts, strict=False):
        draw[name](axes, book.parts[name].rows)
        axes.set_title(book.parts[name].title)
    for axes in grid[len(parts) :]:
        axes.set_axis_off()
    machine = book.circumstances[parts[0]]["machine"]
    figure.suptitle(f"{machine['cpu']}, {machine['threads']} threads, {machine['date'][:10]}", fontsize="small")
    figure.savefig(file, dpi=110, metadata={"Software": None})


def _reference(axes: Any, rows: list[dict[str, Any]]) -> None:
    for i, method in enumerate(dict.fromkeys(row["method"] for row in rows)):
        own = [row for row in rows if row["method"] == method]
        axes.plot([r["cells"] for r in own], [r["s per frame"] for r in own], color=f"C{i}", label=method)
        measured = [r for r in own if r["how"] != "extrapolated"]
        axes.plot([r["cells"] for r in measured], [r["s per frame"] for r in measured], "o", color=f"C{i}")
    axes.set(xscale="log", yscale="log", xlabel="cells", ylabel="seconds a frame (dots are measured)")
    axes.legend(fontsize="x-small")
    axes.grid(alpha=0.3)


def _scaling(axes: Any, rows: list[dict[str, Any]]) -> None:
    base = [0.0] * len(rows)
    at = range(len(rows))
    for part in (*PARTS, "rest"):
        heights = [1000 * row.get(part, 0.0) / row["cells"] for row in rows]
        axes.bar(at, heights, bottom=base, label=part)
        base = [b + h for b, h in zip(base, heights, strict=True)]
    axes.set_xticks(at, [str(row["cells"]) for row in rows])
    axes.set(xlabel="cells", ylabel="milliseconds a frame and cell")
    axes.set_yscale("log")
    axes.legend(fontsize="x-small", ncols=2)


def _floor(axes: Any, rows: list[dict[str, Any]]) -> None:
    shown = [row for row in rows if row["ms"] > 0]
    at = range(len(shown))
    axes.bar(at, [row["ms"] for row in shown], color="C0", label="measured")
    axes.bar(at, [row.get("floor ms", 0.0) for row in shown], color="C1", label="arithmetic floor", width=0.4)
    axes.set_xticks(at, [row["part"] for row in shown], rotation=45)
    axes.set_ylabel("milliseconds a frame")
    axes.legend(fontsize="x-small")


def _click(axes: Any, rows: list[dict[str, Any]]) -> None:
    at = range(len(rows))
    axes.barh(at, [row["90 % below, ms"] for row in rows], color="C0", alpha=0.4, label="90 % below")
    axes.barh(at, [row["median ms"] for row in rows], color="C0", label="median", height=0.4)
    axes.set_yticks(at, [row["click"] for row in rows], fontsize="x-small")
    axes.set_xlabel("milliseconds")
    axes.legend(fontsize="x-small")
