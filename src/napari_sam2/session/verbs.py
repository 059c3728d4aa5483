"""The actions as methods of a session: what a user can do, each one step of the history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from napari_sam2.session.actions import cut, delete, divide, merge, options, paint, prompts, split, state, take_over
from napari_sam2.session.actions.divide import Daughter
from napari_sam2.session.actions.state import Frames
from napari_sam2.session.actions.take_over import PromptFrames
from napari_sam2.session.numbers import frame_number, frame_range, whole_number

if TYPE_CHECKING:
    from napari_sam2.session.session import Session


class Verbs:
    """Actions. All take cells by number and frames by number; those that can be refused can often be forced.

    Raises
    ------
    Refused
        Says why, and whether ``force=True`` does it all the same.
    ReadOnlySession, StorageProblem
        If nothing can be written; the session is as it was before.
    """

    @property
    def _me(self) -> Session:
        return cast("Session", self)

    # prompts ------------------------------------------------------------------------------------------------------

    def add_click(
        self, cell: int | None, frame: int, yx: Sequence[float], foreground: bool = True, *, force: bool = False
    ) -> int:
        """Click on a cell at (y, x), or with ``foreground=False`` on what is not part of it; None makes a new cell.

        Returns
        -------
        int
            The cell.
        """
        return prompts.add_clicks(self._me, whole_number(cell), frame_number(frame), [yx], [foreground], force)

    def add_clicks(
        self,
        cell: int | None,
        frame: int,
        yx: Sequence[Sequence[float]],
        foreground: Sequence[bool] | None = None,
        *,
        force: bool = False,
    ) -> int:
        """Give several clicks (y, x) at once; all on the cell when `foreground` is None."""
        marks = [True] * len(yx) if foreground is None else list(foreground)
        return prompts.add_clicks(self._me, whole_number(cell), frame_number(frame), yx, marks, force)

    def add_box(self, cell: int | None, frame: int, box: Sequence[Sequence[float]], *, force: bool = False) -> int:
        """Draw a box around a cell: two opposite corners (y, x)."""
        return prompts.add_box(self._me, whole_number(cell), frame_number(frame), box, force)

    def add_mask(self, cell: int | None, frame: int, mask: npt.ArrayLike, *, force: bool = False) -> int:
        """Give a cell's mask (Y, X) as a prompt; labels follow when it is tracked (`paint` changes them now)."""
        return prompts.add_mask(self._me, whole_number(cell), frame_number(frame), np.asarray(mask), "drawn", force)

    def remove_prompt(self, cell: int, frame: int, index: int | None = None, *, force: bool = False) -> None:
        """Take back a click or box by its place in the order they were given, or everything said on the frame."""
        prompts.remove_prompt(
            self._me, whole_number(cell), frame_number(frame), whole_number(index, "a prompt's place"), force
        )

    def move_prompt(self, cell: int, frame: int, index: int, to: Sequence[Any], *, force: bool = False) -> None:
        """Move a click to (y, x), or a box to two corners."""
        prompts.move_prompt(
            self._me, whole_number(cell), frame_number(frame), whole_number(index, "a prompt's place"), to, force
        )

    # pixels -------------------------------------------------------------------------------------------------------

    def paint(
        self, cell: int | None, frame: int, stroke: npt.ArrayLike, *, over: bool = True, force: bool = False
    ) -> int:
        """Add a stroke (Y, X) to a cell (None: a new one); with ``over=False`` only where nothing is. A mask prompt."""
        return paint.paint(self._me, whole_number(cell), frame_number(frame), stroke, False, over, force)

    def erase(self, cell: int, frame: int, stroke: npt.ArrayLike, *, force: bool = False) -> int:
        """Take a stroke (Y, X) away from a cell. What is left becomes its mask prompt."""
        return paint.paint(self._me, whole_number(cell), frame_number(frame), stroke, True, True, force)

    def split(
        self,
        cell: int,
        frame: int,
        part: npt.ArrayLike | None = None,
        *,
        points: Sequence[Sequence[float]] | None = None,
        new: int | None = None,
        force: bool = False,
    ) -> int:
        """Give a part (Y, X) of a mask, or what is nearer to the second of two points, to a new cell; returns that."""
        given = None if part is None else np.asarray(part, bool)
        return split.split(self._me, whole_number(cell), frame_number(frame), given, points, whole_number(new), force)

    def take_over(
        self, labels: Any, frames: Iterable[int] | None = None, prompts: PromptFrames = "none"
    ) -> dict[int, int]:
        """Take cells over from a segmentation (T, Y, X); returns their numbers here by those there."""
        return take_over.take_over(self._me, labels, frames, prompts)

    # whole tracks -------------------------------------------------------------------------------------------------

    def delete(self, cell: int, *, force: bool = False) -> None:
        """Delete a cell on all frames."""
        delete.delete(self._me, whole_number(cell), force)

    def delete_from(self, cell: int, frame: int, *, force: bool = False) -> None:
        """Delete a cell from a frame on; it is not tracked beyond."""
        delete.delete_from(self._me, whole_number(cell), frame_number(frame), force)

    def delete_on(self, cell: int, frame: int, *, force: bool = False) -> None:
        """Delete a cell on one frame; it stays away there."""
        delete.delete_on(self._me, whole_number(cell), frame_number(frame), force)

    def merge(self, cell: int, other: int, *, force: bool = False) -> None:
        """Have two cells on the same frames be one, the first."""
        merge.merge(self._me, whole_number(cell), whole_number(other), force)

    def connect(self, cell: int, other: int, *, force: bool = False) -> None:
        """Have a track go on as another that begins after its end; the other's number is gone."""
        merge.connect(self._me, whole_number(cell), whole_number(other), force)

    def cut(self, cell: int, frame: int, *, new: int | None = None, force: bool = False) -> int:
        """Have a track be a new cell from a frame on; returns that."""
        return cut.cut(self._me, whole_number(cell), frame_number(frame), whole_number(new), force)

    def swap(self, cell: int, other: int, frame: int, *, force: bool = False) -> None:
        """Have two cells exchange their identities from a frame on."""
        cut.swap(self._me, whole_number(cell), whole_number(other), frame_number(frame), force)

    def renumber(self, cell: int, new: int, *, force: bool = False) -> None:
        """Give a cell another number."""
        cut.renumber(self._me, whole_number(cell), whole_number(new), force)

    def divide(
        self,
        mother: int | None,
        frame: int,
        daughters: Sequence[Daughter],
        *,
        track: bool = False,
        ids: Sequence[int] | None = None,
        force: bool = False,
    ) -> list[int]:
        """End a mother before a frame, and begin her daughters on it; returns these.

        Parameters
        ----------
        mother
            The cell that divides; None makes one from what two tracks share before the frame.
        frame
            First frame of the daughters.
        daughters
            Clicks (y, x), masks (Y, X), or numbers of cells that are there.
        track
            Track the daughters on, as part of the same step.
        ids
            Numbers for new cells.
        force
            Also over locks, and where the mother has daughters.
        """
        me = self._me
        with me.step():
            numbers = None if ids is None else [whole_number(number) for number in ids]
            born = divide.divide(me, whole_number(mother), frame_number(frame), daughters, numbers, force)
            if track:
                me.run(cells=[d for d in born if me.prompts(d)], direction="both")
        return born

    def reject_division(self, mother: int, frame: int) -> None:
        """Say that a cell does not divide about a frame, so that it is not proposed again."""
        from napari_sam2.session.divisions import reject_division

        reject_division(self._me, whole_number(mother), frame_number(frame))

    # what a person says -------------------------------------------------------------------------------------------

    def new_cell(self, cell: int | None = None, *, name: str = "", category: str = "") -> int:
        """Make a cell of which nothing is known yet; returns its number."""
        return state.new_cell(self._me, whole_number(cell), name, category)

    def set_state(self, cell: int, frames: Frames, state_name: str) -> None:
        """Say what became of a cell on a frame, a range, or (None) all it is on: present, hidden, left, dead, divided;
        or what you think of it: unchecked, checked, suspect."""
        state.set_state(self._me, whole_number(cell), _frames(frames), state_name)

    def lock(self, cell: int, frames: Frames = None) -> None:
        """Say that a cell is right on a frame, a range or all it is on, and must not change there."""
        state.lock(self._me, whole_number(cell), _frames(frames), True)

    def unlock(self, cell: int, frames: Frames = None) -> None:
        """Let a cell change again."""
        state.lock(self._me, whole_number(cell), _frames(frames), False)

    def describe(
        self,
        cell: int,
        *,
        name: str | None = None,
        notes: str | None = None,
        category: str | None = None,
        colour: int | None = None,
    ) -> None:
        """Name a cell, write a note, give it a category or another colour."""
        state.describe(self._me, whole_number(cell), name, notes, category, whole_number(colour, "a colour's seed"))

    def set_parent(self, cell: int, parent: int | None) -> None:
        """Say which cell is the mother of one; None for none."""
        state.set_parent(self._me, whole_number(cell), whole_number(parent))

    def set_options(self, **values: Any) -> None:
        """Change model, cell_diameter, mode, device, scale or units; masks that depend on it are stale then."""
        options.set_options(self._me, values)


def _frames(frames: Frames) -> Frames:
    """A frame, a range or None, in plain numbers."""
    if frames is None or np.ndim(frames) == 0:
        return None if frames is None else frame_number(frames)
    return frame_range(frames)
