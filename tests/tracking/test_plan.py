"""Which frames are tracked from where: everything once, from the nearest prompt, and nothing that did not change."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.tracking.plan import Direction, Segment, plan
from napari_sam2.tracking.prompts import PromptBook

FRAMES = 24
prompted_frames = st.sets(st.integers(0, FRAMES - 1), min_size=1, max_size=6)
books = st.dictionaries(st.integers(1, 5), prompted_frames, min_size=1, max_size=3)
ranges = st.tuples(st.integers(0, FRAMES - 1), st.integers(1, FRAMES)).filter(lambda r: r[0] < r[1])
directions = st.sampled_from(["forward", "backward", "both"])


def _book(prompted: dict[int, set[int]]) -> PromptBook:
    book = PromptBook(FRAMES, (50, 60))
    for cell, frames in prompted.items():
        for frame in frames:
            book.add_clicks(cell, frame, [(10.0, 10.0, True)])
    return book


def _covered(segments: list[Segment]) -> Counter[tuple[int, int]]:
    return Counter((s.cell, frame) for s in segments for frame in s.frames)


@settings(deadline=None)
@given(books, directions, ranges)
def test_every_wanted_frame_is_tracked_once_and_no_other_is_written(
    prompted: dict[int, set[int]], direction: Direction, wanted: tuple[int, int]
) -> None:
    segments = plan(_book(prompted), direction, wanted)
    covered = _covered(segments)
    starts = {(s.cell, s.start) for s in segments}
    for cell, frames in prompted.items():
        low = min(frames) if direction == "forward" else 0
        high = max(frames) if direction == "backward" else FRAMES - 1
        for frame in range(*wanted):
            if frame in frames:
                assert covered[cell, frame] == 0 and (cell, frame) in starts
            else:
                assert covered[cell, frame] == (low <= frame <= high)


@settings(deadline=None)
@given(books, directions, ranges)
def test_segments_go_their_way_from_a_prompt(prompted, direction: Direction, wanted) -> None:
    for s in plan(_book(prompted), direction, wanted):
        assert s.step == (-1 if direction == "backward" else 1) or direction == "both"
        assert s.conditioning[0] == s.start and set(s.conditioning) <= prompted[s.cell]
        assert [frame for frame in range(FRAMES) if s.covers(frame)] == sorted(s.frames)
        assert not set(s.frames) & prompted[s.cell]
        # It goes on no further than it is wanted.
        assert all(frame < wanted[1] if s.step > 0 else frame >= wanted[0] for frame in s.frames)


@settings(deadline=None)
@given(prompted_frames)
def test_both_ways_each_frame_comes_from_the_nearest_prompt(frames: set[int]) -> None:
    for s in plan(_book({1: frames}), "both", (0, FRAMES)):
        for frame in s.frames:
            assert abs(frame - s.start) == min(abs(frame - t) for t in frames)
            between = [
                t
                for t in (
                    max((t for t in frames if t < frame), default=None),
                    min((t for t in frames if t > frame), default=None),
                )
                if t is not None
            ]
            assert set(s.conditioning) == set(between)


@settings(deadline=None)
@given(prompted_frames, st.integers(0, FRAMES - 1), directions)
def test_one_more_prompt_changes_only_the_segments_beside_it(frames: set[int], new: int, direction: Direction) -> None:
    before = set(plan(_book({1: frames}), direction, (0, FRAMES)))
    after = set(plan(_book({1: frames | {new}}), direction, (0, FRAMES)))
    low = max((t for t in frames if t < new), default=-1)
    high = min((t for t in frames if t > new), default=FRAMES)
    for s in before ^ after:
        if new in frames:
            raise AssertionError("nothing was new")
        reached = {s.start, *s.frames}
        assert all(low <= t <= high for t in reached)


@settings(deadline=None)
@given(books, ranges, st.integers(0, FRAMES - 1), st.integers(0, FRAMES - 1))
def test_nobody_is_tracked_beyond_their_life(prompted, wanted, one: int, other: int) -> None:
    born, last = sorted((one, other))
    cell = min(prompted)
    segments = plan(_book(prompted), "both", wanted, lifetimes={cell: (born, last)})
    free = plan(_book(prompted), "both", wanted)
    assert [s for s in segments if s.cell != cell] == [s for s in free if s.cell != cell]
    written = {frame for s in segments if s.cell == cell for frame in s.frames if wanted[0] <= frame < wanted[1]}
    start = {s.start for s in segments if s.cell == cell}
    assert all(born <= frame <= last for frame in written if not _on_the_way(frame, start, born, last))
    for s in segments:
        if s.cell == cell:
            assert (s.frames[-1] <= last if s.step > 0 else s.frames[-1] >= born) if len(s.frames) else True


def _on_the_way(frame: int, starts: set[int], born: int, last: int) -> bool:
    """Whether a frame lies between a prompt outside the life and the life itself."""
    return any(t < born and t < frame < born or t > last and last < frame < t for t in starts)


def test_wanted_cells_only() -> None:
    book = _book({1: {0}, 2: {3}, 5: {7}})
    assert {s.cell for s in plan(book, "both", (0, FRAMES), [5, 1, 5])} == {1, 5}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"direction": "sideways"}, "forward, backward, both"),
        ({"frames": (5, 5)}, "within 0 to 24"),
        ({"frames": (-1, 5)}, "within 0 to 24"),
        ({"frames": (0, 25)}, "within 0 to 24"),
        ({"cells": [1, 9]}, "cell 9; click on it"),
    ],
)
def test_what_cannot_be_planned_is_said(options: dict, words: str) -> None:
    book = _book({1: {0}})
    asked = {"direction": "both", "frames": (0, FRAMES)} | options
    with pytest.raises(ValueError, match=words):
        plan(book, **asked)


def test_frames_of_a_segment_without_frames() -> None:
    s = Segment(1, 4, 4, 1, (4,))
    assert not list(s.frames) and not s.covers(4) and not s.covers(5)
    assert np.array_equal(Segment(1, 4, 2, -1, (4,)).frames, [3, 2])
