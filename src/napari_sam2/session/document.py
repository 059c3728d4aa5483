"""The document in memory: cells, prompts, table, labels, the log, and how an entry of the log is done and undone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.session.cells import LARGEST, Cell
from napari_sam2.session.deltas import Deltas
from napari_sam2.session.encode import Said, said_from_json
from napari_sam2.session.errors import ReadOnlySession, Refused
from napari_sam2.session.events import Changed
from napari_sam2.session.journal import Journal, Line
from napari_sam2.session.labels import LabelStore
from napari_sam2.session.locking import OwnedLock
from napari_sam2.session.shapes import shapes
from napari_sam2.session.table import SHAPE, Table, differing, unpack_change
from napari_sam2.session.writer import Writer

Maps = list[tuple[int, int, dict[int, int]]]
JOINED_BACK = 20
"""Steps back that something can still become part of: a mask that was computed while the user went on clicking."""


def now() -> str:
    """The time, ISO 8601, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Document:
    """Everything that a session holds, without movie and network.

    Parameters
    ----------
    folder
        Of the session.
    meta
        Settings: movie, scale, limits, model, ... (the content of ``session.json``).
    read_only
        Whether actions are refused.
    """

    def __init__(self, folder: Path, meta: dict[str, Any], read_only: bool = False) -> None:
        self.folder = folder
        self.meta = meta
        self.read_only = read_only
        frames, height, width = (int(n) for n in meta["shape"])
        self.frames = frames
        self.frame_shape = (height, width)
        self.cells: dict[int, Cell] = {}
        self.said: dict[int, dict[int, Said]] = {}
        self.deltas = Deltas(folder / "deltas")
        self.labels = LabelStore(folder / "labels", (frames, height, width), self.deltas)
        self.table = Table(folder / "table", frames)
        self.journal = Journal(folder / "log.jsonl")
        self.used: set[int] = set()
        self.next_row = 0
        self.done: list[list[int]] = []
        self.undone: list[list[int]] = []
        self.open_entry: int | None = None
        self.open_frames = 0
        self._step_of: dict[int, int] = {}
        self.lock = OwnedLock()
        self.writer = Writer(self)

    # what is there ------------------------------------------------------------------------------------------------

    def cell(self, cell: int) -> Cell:
        """Return a cell; Refused where there is none of this number."""
        if cell not in self.cells:
            raise Refused(f"there is no cell {cell}")
        return self.cells[cell]

    def check_frame(self, frame: int) -> int:
        """Return a frame number as int; IndexError where there is no such frame."""
        if not 0 <= frame < self.frames:
            raise IndexError(f"frame {frame} does not exist: the movie has frames 0 to {self.frames - 1}")
        return int(frame)

    def new_id(self) -> int:
        """A number that no cell of this session has ever had: the next one, or a gap where there is none."""
        number = max(self.used, default=0) + 1
        return number if number <= LARGEST else next(n for n in count(1) if n not in self.used)

    def prompts_of(self, cell: int) -> dict[int, Said]:
        """What was said about a cell, by frame."""
        return self.said.get(cell, {})

    def iter_said(self) -> Iterator[tuple[int, int, Said]]:
        """All (cell, frame, what was said), in ascending order."""
        for cell in sorted(self.said):
            for frame in sorted(self.said[cell]):
                yield cell, frame, self.said[cell][frame]

    def unmeasured(self) -> list[int]:
        """Frames on which the shape of some cell is not known."""
        rows = [c.row for c in self.cells.values()]
        unknown = np.zeros(self.frames, bool)
        for row in rows:
            unknown |= np.isnan(self.table.data["second"][row])
        return [int(t) for t in np.flatnonzero(unknown)]

    def measure(self, frame: int) -> None:
        """Bring the shapes of a frame's cells up to date with its pixels; not logged, because pixels alone decide."""
        with self.lock:
            found = shapes(self.labels.look(frame))
            cells = [int(c) for c in found.cells if int(c) in self.cells]
            rows = [self.cells[c].row for c in cells]
            block = self.table.block(rows, frame, frame + 1)
            other = differing(block[:, 0], found.of(cells))
            if other.any():
                for name in SHAPE:
                    block[name][:, 0] = getattr(found.of(cells), name)
                self.table.put(rows, frame, block)

    # primitive changes, of memory alone ---------------------------------------------------------------------------

    def set_cell(self, cell: int, record: Cell | None) -> None:
        """Make, change or forget a cell."""
        if record is None:
            self.cells.pop(cell, None)
            return
        self.cells[cell] = record
        self.used.add(cell)
        self.next_row = max(self.next_row, record.row + 1)
        self.table.ensure(record.row)

    def set_said(self, cell: int, frame: int, said: Said | None) -> None:
        """Replace what was said about a cell on a frame."""
        if said is not None:
            self.said.setdefault(cell, {})[frame] = said
            return
        self.said.get(cell, {}).pop(frame, None)
        if not self.said.get(cell, True):
            del self.said[cell]

    def set_meta(self, key: str, value: Any) -> None:
        """Change a setting."""
        self.meta[key] = value

    # entries of the log -------------------------------------------------------------------------------------------

    def check_writable(self) -> None:
        """Raise unless something may be changed now."""
        if self.read_only:
            raise ReadOnlySession(f"{self.folder} was opened for reading only")
        if self.open_entry is not None:
            raise Refused("tracking is running: stop it first")

    def do_entry(self, line: Line, forward: bool, at: int) -> Changed:
        """Apply a logged entry to memory, or take it back; labels follow by notes.

        Parameters
        ----------
        line
            The entry as it was logged.
        forward
            Do (again), or undo.
        at
            Line of the log that says so.

        Returns
        -------
        Changed
            What listeners have to know.
        """
        side = 1 if forward else 0
        ops = line["ops"]
        changes = [unpack_change(data) for data in self.deltas.rows(line["n"])]
        touched: set[int] = set()
        span: list[int] = []
        for cell, pair in ops.get("cells", []):
            self.set_cell(int(cell), None if pair[side] is None else Cell.from_json(pair[side]))
            touched.add(int(cell))
        for cell, frame, *states in ops.get("prompts", []):
            self.set_said(int(cell), int(frame), said_from_json(states[side]))
            touched.add(int(cell))
            span += [frame, frame + 1]
        for key, pair in ops.get("meta", []):
            self.set_meta(key, pair[side])
        cell_of = {c.row: c.id for c in self.cells.values()}
        for rows, first, before, after in changes if forward else reversed(changes):
            self.table.put(rows, first, after if forward else before)
            touched.update(cell_of[row] for row in rows if row in cell_of)
            span += [first, first + before.shape[1]]
        maps = maps_of(line)
        for first, stop, mapping in maps:
            touched.update({*mapping, *mapping.values()} - {0})
            span += [first, stop]
        self.labels.turn(line["n"], at, forward, maps)
        pixels = bool(maps) or bool(self.deltas.frames(line["n"]))
        found = (min(span), max(span)) if span else (0, 0)
        return Changed("redo" if forward else "undo", frozenset(touched), *found, labels=pixels)

    def replay(self, line: Line, *, state: bool, labels: bool) -> None:
        """Follow a line of the log while opening: the history always, the rest where it is not in the files yet."""
        if "undo" in line or "redo" in line:
            forward = "redo" in line
            entries: list[int] = line["redo" if forward else "undo"]
            self.move(forward)
            if line.get("drop"):
                self.undone.pop()
            for source in (self.journal[entry] for entry in entries):
                if state:
                    self.do_entry(source, forward, line["n"])
                elif labels:
                    self.labels.turn(source["n"], line["n"], forward, maps_of(source))
        elif "end" in line:
            self.open_entry = None
        else:
            self.open_entry = line["n"] if line.get("open") else None
            self.record(line["n"], line["step"])
            if state:
                self.do_entry(line, True, line["n"])
            elif labels:
                self.labels.turn(line["n"], line["n"], True, maps_of(line))

    def record(self, entry: int, step: int) -> None:
        """Put an entry on the history, together with the others of its step; what was undone is out of reach then."""
        self.undone.clear()
        for known in reversed(self.done[-JOINED_BACK:]):
            if self._step_of.get(known[0]) == step:
                known.append(entry)
                break
        else:
            self.done.append([entry])
        self._step_of[entry] = step

    def step_of(self, entries: list[int]) -> int:
        """Number of a step, by its entries."""
        return self._step_of.get(entries[0], entries[0])

    def move(self, forward: bool) -> list[int]:
        """Move the last step between the stacks of done and undone ones; returns its entries."""
        source, target = (self.undone, self.done) if forward else (self.done, self.undone)
        target.append(source.pop())
        return target[-1]


def maps_of(line: Line) -> Maps:
    """The relabellings of an entry."""
    return [(first, stop, dict(pairs)) for first, stop, pairs in line["ops"].get("maps", [])]
