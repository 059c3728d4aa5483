"""Fetching the published checkpoints into the cache folder."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.weights.cache import CACHE_VARIABLE
from napari_sam2.weights.catalogue import ModelInfo, find_model
from napari_sam2.weights.errors import CheckpointError, DownloadError
from napari_sam2.weights.progress import ProgressCallback, Reporter
from napari_sam2.weights.transfer import ResumingDownloader, RetryPolicy, file_sha256, size_of

#: Room in bytes to leave on the disk beside the file itself.
SPARE_BYTES = 64 * 1024 * 1024

#: Seconds between two looks at whether another process has finished fetching the same file.
_LOCK_POLL = 0.2


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch that is no model: sample movies come by the same way.

    Attributes
    ----------
    name
        For people.
    url, bytes, sha256
        Its address, size and checksum (lower-case hexadecimal).
    path
        Where it goes.
    """

    name: str
    url: str | None
    bytes: int | None
    sha256: str | None
    path: Path | None


def download_model(
    name: str,
    progress: ProgressCallback | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    policy: RetryPolicy | None = None,
) -> Path:
    """Fetch a model of the catalogue unless it is here already; its file.

    A file that is here is used only if its checksum is right. An interrupted download goes on where it stopped, in this
    call or a later one. Two processes that ask for the same file fetch it once.

    Parameters
    ----------
    name
        A name of the catalogue (`list_models`).
    progress
        Called with a `DownloadProgress` about ten times a second; returning False cancels.
    folder
        Where to keep it; the usual cache folder (`cache_folder`) when None.
    policy
        How patient to be with a poor connection.

    Raises
    ------
    UnknownModelError
        If there is no such model.
    DownloadError
        If it cannot be fetched. The message says which file to put where by hand.
    DownloadCancelled
        If the callback returned False. What was fetched is kept.
    CheckpointError
        If it is the bundled model and its file is missing from the package.
    """
    return fetch(find_model(name, folder), progress, policy)


def fetch(
    info: ModelInfo | RemoteFile, progress: ProgressCallback | None = None, policy: RetryPolicy | None = None
) -> Path:
    """`download_model` for an entry of the catalogue that is in hand already, or for another file."""
    if info.path is None:
        raise ValueError(f"the catalogue entry {info.name!r} does not say where its file goes")
    if info.url is None:
        if not info.path.is_file():
            raise CheckpointError(f"the bundled model {info.name!r} is missing from this installation: {info.path}")
        return info.path
    report = Reporter(info.name, info.bytes, progress)
    try:
        # Looked at before the lock is taken: a cache that many share may be read-only.
        if not _is_here(info, info.path, report):
            info.path.parent.mkdir(parents=True, exist_ok=True)
            with _only_one(info.path, report):
                _retrieve(info, info.url, info.path, report, policy or RetryPolicy())
    except DownloadError as error:
        raise DownloadError(f"could not fetch {info.name}: {error}\n{by_hand(info)}") from error
    except OSError as error:
        why = "the disk is full" if error.errno == errno.ENOSPC else str(error)
        raise DownloadError(f"could not fetch {info.name}: {why}\n{by_hand(info)}") from error
    report("done", size_of(info.path), force=True)
    return info.path


def by_hand(info: ModelInfo | RemoteFile) -> str:
    """How to put a file in place without this program's help: address, size, checksum and destination."""
    lines = [
        "To put it in place by hand, fetch",
        f"    {info.url}",
        f"    ({info.bytes} bytes, sha256 {info.sha256})",
        "on a machine with a connection and save it as",
        f"    {info.path}",
        f"(the environment variable {CACHE_VARIABLE} names another folder).",
    ]
    if isinstance(info, ModelInfo):
        lines.append("A checkpoint that you trust can also be loaded by its path.")
    with contextlib.suppress(OSError):  # the folder may be what cannot be looked into
        if info.path is not None and (kept := size_of(part_of(info.path))):
            lines.append(f"{kept} bytes are kept; the next download goes on from there.")
    return "\n".join(lines)


def part_of(path: Path) -> Path:
    """The file beside `path` that an unfinished download grows in."""
    return path.with_name(path.name + ".part")


def _is_here(info: ModelInfo | RemoteFile, path: Path, report: Reporter) -> bool:
    """Whether the file is there and the right one."""
    if not path.is_file():
        return False
    report("verifying", size_of(path))
    return info.sha256 is None or file_sha256(path) == info.sha256


def _retrieve(info: ModelInfo | RemoteFile, url: str, path: Path, report: Reporter, policy: RetryPolicy) -> None:
    import pooch

    if _is_here(info, path, report):  # another process has fetched it meanwhile
        return
    _check_space(info, path)
    known = None if info.sha256 is None else f"sha256:{info.sha256}"
    downloader = ResumingDownloader(part_of(path), info.bytes, info.sha256, report, policy)
    with _quiet(pooch.get_logger()):
        pooch.retrieve(url, known_hash=known, fname=path.name, path=path.parent, downloader=downloader)


def _check_space(info: ModelInfo | RemoteFile, path: Path) -> None:
    if info.bytes is None:
        return
    missing = info.bytes - size_of(part_of(path)) + SPARE_BYTES
    free = shutil.disk_usage(path.parent).free
    if free < missing:
        raise DownloadError(f"the disk of {path.parent} has {_megabytes(free)} free, {_megabytes(missing)} are needed")


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.0f} MB"


@contextlib.contextmanager
def _only_one(path: Path, report: Reporter) -> Iterator[None]:
    """Hold the lock on one file of the cache; other processes, and threads, wait and may be cancelled meanwhile."""
    import filelock

    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
    while True:
        try:
            lock.acquire(timeout=_LOCK_POLL, poll_interval=_LOCK_POLL / 4)
            break
        except filelock.Timeout:
            report("waiting", size_of(part_of(path)), "another process is fetching this file", force=True)
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch from printing what `progress` reports already."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
