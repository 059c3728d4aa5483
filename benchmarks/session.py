"""How long a large session takes to act, answer, open and save: ``python benchmarks/session.py [--real]``.

The masks come from a formula, so that only the session's own time is measured. Autosave is compared with the time that
tracking takes, which ``--real`` measures with the bundled model on the same number of cells. Results go to
``benchmarks/results/session.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import resource
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

if str(Path(__file__).resolve().parents[1]) not in sys.path:  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._book import Bar, Book, Part, Row
from benchmarks._machine import REPOSITORY, machine
from napari_sam2.session import Session, new_session, open_session
from napari_sam2.session import run as session_run
from napari_sam2.session.engine import EngineMaker
from napari_sam2.tracking.plan import Segment
from napari_sam2.tracking.prompts import PromptBook

LIMIT_ACTION_MS, LIMIT_OPEN_S, LIMIT_AUTOSAVE, LIMIT_ANSWER_S = 50.0, 2.0, 0.05, 1.0
"""What is asked for: an action without inference, opening, autosave as a share of tracking time, and an answer about
what deserves a look."""
RESULTS = REPOSITORY / "benchmarks" / "results"


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
    gave_way: frozenset[tuple[int, int]] = frozenset()


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
        before: Any = None,
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


def measure_writing(session: Session) -> dict[str, float]:
    """Milliseconds that a tracked frame keeps tracking waiting, as the median over a whole run."""
    clock: list[float] = []
    busy: list[float] = []
    write = session_run.write_frame

    def timing(*args: Any) -> None:
        began = time.perf_counter(), time.thread_time()
        write(*args)
        clock.append((time.perf_counter() - began[0]) * 1e3)
        busy.append((time.thread_time() - began[1]) * 1e3)

    session_run.write_frame = timing  # type: ignore[assignment]
    try:
        began = time.process_time()
        done = session.run(direction="forward")
        spent = time.process_time() - began
    finally:
        session_run.write_frame = write
    return {
        "frames tracked": done,
        "tracking waits, ms a frame": float(np.median(clock)),
        "of which computing, ms": float(np.median(busy)),
        "processor with the thread that writes, ms a frame": spent * 1e3 / max(done, 1),
    }


def measure_answers(session: Session) -> dict[str, float]:
    """Seconds until the session answers what the docks ask."""
    return {
        "review s": timed(session.review) / 1e3,
        "proposals s": timed(session.proposals) / 1e3,
        "stale frames of all cells, ms": timed(session.stale),
        "masks to track, ms": timed(session.cost),
    }


def measure_folder(path: Path, movie: Any, frames: int) -> tuple[dict[str, float], dict[str, float]]:
    """Opening, actions, writing what is pending, closing."""
    opened: list[Session] = []
    make = cast(EngineMaker, Formula)
    numbers = {"open s": timed(lambda: opened.append(open_session(path, movie, make_engine=make))) / 1e3}
    session = opened[0]
    actions = measure_actions(session)
    session.delete(12)
    pending = len(session.labels.pending)
    numbers["write a pending frame, ms"] = timed(session.settle) / max(pending, 1)
    session.undo()
    numbers[f"close with {frames} pending frames, s"] = timed(session.close) / 1e3
    numbers["MB on disk"] = sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) / 1e6
    numbers["peak memory MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return numbers, actions


def main() -> None:
    """Measure, print a table, and write it."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--frames", type=int, default=5000)
    ask.add_argument("--cells", type=int, default=500)
    ask.add_argument("--side", type=int, default=1024, help="pixels of a frame's side")
    ask.add_argument("--real", action="store_true", help="measure tracking with the bundled model too")
    ask.add_argument("--tracking-ms", type=float, help="time of tracking a frame, where it is known")
    ask.add_argument("--folder", type=Path, default=None, help="where the session is made")
    ask.add_argument("--out", type=Path, default=RESULTS)
    given = ask.parse_args()
    command = f"python benchmarks/session.py {shlex.join(sys.argv[1:])}".strip()
    began = time.perf_counter()
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    movie, path = Blank(given.frames, given.side), folder / "large.sam2cells"
    try:
        session = new_session(movie, path, model="formula", make_engine=cast(EngineMaker, Formula))
        with session.changed.blocked():
            for y, x in places(given.cells, given.side):
                session.add_click(None, 0, (y, x))
        numbers = measure_writing(session) | measure_answers(session)
        numbers["close s"] = timed(session.close) / 1e3
        found, actions = measure_folder(path, movie, given.frames)
        numbers |= found
    finally:
        shutil.rmtree(folder)
    tracking = real_tracking(given.cells, given.side) if given.real else given.tracking_ms
    slowest = max((name for name in actions if "stale" not in name), key=lambda name: actions[name])
    bars = [
        Bar(f"slowest action on one cell ({slowest})", actions[slowest], LIMIT_ACTION_MS, True, "ms"),
        Bar("opening", numbers["open s"], LIMIT_OPEN_S, True, "s"),
        Bar("review", numbers["review s"], LIMIT_ANSWER_S, True, "s"),
        Bar("proposed divisions", numbers["proposals s"], LIMIT_ANSWER_S, True, "s"),
    ]
    if tracking:
        share = 100 * numbers["tracking waits, ms a frame"] / tracking
        numbers["tracking, ms a frame"] = tracking
        bars.append(Bar("autosave, of the time of tracking", share, 100 * LIMIT_AUTOSAVE, True, "%"))
    rows: list[Row] = [{"what": name, "measured": float(value)} for name, value in numbers.items()]
    rows += [{"what": f"{name}, ms", "measured": value} for name, value in actions.items()]
    size = f"{given.cells} cells x {given.frames} frames of {given.side} x {given.side} px"
    note = f"{size}; masks come from a formula. Each action and its undo three times, the median."
    book = Book(given.out / "session", "The session at scale")
    spent = time.perf_counter() - began
    where = {"command": command, "machine": machine(), "model": None, "seconds": spent, "key": ""}
    book.put("scale", Part(size, note, rows, bars), where, ("scale",))
    print(book.markdown())


if __name__ == "__main__":
    main()
