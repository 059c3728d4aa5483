"""Where cells and frames lie in a view of cells over time: zoom, scrolling, what is under a point. Free of Qt."""

from __future__ import annotations

from dataclasses import dataclass, field

ROW_HEIGHTS = (5, 7, 10, 14, 18, 24, 32)
"""Heights of a row from which the user chooses."""
WIDEST_FRAME = 48.0
"""Width of a frame at most."""


@dataclass
class Layout:
    """The geometry of a view of cells over time.

    Parameters
    ----------
    cells
        From top to bottom.
    frames
        Length of the movie.
    left, top
        Corner of the picture: beside the numbers of the cells, below those of the frames.
    width, height
        Of the picture.
    row
        Height of a row.
    per_frame
        Width of a frame that the user chose; 0 where the whole movie fits.
    start
        Frame at the left edge.
    scrolled
        How far the rows are scrolled.
    """

    cells: list[int] = field(default_factory=list)
    frames: int = 0
    left: int = 40
    top: int = 20
    width: int = 200
    height: int = 100
    row: int = 14
    per_frame: float = 0.0
    start: float = 0.0
    scrolled: int = 0

    def __post_init__(self) -> None:
        self._row_of: dict[int, int] = {}
        self.order(self.cells)

    def order(self, cells: list[int]) -> None:
        """Show other cells, or in another order."""
        self.cells = list(cells)
        self._row_of = {cell: row for row, cell in enumerate(cells)}

    @property
    def scale(self) -> float:
        """Width of a frame."""
        return self.per_frame or self.width / max(1, self.frames)

    @property
    def shown(self) -> float:
        """Number of frames that fit in."""
        return self.width / self.scale

    @property
    def furthest(self) -> int:
        """How far the rows can be scrolled."""
        return max(0, len(self.cells) * self.row - self.height)

    def settle(self) -> None:
        """Put everything within its limits, after a change of size or content."""
        if self.per_frame * self.frames <= self.width:
            self.per_frame = 0.0
        self.scrolled = min(max(0, self.scrolled), self.furthest)
        self.move_to(self.start)

    def move_to(self, start: float) -> None:
        """Have a frame at the left edge, as far as the movie goes."""
        self.start = min(max(0.0, start), max(0.0, self.frames - self.shown))

    def zoom(self, factor: float, x: float) -> None:
        """Make frames wider (factor over 1) or narrower; the frame at x stays where it is."""
        under = self.start + (x - self.left) / self.scale
        self.per_frame = min(WIDEST_FRAME, self.scale * factor)
        self.settle()
        self.move_to(under - (x - self.left) / self.scale)

    def step_row(self, step: int) -> None:
        """Take the next height of rows, higher or lower."""
        at = ROW_HEIGHTS.index(self.row) + step
        self.row = ROW_HEIGHTS[min(max(at, 0), len(ROW_HEIGHTS) - 1)]
        self.settle()

    def has(self, cell: int | None) -> bool:
        """Whether a cell has a row."""
        return cell in self._row_of

    def show_cell(self, cell: int) -> None:
        """Scroll a cell's row into view; it comes to the middle where it was out of sight."""
        top = self._row_of[cell] * self.row
        if not self.scrolled <= top <= self.scrolled + self.height - self.row:
            self.scrolled = min(max(0, top - (self.height - self.row) // 2), self.furthest)

    def show_frame(self, frame: int) -> None:
        """Scroll a frame into view."""
        if self.per_frame and not self.start <= frame <= self.start + self.shown - 1:
            self.move_to(frame - self.shown / 2)

    def at(self, x: float, y: float) -> tuple[int | None, int | None]:
        """Cell and frame at a point; None for what is not there. Left of the picture only a cell."""
        row = int((y - self.top + self.scrolled) // self.row)
        inside = self.top <= y < self.top + self.height and 0 <= row < len(self.cells)
        frame = int(self.start + max(0.0, x - self.left) / self.scale)
        here = self.left <= x < self.left + self.width and frame < self.frames
        return (self.cells[row] if inside else None, frame if here else None)

    def x_of(self, frame: float) -> float:
        """Left edge of a frame."""
        return self.left + (frame - self.start) * self.scale

    def y_of(self, cell: int) -> int:
        """Upper edge of a cell's row."""
        return self.top + self._row_of[cell] * self.row - self.scrolled

    def middle_of(self, cell: int, frame: int) -> tuple[int, int]:
        """(x, y) of the middle of a cell on a frame; may lie outside the picture."""
        return int(self.x_of(frame + 0.5)), self.y_of(cell) + self.row // 2

    def rows_shown(self) -> tuple[int, int]:
        """First row that can be seen, and one past the last."""
        first = self.scrolled // self.row
        return first, min(len(self.cells), -(-(self.scrolled + self.height) // self.row))

    def ticks(self, label: float) -> list[int]:
        """Frames to number, no closer together than the width of a label."""
        step = 1
        for step in _round_steps():
            if step * self.scale >= label:
                break
        first = -(-int(self.start) // step) * step
        return list(range(first, min(self.frames, int(self.start + self.shown) + 1), step))


def _round_steps() -> list[int]:
    return [m * 10**e for e in range(8) for m in (1, 2, 5)]
