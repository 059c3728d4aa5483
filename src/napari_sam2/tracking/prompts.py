"""What the user said about each cell on each frame, in array coordinates (y, x)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

BoolMask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MaskCrop:
    """A mask kept as the part of the frame it covers.

    Parameters
    ----------
    origin
        (y, x) of the crop's first pixel.
    crop
        (h, w) bool.
    """

    origin: tuple[int, int]
    crop: BoolMask

    @classmethod
    def of(cls, mask: BoolMask) -> MaskCrop:
        """Cut a full-frame mask down to its bounding box (an empty mask becomes an empty crop)."""
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not rows.size:
            return cls((0, 0), np.zeros((0, 0), bool))
        top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        return cls((top, left), mask[top:bottom, left:right].copy())

    def full(self, shape: tuple[int, int]) -> BoolMask:
        """Return the mask in a frame of `shape`."""
        out = np.zeros(shape, bool)
        (y, x), (h, w) = self.origin, self.crop.shape
        out[y : y + h, x : x + w] = self.crop
        return out

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(self.crop.sum())

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the bounding box, (y, x)."""
        return (
            self.origin[0] + (self.crop.shape[0] - 1) / 2,
            self.origin[1] + (self.crop.shape[1] - 1) / 2,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MaskCrop) and self.origin == other.origin and np.array_equal(self.crop, other.crop)

    def __hash__(self) -> int:
        return hash((self.origin, self.crop.tobytes()))


@dataclass(frozen=True)
class Round:
    """Prompts given together; the mask of one round is fed back into the next, as a user sees it and refines it.

    Parameters
    ----------
    clicks
        (y, x, foreground) of each click.
    box
        Corners ((y, x), (y2, x2)), top left first, or None.
    """

    clicks: tuple[tuple[float, float, bool], ...] = ()
    box: tuple[tuple[float, float], tuple[float, float]] | None = None


@dataclass(frozen=True)
class FramePrompts:
    """Everything said about one cell on one frame.

    Parameters
    ----------
    rounds
        In the order they were given.
    mask
        A mask drawn by the user: taken as it is where there are no rounds, refined by them where there are.
    base
        The tracked mask that the first round corrects, kept so that the same prompts always give the same mask.
    """

    rounds: tuple[Round, ...] = ()
    mask: MaskCrop | None = None
    base: MaskCrop | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing was said."""
        return not self.rounds and self.mask is None

    @property
    def start(self) -> MaskCrop | None:
        """The mask that the first round refines.

        A tracked mask that has jumped to another object is none: what was pointed at lies farther beside it than it is
        long.
        """
        if self.mask is not None or self.base is None:
            return self.mask
        return None if self.base.area and self._beyond(self.base) else self.base

    def _beyond(self, mask: MaskCrop) -> bool:
        """Whether any place that was pointed at lies farther beside a mask than it is long."""
        places = [(y, x) for r in self.rounds for y, x, foreground in r.clicks if foreground]
        places += [((a + c) / 2, (b + d) / 2) for (a, b), (c, d) in (r.box for r in self.rounds if r.box is not None)]
        first, size = np.array(mask.origin), np.array(mask.crop.shape)
        beside = [np.maximum(first - place, place - (first + size - 1)).max() for place in np.array(places)]
        return bool(max(beside, default=0) > size.max())

    @property
    def drawn(self) -> MaskCrop | None:
        """The user's own mask where it is the answer, and not only where the rounds start from."""
        return None if self.rounds else self.mask

    @property
    def outlined(self) -> bool:
        """Whether more was said than where the cell is: a box, a mask, or a second click."""
        clicks = sum(len(r.clicks) for r in self.rounds)
        return self.start is not None or clicks > 1 or any(r.box is not None for r in self.rounds)

    def anchor(self) -> tuple[float, float]:
        """A place (y, x) on or near the cell: the middle of what was drawn, or of the positive clicks.

        Raises
        ------
        ValueError
            If nothing was said.
        """
        if self.start is not None and self.start.area:
            return self.start.centre
        for box in (r.box for r in self.rounds if r.box is not None):
            return ((box[0][0] + box[1][0]) / 2, (box[0][1] + box[1][1]) / 2)
        clicks = [c for r in self.rounds for c in r.clicks]
        positive = [c for c in clicks if c[2]] or clicks
        if not positive:
            raise ValueError("no prompt to take a place from")
        return (float(np.mean([c[0] for c in positive])), float(np.mean([c[1] for c in positive])))

    def extent(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """First and last (y, x) of what was drawn: of the mask, else of the first box.

        Raises
        ------
        ValueError
            If nothing was drawn.
        """
        if self.mask is not None and self.mask.area:
            (y, x), (h, w) = self.mask.origin, self.mask.crop.shape
            return (y, x), (y + h - 1, x + w - 1)
        for box in (r.box for r in self.rounds if r.box is not None):
            return box
        raise ValueError("neither a mask nor a box was drawn")

    def diameter(self) -> float | None:
        """Diameter in pixels told by a mask (of the disc of its area) or by a box (mean side); None for clicks.

        A tracked mask that is corrected tells nothing: it may be as wrong in size as in anything.
        """
        if self.mask is not None and self.mask.area:
            return 2 * float(np.sqrt(self.mask.area / np.pi))
        for box in (r.box for r in self.rounds if r.box is not None):
            return (abs(box[1][0] - box[0][0]) + abs(box[1][1] - box[0][1])) / 2
        return None


@dataclass
class PromptBook:
    """All prompts: ``book[cell, frame]`` gives `FramePrompts`; changing it is only done through the methods.

    Parameters
    ----------
    frames
        Length of the movie.
    shape
        (Y, X) of a frame.
    """

    frames: int
    shape: tuple[int, int]
    _book: dict[int, dict[int, FramePrompts]] = field(default_factory=dict)

    def cells(self) -> list[int]:
        """Cells with at least one prompt, in ascending order."""
        return sorted(self._book)

    def frames_of(self, cell: int) -> list[int]:
        """Frames on which a cell was prompted, in ascending order."""
        return sorted(self._book.get(cell, ()))

    def __getitem__(self, key: tuple[int, int]) -> FramePrompts:
        cell, frame = key
        return self._book.get(cell, {}).get(frame, FramePrompts())

    def __contains__(self, key: tuple[int, int]) -> bool:
        return key[1] in self._book.get(key[0], ())

    def __iter__(self) -> Iterator[tuple[int, int, FramePrompts]]:
        return ((cell, frame, self._book[cell][frame]) for cell in self.cells() for frame in self.frames_of(cell))

    def on_frame(self, frame: int) -> list[int]:
        """Cells prompted on a frame."""
        return [cell for cell in self.cells() if frame in self._book[cell]]

    def put(self, cell: int, frame: int, prompts: FramePrompts) -> None:
        """Replace what was said about a cell on a frame; empty prompts remove it."""
        self.check_cell(cell)
        self.check_frame(frame)
        if not prompts.empty:
            self._book.setdefault(cell, {})[frame] = prompts
            return
        self._book.get(cell, {}).pop(frame, None)
        if not self._book.get(cell, True):
            del self._book[cell]

    def remove(self, cell: int, frame: int | None = None) -> None:
        """Forget a cell's prompts on one frame, or on all."""
        for t in self.frames_of(cell) if frame is None else [frame]:
            self.put(cell, t, FramePrompts())

    def add_clicks(
        self, cell: int, frame: int, clicks: list[tuple[float, float, bool]], base: MaskCrop | None = None
    ) -> None:
        """Add clicks (y, x, foreground) as one round.

        Raises
        ------
        ValueError
            If there is no click, or one lies outside the frame.
        """
        if not clicks:
            raise ValueError("no click was given")
        for y, x, _ in clicks:
            self.check_point(y, x)
        new = Round(clicks=tuple((float(y), float(x), bool(fg)) for y, x, fg in clicks))
        self._add_round(cell, frame, new, base)

    def add_box(
        self, cell: int, frame: int, box: tuple[tuple[float, float], tuple[float, float]], base: MaskCrop | None = None
    ) -> None:
        """Add a box by two opposite corners (y, x); it may reach over the frame's border and is cut there.

        Raises
        ------
        ValueError
            If the box has no area inside the frame.
        """
        height, width = self.shape
        ys, xs = sorted((box[0][0], box[1][0])), sorted((box[0][1], box[1][1]))
        top, bottom = max(ys[0], 0.0), min(ys[1], height - 1.0)
        left, right = max(xs[0], 0.0), min(xs[1], width - 1.0)
        if not (bottom > top and right > left):
            raise ValueError(
                f"the box {box} of cell {cell} has no area inside the frame of {height} x {width} pixels; "
                "give two opposite corners as (y, x)"
            )
        new = Round(box=((float(top), float(left)), (float(bottom), float(right))))
        self._add_round(cell, frame, new, base)

    def add_mask(self, cell: int, frame: int, mask: BoolMask) -> None:
        """Set a drawn mask (Y, X); it replaces whatever was said about the cell on this frame.

        Raises
        ------
        ValueError
            If the mask has another shape than the frame, or no pixel.
        """
        mask = np.asarray(mask)
        if mask.shape != self.shape:
            raise ValueError(f"the mask is {mask.shape}, but a frame of the movie is {self.shape} (Y, X)")
        crop = MaskCrop.of(mask.astype(bool))
        if not crop.area:
            raise ValueError(f"the mask of cell {cell} on frame {frame} is empty; remove the prompt instead")
        self.put(cell, frame, FramePrompts(mask=crop))

    def _add_round(self, cell: int, frame: int, new: Round, base: MaskCrop | None) -> None:
        self.check_cell(cell)
        self.check_frame(frame)
        old = self[cell, frame]
        if old.empty:
            old = replace(old, base=base)
        self.put(cell, frame, replace(old, rounds=(*old.rounds, new)))

    def check_cell(self, cell: int) -> None:
        """Raise ValueError unless `cell` is a positive whole number that a label image can hold."""
        if isinstance(cell, bool) or not isinstance(cell, (int, np.integer)):
            raise ValueError(f"a cell is named by a whole number, not by {cell!r}")
        if not 1 <= cell <= np.iinfo(np.int32).max:
            raise ValueError(f"a cell's number must lie between 1 and {np.iinfo(np.int32).max}, got {cell}")

    def check_frame(self, frame: int) -> None:
        """Raise IndexError unless the movie has this frame."""
        if not 0 <= frame < self.frames:
            raise IndexError(f"frame {frame} does not exist: the movie has frames 0 to {self.frames - 1}")

    def check_point(self, y: float, x: float) -> None:
        """Raise ValueError unless a point (y, x) lies on the frame."""
        height, width = self.shape
        if not (-0.5 <= y <= height - 0.5 and -0.5 <= x <= width - 0.5):
            raise ValueError(f"the point (y={y}, x={x}) lies outside the frame of {height} x {width} pixels")
