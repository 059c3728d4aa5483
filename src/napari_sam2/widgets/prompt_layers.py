"""Clicks as a Points layer and boxes as a Shapes layer, each as the session has it and each changing the session.

The session is the truth: after every action the layers are written again from it, so that undo, refusals and other
views show at once. Only what the user does to a layer goes the other way. No Qt in here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_sam2.widgets import notify

if TYPE_CHECKING:
    from napari.layers import Points, Shapes

    from napari_sam2.session import Session
    from napari_sam2.widgets.image import Axes

Colour = Callable[[int], tuple[float, float, float, float]]
ON, OFF = ("#3dff9a", "#1f9e5c"), ("#ff5c86", "#b3244a")
"""Faces of clicks on a cell and beside it, for the current cell and for others; their symbols say the same."""
SYMBOLS = {True: "cross", False: "hbar"}


class Key(NamedTuple):
    """Which prompt a point or a box is: of the rounds of a cell on a frame, which one, and which click of it."""

    cell: int
    frame: int
    turn: int
    part: int
    foreground: bool


class PromptLayer:
    """What both layers have in common.

    Parameters
    ----------
    layer
        The napari layer.
    axes
        Of the image layer.
    session
        The session.
    colour
        Of a cell.
    """

    def __init__(self, layer: Any, axes: Axes, session: Session, colour: Colour) -> None:
        self.layer, self.axes, self.session, self.colour = layer, axes, session, colour
        self.keys: list[Key] = []
        self._places: list[Any] = []
        self._quiet = 0

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Have changes of the layer inside the block be nobody's prompt."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    @property
    def is_quiet(self) -> bool:
        """Whether the layer is being written by the program."""
        return self._quiet > 0

    def rows_of(self, indices: Any) -> list[int]:
        """Rows that an event of napari means, without those on no frame of the movie; the user is told of these."""
        found, strays = [], []
        for row in rows_of(indices, len(self.layer.data)):
            place = np.atleast_2d(self.layer.data[row])[0]
            stray = self.axes.beyond(place)
            if stray is None:
                found.append(row)
            else:
                strays.append(stray)
        if strays:  # once, however many there are
            notify.warning(f"This is on {strays[0]}. Move the slider to one of these first.")
        return found

    def removed(self) -> list[Key]:
        """Prompts that are no longer in the layer."""
        left = {self._key_at(i) for i in range(len(self.layer.data))}
        return [key for key in self.keys if key not in left]

    def _key_at(self, row: int) -> Key:
        values = self.layer.features.iloc[row]
        cell, frame, turn, part = (int(values[name]) for name in Key._fields[:-1])
        return Key(cell, frame, turn, part, bool(values["foreground"]))

    def key_at(self, row: int) -> Key:
        """Which prompt a row of the layer is."""
        return self._key_at(row)

    def _features(self) -> dict[str, npt.NDArray[Any]]:
        kinds = (int, int, int, int, bool)
        return {name: np.array([key[i] for key in self.keys], kinds[i]) for i, name in enumerate(Key._fields)}


class Clicks(PromptLayer):
    """The Points layer."""

    layer: Points

    def write(self, current: int | None, like: Any, force: bool = False) -> None:
        """Write the layer as the session has it.

        Parameters
        ----------
        current
            The current cell: its clicks stand out.
        like
            Coordinates that say where further axes are.
        force
            Also if nothing is new.
        """
        keys, places = [], []
        for cell, frame, said in self.session.document.iter_said():
            for index, one in enumerate(said.prompts.rounds):
                for part, (y, x, foreground) in enumerate(one.clicks):
                    keys.append(Key(cell, frame, index, part, foreground))
                    places.append(self.axes.place(frame, y, x, like))
        data = np.array(places, float).reshape(-1, len(self.axes.letters))
        placed = len(self.layer.data) == len(data) and np.array_equal(self.layer.data, data)
        same, self.keys = placed and keys == self.keys, keys
        if same and not force:
            return
        with self.quiet():
            self.layer.selected_data = set()
            if not placed:  # everything else is cheap
                self.layer.data = data
            self.layer.features = self._features()
            if keys:
                self.layer.symbol = [SYMBOLS[key.foreground] for key in keys]
                # shape and hue say what a click means, brightness whether it is of the current cell
                faces = [(ON if key.foreground else OFF)[key.cell != current] for key in keys]
                self.layer.face_color = faces
                self.layer.border_color = faces  # the border of a symbol is drawn whatever its width


class Boxes(PromptLayer):
    """The Shapes layer."""

    layer: Shapes

    def write(self, current: int | None, like: Any, force: bool = False) -> None:
        """Write the layer as the session has it; see `Clicks.write`."""
        keys, places = [], []
        for cell, frame, said in self.session.document.iter_said():
            for index, one in enumerate(said.prompts.rounds):
                if one.box is not None:
                    (y, x), (y2, x2) = one.box
                    corners = ((y, x), (y, x2), (y2, x2), (y2, x))
                    keys.append(Key(cell, frame, index, 0, True))
                    places.append(np.array([self.axes.place(frame, *c, like) for c in corners]))
        shown = self.layer.data
        placed = len(shown) == len(places) and all(_same_box(a, b) for a, b in zip(shown, places, strict=True))
        same, self.keys = placed and keys == self.keys, keys
        if same and not force:
            return
        with self.quiet():
            self.layer.selected_data = set()
            edges = [(1.0, 1.0, 1.0, 1.0) if k.cell == current else self.colour(k.cell) for k in keys]
            if placed:
                if keys:
                    self.layer.edge_color = edges
            else:  # takes half a millisecond a box
                self.layer.data = []
                if keys:
                    drawn = {"edge_color": edges, "face_color": "transparent", "edge_width": self.width()}
                    self.layer.add_rectangles(places, **drawn)
            self.layer.features = self._features()

    def width(self) -> float:
        """Width of a box's lines in pixels of the image: thin for small images."""
        return max(0.5, max(self.axes.shape[-2:]) / 400)

    def corners(self, row: int) -> tuple[int, tuple[tuple[float, float], tuple[float, float]]]:
        """Frame, and two opposite corners (y, x), of a shape, whatever it is."""
        vertices = np.asarray(self.layer.data[row], float)
        frame = self.axes.frame_of(vertices[0])
        low, high = vertices[:, -2:].min(0), vertices[:, -2:].max(0)
        return frame, ((float(low[0]), float(low[1])), (float(high[0]), float(high[1])))


def _same_box(shown: npt.NDArray[np.floating], wanted: npt.NDArray[np.floating]) -> bool:
    """Whether a shape has the corners that it should have, in whatever order it was drawn; napari keeps float32."""
    if shown.shape != wanted.shape:
        return False
    one, other = (np.asarray(corners, np.float32) for corners in (shown, wanted))
    return np.array_equal(one[np.lexsort(one.T)], other[np.lexsort(other.T)])


def rows_of(indices: Any, count: int) -> list[int]:
    """Rows of a layer that an event of napari means, which counts from the end as well."""
    return sorted({int(i) % count for i in indices if -count <= int(i) < count}) if count else []
