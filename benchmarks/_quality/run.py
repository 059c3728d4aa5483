"""Run the parts of the measurement on movies and methods, with progress, from the cache where they are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from benchmarks._quality.cache import Cache
from benchmarks._quality.clicked import Clicked, summarise_work, work_left
from benchmarks._quality.ctc import ctc_metrics, summarise_ctc
from benchmarks._quality.follow import distance_curve, follow, summarise_follow, summarise_score
from benchmarks._quality.one_click import Tick, one_click, summarise_one_click
from benchmarks._quality.picture import Strip
from benchmarks._quality.trackers import Method
from benchmarks._quality.truth import Truth

Row = dict[str, Any]
Measure = Callable[[str, Callable[[Tick], Row]], Row]

PARTS = ("one-click", "follow", "score", "ctc", "work")


@dataclass(frozen=True)
class Runner:
    """Measures one movie with one method after another.

    Parameters
    ----------
    cache
        Where finished parts are kept.
    pictures
        Folder for the strips.
    max_rounds
        Rounds of corrections.
    console
        For progress.
    """

    cache: Cache
    pictures: Path
    max_rounds: int
    console: Console

    def run(self, truth: Truth, method: Method, parts: Sequence[str]) -> dict[str, Any]:
        """Return one row: movie, method, the table's numbers, and under "curves" what is plotted."""
        row: dict[str, Any] = {
            "movie": truth.name,
            "method": method.name,
            "mode": method.mode,
            "frames": truth.n_frames,
        }
        curves: dict[str, Any] = {}
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:

            def ticker(part: str) -> Tick:
                task = progress.add_task(f"{truth.name}, {method.title}: {part}", total=1.0)
                return lambda share: progress.update(task, completed=share)

            def measure(part: str, compute: Callable[[Tick], dict[str, Any]]) -> dict[str, Any]:
                data = self.cache.get(truth, method, part, lambda: compute(ticker(part)))
                row[f"seconds_{part}"], row[f"cpu_seconds_{part}"] = data["cost"]["wall"], data["cost"]["cpu"]
                return data

            if "one-click" in parts:
                data = measure("one-click", lambda tick: one_click(truth, method.make, tick))
                row.update(summarise_one_click(data))
                curves["click"] = sorted(data["click"])
            if "follow" in parts or "score" in parts:
                data = measure("follow", lambda tick: self._follow(truth, method, tick))
                if "follow" in parts:
                    row.update(summarise_follow(data))
                    curves["distance"] = distance_curve(data)
                if "score" in parts:
                    row.update(summarise_score(data))
            self._clicked(truth, method, parts, measure, row, curves)
        row["curves"] = curves
        return row

    def _clicked(
        self, truth: Truth, method: Method, parts: Sequence[str], measure: Measure, row: Row, curves: Row
    ) -> None:
        made: list[Clicked] = []

        def clicked(tick: Tick) -> Clicked:  # made once for both parts, and only where one of them is not known
            if not made:
                made.append(Clicked(truth, method.make, tick))
            return made[0]

        work_is_new = "work" in parts and not self.cache.has(truth, method, "work")
        if "ctc" in parts or work_is_new:  # scored before the corrections change the labels
            row.update(summarise_ctc(measure("ctc", lambda tick: self._ctc(truth, method, clicked(tick)))))
        if "work" in parts:
            data = measure("work", lambda tick: work_left(clicked(tick), tick, self.max_rounds))
            row.update(summarise_work(data))
            scale = 1000 / data["cell_frames"]
            curves["work"] = ([n * scale for n in data["corrections"]], [n * scale for n in data["wrong"]])

    def _follow(self, truth: Truth, method: Method, tick: Tick) -> dict[str, Any]:
        start, cells = truth.first_cells
        strip = Strip(truth, method.title, {start: {cell: truth.click(cell, start) for cell in cells}})
        data = follow(truth, method.make, tick, strip)
        strip.save(self._picture(truth, method, "follow"))
        return data

    def _ctc(self, truth: Truth, method: Method, clicked: Clicked) -> dict[str, Any]:
        clicks: dict[int, dict[int, tuple[float, float]]] = {}
        for cell in truth.cells:
            first = truth.present[cell][0]
            clicks.setdefault(first, {})[cell] = truth.click(cell, first)
        strip = Strip(truth, method.title, clicks)
        for frame in strip.wanted:
            strip.add(frame, clicked.tracker.labels[frame])
        strip.save(self._picture(truth, method, "each-clicked"))
        return dict(ctc_metrics(truth, clicked.tracker.labels))

    def _picture(self, truth: Truth, method: Method, kind: str) -> Path:
        self.pictures.mkdir(parents=True, exist_ok=True)
        # Pictures hold frames of movies that may not be passed on.
        (self.pictures / ".gitignore").write_text("*\n", encoding="ascii")
        name = f"{truth.name}-{method.title}-{kind}".replace("/", "-").replace(" ", "")
        return self.pictures / f"{name}.png"
