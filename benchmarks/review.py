"""Does the list of suspects lead to the errors? ``python benchmarks/review.py [--movie NAME ...] [--frames N]``.

Every cell is clicked once, where it first appears, and tracked to the end; nobody says where it ends. A cell-frame is
wrong where its mask overlaps with the truth by less than half, which includes masks of cells that are not there any
more. Of the first 50 suspects: how many are wrong, against as many in random order; and how many of the wrong
cell-frames lie in the stretches that they point at. The same again without the frames after a cell's end, where
mothers live on upon a daughter: those are a matter of the proposed divisions.

Results go to ``benchmarks/results/review.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402

if str(Path(__file__).resolve().parents[1]) not in sys.path:  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._book import Bar, Part, Row  # noqa: E402
from benchmarks._truth import RESULTS, WRONG_IOU, Report, clicked, find, seen, truth_of, wrong  # noqa: E402
from napari_sam2.session import Suspect  # noqa: E402

SHOWN = 50
MOVIES = ("Fluo-N2DH-SIM+/01", "PhC-C2DH-U373/01")
Frames = dict[int, npt.NDArray[np.bool_]]


def rank(suspects: list[Suspect], bad: Frames, counted: Frames) -> Row:
    """What the first suspects lead to, of the cell-frames that count."""
    everything = int(sum(c.sum() for c in counted.values()))
    errors = int(sum((bad[c] & counted[c]).sum() for c in bad))
    shown = [s for s in suspects if counted[s.cell][s.frame]][:SHOWN]
    hits = sum(bool(bad[s.cell][s.frame]) for s in shown)
    pointed = {(s.cell, t) for s in shown for t in range(s.first, s.last + 1) if (bad[s.cell] & counted[s.cell])[t]}
    return {
        "cell-frames": everything,
        "wrong": errors,
        "wrong in random order": errors / max(everything, 1),
        "suspects": len([s for s in suspects if counted[s.cell][s.frame]]),
        "shown": len(shown),
        "wrong of the shown": hits / max(len(shown), 1),
        "found by looking": len(pointed) / max(errors, 1),
    }


def by_reason(suspects: list[Suspect], bad: Frames) -> list[Row]:
    """How often each first reason is right."""
    rows: list[Row] = []
    shown = [s for s in suspects[:SHOWN] if s.reasons]
    for reason in sorted({s.reasons[0].split("(")[0].strip().rstrip("0123456789% ") for s in shown}):
        which = [s for s in shown if s.reasons[0].startswith(reason)]
        right = sum(bool(bad[s.cell][s.frame]) for s in which)
        rows.append({"first reason": reason, "shown": len(which), "wrong": right})
    return rows


def measure(name: str, frames: int, model: str, report: Report) -> None:
    """Measure on one movie."""
    movie = find(name)
    truth = truth_of(movie, frames or len(movie.frames()))
    lives = seen(truth)
    with clicked(movie, truth, {label: first for label, (first, _) in lives.items()}, model) as session:
        session.run(direction="forward")
        labels = session.labels[:]
        bad = {cell: wrong(labels, truth, cell) for cell in session.cells}
        tracked = {cell: session.measurements(cell)["made"] > 0 for cell in session.cells}
        at = np.arange(len(truth))
        alive = {c: made & (at <= lives[c][1]) for c, made in tracked.items()}
        suspects = session.review()
        rows = [
            {"counted": "all frames", **rank(suspects, bad, tracked)},
            {"counted": "up to each cell's end", **rank(suspects, bad, alive)},
        ]
        share, chance = rows[0]["wrong of the shown"], rows[0]["wrong in random order"]
        bars = [Bar(f"{name}: wrong among the first {SHOWN}, over random order", share / max(chance, 1e-9), 1.0, False)]
        note = (
            f"{len(truth)} frames, {len(lives)} cells, each clicked once; wrong: IoU under {WRONG_IOU}. Shown: the "
            f"first {SHOWN} suspects. Found by looking: share of all wrong cell-frames in the stretches of the shown."
        )
        report.put(name, Part(name, note, rows, bars), session)
        reasons = Part(f"{name}: first reasons of the shown", "", by_reason(suspects, bad))
        report.put(f"{name} reasons", reasons, session)


def main() -> None:
    """Measure and print."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--movie", action="append", default=[], help=f"may be repeated [{', '.join(MOVIES)}]")
    ask.add_argument("--frames", type=int, default=0, help="first frames only; 0 for all")
    ask.add_argument("--model", default="cell")
    ask.add_argument("--out", type=Path, default=RESULTS)
    given = ask.parse_args()
    command = f"python benchmarks/review.py {shlex.join(sys.argv[1:])}".strip()
    order = tuple(n for movie in MOVIES for n in (movie, f"{movie} reasons"))
    report = Report(given.out / "review", "Review", command, order)
    for name in given.movie or MOVIES:
        measure(name, given.frames, given.model, report)


if __name__ == "__main__":
    main()
