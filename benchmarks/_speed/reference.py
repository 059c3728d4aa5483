"""Parts `reference` and `versus`: beside transformers, and windows beside exact mode."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import numpy as np

from benchmarks._book import Bar, Part, Row
from benchmarks._speed.contenders import full_memories, ours, race, theirs, transformers_model
from benchmarks._speed.movies import Field, make_field
from benchmarks._speed.setup import Setup, random_settings
from napari_sam2.tracking import Settings

#: Cells as large as the tracker makes them anyway, so that the field keeps its size in model pixels, whatever the mode.
DIAMETER = Settings().target_diameter
FASTER_THAN_TRANSFORMERS = 100.0
FASTER_THAN_EXACT = 10.0


def reference(setup: Setup) -> Part:
    """Seconds a frame beside transformers, for a few and for many cells, in turns on the same movie."""
    field = make_field(max(*setup.reference_cells, *setup.few_cells), DIAMETER, setup.side)
    tiny = setup.published
    other = transformers_model(tiny)
    mine, small, whole, there = _names(setup)
    runs: dict[tuple[str, int], Iterator[object]] = {}
    for cells in setup.few_cells:
        runs[there, cells] = theirs(other, field, cells, setup.architecture.image_size)
        runs[whole, cells] = ours(tiny, field, cells, "exact", random_settings("exact"))
    for cells in setup.reference_cells:
        runs[mine, cells] = ours(setup.model, field, cells, "windows", device=setup.device)
        runs[small, cells] = ours(tiny, field, cells, "windows", random_settings("windows"))
    more = {name: setup.repeats for name in runs if name[0] in (mine, small)}
    with full_memories():
        times = race(runs, setup.slow_repeats, frames=more, device=setup.device)
    return _report(setup, field, times)


def versus(setup: Setup) -> Part:
    """The published architecture in windows against its exact mode."""
    cells = setup.versus_cells
    field = make_field(cells, DIAMETER, setup.side)
    tiny = setup.published
    with full_memories():
        runs = {
            "exact": ours(tiny, field, cells, "exact", random_settings("exact")),
            "windows": ours(tiny, field, cells, "windows", random_settings("windows")),
        }
        times = race(runs, setup.slow_repeats, device=setup.device)
    rows: list[Row] = [
        {"mode": mode, "cells": cells, "s per frame": median(seconds), "frames": len(seconds)}
        for mode, seconds in times.items()
    ]
    ratio = median(times["exact"]) / median(times["windows"])
    what = f"{setup.architecture.name} architecture, {cells} cells: exact / windows"
    return Part(
        "Windows against exact mode",
        "Random weights, as many memories in both, all in use; modes in turns on the same movie. Exact mode already "
        "shares the image encoding among cells and looks at raw memories.",
        rows,
        [Bar(what, ratio, FASTER_THAN_EXACT, at_most=False, unit="×")],
    )


def _names(setup: Setup) -> tuple[str, str, str, str]:
    tiny = setup.architecture.name
    return (
        f"{setup.model_name}, windows, {setup.precision}", f"{tiny}, windows", f"{tiny}, exact",
        f"transformers Sam2VideoModel, {tiny}",
    )  # fmt: skip


def _report(setup: Setup, field: Field, times: dict[tuple[str, int], list[float]]) -> Part:
    mine, small, whole, there = _names(setup)
    seconds = {who: median(spent) for who, spent in times.items()}
    lines = {
        name: _line({cells: spent for (who, cells), spent in seconds.items() if who == name}) for name in (whole, there)
    }
    rows: list[Row] = []
    for cells in sorted({*setup.reference_cells, *setup.few_cells}):
        guessed = {(name, cells): line[0] + line[1] * cells for name, line in lines.items()}
        known = guessed | seconds
        for name in (mine, small, whole, there):
            if (name, cells) in known:
                row: Row = {"cells": cells, "method": name, "s per frame": known[name, cells]}
                row["transformers / this"] = known[there, cells] / known[name, cells]
                measured = (name, cells) in times
                row["how"] = f"median of {len(times[name, cells])} frames" if measured else "extrapolated"
                rows.append(row)
    most = max(setup.reference_cells)
    ratio = next(r["transformers / this"] for r in rows if r["cells"] == most and r["method"] == mine)
    fixed, each = lines[there]
    few = ", ".join(map(str, setup.few_cells))
    tiny_type = str(setup.published.dtype).removeprefix("torch.")
    return Part(
        "Beside transformers",
        f"One field of {setup.side}² px with {len(field.clicks)} nuclei of {field.diameter:.0f} px, methods in turns, "
        f"all memories and pointers in use. transformers and exact mode were measured with {few} cells; more are on "
        f"the straight line through these (transformers: {fixed:.2f} s + {each:.2f} s a cell). transformers runs the "
        "same random weights on frames that are resized already, and its masks are left at stride 4; ours reads the "
        f"frames, and writes and cleans the label image. {tiny_type} where the name does not say otherwise.",
        rows,
        [Bar(f"{most} cells, {mine}: times faster than {there}", ratio, FASTER_THAN_TRANSFORMERS, False, "×")],
    )


def _line(seconds_by_cells: dict[int, float]) -> tuple[float, float]:
    """Seconds for no cell and for each further one."""
    if len(seconds_by_cells) < 2:
        return 0.0, next(iter(seconds_by_cells.values())) / next(iter(seconds_by_cells))
    each, fixed = np.polyfit(list(seconds_by_cells), list(seconds_by_cells.values()), 1)
    return float(fixed), float(each)
