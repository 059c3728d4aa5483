"""An image layer as a movie: which of its axes is what, and where a place of a frame is in the layer. No Qt in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.tracking.movie import Movie

if TYPE_CHECKING:
    from napari.layers import Image

MAX_CHANNELS = 4
"""An axis of unknown meaning between time and Y is taken for channels up to this length, for depth beyond."""
TIME, CHANNEL, DEPTH = {"t", "time", "frame", "frames"}, {"c", "ch", "channel", "channels"}, {"z", "depth", "plane"}


class Unsuitable(ValueError):
    """A layer that is no movie; says why, and what to do."""


@dataclass(frozen=True)
class Axes:
    """Which axes an image layer has.

    Parameters
    ----------
    letters
        One for each axis of the layer, in its order: T time, C channels, S of length one, Y, X.
    shape
        Of the layer, without colours.
    note
        A sentence to tell the user where something was assumed; may be empty.
    """

    letters: str
    shape: tuple[int, ...]
    note: str = ""

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.shape[self.time] if self.time is not None else 1

    @property
    def time(self) -> int | None:
        """Which axis is time; None for a single image."""
        return self.letters.index("T") if "T" in self.letters else None

    def place(self, frame: int, y: float, x: float, like: Sequence[float] | None = None) -> npt.NDArray[np.float64]:
        """Return the layer's coordinates, (ndim,), of a place of a frame; on further axes as in `like`, or 0."""
        own = {"T": float(frame), "Y": float(y), "X": float(x)}
        return np.array([own.get(c, 0.0 if like is None else float(like[i])) for i, c in enumerate(self.letters)])

    def frame_of(self, coordinates: Sequence[float] | npt.NDArray[Any]) -> int:
        """Return the frame of the layer's coordinates, cut to those there are."""
        if self.time is None:
            return 0
        found = float(coordinates[self.time])
        return int(np.clip(round(found) if np.isfinite(found) else 0, 0, self.frames - 1))

    def beyond(self, coordinates: Sequence[float] | npt.NDArray[Any]) -> str | None:
        """Say which frame the layer's coordinates are on that there is none of; None where they are on one.

        A single image is there at every time.
        """
        found = 0.0 if self.time is None else float(coordinates[self.time])
        if np.isfinite(found) and 0 <= round(found) < self.frames:
            return None
        return f"frame {round(found) if np.isfinite(found) else found}: the movie has frames 0 to {self.frames - 1}"


def axes_of(layer: Image) -> Axes:
    """Find out which axes an image layer has.

    Raises
    ------
    Unsuitable
        If it is no movie, with what to do.
    """
    shape = tuple(int(n) for n in _full(layer).shape)
    shape = shape[:-1] if layer.rgb else shape
    names = [str(name).lower() for name in layer.axis_labels]
    letters = [_letter(name) for name in names[-len(shape) :]]
    if len(shape) < 2 or min(shape) == 0:
        raise Unsuitable(f"'{layer.name}' is {shape}: an image has at least Y and X, and at least one pixel")
    _check_order(layer, names[-len(shape) :], letters)
    letters[-2:] = ["Y", "X"]
    note = ""
    for i, length in enumerate(shape[:-2]):
        if length == 1 and letters[i] != "T":
            letters[i] = "S"
    lead = range(len(shape) - 2)
    unknown = [i for i in lead if letters[i] == "?"]
    if "T" not in letters:
        if unknown:
            time = unknown.pop(0)
            letters[time] = "T"
        elif letters.count("Z") == 1:
            letters[letters.index("Z")] = "T"
            note = "The planes of this stack are taken for frames: cells are followed from plane to plane."
    for i in unknown:
        letters[i] = "C" if shape[i] <= MAX_CHANNELS and "C" not in letters and not layer.rgb else "Z"
    if letters.count("T") == 0 and "S" in letters:
        letters[letters.index("S")] = "T"
    found = "".join(letters)
    if "Z" in found or found.count("T") > 1 or found.count("C") > 1 or (layer.rgb and "C" in found):
        raise Unsuitable(
            f"'{layer.name}' has axes of lengths {shape}: a movie has time, Y and X, and channels if need be. Choose "
            "one plane, or project it first (right click on the layer > Projections)"
        )
    return Axes(found, shape, note)


def _check_order(layer: Image, names: list[str], letters: list[str]) -> None:
    """Refuse names of axes that say that the last two are not those of a picture, with how to move them."""
    said = [name.upper() if name in ("y", "x") else letter for name, letter in zip(names, letters, strict=True)]
    # a plane along depth is a picture, too
    if not {"T", "C"} & set(said[-2:]) and not {"Y", "X"} & set(said[:-2]):
        return
    order = sorted(range(len(said)), key=lambda i: "TC?ZYX".index(said[i]))
    named = tuple(names[i] for i in order)
    full = (*order, len(order)) if layer.rgb else tuple(order)
    it = f"viewer.layers[{layer.name!r}]"
    raise Unsuitable(
        f"'{layer.name}' has the axes {', '.join(names)}, in this order: time and channels come first, Y and X last. "
        f"For a layer in that order, type in napari's console: viewer.add_image({it}.data{'[0]' * layer.multiscale}"
        f".transpose{full}{', rgb=True' * layer.rgb}). Where only the names are wrong: {it}.axis_labels = {named}"
    )


def _letter(name: str) -> str:
    for letter, known in (("T", TIME), ("C", CHANNEL), ("Z", DEPTH)):
        if name in known:
            return letter
    return "?"


def _full(layer: Image) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


def arrays_of(layer: Image, others: Sequence[Image] = ()) -> tuple[Any, str]:
    """Return an array and its axes, as `Movie` takes them, of a layer and further layers that are its other channels.

    Raises
    ------
    Unsuitable
        If they do not fit together.
    """
    axes = axes_of(layer)
    keep = [i for i, letter in enumerate(axes.letters) if letter != "S"]
    letters = "".join(axes.letters[i] for i in keep) + ("C" if layer.rgb else "")
    if others:
        for other in others:
            if axes_of(other).letters != axes.letters or axes_of(other).shape != axes.shape or other.rgb:
                raise Unsuitable(f"'{other.name}' is no channel of '{layer.name}': the two are not of one size")
        if "C" in letters:
            raise Unsuitable(f"'{layer.name}' has channels of its own: take it alone")
        parts = [_picked(_full(one), axes, keep) for one in (layer, *others)]
        return Stacked(parts, letters), "TCYX" if "T" in letters else "CYX"
    return _picked(_full(layer), axes, keep), letters


def movie_of(
    layer: Image, others: Sequence[Image] = (), *, limits: Any = None, channels: tuple[int, ...] | None = None
) -> Movie:
    """Make the movie of an image layer; nothing is read yet.

    Parameters
    ----------
    layer
        The layer.
    others
        Layers that are further channels of it.
    limits
        As `Movie` takes them; ``"shown"`` takes the layers' contrast limits.
    channels
        As `Movie` takes them.
    """
    array, letters = arrays_of(layer, others)
    if isinstance(limits, str):
        pairs = [tuple(float(v) for v in one.contrast_limits) for one in (layer, *others)]
        limits = pairs if others else pairs[0]
    if channels is None and layer.rgb:
        channels = (0, 1, 2)  # opacity is no colour
    return Movie(array, axes=letters, limits=limits, channels=channels)


def _picked(array: Any, axes: Axes, keep: list[int]) -> Any:
    return array if len(keep) == len(axes.letters) else Picked(array, keep, len(axes.letters))


class Picked:
    """An array without those of its axes that have length one.

    Parameters
    ----------
    array
        The array; further axes than `ndim` (colours) stay.
    keep
        Axes that stay.
    ndim
        Axes that are chosen from.
    """

    def __init__(self, array: Any, keep: Sequence[int], ndim: int) -> None:
        self.array, self.dtype = array, array.dtype
        self._keep = [*keep, *range(ndim, len(array.shape))]
        self.shape = tuple(int(array.shape[i]) for i in self._keep)

    def __getitem__(self, key: Any) -> Any:
        given = key if isinstance(key, tuple) else (key,)
        given = (slice(None),) * len(self._keep) if given == (Ellipsis,) else given
        full: list[Any] = [0] * len(self.array.shape)
        for i, axis in enumerate(self._keep):
            full[axis] = given[i] if i < len(given) else slice(None)
        return self.array[tuple(full)]


class Stacked:
    """Movies of one size as the channels of one: (T, C, Y, X), or (C, Y, X) for single images; read when needed.

    Parameters
    ----------
    parts
        Arrays (T, Y, X) or (Y, X).
    letters
        Their axes.
    """

    def __init__(self, parts: Sequence[Any], letters: str) -> None:
        self._parts, self._timed = list(parts), "T" in letters
        self.dtype = np.result_type(*[np.dtype(p.dtype) for p in parts])
        shape = tuple(int(n) for n in parts[0].shape)
        self.shape = (shape[0], len(parts), *shape[1:]) if self._timed else (len(parts), *shape)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        given = key if isinstance(key, tuple) else (key,)
        t = given[0] if self._timed and given[0] is not Ellipsis else Ellipsis
        return np.stack([np.asarray(part[t]).astype(self.dtype, copy=False) for part in self._parts])
