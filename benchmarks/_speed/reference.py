"""Parts `reference` and `versus`: beside transformers, and windows beside exact mode; rows are known one by one."""

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


def reference(setup: Setup) -> Iterator[Part]:
    """Seconds a frame beside transformers, for a few and for many cells on the same movie; what is known so far.

    The users' model with many cells comes first and last, so that it is seen whether the machine has changed.
    """
    field = make_field(max(*setup.reference_cells, *setup.few_cells), DIAMETER, setup.side)
    mine, there = _names(setup)
    most = max(setup.reference_cells)
    times: dict[tuple[str, int], list[float]] = {}

    def run(name: str, cells: int, contender: Iterator[object], frames: int) -> Part:
        times.setdefault((name, cells), []).extend(race({"": contender}, frames, device=setup.device)[""])
        return _report(setup, field, times)

    with full_memories():
        yield run(mine, most, ours(setup.model, field, most, "windows", device=setup.device), setup.repeats)
        other = transformers_model(setup.published)
        for cells in setup.few_cells:
            slow = theirs(other, field, cells, setup.architecture.image_size)
            yield run(there, cells, slow, setup.slow_repeats)
        for cells in sorted(setup.reference_cells):
            yield run(mine, cells, ours(setup.model, field, cells, "windows", device=setup.device), setup.repeats)


def versus(setup: Setup) -> Iterator[Part]:
    """The published architecture in windows against its exact mode; what is known so far."""
    cells = setup.versus_cells
    field = make_field(cells, DIAMETER, setup.side)
    tiny = setup.published
    frames = {"windows": setup.repeats, "exact": setup.slow_repeats}
    rows: list[Row] = []
    seconds: dict[str, float] = {}
    bars: list[Bar] = []
    with full_memories():
        for mode in ("windows", "exact"):  # the quick one first: whoever gives up has that at least
            contender = ours(tiny, field, cells, mode, random_settings(mode))
            times = race({mode: contender}, frames[mode], device=setup.device)[mode]
            seconds[mode] = median(times)
            row: Row = {"model": setup.architecture.name, "mode": mode, "cells": cells}
            rows.append(row | {"s per frame": seconds[mode], "frames": len(times)})
            if mode == "exact":
                what = f"{setup.architecture.name} architecture, {cells} cells: exact / windows"
                ratio = seconds["exact"] / seconds["windows"]
                bars = [Bar(what, ratio, FASTER_THAN_EXACT, at_most=False, unit="×")]
            yield Part(
                "Windows against exact mode",
                "Random weights, as many memories in both, all in use; one mode after the other on the same movie. "
                "Exact mode already shares the image encoding among cells and looks at raw memories.",
                list(rows),
                bars,
            )


def _names(setup: Setup) -> tuple[str, str]:
    return (
        f"{setup.model_name}, windows, {setup.precision}", f"transformers Sam2VideoModel, {setup.architecture.name}"
    )  # fmt: skip


def _report(setup: Setup, field: Field, times: dict[tuple[str, int], list[float]]) -> Part:
    mine, there = _names(setup)
    known = {who: median(spent) for who, spent in times.items()}
    slow = {cells: spent for (who, cells), spent in known.items() if who == there}
    line = _line(slow) if len(slow) == len(setup.few_cells) else None
    if line is not None:
        known = {(there, cells): line[0] + line[1] * cells for cells in setup.reference_cells} | known
    rows: list[Row] = []
    for cells in sorted({cells for _, cells in known}):
        for name in (mine, there):
            if (name, cells) in known:
                row: Row = {"cells": cells, "method": name, "s per frame": known[name, cells]}
                if (there, cells) in known:
                    row["transformers / this"] = known[there, cells] / known[name, cells]
                spent = times.get((name, cells), [])
                row["how"] = f"median of {len(spent)} frames" if spent else "extrapolated"
                rows.append(row)
    bars = []
    most = max(setup.reference_cells)
    if line is not None:
        ratio = known[there, most] / known[mine, most]
        what = f"{most} cells, {mine}: times faster than {there}"
        bars.append(Bar(what, ratio, FASTER_THAN_TRANSFORMERS, False, "×"))
    few = ", ".join(map(str, setup.few_cells))
    formula = "not measured yet" if line is None else f"{line[0]:.2f} s + {line[1]:.2f} s a cell"
    own = times[mine, most]
    note = (
        f"One field of {setup.side}² px with {len(field.clicks)} nuclei of {field.diameter:.0f} px, one contender "
        f"after the other, all memories and pointers in use. transformers was measured with {few} cells, one frame "
        "each after the prompted one, with the memories of the prompted frame in the place of those that follow: all "
        "that a frame looks at is there, so later ones take as long. More cells are on the straight line through these "
        f"(transformers: {formula}). It runs random weights of the published shape on frames that are resized already, "
        f"in {str(setup.published.dtype).removeprefix('torch.')}, and its masks are left at stride 4; ours reads the "
        f"frames, and writes and cleans the label image. {mine} with {most} cells came first and last: {own[0]:.2f} s "
        f"and {own[-1]:.2f} s a frame."
    )
    return Part("Beside transformers", note, rows, bars)


def _line(seconds_by_cells: dict[int, float]) -> tuple[float, float]:
    """Seconds for no cell and for each further one."""
    if len(seconds_by_cells) < 2:
        return 0.0, next(iter(seconds_by_cells.values())) / next(iter(seconds_by_cells))
    each, fixed = np.polyfit(list(seconds_by_cells), list(seconds_by_cells.values()), 1)
    return float(fixed), float(each)
