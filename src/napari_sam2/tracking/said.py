"""What a user says about the cells of a movie, as calls of the tracker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_sam2.tracking.prompts import MaskCrop, PromptBook


class Said:
    """The calls of `CellTracker` that take prompts.

    Attributes
    ----------
    prompts
        Everything that was said about the cells.
    """

    prompts: PromptBook

    def add_click(self, cell: int, frame: int, yx: Sequence[float], foreground: bool = True) -> None:
        """Click on a cell, or with ``foreground=False`` on what does not belong to it.

        Parameters
        ----------
        cell
            Number of the cell, 1 or more; also its label.
        frame
            Frame number.
        yx
            (y, x) in pixels.
        foreground
            Whether the place belongs to the cell.

        Notes
        -----
        A click on a frame where the cell was tracked corrects the mask that is there.
        """
        self.add_clicks(cell, frame, [yx], [foreground])

    def add_clicks(
        self, cell: int, frame: int, yx: Sequence[Sequence[float]], foreground: Sequence[bool] | None = None
    ) -> None:
        """Give several clicks (y, x) at once; all are on the cell when `foreground` is None."""
        marks = [True] * len(yx) if foreground is None else list(foreground)
        if len(marks) != len(yx):
            raise ValueError(f"{len(marks)} marks for {len(yx)} clicks: give one mark for each click, or none at all")
        clicks = [(float(p[0]), float(p[1]), bool(fg)) for p, fg in zip(yx, marks, strict=True)]
        self.prompts.check_frame(frame)
        self.prompts.add_clicks(cell, frame, clicks, base=self._tracked(cell, frame))

    def add_box(self, cell: int, frame: int, box: Sequence[Sequence[float]]) -> None:
        """Draw a box around a cell: two opposite corners (y, x)."""
        corners = ((float(box[0][0]), float(box[0][1])), (float(box[1][0]), float(box[1][1])))
        self.prompts.check_frame(frame)
        self.prompts.add_box(cell, frame, corners)

    def add_mask(self, cell: int, frame: int, mask: npt.ArrayLike) -> None:
        """Give a cell's mask (Y, X) on a frame; it is taken as it is and replaces other prompts there."""
        self.prompts.check_frame(frame)
        self.prompts.add_mask(cell, frame, np.asarray(mask))

    def remove_prompts(self, cell: int, frame: int | None = None) -> None:
        """Forget what was said about a cell on a frame, or on all frames; its labels stay until it is tracked again."""
        self.prompts.remove(cell, frame)

    def _tracked(self, cell: int, frame: int) -> MaskCrop | None:
        """The mask that tracking left of a cell on a frame, which a correction starts from."""
        raise NotImplementedError
