"""What all exports share: progress, cancelling, room on the disk, and files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.export.replacing import refuse_to_overwrite, remove_output
from napari_sam2.export.write import UNFINISHED, split_name

RESERVE_BYTES = 64 * 2**20
"""Room that an export leaves on the disk: a full disk harms whatever else is running."""
CHECK_EVERY = 16
"""Frames between two looks at the room that is left."""


class Cancelled(Exception):
    """The export was stopped by its user; nothing is left of it."""


@dataclass
class Job:
    """How far an export is, and whether it shall go on.

    Parameters
    ----------
    progress
        Called with (steps done, all steps) after each frame.
    cancelled
        Asked before each frame; true stops the export, with `Cancelled`.
    """

    progress: Callable[[int, int], object] | None = None
    cancelled: Callable[[], bool] | None = None
    _done: int = 0
    _total: int = 0
    _folder: Path | None = None

    def expect(self, steps: int, folder: Path | None = None) -> None:
        """Say how many frames will be gone through, and where the file is written."""
        self._total += steps
        self._folder = folder or self._folder

    def frames(self, frames: int | range | list[int]) -> Iterator[int]:
        """Go through frames, reporting each after it was used.

        Raises
        ------
        Cancelled
            If it was asked for.
        OSError
            If the disk is nearly full.
        """
        chosen = range(frames) if isinstance(frames, int) else frames
        for count, frame in enumerate(chosen):
            if self.cancelled is not None and self.cancelled():
                raise Cancelled("the export was cancelled: nothing was written")
            if self._folder is not None and count % CHECK_EVERY == 0:
                check_room(self._folder)
            yield frame
            self._done += 1
            self._total = max(self._total, self._done)
            if self.progress is not None:
                self.progress(self._done, self._total)


def check_room(folder: Path, needed: int = 0) -> None:
    """See that so many bytes, and a reserve, are free where a file will be written.

    Raises
    ------
    OSError
        If not, naming what is there and what is needed.
    """
    existing = next((parent for parent in (folder, *folder.parents) if parent.exists()), Path())
    free = shutil.disk_usage(existing).free
    if free < needed + RESERVE_BYTES:
        raise OSError(
            errno.ENOSPC,
            f"there are {free / 1e9:.2f} GB free on the disk of {folder}, and about "
            f"{(needed + RESERVE_BYTES) / 1e9:.2f} GB are needed: make room or choose another disk",
        )


@contextmanager
def whole_or_nothing(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary name beside a path; at the end of the block what is there gets its name, or goes after an error.

    Raises
    ------
    FileExistsError
        If the path is taken and must not be replaced.
    """
    path = Path(path).expanduser()
    refuse_to_overwrite(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = unfinished_name(path)
    _remove(temporary)
    try:
        yield temporary
        refuse_to_overwrite(path, overwrite)
        swap(temporary, path)
    except BaseException as error:
        _remove(temporary)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC and "make room" not in str(error):
            raise OSError(
                errno.ENOSPC, f"the disk of {path.parent} is full: make room or choose another disk"
            ) from error
        raise


def unfinished_name(path: Path) -> Path:
    """The name that a file has while it is written."""
    stem, suffix = split_name(path)
    return path.with_name(f"{stem}.{os.getpid()}.{UNFINISHED}{suffix}")


def swap(new: Path, path: Path) -> None:
    """Give a finished file or folder its name; what had the name before is removed only then."""
    if not path.exists() or (path.is_file() and new.is_file()):
        new.replace(path)
        return
    stem, suffix = split_name(path)
    old = path.with_name(f"{stem}.{os.getpid()}.replaced{suffix}")
    path.replace(old)
    try:
        new.replace(path)
    except OSError:
        old.replace(path)
        raise
    remove_output(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
