"""Files of what an action did to labels and measurements: written before the labels themselves, read to undo.

One file an action, ``deltas/NNNNNN.bin``: the eight bytes ``ns2delta``, then records. A record is a header of little-
endian numbers (kind: uint8; frame: int32; length of the payload: uint32; its CRC-32: uint32) and the payload, which is
packed with zstd. A record that a crash has cut off is recognised by its length or checksum, and everything before it
counts. Kind 1 holds label runs of one frame (`runs`), kind 2 measurements of some cells over some frames (`table`).
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from napari_sam2.session import runs as label_runs
from napari_sam2.session.errors import DamagedSession
from napari_sam2.session.runs import Runs
from napari_sam2.session.storage import append, explained
from napari_sam2.session.zarr_files import pack, unpack

MAGIC = b"ns2delta"
HEADER = struct.Struct("<BiII")
LABELS, ROWS = 1, 2


@dataclass
class _Index:
    """Where the records of one file are: (offset of the payload, its length, its checksum)."""

    labels: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    rows: list[tuple[int, int, int]] = field(default_factory=list)
    end: int = 0


class Deltas:
    """All delta files of a session.

    Parameters
    ----------
    folder
        Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[int, _Index] = {}
        # Labels are read, and so records looked up, by threads that have not locked the document: an index that is
        # scanned while a record is being added would take the place of the one that knows it.
        self._lock = threading.RLock()

    def file(self, entry: int) -> Path:
        """The file of an entry of the log."""
        return self.folder / f"{entry:06d}.bin"

    def append(self, entry: int, records: Sequence[tuple[int, int, bytes]]) -> None:
        """Add (kind, frame, payload) records in one write: all of them or none."""
        with self._lock:
            index = self._index(entry)
            start = index.end
            blocks = [] if start else [MAGIC]
            at = start or len(MAGIC)
            found: list[tuple[int, int, tuple[int, int, int]]] = []
            for kind, frame, payload in records:
                packed = pack(payload)
                check = zlib.crc32(packed)
                blocks += [HEADER.pack(kind, frame, len(packed), check), packed]
                found.append((kind, frame, (at + HEADER.size, len(packed), check)))
                at += HEADER.size + len(packed)
            self.folder.mkdir(exist_ok=True)
            append(self.file(entry), b"".join(blocks))
            index.end = at
            for kind, frame, place in found:
                if kind == LABELS:
                    index.labels.setdefault(frame, []).append(place)
                else:
                    index.rows.append(place)

    def frames(self, entry: int) -> list[int]:
        """Frames whose label runs are recorded."""
        with self._lock:
            return list(self._index(entry).labels)

    def has_labels(self, entry: int, frame: int) -> bool:
        """Whether the label runs of a frame are recorded."""
        return frame in self._index(entry).labels

    def labels(self, entry: int, frame: int) -> list[Runs]:
        """Label runs of a frame: one after the other, where an entry came to it more than once."""
        with self._lock:
            places = list(self._index(entry).labels[frame])
        with self.file(entry).open("rb") as file:
            return [label_runs.from_bytes(self._read(file.fileno(), entry, place)) for place in places]

    def rows(self, entry: int) -> Iterator[bytes]:
        """Payloads of the measurements, in the order they were written."""
        with self._lock:
            places = list(self._index(entry).rows)
        if places:
            with self.file(entry).open("rb") as file:
                for place in places:
                    yield self._read(file.fileno(), entry, place)

    def count(self, entry: int) -> int:
        """Number of records of measurements: in a tracking run, the frames that were done."""
        return len(self._index(entry).rows)

    def remove(self, entry: int) -> None:
        """Forget an entry's file."""
        with self._lock:
            self._known.pop(entry, None)
            self.file(entry).unlink(missing_ok=True)

    def entries(self) -> list[int]:
        """Entries that have a file."""
        return sorted(int(f.stem) for f in self.folder.glob("*.bin") if f.stem.isdigit())

    def _read(self, descriptor: int, entry: int, place: tuple[int, int, int]) -> bytes:
        offset, length, check = place
        os.lseek(descriptor, offset, os.SEEK_SET)
        packed = os.read(descriptor, length)
        if len(packed) != length or zlib.crc32(packed) != check:
            raise DamagedSession(self.file(entry), f"the record at byte {offset} is not what was written")
        return unpack(packed)

    def _index(self, entry: int) -> _Index:
        with self._lock:
            if entry not in self._known:
                self._known[entry] = self._scan(entry)
            return self._known[entry]

    def _scan(self, entry: int) -> _Index:
        index = _Index()
        try:
            file = self.file(entry).open("rb")
        except FileNotFoundError:
            return index
        with file:
            size = os.fstat(file.fileno()).st_size
            if size < len(MAGIC):
                return index
            if file.read(len(MAGIC)) != MAGIC:
                raise DamagedSession(self.file(entry), "it does not begin like a file of changes")
            at = len(MAGIC)
            while at + HEADER.size <= size:
                file.seek(at)
                kind, frame, length, check = HEADER.unpack(file.read(HEADER.size))
                end = at + HEADER.size + length
                if end > size:
                    break
                if end == size and zlib.crc32(file.read(length)) != check:
                    break
                place = (at + HEADER.size, length, check)
                if kind == LABELS:
                    index.labels.setdefault(frame, []).append(place)
                else:
                    index.rows.append(place)
                at = end
            index.end = at
        return index

    def cut_torn(self, entry: int) -> None:
        """Cut off what a crash left behind the last whole record."""
        index = self._index(entry)
        file = self.file(entry)
        if file.exists() and file.stat().st_size > index.end:
            with explained(file):
                os.truncate(file, index.end)
