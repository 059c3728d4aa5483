"""One entry of the log in the making: collects what changes, and is written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session import runs as label_runs
from napari_sam2.session.cells import LARGEST, Cell
from napari_sam2.session.deltas import LABELS, ROWS
from napari_sam2.session.document import Document, Maps, now
from napari_sam2.session.encode import Said, said_to_json
from napari_sam2.session.errors import Refused
from napari_sam2.session.events import Changed
from napari_sam2.session.locking import uninterrupted
from napari_sam2.session.table import Rows, pack_change


class Change:
    """A change of the document, in a ``with`` block; an error inside takes everything back.

    Parameters
    ----------
    document
        What is changed.
    verb, args
        Name of the action and how it was called, for the log and the script.
    step
        Number of the step of the history it belongs to; its own when None.
    opened
        Whether frames follow: a tracking run.
    """

    def __init__(
        self, document: Document, verb: str, args: Mapping[str, Any], step: int | None = None, opened: bool = False
    ) -> None:
        self.document = document
        self.verb = verb
        self.args = {k: v for k, v in args.items() if v is not None and not (k == "force" and not v)}
        self.step = step
        self.opened = opened
        self.entry = len(document.journal)
        self.event: Changed | None = None
        self.staged: list[int] = []
        self._cells: dict[int, Cell | None] = {}
        self._fresh: set[int] = set()
        self._said: dict[tuple[int, int], Said | None] = {}
        self._meta: dict[str, Any] = {}
        self._maps: Maps = []
        self._rows: list[tuple[list[int], int, Rows, Rows]] = []
        self._touched: set[int] = set()
        self._span: list[int] = []
        self._pixels = False

    def __enter__(self) -> Change:
        self.document.check_writable()
        self.document.deltas.remove(self.entry)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self._commit()
                return
            except BaseException:
                self._take_back()
                raise
        self._take_back()

    @property
    def settings(self) -> set[str]:
        """Settings that were changed."""
        return set(self._meta)

    # what an action may do ----------------------------------------------------------------------------------------

    def cell(self, cell: int, record: Cell | None) -> None:
        """Make, change or forget a cell."""
        if record is not None and cell in self.document.used and cell not in self.document.cells:
            raise Refused(f"the number {cell} belonged to a cell before; numbers are never used again")
        self._cells.setdefault(cell, self.document.cells.get(cell))
        if cell not in self.document.used:
            self._fresh.add(cell)
        self.document.set_cell(cell, record)
        self._touched.add(cell)

    def new_cell(self, cell: int | None = None, **fields: Any) -> int:
        """Make a cell; returns its number."""
        number = self.document.new_id() if cell is None else int(cell)
        if number in self.document.cells:
            raise Refused(f"there is a cell {number} already")
        if not 0 < number <= LARGEST:
            raise ValueError(f"a cell's number lies between 1 and {LARGEST}, got {number}")
        self.cell(number, Cell(number, self.document.next_row, colour=number, **fields))
        return number

    def prompt(self, cell: int, frame: int, said: Said | None) -> None:
        """Replace what was said about a cell on a frame."""
        if said is not None and said.prompts.empty:
            said = None
        self._said.setdefault((cell, frame), self.document.prompts_of(cell).get(frame))
        self.document.set_said(cell, frame, said)
        self.touch(cell, frame)

    def meta(self, key: str, value: Any) -> None:
        """Change a setting."""
        self._meta.setdefault(key, self.document.meta.get(key))
        self.document.set_meta(key, value)

    def rows(self, cells: Sequence[int], first: int, block: Rows) -> None:
        """Write records (cells, frames) of the table from a frame on."""
        rows = [self.document.cells[c].row for c in cells]
        before = self.document.table.block(rows, first, first + block.shape[1])
        if before.tobytes() != block.tobytes():
            self._rows.append((rows, first, before, block.copy()))
            self.document.table.put(rows, first, block)
            for cell in cells:
                self.touch(cell, first, first + block.shape[1])

    def relabel(self, first: int, stop: int, mapping: Mapping[int, int]) -> None:
        """Have numbers become others in the labels of a range of frames (0: nothing), all at once."""
        if first < stop and mapping:
            self._maps.append((first, stop, dict(mapping)))
            self.document.labels.relabel(self.entry, first, stop, mapping)
            self._pixels = True
            for cell in {*mapping, *mapping.values()} - {0}:
                self.touch(cell, first, stop)

    def image(self, frame: int, image: npt.NDArray[np.int32]) -> set[int]:
        """Replace the label image of a frame; returns the cells that lost or won pixels."""
        self._pixels = True
        cells = label_runs.cells_in(self.document.labels.stage(self.entry, frame, image))
        for cell in cells:
            self.touch(cell, frame)
        return cells

    def touch(self, cell: int, first: int, stop: int | None = None) -> None:
        """Note for the listeners that a cell was changed on a frame, or a range."""
        self._touched.add(cell)
        self._span += [first, first + 1 if stop is None else stop]

    # the end ------------------------------------------------------------------------------------------------------

    def _commit(self) -> None:
        staged = self.document.labels.staged(self.entry)
        records = [(ROWS, first, pack_change(rows, first, b, a)) for rows, first, b, a in self._rows]
        records += [(LABELS, frame, label_runs.to_bytes(runs)) for frame, runs in staged.items()]
        if records:
            self.document.deltas.append(self.entry, records)
        step = self.entry if self.step is None else self.step
        line = {"time": now(), "step": step, "verb": self.verb, "args": self.args, "ops": self._ops()}
        self.document.journal.append({**line, "open": True} if self.opened else line)
        self.document.labels.recorded(self.entry, list(staged))
        self.document.record(self.entry, step)
        if self.opened:
            self.document.open_entry, self.document.open_frames = self.entry, 0
        self.staged = list(staged)
        span = (min(self._span), max(self._span)) if self._span else (0, 0)
        self.event = Changed(self.verb, frozenset(self._touched), *span, labels=self._pixels)

    def _ops(self) -> dict[str, Any]:
        document = self.document

        def of(cell: Cell | None) -> Any:
            return None if cell is None else cell.to_json()

        ops: dict[str, Any] = {
            "cells": [[c, [of(before), of(document.cells.get(c))]] for c, before in self._cells.items()],
            "prompts": [
                [cell, frame, said_to_json(before), said_to_json(document.prompts_of(cell).get(frame))]
                for (cell, frame), before in self._said.items()
            ],
            "meta": [[key, [before, document.meta.get(key)]] for key, before in self._meta.items()],
            "maps": [[first, stop, [list(p) for p in mapping.items()]] for first, stop, mapping in self._maps],
        }
        return {name: found for name, found in ops.items() if found}

    @uninterrupted()
    def _take_back(self) -> None:
        document = self.document
        for rows, first, before, _ in reversed(self._rows):
            document.table.put(rows, first, before)
        for (cell, frame), said in self._said.items():
            document.set_said(cell, frame, said)
        for cell, record in self._cells.items():
            document.set_cell(cell, record)
        for key, value in self._meta.items():
            document.set_meta(key, value)
        document.used -= self._fresh
        document.labels.drop(self.entry)
        if len(document.journal) == self.entry:
            document.deltas.remove(self.entry)
