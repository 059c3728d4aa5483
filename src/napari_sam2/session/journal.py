"""The log of everything that was done, one JSON object a line, only ever added to: ``log.jsonl``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_sam2.session.errors import DamagedSession
from napari_sam2.session.storage import append, explained

Line = dict[str, Any]

SYNC_SECONDS = 1.0
"""A dying program loses nothing that was written. Against power cuts the log is forced to the disk this often."""


class Journal:
    """The log file.

    Parameters
    ----------
    file
        Where it is.

    Notes
    -----
    The number of a line (its ``"n"``) is its place in the file, from 0. A last line without its end is what a crash
    left of it: the action was not done.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._starts: list[int] = []
        self._size = 0
        self._synced = 0.0

    def __len__(self) -> int:
        return len(self._starts)

    def scan(self) -> Iterator[Line]:
        """Read all lines, once, at the beginning.

        Raises
        ------
        DamagedSession
            If a line other than an unfinished last one is not what was written.
        """
        self._starts, self._size = [], 0
        try:
            content = self.file.read_bytes()
        except FileNotFoundError:
            raise DamagedSession(self.file, "it is missing") from None
        for number, text in enumerate(content.split(b"\n")[:-1]):
            try:
                line = json.loads(text)
                if not isinstance(line, dict) or line["n"] != number:
                    raise ValueError(f"line {number} was expected")
            except (ValueError, KeyError, UnicodeDecodeError) as error:
                raise DamagedSession(self.file, f"line {number + 1} cannot be understood ({error})") from error
            self._starts.append(self._size)
            self._size += len(text) + 1
            yield line

    def cut_torn(self) -> None:
        """Cut off an unfinished last line."""
        if self.file.stat().st_size > self._size:
            with explained(self.file):
                os.truncate(self.file, self._size)

    def append(self, line: Line) -> int:
        """Add a line, which gets the next number; returns that."""
        number = len(self._starts)
        data = (json.dumps({"n": number, **line}, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
        sync = time.monotonic() - self._synced > SYNC_SECONDS
        append(self.file, data, sync=sync)
        if sync:
            self._synced = time.monotonic()
        self._starts.append(self._size)
        self._size += len(data)
        return number

    def __getitem__(self, number: int) -> Line:
        """Read a line again."""
        start = self._starts[number]
        stop = self._starts[number + 1] if number + 1 < len(self._starts) else self._size
        with self.file.open("rb") as file:
            file.seek(start)
            line: Line = json.loads(file.read(stop - start))
        return line
