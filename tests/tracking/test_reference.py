"""The published tracker's own way of remembering: every prompted frame conditions, whatever else is prompted later."""

from __future__ import annotations

import numpy as np

from napari_sam2.tracking import CellTracker
from napari_sam2.tracking.reference import CONDITIONING_SLOTS
from tests.tracking.small import discs_movie, run, tracking_model


def _tracker(frames: int) -> CellTracker:
    return CellTracker(discs_movie(frames, (48, 48)), tracking_model(), mode="reference", limits=(80, 500))


def _conditioning(tracker: CellTracker, row: int = 0) -> set[int]:
    assert tracker._reference is not None
    return {int(frame) for frame in tracker._reference._bank.fixed_frame[row] if frame >= 0}


def test_a_prompt_on_an_earlier_frame_does_not_replace_a_later_one() -> None:
    tracker = _tracker(5)
    tracker.add_click(1, 4, (24, 24))
    run(tracker)
    tracker.add_click(1, 1, (24, 24))
    run(tracker)
    assert _conditioning(tracker) == {1, 4}
    again = tracker.labels.copy()
    tracker.add_click(1, 4, (25, 25))
    run(tracker)
    assert _conditioning(tracker) == {1, 4}, "a frame that is prompted again keeps its place"
    assert again.any()


def test_a_cell_has_as_many_prompted_frames_as_it_is_given() -> None:
    frames = CONDITIONING_SLOTS + 2
    tracker = _tracker(frames)
    tracker.add_click(2, 0, (12, 12))
    for frame in range(CONDITIONING_SLOTS):
        tracker.add_click(1, frame, (24, 24))
    run(tracker)
    assert tracker._reference is not None
    kept = tracker._reference._bank.fixed[0].clone()
    tracker.add_click(1, frames - 1, (24, 24))
    run(tracker)
    assert _conditioning(tracker) == {*range(CONDITIONING_SLOTS), frames - 1}
    assert _conditioning(tracker, 1) == {0}
    assert np.array_equal(tracker._reference._bank.fixed[0, :CONDITIONING_SLOTS], kept), "what was remembered stays"
