"""How long a large session takes to act, open and save: ``python benchmarks/session.py [--frames N] [--cells N]``.

The masks come from a formula, so that only the session's own time is measured. Autosave is compared with the time that
tracking takes, which ``--real`` measures with the bundled model on the same number of cells.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from napari_sam2.session import Session, new_session, open_session
from napari_sam2.session import run as session_run
from napari_sam2.session.engine import EngineMaker
from napari_sam2.tracking.plan import Segment
from napari_sam2.tracking.prompts import PromptBook

LIMIT_ACTION_MS, LIMIT_OPEN_S, LIMIT_AUTOSAVE = 50.0, 2.0, 0.05
"""What is asked for: an action without inference, opening, and autosave as a share of tracking time."""


class Blank:
    """A movie of noise that costs nothing to read."""

    def __init__(self, frames: int, side: int) -> None:
        self.shape, self.dtype, self.ndim = (frames, side, side), np.dtype(np.uint8), 3
        self._frame = np.random.default_rng(0).integers(0, 255, (side, side), np.uint8)

    def __getitem__(self, key: Any) -> npt.NDArray[np.uint8]:
        return self._frame


@dataclass
class Result:
    """As the tracker's."""

    frame: int
    labels: npt.NDArray[np.int32]
    scores: dict[int, float]
    ious: dict[int, float]
    areas: dict[int, int] = field(default_factory=dict)
    suspects: dict[int, str] = field(default_factory=dict)


def places(cells: int, side: int) -> npt.NDArray[np.float64]:
    """Centres of cells on a grid, (N, 2)."""
    columns = int(np.ceil(np.sqrt(cells)))
    step = side / columns
    return np.array([((i // columns + 0.5) * step, (i % columns + 0.5) * step) for i in range(cells)])


class Formula:
    """An engine whose cells are discs that sway a little."""

    weights_hash, cell_diameter = "formula", 16.0

    def __init__(self, movie: Any, meta: dict[str, Any], labels: Any) -> None:
        frames, side, _ = labels.shape
        self.prompts = PromptBook(frames, (side, side))
        self.side = side
        self.labels = labels

    def level(self, cell: int) -> int:
        return 0

    def run(
        self,
        segments: list[Segment],
        frames: tuple[int, int],
        locked: Callable[[int], Iterable[int]],
        held: Callable[[int], Iterable[int]],
    ) -> Iterator[Result]:
        cells = sorted({s.cell for s in segments})
        rng = np.random.default_rng(1)
        base: npt.NDArray[np.int32] = np.zeros((self.side, self.side), np.int32)
        centres = places(max(cells), self.side)
        radius = 0.35 * self.side / np.ceil(np.sqrt(max(cells)))
        yy, xx = np.mgrid[: self.side, : self.side]
        for cell in cells:
            y, x = centres[cell - 1].tolist()
            box = np.s_[max(0, int(y - radius)) : int(y + radius) + 2, max(0, int(x - radius)) : int(x + radius) + 2]
            base[box][(yy[box] - y) ** 2 + (xx[box] - x) ** 2 < radius**2] = cell
        scores = {c: float(rng.uniform(0.5, 1)) for c in cells}
        for frame in range(*frames):
            yield Result(frame, np.roll(base, (frame % 7, frame % 5), (0, 1)), scores, scores)


def timed(do: Callable[[], object]) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    do()
    return (time.perf_counter() - start) * 1e3


def measure_actions(session: Session) -> dict[str, float]:
    """Milliseconds of each action, of its undo and redo; the session is as before afterwards."""
    frames, (side, _) = session.n_frames, session.document.frame_shape
    middle = frames // 2
    y, x = places(len(session.cells), side)[10]
    stroke = np.zeros((side, side), bool)
    stroke[int(y) : int(y) + 9, int(x) : int(x) + 20] = True
    actions: dict[str, Callable[[], object]] = {
        "add_click": lambda: session.add_click(11, middle, (y, x)),
        "paint": lambda: session.paint(11, middle, stroke),
        "delete": lambda: session.delete(12),
        "delete_from": lambda: session.delete_from(12, 5),
        "delete_on": lambda: session.delete_on(12, 5),
        "merge": lambda: session.merge(12, 13),
        "cut": lambda: session.cut(12, 5),
        "swap": lambda: session.swap(12, 13, 5),
        "split": lambda: session.split(12, 5, points=[places(500, side)[11] - 3, places(500, side)[11] + 3]),
        "divide": lambda: session.divide(12, 5, [(y, x), (y + 2, x + 20)]),
        "renumber": lambda: session.renumber(12, session.new_id()),
        "set_state": lambda: session.set_state(12, None, "checked"),
        "lock": lambda: session.lock(12),
    }
    found = {}
    for name, action in actions.items():
        session.settle()
        runs = []
        for _ in range(3):
            done = timed(action)
            undone = timed(session.undo)
            runs.append((done, undone))
            session.settle()
        found[name] = float(np.median([r[0] for r in runs]))
        found[f"undo {name}"] = float(np.median([r[1] for r in runs]))
    found["stale frames of all cells"] = timed(session.stale)
    return found


def real_tracking(cells: int, side: int) -> float:
    """Milliseconds that the bundled model takes for a frame with so many cells on this machine."""
    from napari_sam2.tracking import CellTracker

    movie = np.random.default_rng(0).integers(0, 255, (4, side, side), np.uint8)
    tracker = CellTracker(movie, cell_diameter=0.7 * side / np.ceil(np.sqrt(cells)))
    for i, (y, x) in enumerate(places(cells, side)):
        tracker.add_click(i + 1, 0, (y, x))
    seen: list[float] = []
    for _ in tracker.track(direction="forward"):
        seen.append(time.perf_counter())
    return float(np.median(np.diff(seen[1:]))) * 1e3


def main() -> None:
    """Measure, print a table, and write it as JSON."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--frames", type=int, default=5000)
    ask.add_argument("--cells", type=int, default=500)
    ask.add_argument("--side", type=int, default=1024, help="pixels of a frame's side")
    ask.add_argument("--real", action="store_true", help="measure tracking with the bundled model too")
    ask.add_argument("--tracking-ms", type=float, help="time of tracking a frame, where it is known")
    ask.add_argument("--folder", type=Path, default=None)
    ask.add_argument("--out", type=Path, default=None, help="JSON file for the numbers")
    given = ask.parse_args()
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    movie, path = Blank(given.frames, given.side), folder / "large.sam2cells"
    numbers: dict[str, float] = {}
    try:
        session = new_session(movie, path, model="formula", make_engine=cast(EngineMaker, Formula))
        for y, x in places(given.cells, given.side):
            session.add_click(None, 0, (y, x))
        own: list[float] = []
        write = session_run.write_frame

        def timing(*args: Any) -> None:
            own.append(timed(lambda: write(*args)))

        session_run.write_frame = timing  # type: ignore[assignment]
        done = session.run(direction="forward")
        session_run.write_frame = write
        numbers["frames tracked"] = done
        numbers["autosave ms a frame"] = float(np.median(own))
        numbers["close s"] = timed(session.close) / 1e3
        opened: list[Session] = []
        numbers["open s"] = (
            timed(lambda: opened.append(open_session(path, movie, make_engine=cast(EngineMaker, Formula)))) / 1e3
        )
        session = opened[0]
        actions = measure_actions(session)
        session.delete(12)
        numbers["settle ms a pending frame"] = timed(session.settle) / given.frames
        session.undo()
        session.settle()
        session.close()
        numbers["MB on disk"] = sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) / 1e6
        numbers["peak memory MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    finally:
        shutil.rmtree(folder)
    tracking = real_tracking(given.cells, given.side) if given.real else given.tracking_ms
    print(f"{given.cells} cells x {given.frames} frames of {given.side} x {given.side} px")
    for name, value in numbers.items():
        print(f"  {name:32} {value:10.2f}")
    for name, value in actions.items():
        print(f"  {name:32} {value:10.2f} ms{'' if value < LIMIT_ACTION_MS else '   over ' + str(LIMIT_ACTION_MS)}")
    print(f"  opening under {LIMIT_OPEN_S} s: {numbers['open s'] < LIMIT_OPEN_S}")
    if tracking:
        share = numbers["autosave ms a frame"] / tracking
        numbers |= {"tracking ms a frame": tracking, "autosave share": share}
        print(f"  autosave is {share:.2%} of {tracking:.0f} ms tracking a frame (limit {LIMIT_AUTOSAVE:.0%})")
    if given.out:
        given.out.write_text(json.dumps({"numbers": numbers, "actions": actions}, indent=1))


if __name__ == "__main__":
    main()
