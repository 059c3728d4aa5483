"""Are divisions found? ``python benchmarks/divisions.py [--parts rules,back,forward] [--frames N]``.

``rules``: from the true masks, one daughter going on as her mother: what the rules can do with perfect masks, seen from
the end (the mother has the number of a daughter before the division) and from the beginning (a daughter has the
mother's number after it; the other one nobody tracks, as if nobody had clicked her).
``back``: every cell of the last frame is clicked once and tracked back: daughters meet in their mothers.
``forward``: every cell of the first frame is clicked once and tracked to the end; nobody ends a mother or clicks a
daughter.

A proposal is right where it lies within two frames of a true division, and its mother or its daughters lie on the true
ones. Precision counts all divisions; recall those that can be found: tracked back, the ones of which both daughters are
there, themselves or in their descendants, on the last frame; tracked forward, the ones whose mother somebody tracks.
Results go to ``benchmarks/results/divisions.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402

if str(Path(__file__).resolve().parents[1]) not in sys.path:  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._book import Part, Row  # noqa: E402
from benchmarks._data import CtcMovie  # noqa: E402
from benchmarks._truth import RESULTS, Report, clicked, find, seen, truth_of  # noqa: E402
from napari_sam2.session import Proposal, Session  # noqa: E402

WITHIN = 2
"""Frames by which a proposal may miss."""
PARTS = ("rules", "back", "forward")
MOVIE = "Fluo-N2DH-SIM+/01"
Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Known:
    """A true division: the mother, the first frame of her daughters, and these."""

    mother: int
    frame: int
    daughters: tuple[int, ...]


def known_divisions(movie: CtcMovie, frames: int) -> list[Known]:
    """All divisions of a movie's first frames into two or more."""
    born: dict[int, list[int]] = {}
    tracks = movie.tracks()
    for track in tracks.values():
        if track.parent and 0 < track.first < frames:
            born.setdefault(track.parent, []).append(track.label)
    return [Known(m, tracks[d[0]].first, tuple(sorted(d))) for m, d in sorted(born.items()) if len(d) > 1]


def under(labels: Labels, truth: Labels, cell: int, frames: range) -> set[int]:
    """True cells that most of a cell's pixels lie on, on some frames."""
    found = set()
    for t in frames:
        below = truth[t][labels[t] == cell]
        if below.size and (below > 0).mean() > 0.5:
            found.add(int(np.bincount(below[below > 0]).argmax()))
    return found


def meets(proposal: Proposal, division: Known, labels: Labels, truth: Labels) -> bool:
    """Whether a proposal is this division, by its daughters."""
    if abs(proposal.frame - division.frame) > WITHIN:
        return False
    start = max(division.frame, proposal.frame)
    later = range(start, min(start + 2, len(truth)))
    first, second = (under(labels, truth, cell, later) for cell in proposal.daughters)
    if proposal.place is not None:
        y, x = (round(v) for v in proposal.place)
        second = {int(truth[t][y, x]) for t in later}
    return any(a in first and b in second for a in division.daughters for b in division.daughters if a != b)


def halves(proposal: Proposal, division: Known, labels: Labels, truth: Labels) -> bool:
    """Whether a proposal is this division, by its mother, and by where the other daughter is."""
    if abs(proposal.frame - division.frame) > WITHIN:
        return False
    before = min(division.frame, proposal.frame) - 1
    if before < 0 or division.mother not in under(labels, truth, proposal.key, range(before, before + 1)):
        return False
    if proposal.place is None:
        return True
    y, x = (round(v) for v in proposal.place)
    start = max(division.frame, proposal.frame)
    return any(int(truth[t][y, x]) in division.daughters for t in range(start, min(start + 2, len(truth))))


def either(proposal: Proposal, division: Known, labels: Labels, truth: Labels) -> bool:
    """Whether a proposal is this division, seen from either side."""
    return meets(proposal, division, labels, truth) or halves(proposal, division, labels, truth)


Fits = Callable[[Proposal, Known, Labels, Labels], bool]


def score(what: str, session: Session, truth: Labels, known: list[Known], there: list[Known], fits: Fits) -> Row:
    """Precision of a session's proposals against all divisions, and recall of those that are `there` to be found."""
    labels, proposals = session.labels[:], session.proposals()
    right = [p for p in proposals if any(fits(p, d, labels, truth) for d in known)]
    found = [d for d in there if any(fits(p, d, labels, truth) for p in proposals)]
    best = proposals[: len(there)]
    return {
        "seen": what,
        "true divisions": len(known),
        "to be found": len(there),
        "proposed": len(proposals),
        "precision": len(right) / max(len(proposals), 1),
        f"recall within ±{WITHIN} frames": len(found) / max(len(known), 1),
        "precision of as many as are to be found": len([p for p in best if p in right]) / max(len(best), 1),
    }


def reaches_end(movie: CtcMovie, truth: Labels) -> Callable[[int], bool]:
    """Whether a cell or some descendant of it is on the last frame."""
    alive, tracks = set(np.unique(truth[-1]).tolist()), movie.tracks()

    def reaches(label: int) -> bool:
        return label in alive or any(reaches(t.label) for t in tracks.values() if t.parent == label)

    return reaches


def with_rules(movie: CtcMovie, truth: Labels, model: str) -> tuple[Part, Session]:
    """Rules alone, on true masks."""
    known = known_divisions(movie, len(truth))
    rows: list[Row] = []
    for what, backwards in (("backwards", True), ("forwards", False)):
        merged = truth.copy()
        for division in sorted(known, key=lambda d: -d.frame):
            one, *others = division.daughters
            if backwards:
                merged[merged == division.mother] = one
            else:
                merged[np.isin(merged, others)] = 0
                merged[merged == one] = division.mother
        with clicked(movie, truth, {}, model) as session:
            session.take_over(merged)
            fits = meets if backwards else either
            # forwards, what descends from a daughter that nobody tracks has no track either
            there = [d for d in known if backwards or (merged[d.frame - 1] > 0)[truth[d.frame - 1] == d.mother].any()]
            rows.append(score(what, session, truth, known, there, fits))
    return Part("From true masks", "What the rules can do with perfect masks.", rows), session


def tracked(movie: CtcMovie, truth: Labels, model: str, backwards: bool) -> tuple[Part, Session]:
    """Proposals from tracked masks."""
    lives = seen(truth)
    at = len(truth) - 1 if backwards else 0
    clicks = {label: at for label, (first, last) in lives.items() if first <= at <= last}
    with clicked(movie, truth, clicks, model) as session:
        session.run(direction="backward" if backwards else "forward")
        known = known_divisions(movie, len(truth))
        labels = session.labels[:]
        if backwards:  # a daughter whose line is not there on the last frame was never clicked
            reaches = reaches_end(movie, truth)
            there = [d for d in known if sum(map(reaches, d.daughters)) > 1]
            row = score("backwards", session, truth, known, there, either)
        else:  # only a mother that somebody tracks can be seen to divide
            held = [set(np.unique(labels[d.frame - 1][truth[d.frame - 1] == d.mother]).tolist()) - {0} for d in known]
            there = [d for d, cells in zip(known, held, strict=True) if cells]
            row = score("forwards", session, truth, known, there, either)
    way = "back from the last frame" if backwards else "forward from the first frame"
    note = f"{len(clicks)} cells, each clicked once, tracked {way} of {len(truth)}."
    return Part(f"Tracked {way}", note, [row]), session


def main() -> None:
    """Measure and print."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--movie", default=MOVIE)
    ask.add_argument("--parts", default=",".join(PARTS))
    ask.add_argument("--frames", type=int, default=0, help="first frames only; 0 for all")
    ask.add_argument("--model", default="cell")
    ask.add_argument("--out", type=Path, default=RESULTS)
    given = ask.parse_args()
    movie = find(given.movie)
    truth = truth_of(movie, given.frames or len(movie.frames()))
    command = f"python benchmarks/divisions.py {shlex.join(sys.argv[1:])}".strip()
    report = Report(given.out / "divisions", "Division proposals", command, PARTS)
    for name in given.parts.split(","):
        if name == "rules":
            part, session = with_rules(movie, truth, given.model)
        else:
            part, session = tracked(movie, truth, given.model, name == "back")
        report.put(name, part, session)


if __name__ == "__main__":
    main()
