"""What users say: kept as it was said, cut to the frame, and refused with a sentence where it makes no sense."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam2.tracking.prompts import FramePrompts, MaskCrop, PromptBook

SHAPE = (40, 60)
masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))


@settings(deadline=None)
@given(masks)
def test_a_crop_is_the_mask(mask: np.ndarray) -> None:
    crop = MaskCrop.of(mask)
    assert np.array_equal(crop.full(mask.shape), mask)
    assert crop.area == mask.sum()
    if mask.any():
        for side in (crop.crop[0], crop.crop[-1], crop.crop[:, 0], crop.crop[:, -1]):
            assert side.any()  # nothing could be cut off
        y, x = np.nonzero(mask)
        assert crop.centre == ((y.min() + y.max()) / 2, (x.min() + x.max()) / 2)


@settings(deadline=None)
@given(masks, masks)
def test_crops_are_equal_when_their_masks_are(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape == b.shape:
        same = np.array_equal(a, b) or not (a.any() or b.any())
        assert (MaskCrop.of(a) == MaskCrop.of(b)) == same
    assert MaskCrop.of(a) == MaskCrop.of(a.copy())
    assert hash(MaskCrop.of(a)) == hash(MaskCrop.of(a.copy()))


def test_a_crop_is_a_copy() -> None:
    mask = np.ones((4, 4), bool)
    crop = MaskCrop.of(mask)
    mask[:] = False
    assert crop.area == 16


@pytest.fixture
def book() -> PromptBook:
    return PromptBook(10, SHAPE)


def test_clicks_are_rounds_in_the_order_they_came(book: PromptBook) -> None:
    book.add_clicks(3, 2, [(5, 6, True)])
    book.add_clicks(3, 2, [(7, 8, False), (9, 10, True)])
    said = book[3, 2]
    assert [r.clicks for r in said.rounds] == [((5.0, 6.0, True),), ((7.0, 8.0, False), (9.0, 10.0, True))]
    assert said.anchor() == (5 / 2 + 9 / 2, 6 / 2 + 10 / 2)  # positive clicks only
    assert said.diameter() is None


def test_a_box_is_sorted_and_cut_to_the_frame(book: PromptBook) -> None:
    book.add_box(1, 0, ((30.0, 70.0), (-5.0, 50.0)))
    assert book[1, 0].rounds[0].box == ((0.0, 50.0), (30.0, 59.0))
    assert book[1, 0].anchor() == (15.0, 54.5)
    assert book[1, 0].diameter() == (30 + 9) / 2


def test_a_mask_replaces_what_was_said_and_clicks_refine_it(book: PromptBook) -> None:
    mask = np.zeros(SHAPE, bool)
    mask[10:20, 30:40] = True
    book.add_clicks(1, 0, [(1, 1, True)])
    book.add_mask(1, 0, mask)
    assert not book[1, 0].rounds
    assert book[1, 0].diameter() == pytest.approx(2 * np.sqrt(100 / np.pi))
    book.add_clicks(1, 0, [(12, 32, False)])
    assert book[1, 0].mask == MaskCrop.of(mask) and len(book[1, 0].rounds) == 1
    assert book[1, 0].anchor() == (14.5, 34.5)


def test_the_tracked_mask_that_a_correction_starts_from_is_kept(book: PromptBook) -> None:
    base = MaskCrop((3, 4), np.ones((4, 4), bool))
    book.add_clicks(1, 0, [(1, 1, True)], base=base)
    book.add_clicks(1, 0, [(2, 2, True)], base=MaskCrop((9, 9), np.ones((1, 1), bool)))
    assert book[1, 0].base == base, "the first one counts: later rounds correct each other"
    assert book[1, 0].start == base


def test_removing(book: PromptBook) -> None:
    for frame in (1, 4):
        book.add_clicks(1, frame, [(1, 1, True)])
    book.add_clicks(2, 4, [(1, 1, True)])
    book.remove(1, 4)
    book.remove(1, 7)  # nothing was there
    assert book.frames_of(1) == [1] and book.on_frame(4) == [2]
    book.remove(1)
    assert book.cells() == [2]
    assert book[1, 1].empty and (1, 1) not in book


@settings(deadline=None)
@given(st.dictionaries(st.tuples(st.integers(1, 9), st.integers(0, 9)), st.integers(0, 39), max_size=20))
def test_a_book_is_what_was_put_in_it(said: dict[tuple[int, int], int]) -> None:
    book = PromptBook(10, SHAPE)
    for (cell, frame), y in said.items():
        book.add_clicks(cell, frame, [(y, 0, True)])
    assert [(cell, frame) for cell, frame, _ in book] == sorted(said)
    assert book.cells() == sorted({cell for cell, _ in said})
    for frame in range(10):
        assert book.on_frame(frame) == sorted(cell for cell, t in said if t == frame)
    for (cell, frame), y in said.items():
        assert (cell, frame) in book and book[cell, frame].rounds[0].clicks[0][0] == y


def test_equal_prompts_are_equal(book: PromptBook) -> None:
    other = PromptBook(10, SHAPE)
    for b in (book, other):
        b.add_box(1, 0, ((1, 2), (30, 40)))
        b.add_clicks(1, 0, [(3, 3, True)])
    assert book[1, 0] == other[1, 0] and hash(book[1, 0]) == hash(other[1, 0])
    other.add_clicks(1, 0, [(3, 3, True)])
    assert book[1, 0] != other[1, 0]
    assert book[5, 5] == FramePrompts()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda b: b.add_clicks(0, 0, [(1, 1, True)]), ValueError, "between 1 and"),
        (lambda b: b.add_clicks(2**31, 0, [(1, 1, True)]), ValueError, "between 1 and"),
        (lambda b: b.add_clicks("a", 0, [(1, 1, True)]), ValueError, "whole number"),
        (lambda b: b.add_clicks(True, 0, [(1, 1, True)]), ValueError, "whole number"),
        (lambda b: b.add_clicks(1.0, 0, [(1, 1, True)]), ValueError, "whole number"),
        (lambda b: b.add_clicks(1, 10, [(1, 1, True)]), IndexError, "frames 0 to 9"),
        (lambda b: b.add_clicks(1, -1, [(1, 1, True)]), IndexError, "frames 0 to 9"),
        (lambda b: b.add_clicks(1, 0, [(40, 1, True)]), ValueError, "40 x 60"),
        (lambda b: b.add_clicks(1, 0, [(float("nan"), 1, True)]), ValueError, "outside"),
        (lambda b: b.add_clicks(1, 0, []), ValueError, "no click"),
        (lambda b: b.add_box(1, 0, ((5, 5), (5, 20))), ValueError, r"opposite corners as \(y, x\)"),
        (lambda b: b.add_box(1, 0, ((50, 5), (60, 20))), ValueError, "no area inside"),
        (lambda b: b.add_box(1, 0, ((float("nan"), 5), (20, 20))), ValueError, "no area inside"),
        (lambda b: b.add_mask(1, 0, np.zeros(SHAPE)), ValueError, "empty; remove the prompt"),
        (lambda b: b.add_mask(1, 0, np.ones((60, 40))), ValueError, r"\(60, 40\).*\(40, 60\)"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(book: PromptBook, call, error, words: str) -> None:
    with pytest.raises(error, match=words):
        call(book)
    assert not book.cells()


BASE = MaskCrop((10, 10), np.ones((6, 8), bool))


@pytest.mark.parametrize(
    ("clicks", "kept"),
    [
        ([(12, 12, True)], True),
        ([(22, 12, True)], True),  # less than its length beside it: a part that it lacked
        ([(12, 30, True)], False),
        ([(12, 30, False)], True),  # what is clicked away may lie anywhere
        ([(12, 12, False), (30, 12, True)], False),
    ],
)
def test_a_tracked_mask_that_has_jumped_away_from_what_is_clicked_is_no_start(clicks, kept: bool) -> None:
    book = PromptBook(2, SHAPE)
    book.add_clicks(1, 0, clicks, base=BASE)
    prompts = book[1, 0]
    assert prompts.start == (BASE if kept else None)
    assert kept or prompts.anchor() == clicks[-1][:2], "its window is there"


def test_a_box_beside_a_tracked_mask_is_about_something_else_and_a_drawn_mask_always_counts() -> None:
    book = PromptBook(2, SHAPE)
    book.add_box(1, 0, ((10, 30), (20, 40)), base=BASE)
    assert book[1, 0].start is None and book[1, 0].anchor() == (15, 35)
    book.add_mask(1, 1, BASE.full(SHAPE))
    book.add_clicks(1, 1, [(30, 50, True)])
    assert book[1, 1].start == BASE


def test_a_tracked_mask_does_not_tell_how_large_the_cell_is() -> None:
    assert FramePrompts((), base=BASE).diameter() is None
    assert FramePrompts((), mask=BASE).diameter() == pytest.approx(2 * np.sqrt(48 / np.pi))
