"""The label image of every frame: a zarr array on disk, changed through the log, whole tracks at a time without delay.

Three facts make it safe and quick:

- What an action changes on a frame is written to its delta file (`deltas`) *before* the frame itself. Runs say what
  pixels become, not how they change, so writing them again after a crash does no harm.
- An action on a whole track (delete, merge, swap, cut, renumber) only notes which numbers become which on which frames.
  A frame on which something is noted is *pending*: reading it applies what was noted, the `Writer` writes it.
- Undo and redo are notes too: the runs of an action the other way round.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_sam2.session import runs as label_runs
from napari_sam2.session.by_frame import ByFrame
from napari_sam2.session.deltas import LABELS, Deltas
from napari_sam2.session.runs import LabelImage, Runs
from napari_sam2.session.zarr_files import ChunkedArray

KEPT_FRAMES = 3
"""Frames kept in memory after they were read: tracking reads a frame, and its result is compared with it."""


@dataclass
class _Note:
    """Something pending on a frame: an entry of the log, done or (``forward=False``) undone."""

    entry: int
    line: int
    forward: bool = True
    maps: list[dict[int, int]] = field(default_factory=list)
    runs: Runs | None = None
    recorded: bool = False


@dataclass(frozen=True)
class Prepared:
    """A frame as it is going to be on the disk, and the notes that it contains then."""

    frame: int
    image: LabelImage
    notes: tuple[_Note, ...]

    @property
    def moved(self) -> bool:
        """Whether pixels changed in another way than by being written with their measurements: an undo, say."""
        return any(n.maps or n.line != n.entry or not n.forward for n in self.notes)


class LabelStore(ByFrame):
    """All label frames, (T, Y, X) int32; index it like an array, first by frame. Read-only: actions change it.

    Parameters
    ----------
    folder
        Of the zarr array.
    shape
        (T, Y, X).
    deltas
        Where changes are recorded.
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int], deltas: Deltas) -> None:
        self.shape = shape
        self.array = ChunkedArray(folder, shape, np.int32, 1, ("t", "y", "x"))
        self.deltas = deltas
        self._notes: dict[int, list[_Note]] = {}
        self._kept: dict[int, LabelImage] = {}
        self._lock = threading.RLock()

    # reading ------------------------------------------------------------------------------------------------------

    def read(self, frame: int) -> LabelImage:
        """Return a copy of a frame, (Y, X) int32."""
        with self._lock:
            if frame not in self._kept:
                image = self._stored(frame)
                for note in self._notes.get(frame, ()):
                    self._apply(note, frame, image)
                self._keep(frame, image)
            return self._kept[frame].copy()

    def look(self, frame: int) -> LabelImage:
        """Return a frame without copying it; not to be written to."""
        with self._lock:
            if frame not in self._kept:
                return self.read(frame)
            view = self._kept[frame].view()
        view.flags.writeable = False
        return view

    # changing (through the log only) ------------------------------------------------------------------------------

    def relabel(self, entry: int, first: int, stop: int, mapping: Mapping[int, int]) -> None:
        """Note that numbers become others (0: nothing) on a range of frames; costs no reading."""
        with self._lock:
            for frame in range(first, stop):
                note = self._note(entry, frame)
                if note.runs is not None:
                    image = self.read(frame)
                    _relabel(image, mapping)
                    self.stage(entry, frame, image)
                else:
                    note.maps.append(dict(mapping))
                    self._kept.pop(frame, None)

    def stage(self, entry: int, frame: int, image: LabelImage, known: Runs | None = None) -> Runs:
        """Change a frame in memory, as part of an entry that is not logged yet; returns what changed (if not known)."""
        with self._lock:
            note = self._note(entry, frame)
            note.maps, note.runs = [], None
            self._kept.pop(frame, None)
            note.runs = label_runs.difference(self.read(frame), image) if known is None else known
            self._keep(frame, image.copy())
            return note.runs

    def staged(self, entry: int) -> dict[int, Runs]:
        """Runs of the frames that were staged, for its delta file."""
        with self._lock:
            notes = [(t, n) for t, found in self._notes.items() for n in found if n.entry == entry]
            return {t: n.runs for t, n in notes if n.runs is not None}

    def drop(self, entry: int) -> None:
        """Take back the notes of an entry that did not come about."""
        with self._lock:
            for frame in [t for t, notes in self._notes.items() if any(n.entry == entry for n in notes)]:
                self._notes[frame] = [n for n in self._notes[frame] if n.entry != entry]
                self._clean(frame)

    def recorded(self, entry: int, frames: Sequence[int]) -> None:
        """Note that the runs of some frames are in the delta file: from now on they are safe, and can be written."""
        with self._lock:
            for frame in frames:
                for note in self._notes.get(frame, ()):
                    if note.entry == entry:
                        note.runs, note.recorded = None, True

    def turn(self, entry: int, line: int, forward: bool, maps: Sequence[tuple[int, int, Mapping[int, int]]]) -> None:
        """Note that a logged entry is undone (``forward=False``), or done again.

        Parameters
        ----------
        entry
            The entry.
        line
            Line of the log that says so.
        forward
            Done (again), or undone.
        maps
            Its relabellings: (first, stop, mapping).
        """
        with self._lock:
            recorded = set(self.deltas.frames(entry))
            frames = {t for first, stop, _ in maps for t in range(first, stop)} | recorded
            for frame in sorted(frames):
                notes = self._notes.setdefault(frame, [])
                if frame in recorded:
                    notes.append(_Note(entry, line, forward))
                elif forward:
                    found = [dict(m) for first, stop, m in maps if first <= frame < stop]
                    notes.append(_Note(entry, line, True, found))
                else:
                    # It has not come to the frame on the disk yet, and so nothing after it has, which all is undone
                    # by now.
                    at = next((i for i, note in enumerate(notes) if note.entry == entry), len(notes))
                    del notes[at:]
                self._clean(frame)

    # writing ------------------------------------------------------------------------------------------------------

    @property
    def pending(self) -> list[int]:
        """Frames on which something is noted that is not in the zarr array yet."""
        with self._lock:
            return sorted(self._notes)

    def any_pending(self) -> int | None:
        """Some pending frame; None where there is none."""
        with self._lock:
            return next(iter(self._notes), None)

    def oldest_pending_line(self) -> int | None:
        """The first line of the log that some frame does not contain yet."""
        with self._lock:
            return min((n.line for notes in self._notes.values() for n in notes), default=None)

    def prepare(self, frame: int) -> Prepared | None:
        """Have everything that is noted on a frame recorded, and return what to write; None where nothing is noted.

        For a moment when no action is under way, so that everything noted is in the log.
        """
        with self._lock:
            notes = self._notes.get(frame, [])
            if not notes:
                return None
            if frame in self._kept and all(self.deltas.has_labels(n.entry, frame) for n in notes):
                image = self._kept[frame]
            else:
                image = self._stored(frame)
                for note in notes:
                    recorded = self.deltas.has_labels(note.entry, frame)
                    before = image if recorded else image.copy()
                    self._apply(note, frame, image)
                    if not recorded:
                        change = label_runs.to_bytes(label_runs.difference(before, image))
                        self.deltas.append(note.entry, [(LABELS, frame, change)])
                self._keep(frame, image)
            return Prepared(frame, image, tuple(notes))

    def write(self, prepared: Prepared) -> None:
        """Replace a frame on the disk. Nothing is locked: readers apply the notes once more, or not."""
        self.array.write(prepared.frame, prepared.image[None])

    def finish(self, prepared: Prepared) -> None:
        """Forget the notes that a frame on the disk contains now; later ones stay."""
        with self._lock:
            notes, done = self._notes.get(prepared.frame, []), prepared.notes
            if len(notes) >= len(done) and all(a is b for a, b in zip(notes, done, strict=False)):
                del notes[: len(done)]
            if not notes:
                self._notes.pop(prepared.frame, None)

    def _note(self, entry: int, frame: int) -> _Note:
        notes = self._notes.setdefault(frame, [])
        if not notes or notes[-1].entry != entry or notes[-1].recorded:
            notes.append(_Note(entry, entry))
        return notes[-1]

    def _apply(self, note: _Note, frame: int, image: LabelImage) -> None:
        if note.runs is not None:
            label_runs.apply(image, note.runs, note.forward)
        elif self.deltas.has_labels(note.entry, frame):
            found = self.deltas.labels(note.entry, frame)
            for runs in found if note.forward else reversed(found):
                label_runs.apply(image, runs, note.forward)
        elif note.forward:
            for mapping in note.maps:
                _relabel(image, mapping)

    def _stored(self, frame: int) -> LabelImage:
        image: LabelImage = self.array.read(frame)[0]
        return image

    def _keep(self, frame: int, image: LabelImage) -> None:
        self._kept.pop(frame, None)
        while len(self._kept) >= KEPT_FRAMES:
            del self._kept[next(iter(self._kept))]
        self._kept[frame] = image

    def _clean(self, frame: int) -> None:
        self._kept.pop(frame, None)
        if not self._notes.get(frame, True):
            del self._notes[frame]


def _relabel(image: LabelImage, mapping: Mapping[int, int]) -> None:
    """Replace numbers, all at once (a swap is a swap)."""
    found = [(new, image == old) for old, new in mapping.items() if old]
    for new, where in found:
        image[where] = new
