"""What actions are given: numbers of every kind, and what is refused before it can do harm later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import tifffile
from stub import FRAMES, HEIGHT, WIDTH, DiscEngine, again, disc, movie, replayed, state

from napari_sam2.session import Refused, Session, new_session
from napari_sam2.session.actions.options import MODES
from napari_sam2.session.cells import LARGEST

ONE, TWO, FOUR = np.int64(1), np.uint16(2), np.float64(4.0)
"""As they come out of labels, and out of tables with gaps."""


@pytest.mark.parametrize(
    "act",
    [
        lambda s: s.add_click(ONE, FOUR, (12, 16)),
        lambda s: s.add_box(None, FOUR, ((20, 20), (30, 30))),
        lambda s: s.add_mask(ONE, FOUR, disc(12, 16)),
        lambda s: s.remove_prompt(ONE, np.int64(0), np.int64(0)),
        lambda s: s.move_prompt(ONE, np.int64(0), np.int64(0), np.array([11, 12])),
        lambda s: s.paint(ONE, FOUR, disc(12, 20)),
        lambda s: s.erase(ONE, FOUR, disc(10, 12)),
        lambda s: s.split(ONE, FOUR, points=((10, 14), (10, 18)), new=np.int64(9)),
        lambda s: s.delete(ONE),
        lambda s: s.delete_from(ONE, FOUR),
        lambda s: s.delete_on(ONE, FOUR),
        lambda s: s.merge(ONE, TWO),
        lambda s: s.connect(ONE, s.cut(TWO, FOUR), force=True),
        lambda s: s.cut(ONE, FOUR, new=np.int64(9)),
        lambda s: s.swap(ONE, TWO, FOUR),
        lambda s: s.renumber(ONE, np.int64(9)),
        lambda s: s.divide(ONE, FOUR, [np.array([10.0, 12.0]), np.array([14, 20])], ids=np.array([8, 9])),
        lambda s: s.divide(ONE, FOUR, [np.float64(2.0), disc(10, 20)], force=True),
        lambda s: s.reject_division(ONE, FOUR),
        lambda s: s.new_cell(np.int64(9)),
        lambda s: s.set_state(ONE, FOUR, "hidden"),
        lambda s: s.set_state(ONE, (TWO, FOUR), "checked"),
        lambda s: s.lock(ONE, np.int64(4)),
        lambda s: s.describe(ONE, colour=np.int64(3)),
        lambda s: s.set_parent(ONE, TWO),
        lambda s: s.set_options(cell_diameter=np.float32(7.5), scale=np.array([1, 0.5, 0.5]), units=["s", "um", "um"]),
        lambda s: s.run(cells=np.array([1]), frames=np.array([2, 5]), what="all"),
    ],
)
def test_numbers_of_numpy_are_numbers(tracked: Session, tmp_path: Path, act: Callable[[Session], Any]) -> None:
    act(tracked)
    now = state(tracked)
    tracked.save()
    with replayed(tracked, tmp_path / "again.sam2cells") as other:
        np.testing.assert_array_equal(tracked.labels[:], other.labels[:])
    tracked.close()
    with again(tracked.path) as back:
        assert state(back) == now


@pytest.mark.parametrize("number", ["1", 1.5, np.nan, np.inf, (1,), b"1"])
def test_what_is_no_whole_number_is_said_so(tracked: Session, number: Any) -> None:
    before = state(tracked)
    with pytest.raises(TypeError, match="a cell's number is a whole number, not"):
        tracked.delete(number)
    with pytest.raises(TypeError, match="a frame's number is a whole number, not"):
        tracked.delete_on(1, number)
    with pytest.raises(TypeError, match="a cell's number is a whole number, not"):
        tracked.run(cells=[number], what="all")
    with pytest.raises(TypeError, match="a frame's number is a whole number, not"):
        tracked.run(frames=(number, 5), what="all")
    with pytest.raises(TypeError, match="a frame's number is needed"):
        tracked.add_click(1, None, (10, 12))
    with pytest.raises(TypeError, match="frames are a range"):
        tracked.run(frames=(0, 2, 5))
    assert state(tracked) == before


@pytest.mark.parametrize("place", [(3, 20.0, 30.0), (3,), 3, "here", ((3, 4), (5, 6))])
def test_a_click_is_one_place_on_the_frame(session: Session, place: Any) -> None:
    with pytest.raises(ValueError, match=r"a click is a place \(y, x\)"):
        session.add_click(None, 3, place)
    assert not session.cells


@pytest.mark.parametrize("box", [((3, 4), (5, 6), (7, 8)), ((1, 3, 4), (1, 5, 6)), (3, 4, 5, 6)])
def test_a_box_is_two_corners_on_the_frame(session: Session, box: Any) -> None:
    with pytest.raises(ValueError, match=r"a box is two corners"):
        session.add_box(None, 3, box)
    assert not session.cells


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell_diameter": -1}, "positive number of pixels"),
        ({"cell_diameter": "large"}, "positive number of pixels"),
        ({"scale": (1, 2)}, "three positive numbers"),
        ({"scale": (1, np.nan, 1)}, "three positive numbers"),
        ({"scale": (1, 0, 1)}, "three positive numbers"),
        ({"units": "um"}, "three words"),
        ({"units": 5}, "three words"),
        ({"mode": "foo"}, "one of auto, windows"),
    ],
)
def test_settings_that_make_no_sense(tracked: Session, options: dict[str, Any], message: str) -> None:
    before = state(tracked)
    with pytest.raises(ValueError, match=message):
        tracked.set_options(**options)
    assert state(tracked) == before


def test_modes_are_those_of_the_tracker() -> None:
    from napari_sam2.tracking.tracker import Mode

    assert get_args(Mode) == MODES


def test_the_cells_size_is_left_to_be_found_again(tracked: Session, tmp_path: Path) -> None:
    tracked.set_options(cell_diameter=7.0)
    tracked.set_options(cell_diameter=None)
    assert tracked.document.meta["cell_diameter"] is None
    with replayed(tracked, tmp_path / "again.sam2cells") as other:
        assert other.document.meta["cell_diameter"] is None


def test_sizes_come_from_the_file_unless_they_are_said(tmp_path: Path) -> None:
    file = tmp_path / "movie.tif"
    told = {"axes": "TYX", "unit": "um", "finterval": 300.0}
    tifffile.imwrite(file, movie(), imagej=True, resolution=(2.0, 4.0), metadata=told)
    with new_session(file, tmp_path / "one", model="discs", make_engine=DiscEngine) as session:
        assert session.meta["scale"] == [300.0, 0.25, 0.5]
        assert session.meta["units"] == ["second", "micrometer", "micrometer"]
    with pytest.raises(ValueError, match="three positive numbers"):
        new_session(file, tmp_path / "bad", model="discs", make_engine=DiscEngine, scale=(0, -1))
    said = {"scale": (1, 2, 3), "units": ("min", "mm", "mm")}
    with new_session(file, tmp_path / "two", model="discs", make_engine=DiscEngine, **said) as session:
        assert (session.meta["scale"], session.meta["units"]) == ([1, 2, 3], ["min", "mm", "mm"])
    with new_session(movie(), tmp_path / "three", model="discs", make_engine=DiscEngine) as session:
        assert (session.meta["scale"], session.meta["units"]) == ([1, 1, 1], ["", "", ""])


# scripts --------------------------------------------------------------------------------------------------------------


def test_an_eraser_and_a_brush_that_spares_others_are_scripted(tracked: Session, tmp_path: Path) -> None:
    tracked.erase(1, 4, disc(10, 12))
    tracked.paint(1, 5, disc(28, 17, 6), over=False)
    tracked.paint(2, 6, disc(10, 18, 6))
    with replayed(tracked, tmp_path / "again.sam2cells") as other:
        np.testing.assert_array_equal(tracked.labels[:], other.labels[:])


def test_a_run_that_was_stopped_at_once_is_in_the_script(session: Session, tmp_path: Path) -> None:
    session.add_click(None, 0, (10, 12))
    assert session.run(stop_after=0) == 0
    session.add_click(None, 0, (28, 12))
    session.run()
    assert "session.run(stop_after=0)" in session.script(tmp_path / "script.py")
    with replayed(session, tmp_path / "again.sam2cells") as other:
        np.testing.assert_array_equal(session.labels[:], other.labels[:])


# what would have done harm later --------------------------------------------------------------------------------------


def test_an_undo_inside_a_step_does_not_take_the_step_before(tracked: Session) -> None:
    tracked.describe(1, name="precious")
    with pytest.raises(Refused, match="before it is complete"), tracked.step():
        tracked.describe(2, name="x")
        tracked.undo()
    assert tracked.cells[1].name == "precious" and tracked.cells[2].name == ""
    assert tracked.undo() == "describe"


def test_a_daughter_is_not_a_cell_whose_life_is_over(tracked: Session) -> None:
    tracked.delete_from(3, 4)
    before = state(tracked)
    with pytest.raises(Refused, match="cell 3 ends before frame 4"):
        tracked.divide(1, 8, [3, (12.0, 20.0)], force=True)
    assert state(tracked) == before


@pytest.mark.parametrize("mask", [np.zeros((HEIGHT, WIDTH), bool), np.ones((3, 3), bool)])
def test_a_daughters_mask_is_one(tracked: Session, mask: Any) -> None:
    before = state(tracked)
    with pytest.raises(ValueError, match="empty|a frame of the movie is"):
        tracked.divide(1, 5, [mask, disc(12, 20)])
    assert state(tracked) == before


def test_tracks_that_are_connected_by_force_do_not_end_before_their_pixels(tracked: Session) -> None:
    tracked.delete_from(2, 4)
    tracked.connect(1, 2, force=True)
    seen = np.flatnonzero((tracked.labels[:] == 1).any((1, 2)))
    assert seen[-1] == FRAMES - 1 and tracked.document.cells[1].end is None
    tracked.add_click(1, FRAMES - 1, (10, 20))
    tracked.run()
    assert not tracked.stale()


def test_numbers_go_on_below_the_largest_one(session: Session) -> None:
    labels = np.zeros((FRAMES, HEIGHT, WIDTH), np.int64)
    labels[0, disc(10, 12)] = LARGEST
    session.take_over(labels, [0])
    assert session.add_click(None, 0, (28, 12)) == 1
    assert session.add_click(None, 0, (20, 30)) == 2
