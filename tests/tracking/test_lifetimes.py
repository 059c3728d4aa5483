"""Cells that are known to be born or to end are not tracked beyond that."""

from __future__ import annotations

from napari_sam2.tracking.plan import plan
from napari_sam2.tracking.prompts import PromptBook


def _book() -> PromptBook:
    book = PromptBook(10, (20, 20))
    for frame in (2, 6):
        book.add_clicks(1, frame, [(5.0, 5.0, True)])
    book.add_clicks(2, 4, [(9.0, 9.0, True)])
    return book


def test_a_lifetime_cuts_both_ends_of_its_own_cell_only() -> None:
    segments = plan(_book(), "both", (0, 10), lifetimes={1: (2, 7)})
    frames = {cell: sorted(t for s in segments if s.cell == cell for t in s.frames) for cell in (1, 2)}
    assert frames == {1: [3, 4, 5, 7], 2: [0, 1, 2, 3, 5, 6, 7, 8, 9]}


def test_a_prompt_beyond_the_end_still_counts_for_what_comes_before() -> None:
    segments = plan(_book(), "both", (0, 10), cells=[1], lifetimes={1: (2, 5)})
    assert all(2 <= t <= 5 for s in segments for t in s.frames)
    assert any(s.start == 6 and list(s.frames) == [5] for s in segments)


def test_without_lifetimes_nothing_is_cut() -> None:
    assert plan(_book(), "both", (0, 10)) == plan(_book(), "both", (0, 10), lifetimes={})
