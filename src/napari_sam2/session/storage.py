"""Bytes to disk, so that a crash at any moment leaves either the old file or the new one."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_sam2.session.errors import DamagedSession, ReadOnlySession, StorageProblem

TEMPORARY = ".writing"
"""Suffix of files that are being written; what a crash leaves of them is of no use to anyone."""

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the operating system's errors of writing to `path` into sentences."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageProblem(
                f"no room to write {path} ({error.strerror}): the last action was not done, everything before it is "
                "saved. Free some space and do it again"
            ) from error
        if error.errno in _NO_RIGHT:
            raise ReadOnlySession(
                f"{path} cannot be written to ({error.strerror}): copy the session to a folder of your own, or open it "
                "for reading only"
            ) from error
        raise StorageProblem(f"writing {path} failed ({error}): the last action was not done") from error


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of `data`; the one place where bytes of a session go out."""
    view = memoryview(data)
    while len(view):
        view = view[os.write(descriptor, view) :]


def write_atomic(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Write a whole file under a temporary name beside it, then give it its own.

    Raises
    ------
    StorageProblem, ReadOnlySession
        If that fails; the file that was there before is as it was.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    with explained(path):
        try:
            descriptor = _create(temporary)
            try:
                write_all(descriptor, data)
                if sync:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def _create(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o666)


def append(path: Path, data: bytes, *, sync: bool = False) -> int:
    """Add bytes to the end of a file, all or none of them; returns where they begin."""
    with explained(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        try:
            size = os.fstat(descriptor).st_size
            try:
                write_all(descriptor, data)
                if sync:
                    os.fsync(descriptor)
            except BaseException:  # Ctrl-C, too
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
    return size


def write_json(path: Path, content: Any, *, sync: bool = False) -> None:
    """Write JSON that a person can read: one item of every list or table a line."""
    write_atomic(path, (readable(content) + "\n").encode(), sync=sync)


def readable(content: Any) -> str:
    """JSON text with one line for each entry of the outer dict, and for each entry of the lists in it."""
    if not isinstance(content, dict):
        return json.dumps(content, ensure_ascii=False)
    parts = []
    for key, value in content.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value and isinstance(value[0], dict | list):
            inner = ",\n".join("  " + json.dumps(item, ensure_ascii=False) for item in value)
            text = f"[\n{inner}\n ]"
        parts.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}"


def read_json(path: Path) -> Any:
    """Read a JSON file of a session.

    Raises
    ------
    DamagedSession
        If it is missing or not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DamagedSession(path, "it is missing") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise DamagedSession(path, f"not JSON ({error})") from error
