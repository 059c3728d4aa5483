"""Does the list of suspects lead to the errors? ``python benchmarks/review.py [--movie NAME] [--frames N]``.

Every cell is clicked once, where it first appears, and tracked to the end. A cell-frame is wrong where its mask
overlaps with the truth by less than half. Of the first 50 suspects: how many are wrong, against as many in random
order; and how many of the wrong cell-frames lie in the stretches that they point at.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

if str(Path(__file__).resolve().parents[1]) not in sys.path:  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._truth import clicked, find, truth_of, wrong

SHOWN = 50


def main() -> None:
    """Measure and print."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--movie", default="Fluo-N2DH-SIM+/01")
    ask.add_argument("--frames", type=int, default=0, help="first frames only; 0 for all")
    ask.add_argument("--model", default="cell")
    ask.add_argument("--out", type=Path, default=None, help="JSON file for the numbers")
    given = ask.parse_args()
    movie = find(given.movie)
    truth = truth_of(movie, given.frames or len(movie.frames()))
    with clicked(movie, truth, last=False, model=given.model) as session:
        session.run(direction="forward")
        labels = session.labels[:]
        bad = {cell: wrong(labels, truth, cell) for cell in session.cells}
        lives = {cell: (session.measurements(cell)["made"] > 0) for cell in session.cells}
        suspects = session.review()
    everything = int(sum(life.sum() for life in lives.values()))
    errors = int(sum((bad[c] & lives[c]).sum() for c in bad))
    shown = suspects[:SHOWN]
    hits = sum(bool(bad[s.cell][s.frame]) for s in shown)
    pointed = {(s.cell, t) for s in shown for t in range(s.first, s.last + 1) if bad[s.cell][t]}
    numbers = {
        "cell-frames": everything,
        "wrong": errors,
        "wrong in random order": errors / max(everything, 1),
        "suspects": len(suspects),
        f"wrong among the first {SHOWN}": hits / max(len(shown), 1),
        f"wrong cell-frames in the first {SHOWN} stretches": len(pointed) / max(errors, 1),
    }
    print(f"{given.movie}, {len(truth)} frames, model {given.model}")
    for name, value in numbers.items():
        print(f"  {name:48} {value:.3f}" if isinstance(value, float) else f"  {name:48} {value}")
    reasons = [s.reasons[0] for s in shown if s.reasons]
    for reason in sorted({r.split("(")[0].strip() for r in reasons}):
        which = [s for s in shown if s.reasons and s.reasons[0].startswith(reason)]
        right = np.mean([bool(bad[s.cell][s.frame]) for s in which])
        print(f"    {len(which):3} x {reason}: {right:.0%} wrong")
    if given.out:
        given.out.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
