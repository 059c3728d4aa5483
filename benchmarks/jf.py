"""J and F of video object segmentation, as DAVIS and SA-V are judged by, for our masks or anybody's.

::

    python -m benchmarks.jf score --truth DAVIS/Annotations/480p --found results
    python -m benchmarks.jf run --truth DAVIS/Annotations/480p --pictures DAVIS/JPEGImages/480p --model sam2.1-tiny
    python -m benchmarks.jf run --truth sav_val/Annotations_6fps --pictures sav_val/JPEGImages_24fps --model ...

``run`` gives each object's first mask to the tracker, follows it forward in the published way (``mode="reference"``),
and scores what comes. As in the published evaluations, the first and the last annotated frame of each object do not
count.

F. Perazzi et al.: A benchmark dataset and evaluation methodology for video object segmentation, CVPR 2016 (J:
intersection over union; F: of the boundaries, matched within 0.008 of the diagonal). J. Pont-Tuset et al.: The 2017
DAVIS challenge on video object segmentation, 2017.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.read_vos import Video, open_videos

Mask = npt.NDArray[np.bool_]
TOLERANCE = 0.008
"""Share of the frame's diagonal within which boundaries match (Perazzi et al. 2016)."""


def jaccard(truth: Mask, found: Mask) -> float:
    """J: intersection over union of two masks (Y, X); 1 where both are empty."""
    union = int(np.count_nonzero(truth | found))
    return 1.0 if union == 0 else int(np.count_nonzero(truth & found)) / union


def boundary(mask: Mask) -> Mask:
    """Pixels of which the next one below, to the right, or both, is not of the same side (Martin et al. 2004).

    The last row and column have fewer neighbours; the last pixel has none and is never on the boundary.
    """
    edge = np.zeros(mask.shape, bool)
    edge[:-1] |= mask[:-1] != mask[1:]
    edge[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    edge[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return edge


def boundary_f(truth: Mask, found: Mask, tolerance: float = TOLERANCE) -> float:
    """F: harmonic mean of precision and recall of the boundaries of two masks (Y, X)."""
    from scipy.ndimage import distance_transform_edt

    reach = np.ceil(tolerance * np.hypot(*truth.shape))
    edge_truth, edge_found = boundary(truth), boundary(found)
    count_truth, count_found = int(edge_truth.sum()), int(edge_found.sum())
    if count_truth == 0 or count_found == 0:
        return float(count_truth == count_found)
    precision = int((distance_transform_edt(~edge_truth)[edge_found] <= reach).sum()) / count_found
    recall = int((distance_transform_edt(~edge_found)[edge_truth] <= reach).sum()) / count_truth
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


@dataclass
class Scores:
    """J and F by video and object, each the mean over its frames."""

    of: dict[tuple[str, int], tuple[float, float]] = field(default_factory=dict)

    @property
    def j(self) -> float:
        """Mean over all objects of all videos."""
        return float(np.mean([j for j, _ in self.of.values()])) if self.of else float("nan")

    @property
    def f(self) -> float:
        """Mean over all objects of all videos."""
        return float(np.mean([f for _, f in self.of.values()])) if self.of else float("nan")

    @property
    def jf(self) -> float:
        """J&F."""
        return (self.j + self.f) / 2


def score_video(
    truth: Video, mask_of: Callable[[int, int], Mask | None], *, all_frames: bool = False
) -> dict[int, tuple[float, float]]:
    """Score a video.

    Parameters
    ----------
    truth
        The annotations.
    mask_of
        From object and frame to the mask that was found; None for an empty one.
    all_frames
        Count the first and the last annotated frame too.

    Returns
    -------
    dict
        Object to (J, F).
    """
    scores = {}
    for number in truth.objects:
        frames = truth.frames_of(number)
        judged = frames if all_frames else frames[1:-1]
        pairs = []
        for frame in judged:
            true = truth.mask(number, frame)
            assert true is not None
            found = mask_of(number, frame)
            found = np.zeros_like(true) if found is None else found
            if found.shape != true.shape:
                raise ValueError(
                    f"{truth.name}, frame {frame}: the mask found is {found.shape}, the true one {true.shape}"
                )
            pairs.append((jaccard(true, found), boundary_f(true, found)))
        if pairs:
            j, f = np.mean(pairs, axis=0)
            scores[number] = (float(j), float(f))
    return scores


def score_folders(truth: Path, found: Path, *, all_frames: bool = False) -> Scores:
    """Score a folder of found masks against one of true ones, both in the layout of DAVIS or SA-V.

    Raises
    ------
    ValueError
        If a video, or a frame of one, was not found.
    """
    theirs = open_videos(found)
    scores = Scores()
    for name, video in open_videos(truth).items():
        if name not in theirs:
            raise ValueError(f"{found} holds no video {name}")
        missing = set(video.frames) - set(theirs[name].frames)
        if theirs[name].masks and missing and not all_frames:
            missing -= {video.frames[0], video.frames[-1]}
        if theirs[name].masks and missing:
            raise ValueError(f"{found / name} lacks the frames {sorted(missing)[:5]}")
        for number, pair in score_video(video, theirs[name].mask, all_frames=all_frames).items():
            scores.of[name, number] = pair
    return scores


def follow(video: Video, model: Any, *, device: str = "auto", mode: Any = "reference") -> dict[tuple[int, int], Mask]:
    """Follow all objects of a video from their first masks; returns the masks by object and annotated frame.

    An object is given on the first frame that shows it, as in the published semi-supervised protocol; objects are
    followed together, and overlaps go to the larger logit.
    """
    from napari_sam2 import CellTracker
    from napari_sam2.tracking import Movie

    movie = Movie(video.movie(), axes="TYXC", limits=(0, 255))  # the network's own scale, not that of microscopy
    tracker = CellTracker(movie, model=model, device=device, mode=mode)
    for number in video.objects:
        masks = ((frame, video.mask(number, frame)) for frame in video.frames_of(number))
        shown = next(((frame, mask) for frame, mask in masks if mask is not None and mask.any()), None)
        if shown is not None:
            tracker.add_mask(number, *shown)
    wanted = set(video.frames)
    found: dict[tuple[int, int], Mask] = {}
    for result in tracker.track("forward"):
        if result.frame in wanted:
            found.update({(number, result.frame): result.labels == number for number in video.objects})
    return found


def run(
    truth: Path,
    pictures: Path,
    model: Any,
    *,
    device: str = "auto",
    mode: Any = "reference",
    videos: Iterable[str] = (),
) -> Scores:
    """Follow and score all videos, or some."""
    known = open_videos(truth, pictures)
    scores = Scores()
    for name in videos or known:
        found = follow(known[name], model, device=device, mode=mode)
        pairs = score_video(known[name], lambda number, frame, found=found: found.get((number, frame)))  # type: ignore[misc]
        scores.of.update({(name, number): pair for number, pair in pairs.items()})
        print(f"{name}: {table_line(pairs)}", flush=True)
    return scores


def table_line(pairs: Mapping[int, tuple[float, float]]) -> str:
    """J, F and J&F in percent."""
    if not pairs:
        return "nothing to judge"
    j, f = np.mean(list(pairs.values()), axis=0) * 100
    return f"J {j:.1f}  F {f:.1f}  J&F {(j + f) / 2:.1f}  ({len(pairs)} objects)"


def main(arguments: list[str] | None = None) -> Scores:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.jf", description=__doc__.split("\n")[0] if __doc__ else ""
    )
    commands = parser.add_subparsers(dest="command", required=True)
    scoring = commands.add_parser("score", help="masks that are there")
    scoring.add_argument("--found", type=Path, required=True)
    scoring.add_argument("--all-frames", action="store_true", help="count the first and last frame of each object too")
    running = commands.add_parser("run", help="follow first, with a model")
    running.add_argument("--pictures", type=Path, required=True)
    running.add_argument("--model", required=True)
    running.add_argument("--device", default="auto")
    running.add_argument("--mode", default="reference")
    running.add_argument("--videos", nargs="*", default=[])
    for command in (scoring, running):
        command.add_argument("--truth", type=Path, required=True)
        command.add_argument("--out", type=Path, help="JSON with the scores of each object")
    given = parser.parse_args(arguments)
    if given.command == "score":
        scores = score_folders(given.truth, given.found, all_frames=given.all_frames)
    else:
        scores = run(
            given.truth, given.pictures, given.model, device=given.device, mode=given.mode, videos=given.videos
        )
    print(f"all: {table_line(dict(enumerate(scores.of.values())))}")
    if given.out is not None:
        rows = [{"video": v, "object": o, "J": j, "F": f} for (v, o), (j, f) in scores.of.items()]
        given.out.write_text(json.dumps({"J": scores.j, "F": scores.f, "J&F": scores.jf, "objects": rows}, indent=1))
    return scores


if __name__ == "__main__":
    main()
