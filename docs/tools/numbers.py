"""The blocks of text with numbers in them, each made from benchmarks/results and from the program's own lists."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from tools.results import Row, number, part, parts, read, seconds, size, table

NOT_MEASURED = "*Not measured yet.*"

MOVIES = {
    "Fluo-N2DH-SIM+/01": "SIM+ 01, simulated nuclei",
    "Fluo-N2DH-SIM+/02": "SIM+ 02, simulated nuclei",
    "PhC-C2DH-U373/01": "U373 01, phase contrast",
    "PhC-C2DH-U373/02": "U373 02, phase contrast",
}


def models() -> str:
    """Names, sizes, licences, memory and speed of the models."""
    from napari_sam2.weights import list_models

    speeds = _speeds()
    rows = []
    for info in list_models():
        if info.version == "2.0" and not info.bundled:
            continue
        got = "in the package" if info.bundled else "downloaded when asked for"
        count = parameters(info.config)
        weights = f"{size(info.bytes)}, {got}" if info.bytes else got
        rows.append(
            [
                f"`{info.name}`", f"{number(count / 1e6)} million", weights, info.licence, size(4 * count),
                "; ".join(speeds.get(info.name, [])) or "–",
            ]
        )  # fmt: skip
    head = ["model", "parameters", "file", "licence", "weights in memory (float32)", "measured: time a frame"]
    own = [
        "a path",
        "–",
        "your own checkpoint of these shapes: `.pt`, `.safetensors`, layout of transformers",
        "yours",
        "–",
        "–",
    ]
    older = [
        "`sam2-tiny`, …",
        "the same",
        "the same sizes in their version of July 2024",
        "Apache-2.0",
        "the same",
        "–",
    ]
    note = "Time a frame: a field of 1024² pixels, cells in windows."
    if set(speeds) - {"cell"}:
        note += " Published networks were timed with random weights of their shapes, which does not change the time."
    return f"{table(head, [*rows, older, own])}\n\n{note}"


@cache
def parameters(config: str) -> int:
    """How many parameters a network of a configuration has."""
    import torch

    from napari_sam2.network import CONFIGS, Sam2

    with torch.device("meta"):
        return sum(p.numel() for p in Sam2(CONFIGS[config]).parameters())


def _speeds() -> dict[str, list[str]]:
    """Measured times by model, as phrases."""
    found: dict[str, list[str]] = {}
    for measured in parts("speed"):
        if measured.name == "scaling":
            wanted = [r for r in measured.rows if r["cells"] in (10, 100, 500)]
            text = ", ".join(f"{r['cells']} cells {seconds(r['s per frame'])}" for r in wanted)
            found.setdefault(measured.model["name"], []).append(f"{text} ({measured.device})")
        elif measured.name == "versus":
            for row in measured.rows:
                if row["mode"] == "windows":
                    text = f"{row['cells']} cells {seconds(row['s per frame'])} ({measured.device})"
                    found.setdefault(row["model"], []).append(text)
        elif measured.name == "gpu":
            for row in measured.rows:
                if row["part"] == "frame":
                    text = f"{row['cells']} cells {seconds(row['ms'] / 1000)} ({measured.device}, {row['type']})"
                    found.setdefault(row["model"], []).append(text)
    return found


def speed() -> str:
    """How fast a click shows its mask, and tracking goes, as a list."""
    lines = []
    click = part("speed", "click")
    if click:
        by = {r["click"]: r["median ms"] / 1000 for r in click.rows}
        where = click.device
        lines.append(
            f"A click shows its mask after {seconds(by['on a frame already encoded'])} on a frame that was looked at "
            f"before, and after {seconds(by['on a new frame'])} on a new one ({where}, 1024² pixels; median)."
        )
    for scaling in (p for p in parts("speed") if p.name == "scaling"):
        each = ", ".join(f"{seconds(r['s per frame'])} for {_cells(r['cells'])}" for r in scaling.rows)
        lines.append(
            f"A frame of 1024² pixels with 26-pixel nuclei takes {each} "
            f"({scaling.device}, {scaling.model.get('dtype', '')}, model `{scaling.model['name']}`)."
        )
    return "\n".join(f"- {line}" for line in lines) or NOT_MEASURED


def _cells(count: int) -> str:
    return f"{count} cell{'s' * (count != 1)}"


def memory() -> str:
    """What the length of a movie and a large field cost, as a list."""
    lines = []
    length, small = part("memory", "length"), part("memory", "small")
    if length:
        peaks = ", ".join(f"{r['peak MiB']:,.0f} MiB for {r['frames']:,} frames" for r in length.rows)
        cells = length.rows[0]["cells"]
        lines.append(
            f"A movie's length hardly matters for memory: one small field of {cells} cells takes {peaks} (peaks of "
            "the whole process)."
        )
    if small:
        row = small.rows[0]
        lines.append(
            f"A field of 2048² pixels with {row['cells']} cells of 12 pixels takes {row['peak GiB']:.1f} GiB; one "
            f"click finds a cell with a median IoU of {row['median one-click IoU']:.2f}."
        )
    return "\n".join(f"- {line}" for line in lines) or NOT_MEASURED


QUALITY: list[tuple[str, Callable[[Row], str]]] = [
    ("one click on each cell's first frame, median IoU", lambda r: f"{r['click_median_iou']:.3f}"),
    ("clicks until IoU 0.8, mean (ten at most)", lambda r: f"{r['clicks_to_80']:.1f}"),
    ("all cells of frame 0 clicked once, followed to the end, mean IoU", lambda r: f"{r['follow_mean_iou']:.3f}"),
    (
        "still right (IoU > 0.5) after 20 and 50 frames, at the end",
        lambda r: f"{r['right_after_20']:.2f}, {r['right_after_50']:.2f}, {r['right_at_end']:.2f}",
    ),
    ("identity switches", lambda r: f"{r['switches']:.0f}"),
    ("each new cell clicked once: SEG, TRA", lambda r: f"{r['seg']:.3f}, {r['tra']:.3f}"),
    (
        "corrections per 1000 cell-frames; still wrong after them",
        lambda r: f"{number(r['work_per_1000'])}; {number(r['work_wrong_after_per_1000'])}",
    ),
    ("telling cells that are gone from those that are there, area under the curve", lambda r: _score(r)),
]  # fmt: skip
BASELINE: list[tuple[str, Callable[[Row], str]]] = [
    (
        "the same by Otsu's threshold, watershed and overlap: followed, mean IoU",
        lambda r: f"{r['follow_mean_iou']:.3f}",
    ),
    ("… SEG, TRA", lambda r: f"{r['seg']:.3f}, {r['tra']:.3f}"),
]


def _score(row: Row) -> str:
    if not row["score_absent_frames"]:
        return "no absent cells"
    return f"{row['score_auc']:.2f}" + (" (no better than chance)" if row["score_auc"] < 0.55 else "")


def quality() -> str:
    """How good the bundled model is on movies with truth."""
    found = read("quality")
    if not found:
        return NOT_MEASURED
    rows: list[Row] = found["rows"]
    movies = list(dict.fromkeys(r["movie"] for r in rows))
    ours = {r["movie"]: r for r in rows if r["method"] == "cell" and r.get("mode") in ("windows", "auto", "")}
    plain = {r["movie"]: r for r in rows if r["method"].startswith("otsu")}
    lines = []
    for which, wanted in ((ours, QUALITY), (plain, BASELINE)):
        for title, show in wanted:
            cells = [_shown(show, which.get(movie)) for movie in movies]
            if any(cell != "–" for cell in cells):
                lines.append([title, *cells])
    head = ["", *(f"{MOVIES.get(m, m)}, {ours[m]['frames']} frames" if m in ours else m for m in movies)]
    return table(head, lines)


#: Settings that bear on identity, in words, by the end of the method's name.
IDENTITY = {
    "cell": "as it is",
    "cell, guard=off": "doubtful masks are remembered too",
    "cell, neighbours=on": "neighbours as negative evidence",
}


def identity() -> str:
    """Identity switches in crowds, with and without the two rules that bear on them."""
    found = read("identity")
    if not found:
        return NOT_MEASURED
    lines = []
    for r in found["rows"]:
        movie = MOVIES.get(r["movie"], "synthetic crowd of nuclei")
        shown = [f"{r['follow_mean_iou']:.3f}", f"{r['right_at_end']:.2f}", f"{r['switches']:.0f}"]
        lines.append([movie, IDENTITY[r["method"]], f"{r['follow_cell_frames']:.0f}", *shown])
    return table(["movie", "rule", "masks", "mean IoU", "right at the end", "identity switches"], lines)


def kinds() -> str:
    """How the bundled model does on each kind of synthetic movie."""
    found = read("kinds")
    if not found:
        return NOT_MEASURED
    rows: list[Row] = found["rows"]
    cells = [[row["kind"], *(_digits(row[name]) for name in list(row)[1:])] for row in rows]
    return table(list(rows[0]), cells)


def _digits(value: float | int | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _shown(show: Callable[[Row], str], row: Row | None) -> str:
    try:
        return "–" if row is None else show(row)
    except KeyError:  # this part was not run
        return "–"


def export() -> str:
    """How long exporting takes."""
    found: dict[str, Any] | None = read("export")
    if not found:
        return NOT_MEASURED
    rows = [
        [f"`{r['format']}`", seconds(r["seconds"]), f"{r['megabytes']:.0f} MB", f"{r['peak_megabytes']:.0f} MB"]
        for r in found["formats"]
    ]
    what = f"{found['frames']} frames of {found['size']} × {found['size']} pixels, {found['cells']} cells"
    where = found["machine"]
    note = f" {where['note']}" if where.get("note") else ""
    head = ["format", "time", "size", "memory"]
    return f"{what} ({where['cpu']}, one thread).{note}\n\n{table(head, rows)}"


BLOCKS: dict[str, Callable[[], str]] = {
    "models": models,
    "speed": speed,
    "memory": memory,
    "quality": quality,
    "identity": identity,
    "kinds": kinds,
    "export": export,
}
