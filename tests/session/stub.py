"""A tracker without a network, and small sessions made with it: what it does follows a formula."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session import Session, new_session, open_session
from napari_sam2.session.encode import said_to_json
from napari_sam2.session.script import make_script
from napari_sam2.session.shapes import shapes
from napari_sam2.session.table import SHAPE
from napari_sam2.tracking.plan import Segment
from napari_sam2.tracking.prompts import FramePrompts, PromptBook

FRAMES, HEIGHT, WIDTH = 12, 40, 48
RADIUS = 4.0


@dataclass
class Result:
    """As `FrameResult`, without torch."""

    frame: int
    labels: npt.NDArray[np.int32]
    scores: dict[int, float] = field(default_factory=dict)
    ious: dict[int, float] = field(default_factory=dict)
    areas: dict[int, int] = field(default_factory=dict)
    suspects: dict[int, str] = field(default_factory=dict)
    prompted: frozenset[int] = frozenset()
    gave_way: frozenset[tuple[int, int]] = frozenset()


class DiscEngine:
    """Draws a disc at the last click (or the drawn mask's middle), which drifts right by one pixel a frame."""

    weights_hash = "discs"

    def __init__(self, movie: Any, meta: dict[str, Any], labels: Any) -> None:
        self.labels = labels
        self.shape = labels.shape[1:]
        self.prompts = PromptBook(labels.shape[0], self.shape)
        self.cell_diameter = 2 * RADIUS
        self.runs: list[tuple[list[Segment], tuple[int, int]]] = []

    def level(self, cell: int) -> int:
        return 0

    def place(self, prompts: FramePrompts) -> tuple[float, float]:
        clicks = [c for r in prompts.rounds for c in r.clicks if c[2]]
        return (clicks[-1][0], clicks[-1][1]) if clicks else prompts.anchor()

    def mask(self, segment: Segment, frame: int) -> npt.NDArray[np.bool_]:
        prompts = self.prompts[segment.cell, segment.start]
        if frame == segment.start and prompts.mask is not None and not prompts.rounds:
            return prompts.mask.full(self.shape)
        y, x = self.place(prompts)
        yy, xx = np.mgrid[: self.shape[0], : self.shape[1]]
        # what a frame looks like depends on both ends of its segment, as it does for the network
        far = sum(segment.conditioning[1:]) % 3
        return (yy - y) ** 2 + (xx - x - (frame - segment.start)) ** 2 <= (RADIUS + 0.5 * far) ** 2

    def run(
        self,
        segments: list[Segment],
        frames: tuple[int, int],
        locked: Callable[[int], Iterable[int]],
        held: Callable[[int], Iterable[int]],
        before: Any = None,
    ) -> Iterator[Result]:
        self.runs.append((segments, frames))
        done: set[tuple[int, int]] = set()
        for step in (1, -1):
            part = [s for s in segments if s.step == step]
            if not part:
                continue
            ends = [t for s in part for t in (s.start, s.last)]
            for frame in range(min(ends), max(ends) + 1)[::step]:
                here = [s for s in part if (s.covers(frame) or s.start == frame) and (s.cell, frame) not in done]
                if not here or not frames[0] <= frame < frames[1]:
                    continue
                image = self.labels.read(frame)
                kept = {*held(frame), *locked(frame)}
                free = [s.cell for s in here if s.cell not in kept]
                image[np.isin(image, free)] = 0
                result = Result(frame, image)
                for s in here:
                    if s.cell in free:
                        image[self.mask(s, frame) & (image == 0)] = s.cell
                    result.scores[s.cell] = 0.9
                    result.ious[s.cell] = 0.8
                    done.add((s.cell, frame))
                yield result


def movie(frames: int = FRAMES, height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 255, (frames, height, width), np.uint8)


def make(path: Path, frames: int = FRAMES, height: int = HEIGHT, width: int = WIDTH) -> Session:
    return new_session(movie(frames, height, width), path, model="discs", make_engine=DiscEngine)


def again(path: Path, frames: int = FRAMES, height: int = HEIGHT, width: int = WIDTH, **options: Any) -> Session:
    return open_session(path, movie(frames, height, width), make_engine=DiscEngine, **options)


def replayed(session: Session, path: Path) -> Session:
    """Do again, in a new session, what the script of a session does."""
    text, masks = make_script(session, "masks.npz")
    told = textwrap.dedent(text.split("with session:\n", 1)[1])
    arrays = np.load(io.BytesIO(masks), allow_pickle=False) if masks else {}
    other = make(path)
    exec(told, {"session": other, "masks": arrays})
    return other


def disc(y: float, x: float, radius: float = 3.0, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> npt.NDArray[np.bool_]:
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    return (yy - y) ** 2 + (xx - x) ** 2 <= radius**2


def state(session: Session) -> dict[str, Any]:
    """Every byte that undo has to bring back: labels, prompts, cells, table, settings."""
    document = session.document
    return {
        "labels": document.labels[:].tobytes(),
        "prompts": [(c, t, said_to_json(s)) for c, t, s in document.iter_said()],
        "cells": [c.to_json() for _, c in sorted(document.cells.items())],
        "table": [logged(document.table.row(c.row)) for _, c in sorted(document.cells.items())],
        "meta": dict(document.meta),
    }


def logged(rows: Any) -> bytes:
    """Bytes of records without the columns that are measured again after an undo."""
    return b"".join(rows[name].tobytes() for name in rows.dtype.names if name not in SHAPE)


def measured(session: Session, settled: bool = False) -> None:
    """Fail unless the table says of every cell what its pixels say, and no stranger is in the labels.

    Whether a cell touches others may lag behind until frames are written (``settled``), and what parts it is in may be
    unknown until then, but is never wrong.
    """
    document = session.document
    for t in range(document.frames):
        image = document.labels.read(t)
        assert set(np.unique(image).tolist()) - {0} <= set(document.cells)
        cells = sorted(document.cells)
        found = shapes(image).of(cells)
        column = document.table.data[[document.cells[c].row for c in cells], t]
        assert np.array_equal(column["area"], found.area), t
        assert np.allclose(column["y"], found.y, atol=1e-3) and np.allclose(column["x"], found.x, atol=1e-3), t
        second = found.second.astype(np.float16)
        assert ((column["second"] == second) | (np.isnan(column["second"]) & (not settled))).all(), t
        if settled:
            assert np.array_equal(column["touching"], found.touching.astype(np.float16)), t
    used = {c.row for c in document.cells.values()}
    assert len(used) == len(document.cells)
    free = [r for r in range(len(document.table.data)) if r not in used]
    assert not document.table.data[free].tobytes().strip(b"\0")
