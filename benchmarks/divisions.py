"""Are divisions found? ``python benchmarks/divisions.py [--movie NAME] [--frames N]``.

Every cell of the last frame is clicked once, and tracked back: daughters meet in their mothers. A proposal is right
where it lies within two frames of a true division and its two cells lie on the two true daughters.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

if str(Path(__file__).resolve().parents[1]) not in sys.path:  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._truth import clicked, find, truth_of
from napari_sam2.session import Proposal

WITHIN = 2
"""Frames by which a proposal may miss."""


def under(labels: npt.NDArray[np.int32], truth: npt.NDArray[np.int32], cell: int, frames: range) -> set[int]:
    """True cells that most of a cell's pixels lie on, on some frames."""
    found = set()
    for t in frames:
        below = truth[t][labels[t] == cell]
        if below.size and (below > 0).mean() > 0.5:
            found.add(int(np.bincount(below[below > 0]).argmax()))
    return found


def fits(
    proposal: Proposal, division: tuple[int, list[int]], labels: npt.NDArray[np.int32], truth: npt.NDArray[np.int32]
) -> bool:
    """Whether a proposal is this division (frame, daughters)."""
    frame, daughters = division
    if abs(proposal.frame - frame) > WITHIN:
        return False
    later = range(max(frame, proposal.frame), min(max(frame, proposal.frame) + 2, len(truth)))
    first, second = (under(labels, truth, cell, later) for cell in proposal.daughters)
    return any(a in first and b in second for a in daughters for b in daughters if a != b)


def main() -> None:
    """Measure and print."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--movie", default="Fluo-N2DH-SIM+/01")
    ask.add_argument("--frames", type=int, default=0, help="first frames only; 0 for all")
    ask.add_argument("--model", default="cell")
    ask.add_argument("--out", type=Path, default=None, help="JSON file for the numbers")
    ask.add_argument(
        "--truth", action="store_true", help="take the true masks instead of tracking: tests the rule alone"
    )
    given = ask.parse_args()
    movie = find(given.movie)
    truth = truth_of(movie, given.frames or len(movie.frames()))
    tracks = movie.tracks()
    born: dict[int, list[int]] = {}
    for track in tracks.values():
        if track.parent and 0 < track.first < len(truth):
            born.setdefault(track.parent, []).append(track.label)
    # a daughter whose line is not there on the last frame was never clicked: only what can be found counts
    alive = set(np.unique(truth[-1]).tolist())

    def reaches(label: int) -> bool:
        return label in alive or any(reaches(t.label) for t in tracks.values() if t.parent == label)

    known = [(tracks[d[0]].first, d) for d in born.values() if len(d) > 1 and (given.truth or sum(map(reaches, d)) > 1)]
    with clicked(movie, truth, last=True, model=given.model) as session:
        if given.truth:
            session.document.meta["cell_diameter"] = 30.0
            for cell in list(session.cells):
                session.delete(cell)
            merged = truth.copy()
            for track in sorted(tracks.values(), key=lambda t: -t.first):  # one daughter goes back as her mother
                if track.parent and track.label == min(born.get(track.parent, [0])):
                    merged[np.isin(merged, [track.parent])] = track.label
            session.take_over(merged)
        else:
            session.run(direction="backward")
        labels = session.labels[:]
        proposals = session.proposals()
    right = [p for p in proposals if any(fits(p, d, labels, truth) for d in known)]
    found = [d for d in known if any(fits(p, d, labels, truth) for p in proposals)]
    numbers = {
        "true divisions": len(known),
        "proposed": len(proposals),
        "precision": len(right) / max(len(proposals), 1),
        "recall": len(found) / max(len(known), 1),
    }
    print(f"{given.movie}, {len(truth)} frames, {'true masks' if given.truth else 'model ' + given.model}")
    for name, value in numbers.items():
        print(f"  {name:16} {value:.2f}" if isinstance(value, float) else f"  {name:16} {value}")
    for p in proposals:
        print(f"    frame {p.frame:3} cells {p.daughters} certainty {p.certainty:.2f} {'right' if p in right else '-'}")
    if given.out:
        given.out.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
