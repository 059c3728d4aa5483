"""Handing segmentations and tracks to a tracker or a session, as what it starts from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_sam2.export.jobs import Job
from napari_sam2.export.link import MIN_OVERLAP, Linked
from napari_sam2.export.read_segmentation import open_segmentation
from napari_sam2.export.read_tracks import Tracks, read_tracks
from napari_sam2.export.tracked import ids_in

Which = Literal["first", "all"]


def add_segmentation(
    target: Any,
    source: Any,
    *,
    frames: Iterable[int] | None = None,
    prompts: Which = "first",
    link: bool = False,
    min_overlap: float = MIN_OVERLAP,
    job: Job | None = None,
) -> dict[int, int]:
    """Give masks of an existing segmentation as prompts.

    Parameters
    ----------
    target
        A `CellTracker` or a `Session`.
    source
        Anything that `open_segmentation` opens.
    frames
        Which frames of it; all when None.
    prompts
        Which of a cell's frames become mask prompts: its ``"first"`` one, to track on from, or ``"all"``.
    link
        The frames were segmented one by one: give the same cell the same number by overlap first. Otherwise ids are
        kept.
    min_overlap
        Least IoU for that.

    Returns
    -------
    dict
        From the ids of the segmentation (after linking) to the cells they became.

    Raises
    ------
    ValueError
        If it does not fit the movie, naming the file and the frame.
    """
    if prompts not in ("first", "all"):
        raise ValueError(f"prompts is 'first' or 'all', not {prompts!r}")
    found = open_segmentation(source)
    is_session = hasattr(target, "take_over")
    shape = tuple(int(n) for n in target.labels.shape)
    where = f"{source} is" if isinstance(source, str | Path) else "the labels are"
    if found.shape[1:] != shape[1:] or found.shape[0] > shape[0]:
        swapped = found.shape[1:] == shape[:0:-1]
        mend = "are y and x swapped?" if swapped else "export them at the movie's own size and frames"
        raise ValueError(f"{where} {found.shape}, the movie is {shape} (T, Y, X): {mend}")
    chosen = sorted(set(range(found.shape[0]) if frames is None else frames))
    outside = [t for t in chosen if not 0 <= t < found.shape[0]]
    if outside:
        raise ValueError(f"{where} of {found.shape[0]} frames: there is no frame {outside[0]}")
    labels: Any = found.labels
    job = job or Job()
    if link:
        labels = Linked(labels, min_overlap, chosen, job)
    if is_session:
        with target.step():
            numbers: dict[int, int] = target.take_over(_Longer(labels, shape), chosen, prompts)
            _set_parents(target, {d: m for d, m in found.parents.items() if not link}, numbers)
        return numbers
    job.expect(len(chosen))
    given: dict[int, int] = {}
    for t in job.frames(chosen):
        image = np.asarray(labels[t])
        for cell in ids_in(image):
            if cell not in given or prompts == "all":
                target.add_mask(cell, t, image == cell)
                given[cell] = cell
    if not given:
        raise ValueError(f"{where} empty: there is no cell in it")
    return given


class _Longer:
    """Labels with empty frames at the end, up to the movie's length."""

    dtype = np.dtype(np.int32)

    def __init__(self, labels: Any, shape: tuple[int, ...]) -> None:
        self._labels, self.shape = labels, shape

    def __getitem__(self, t: int) -> Any:
        return self._labels[t] if t < self._labels.shape[0] else np.zeros(self.shape[1:], np.int32)


def add_tracks(
    target: Any,
    source: Tracks | str | Path,
    *,
    which: Which | int = "first",
    cells: Sequence[int] | None = None,
) -> dict[int, int]:
    """Give points of existing tracks as clicks.

    Parameters
    ----------
    target
        A `CellTracker` or a `Session`.
    source
        `Tracks`, or a file that `read_tracks` reads.
    which
        The ``"first"`` point of each cell, ``"all"``, or every so many-th.
    cells
        Only these.

    Returns
    -------
    dict
        From the tracks' numbers to the cells they became.

    Raises
    ------
    ValueError
        If a point lies outside the movie; nothing was given then.
    """
    tracks = source if isinstance(source, Tracks) else read_tracks(source)
    step = {"first": 0, "all": 1}.get(which, which) if isinstance(which, str) else which
    if not isinstance(step, int) or (not isinstance(which, str) and step < 1):
        raise ValueError(f"which is 'first', 'all' or a number of frames from 1, not {which!r}")
    shape = tuple(int(n) for n in target.labels.shape)
    where = f"{source}: " if isinstance(source, str | Path) else ""
    points: dict[int, list[tuple[int, float, float]]] = {}
    for cell, frame, y, x in zip(tracks.cell, tracks.frame, tracks.y, tracks.x, strict=True):
        if cells is not None and int(cell) not in cells:
            continue
        if not (0 <= frame < shape[0] and -0.5 <= y <= shape[1] - 0.5 and -0.5 <= x <= shape[2] - 0.5):
            raise ValueError(
                f"{where}track {cell} on frame {frame} at (y={y:g}, x={x:g}) lies outside the movie {shape} "
                "(T, Y, X): are the coordinates physical? Then say the size of a pixel"
            )
        points.setdefault(int(cell), []).append((int(frame), float(y), float(x)))
    numbers: dict[int, int] = {}
    is_session = hasattr(target, "new_cell")
    with target.step() if is_session else nullcontext():
        _click(target, points, step, numbers, is_session)
        if is_session:
            _set_parents(target, tracks.parents, numbers)
    return numbers


def _click(
    target: Any, points: dict[int, list[tuple[int, float, float]]], step: int, numbers: dict[int, int], is_session: bool
) -> None:
    for cell, own in points.items():
        number = cell
        if is_session and (cell < 1 or cell in target.cells or cell in target.document.used):
            number = target.new_id()
        numbers[cell] = number
        for frame, y, x in own[:1] if step == 0 else own[::step]:
            target.add_click(number, frame, (y, x))


def _set_parents(session: Any, parents: Any, numbers: dict[int, int]) -> None:
    for daughter, mother in parents.items():
        if daughter in numbers and mother in numbers:
            session.set_parent(numbers[daughter], numbers[mother])
