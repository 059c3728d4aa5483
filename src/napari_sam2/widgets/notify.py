"""Messages to the user, phrased as the mend: errors of the engine, the session and the disk become words for the docks.

What scripts are told (``force=True``, ``open_session(...)``) is no help to somebody with a mouse; here it is said with
the names of buttons. No Qt here: napari shows the messages, from any thread.
"""

from __future__ import annotations

import errno
import logging
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from napari_sam2.export import Cancelled
from napari_sam2.session import (
    MovieNotFound,
    NewerSession,
    ReadOnlySession,
    Refused,
    SessionError,
    SessionInUse,
    WrongMovie,
)
from napari_sam2.weights import DownloadCancelled, DownloadError, UnknownModelError, WeightsError

Level = Literal["info", "warning", "error"]
logger = logging.getLogger(__name__)

OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|can't allocate memory|failed to allocate|CUDNN_STATUS_ALLOC_FAILED", re.IGNORECASE
)
"""What torch says on CUDA, on a CPU and on MPS; on a CPU it is a plain RuntimeError."""


@dataclass(frozen=True)
class Message:
    """What to tell the user.

    Parameters
    ----------
    text
        What is wrong and how to mend it.
    level
        How it is shown.
    """

    text: str
    level: Level = "warning"


def info(text: str) -> None:
    """Say that something is done."""
    _show(Message(text, "info"))


def warning(text: str) -> None:
    """Say what the user can mend."""
    _show(Message(text, "warning"))


def error(text: str) -> None:
    """Say what went wrong."""
    _show(Message(text, "error"))


def explain(problem: BaseException, doing: str = "") -> Message | None:
    """Words for an error.

    Parameters
    ----------
    problem
        The error.
    doing
        What was being done, to begin the sentence with: ``"exporting cells.tif"``.

    Returns
    -------
    Message or None
        None where the error is nothing a user can mend: a mistake in the program.
    """
    for kinds, words in _WORDS:
        if isinstance(problem, kinds):
            said = words(problem)
            if said is not None:
                prefix = f"{doing[0].upper()}{doing[1:]}: " if doing and said.level != "info" else ""
                return Message(f"{prefix}{said.text}", said.level)
    return None


def show(problem: BaseException, doing: str = "") -> None:
    """Show an error in words; one that has none is shown as napari shows mistakes of programs, with its traceback."""
    said = explain(problem, doing)
    if said is not None:
        logger.info("%s", said.text, exc_info=problem)
        _show(said)
        return
    logger.error("unexpected error%s", f" while {doing}" if doing else "", exc_info=problem)
    from napari.utils.notifications import ErrorNotification, notification_manager

    notification_manager.dispatch(ErrorNotification(problem))


def _show(message: Message) -> None:
    from napari.utils import notifications

    shown: dict[Level, Callable[[str], None]] = {
        "info": notifications.show_info,
        "warning": notifications.show_warning,
        "error": notifications.show_error,
    }
    shown[message.level](message.text)


# words for each kind ----------------------------------------------------------------------------------------------


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether the computer or its graphics card ran out of memory."""
    if isinstance(problem, MemoryError) or type(problem).__name__ == "OutOfMemoryError":
        return True
    return isinstance(problem, RuntimeError) and bool(OUT_OF_MEMORY.search(str(problem)))


def _memory(problem: BaseException) -> Message | None:
    if not is_out_of_memory(problem):
        return None
    return Message(
        "There is not enough memory for this. What was tracked so far is kept. Close other programs, choose a smaller "
        "model or the CPU, or lower 'Memory for encoded frames' in Preferences; then track again.",
        "error",
    )


def _in_use(problem: BaseException) -> Message:
    assert isinstance(problem, SessionInUse)
    if re.search(rf"\bprocess {os.getpid()} of .* on {re.escape(platform.node())},", problem.owner):
        return Message(
            f"{problem.path.name} is open in this napari already. Choose the layer that it belongs to, here or in "
            "another window, and go on there, or close it there first (Save > Close). A second time it can be opened "
            "for looking only.",
            "warning",
        )
    return Message(
        f"{problem.path.name} is open in {problem.owner}. Close it there, or open it here for looking only.", "warning"
    )


def _newer(problem: BaseException) -> Message:
    assert isinstance(problem, NewerSession)
    return Message(
        f"{problem.path.name} was made with a newer version of napari-sam2. Update it (pip install --upgrade "
        "napari-sam2), then open it again. Nothing was changed.",
        "error",
    )


def _moved(problem: BaseException) -> Message:
    assert isinstance(problem, MovieNotFound)
    where = f"is not at {problem.address} any more" if problem.address else "was only in memory"
    return Message(
        f"The movie of {problem.path.name} {where}. Open the movie in napari, select its layer, and open the session "
        "again.",
        "warning",
    )


def _other_movie(problem: BaseException) -> Message:
    text = _without_python(str(problem).split(": pass", 1)[0])
    return Message(f"This is not the movie of the session: {text}. Select the layer of the right one, and open again.")


def _read_only(problem: BaseException) -> Message:
    return Message(f"{_without_python(_sentence(problem))} Nothing was changed.", "warning")


def _refused(problem: BaseException) -> Message:
    assert isinstance(problem, Refused)
    return Message(_without_python(_sentence(problem.reason)))


def _session(problem: BaseException) -> Message:
    return Message(_without_python(_sentence(problem)), "error")


def _download(problem: BaseException) -> Message:
    return Message(_sentence(problem), "error")


def _model(problem: BaseException) -> Message:
    if isinstance(problem, UnknownModelError):
        return Message(f"{_sentence(problem)} Choose one in the list of models, or download it there.", "warning")
    return Message(f"{_sentence(problem)} Choose another model or device under 'Image and model'.", "error")


def _cancelled(problem: BaseException) -> Message:
    return Message(_sentence(problem), "info")


def _there_already(problem: BaseException) -> Message:
    named = getattr(problem, "filename", None)
    if named:
        return Message(f"{named} is there already. Choose another name.")
    return Message(
        _sentence(str(problem).replace(", or overwrite", "").replace("open it with open_session", "open it"))
    )


def _file(problem: BaseException) -> Message:
    assert isinstance(problem, OSError)
    said = problem.strerror or str(problem)
    if problem.errno == errno.ENOSPC:
        words = said if "make room" in said else "The disk is full: make room, or choose another disk"
    elif problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        words = f"{problem.filename or 'The place'} cannot be written to: choose a folder of your own"
    elif problem.errno == errno.ENOENT:
        words = f"{problem.filename or said} is not there: choose another file or folder"
    else:
        words = (
            f"{said}{f' ({os.fspath(problem.filename)})' if problem.filename else ''}: see that the disk is connected"
        )
    return Message(_sentence(words), "error")


def _package(problem: BaseException) -> Message | None:
    # said on purpose, of something that can be done without; others are broken installations
    return Message(_sentence(problem)) if "pip install" in str(problem) else None


def _values(problem: BaseException) -> Message | None:
    if isinstance(problem, TypeError) and "movie" not in str(problem):
        return None  # a mistake of the program, most likely
    return Message(_without_python(_sentence(problem)))


_SCRIPT_WORDS = (
    (re.compile(r" ?\(force=True does it all the same\)"), ""),
    (re.compile(r": open_session\([^)]*\)"), ""),
    (re.compile(r"(, or|:) open_session\([^)]*\)"), ""),
    (re.compile(r"choose it again with set_options\(model=\.\.\.\)"), "choose it again under 'Image and model'"),
    (re.compile(r", or force=True if it was only converted"), ""),
    (re.compile(r", or overwrite"), ""),
    (re.compile(r"open it with open_session"), "open it"),
    (re.compile(r": movie\.max\(axis=\.\.\.\)"), " (Layers > Projections)"),
    (re.compile(r'np\.moveaxis\([^)]*\)(\[None\])?, or say axes="\w+" \(axes="\w+" if [^)]*\)'),
     "open it in napari as RGB, or move the colours in front of Y and X"),
)  # fmt: skip
"""Advice for scripts, and what it is in the docks."""


def _without_python(text: str) -> str:
    for pattern, words in _SCRIPT_WORDS:
        text = pattern.sub(words, text)
    return text


def _sentence(problem: BaseException | str) -> str:
    text = str(problem).strip().rstrip(".")
    if not text:
        text = f"{type(problem).__name__} without further words"
    return f"{text[0].upper() if text[1:2].islower() else text[0]}{text[1:]}."


_WORDS: tuple[tuple[tuple[type[BaseException], ...], Callable[[BaseException], Message | None]], ...] = (
    ((MemoryError, RuntimeError), _memory),
    ((Refused,), _refused),
    ((SessionInUse,), _in_use),
    ((NewerSession,), _newer),
    ((MovieNotFound,), _moved),
    ((WrongMovie,), _other_movie),
    ((ReadOnlySession,), _read_only),
    ((SessionError,), _session),
    ((Cancelled, DownloadCancelled), _cancelled),
    ((DownloadError,), _download),
    ((WeightsError,), _model),
    ((FileExistsError,), _there_already),
    ((OSError,), _file),
    ((ImportError,), _package),
    ((ValueError, TypeError), _values),
)
"""Most special kinds first."""
