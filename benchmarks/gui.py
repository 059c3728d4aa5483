"""Whether the window stays alive while cells are tracked, in one command.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/gui.py [--cells 50] [--side 1024] [--frames 12] [--quick]

A timer of the event loop ticks all the time; what comes later than it should is a gap, in which the window would not
have answered. Gaps are measured at rest, while the run goes on and the user stays on a frame, while he follows the run
frame by frame, and while he clicks during a run. The dock is open, with its table of cells. Each part replaces what was
known of it. Tables and JSON go to benchmarks/results.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
if str(REPOSITORY) not in sys.path:  # run as a script
    sys.path.insert(0, str(REPOSITORY))

PARTS = ("rest", "still", "following", "clicking")
TICK = 0.004
"""Seconds between ticks."""
LIMIT_MS = 50.0
"""What nothing on the main thread should take longer than."""
QUICK = {"cells": 6, "side": 256, "frames": 5}


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=50)
    parser.add_argument("--side", type=int, default=1024, help="of a frame in pixels [%(default)s]")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of the tracker [all cores]")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks" / "results")
    return parser


class Heart:
    """Ticks in the event loop and keeps how late each tick was.

    Attributes
    ----------
    late : list of float
        Seconds between ticks beyond what was asked for.
    busy : list of float
        Seconds that the main thread computed between ticks: what is left of a gap without waiting for other programs,
        or for the tracker's thread.
    """

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.late: list[float] = []
        self.busy: list[float] = []
        self._last, self._spent = time.perf_counter(), time.thread_time()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(round(TICK * 1000))
        self._timer.timeout.connect(self._tick)

    def __enter__(self) -> Heart:
        self.late.clear()
        self.busy.clear()
        self._last, self._spent = time.perf_counter(), time.thread_time()
        self._timer.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._timer.stop()

    def _tick(self) -> None:
        now, spent = time.perf_counter(), time.thread_time()
        self.late.append(max(0.0, now - self._last - TICK))
        self.busy.append(spent - self._spent)
        self._last, self._spent = now, spent


def wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Run the event loop, as Qt does it, until something has come about; returns whether it has."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, end = QEventLoop(), time.monotonic() + seconds
    timer = QTimer()
    timer.setInterval(50)

    def look() -> None:
        if condition() or time.monotonic() > end:
            loop.quit()

    timer.timeout.connect(look)
    timer.start()
    loop.exec()
    timer.stop()
    return condition()


def row(name: str, heart: Heart, frames: int, seconds: float) -> dict[str, Any]:
    """Numbers of one part; times in milliseconds."""
    ms = np.array(heart.late or [0.0]) * 1000
    busy = np.array(heart.busy or [0.0]) * 1000
    # a gap is as long as all the ticks that fell into it: the share of time says more than the share of ticks
    over = float(ms[ms > LIMIT_MS].sum() / 1000 / max(seconds, 1e-9))
    return {
        "part": name,
        "ticks": len(heart.late),
        "median ms": float(np.median(ms)),
        "99 % ms": float(np.percentile(ms, 99)),
        "worst ms": float(ms.max()),
        "busy, 99 % ms": float(np.percentile(busy, 99)),
        "busy, worst ms": float(busy.max()),
        "time in gaps over 50 ms": over,
        "frames": frames,
        "frames/s": frames / seconds if seconds else 0.0,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = build_parser().parse_args(arguments)
    sizes = QUICK if options.quick else {"cells": options.cells, "side": options.side, "frames": options.frames}
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    from benchmarks._book import Bar, Book, Part
    from benchmarks._machine import machine

    stem = options.out / ("gui-quick" if options.quick else "gui")
    book = Book(stem, "The window while cells are tracked")
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), **sizes)
    note = (
        f"{sizes['cells']} cells on {sizes['frames']} frames of {sizes['side']}². Milliseconds by which ticks of the "
        f"event loop, one every {TICK * 1000:.0f} ms, came late; busy: what the main thread computed "
        "between two. Drawing is in it; without a graphics card it is done by the processor."
    )
    circumstances = {"machine": machine(), "command": f"python benchmarks/gui.py {shlex.join(arguments)}"}
    for name, found in rows.items():
        bars = []
        if name in ("still", "following") and not options.quick:
            bars = [
                Bar(f"{name}: median lateness of the event loop", found["median ms"], LIMIT_MS, True, "ms"),
                Bar(f"{name}: worst lateness of the event loop", found["worst ms"], LIMIT_MS, True, "ms"),
                Bar(f"{name}: longest work of the main thread", found["busy, worst ms"], LIMIT_MS, True, "ms"),
            ]
        part = Part(TITLES[name], note, [found], bars)
        book.put(name, part, circumstances, PARTS)
        for bar in bars:
            print(bar)
    print(book.markdown())


TITLES = {
    "rest": "At rest",
    "still": "Tracking, while one frame is looked at",
    "following": "Tracking, while each finished frame is shown",
    "clicking": "Tracking, with a click on a cell every two seconds",
}


def measure(folder: Path, cells: int, side: int, frames: int) -> dict[str, dict[str, Any]]:
    """Measure all parts in one window."""
    import napari

    from napari_sam2.session import new_session
    from napari_sam2.training.synthetic import make_movie
    from napari_sam2.widgets.image import axes_of
    from napari_sam2.widgets.main_dock import MainDock

    film = make_movie("nuclei", frames=frames, size=(side, side), cells=cells, diameter=side / 22, seed=2)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 900)
    dock = MainDock(viewer)
    viewer.window.add_dock_widget(dock, name="SAM 2 Cell Tracker", area="right")
    desk, image = dock.desk, viewer.add_image(film.frames, name="movie")
    session = new_session(film.frames, folder / "gui.sam2cells", cell_diameter=side / 22)
    desk.place(image, axes_of(image), session)
    viewer.dims.set_current_step(0, 0)
    numbers = [int(n) for n in np.unique(film.labels[0]) if n][:cells]
    where = {n: np.argwhere(film.labels[0] == n) for n in numbers}
    places = [tuple(found[len(found) // 2].astype(float)) for found in where.values()]
    for n, place in enumerate(places, 1):
        session.add_click(n, 0, place)
    heart = Heart()
    sheet = desk.sheet_of(image)
    assert sheet is not None
    wait(lambda: not sheet.runs.pending, 600)
    found: dict[str, dict[str, Any]] = {}

    with heart:
        wait(lambda: False, 3.0)
    found["rest"] = row("rest", heart, 0, 3.0)
    for name in PARTS[1:]:
        began = time.perf_counter()
        seen: list[int] = []

        def told(state: Any, name: str = name, seen: list[int] = seen) -> None:
            if state.frame is not None and (not seen or seen[-1] != state.frame):
                seen.append(state.frame)
                if name == "following":
                    desk.show_frame(state.frame)

        desk.show_frame(0)
        desk.run_changed.connect(told)
        clicks = _Clicks(desk, places) if name == "clicking" else None
        with heart:
            desk.track(what="all")
            if clicks is not None:
                clicks.start()
            wait(lambda seen=seen: bool(seen) and not sheet.runs.pending, 1800)  # type: ignore[misc]
        seconds = time.perf_counter() - began
        if clicks is not None:
            clicks.stop()
        desk.run_changed.disconnect(told)
        found[name] = row(name, heart, len(seen), seconds)
        print(found[name], flush=True)
    desk.close()
    viewer.close()
    return found


class _Clicks:
    """Corrects one cell after the other while a run goes on."""

    def __init__(self, desk: Any, places: Sequence[tuple[float, ...]]) -> None:
        from qtpy.QtCore import QTimer

        self._desk, self._places, self._next = desk, list(places), 0
        self._timer = QTimer()
        self._timer.setInterval(2000)
        self._timer.timeout.connect(self._click)

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    def _click(self) -> None:
        if self._next >= min(3, len(self._places)):  # each click sets the run back: a few are enough
            return
        y, x = self._places[self._next]
        self._next += 1
        self._desk.act("add_click", self._next, 0, (y + 1, x + 1))


if __name__ == "__main__":
    main()
