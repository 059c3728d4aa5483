"""Steps of the history: making them, taking them back, doing them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from napari_sam2.session.change import Change
from napari_sam2.session.document import JOINED_BACK, Document, now
from napari_sam2.session.errors import Refused
from napari_sam2.session.events import Changed, Signal
from napari_sam2.session.locking import uninterrupted

if TYPE_CHECKING:
    from napari_sam2.session.engine import Engine
    from napari_sam2.session.stale import Stale

ENGINE_SETTINGS = {"cell_diameter", "limits", "mode", "model", "settings", "device"}
"""Settings that the tracker takes when it is made."""


class History:
    """The part of a session that makes entries of the log and goes back and forth among them."""

    document: Document
    changed: Signal[Changed]
    stale_index: Stale
    _engine: Engine | None
    _step: int | None
    _in_step: bool

    def after_entry(self) -> None:
        """Do what is due after every entry, undo and redo."""

    # changes ------------------------------------------------------------------------------------------------------

    @contextmanager
    def change(self, verb: str, args: Mapping[str, Any], opened: bool = False) -> Iterator[Change]:
        """Make one entry of the log; what actions are built with."""
        with ExitStack() as held:
            with self.document.lock:
                change = Change(self.document, verb, args, self._step, opened)
                with change:
                    yield change
                    held.enter_context(uninterrupted())  # once it is written down, everyone hears of it
                if self._in_step and self._step is None:
                    self._step = change.entry
                assert change.event is not None
                if any(key in ENGINE_SETTINGS for key in change.settings) and not opened:
                    self._engine = None
            for frame in change.staged:
                self.document.writer.submit(frame)
            self.emit(change.event)
        if not opened:
            self.after_entry()

    @contextmanager
    def step(self) -> Iterator[None]:
        """Have all actions inside the block be one step of the history; an error takes all of them back."""
        if self._in_step:
            yield
            return
        self._in_step = True
        try:
            yield
        except Exception:
            if self._step is not None and self.document.open_entry is None:
                self._turn(forward=False, drop=True)
            raise
        finally:
            self._in_step, self._step = False, None

    @contextmanager
    def joined(self, cells: Iterable[int] = (), frame: int = 0) -> Iterator[None]:
        """Have what is done inside the block be part of the step that last said something about cells on a frame.

        Without cells, and where a later step has changed what the block may change too, it joins the last step: steps
        are taken back in their order, and what a later one restores must be what was there before it.
        """
        document, wanted = self.document, set(cells)
        with document.lock:
            before, found = self._step, None
            for entries in reversed(document.done[-JOINED_BACK:] if wanted else []):
                said = [p for e in entries for p in document.journal[e]["ops"].get("prompts", [])]
                if any(p[0] in wanted and p[1] == frame for p in said):
                    found = entries
                    break
                if any(self._in_the_way(e, wanted, frame) for e in entries):
                    break
            if found is None and document.done:
                found = document.done[-1]
            if before is None and found is not None:
                self._step = document.step_of(found)
            try:
                yield
            finally:
                self._step = before

    def _in_the_way(self, entry: int, cells: set[int], frame: int) -> bool:
        """Whether an entry may have changed pixels of a frame, records of the table, some cells, or settings."""
        ops = self.document.journal[entry]["ops"]
        return (
            self.document.deltas.has_labels(entry, frame)
            or self.document.deltas.count(entry) > 0
            or any(first <= frame < stop for first, stop, _ in ops.get("maps", []))
            or any(cell in cells for cell, _ in ops.get("cells", []))
            or bool(ops.get("meta"))
        )

    @property
    def can_undo(self) -> str | None:
        """Name of the action that `undo` would take back; None for nothing."""
        return self._name(self.document.done)

    @property
    def can_redo(self) -> str | None:
        """Name of the action that `redo` would do again; None for nothing."""
        return self._name(self.document.undone)

    def _name(self, steps: list[list[int]]) -> str | None:
        return str(self.document.journal[steps[-1][0]]["verb"]) if steps else None

    def undo(self) -> str:
        """Take back the last step, prompts and labels together; returns its name.

        Raises
        ------
        Refused
            If there is none, tracking is running, or a step is not complete.
        """
        return self._turn_whole(forward=False)

    def redo(self) -> str:
        """Do again the last step that was undone; returns its name."""
        return self._turn_whole(forward=True)

    def _turn_whole(self, forward: bool) -> str:
        self.document.check_writable()
        if self._in_step:
            raise Refused("a step cannot be taken back before it is complete: leave its block first")
        return self._turn(forward)

    def _turn(self, forward: bool, drop: bool = False) -> str:
        with uninterrupted():
            name = self._turn_in_full(forward, drop)
        self.after_entry()
        return name

    def _turn_in_full(self, forward: bool, drop: bool) -> str:
        document = self.document
        with document.lock:  # from here on: a run that begins between asking and doing would be undone while it writes
            document.check_writable()
            steps = document.undone if forward else document.done
            if not steps:
                raise Refused(f"there is nothing to {'redo' if forward else 'undo'}")
            entries = list(steps[-1]) if forward else list(reversed(steps[-1]))
            lines = [document.journal[entry] for entry in entries]
            said = {"time": now(), "redo" if forward else "undo": entries}
            at = document.journal.append({**said, "drop": True} if drop else said)
            document.move(forward)
            if drop:
                document.undone.pop()
            events = [document.do_entry(line, forward, at) for line in lines]
            if any(key in ENGINE_SETTINGS for line in lines for key, _ in line["ops"].get("meta", [])):
                self._engine = None
        for event in events:
            self.emit(event)
        return str(lines[0 if forward else -1]["verb"])

    def emit(self, event: Changed) -> None:
        """Tell everyone, the index of stale frames first."""
        self.stale_index.forget(event.cells)
        self.changed.emit(event)

    def history(self) -> list[dict[str, Any]]:
        """The log: every action with its time, also undone ones."""
        return [self.document.journal[i] for i in range(len(self.document.journal))]
