"""Prompted frames are kept on the device for as long as they are prompted so."""

from __future__ import annotations

from tests.tracking.small import discs_movie, run, tracker_for


def test_nothing_is_kept_of_prompts_that_are_gone_or_changed() -> None:
    tracker = tracker_for(discs_movie(3, (64, 72), seed=3))
    for cell, place in ((1, (24, 40)), (2, (44, 20)), (3, (36, 56))):
        tracker.add_click(cell, 0, place)
    run(tracker)
    anchors = tracker._scales.anchors(1)
    assert set(anchors._known) == {(1, 0), (2, 0), (3, 0)}
    kept = anchors._known[1, 0]
    tracker.remove_prompts(2, 0)
    tracker.add_click(3, 0, (38, 54))
    run(tracker, cells=[1])
    assert set(anchors._known) == {(1, 0)} and anchors._known[1, 0] is kept
