"""What all commands share: where they print, what errors look like, and exit codes.

0: done. 1: an error, said in a sentence. 2: the command was called wrongly. 130: stopped by Ctrl-C.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from napari_sam2.logfile import LOG_VARIABLE, start_log

ERROR = 1
INTERRUPTED = 130
"""128 + SIGINT, as shells count."""
DEBUG_VARIABLE = "NAPARI_SAM2_DEBUG"

P = ParamSpec("P")
R = TypeVar("R")

#: What the user can mend arrives as one of these, with a message that says how.
_EXPECTED = (ValueError, TypeError, OSError, IndexError, ImportError, MemoryError)


logger = logging.getLogger("napari_sam2.cli")


class _Logged(Console):
    """What is said on the screen is said in the log as well, where there is one."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*objects, **options)
        if logger.isEnabledFor(logging.INFO):
            markup = options.get("markup") is not False
            said = [Text.from_markup(one).plain if markup and isinstance(one, str) else str(one) for one in objects]
            logger.info(" ".join(said))


def out() -> Console:
    """The console for results, on standard output."""
    return _Logged(highlight=False, soft_wrap=True)


def err() -> Console:
    """The console for progress, notes and errors, on standard error."""
    return _Logged(stderr=True, highlight=False, soft_wrap=True)


def _start(path: Path | None) -> None:
    if path is None:
        return
    try:
        start_log(path)
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be written: {error.strerror or error}") from error


#: The option that every command has.
Log = Annotated[
    Path | None,
    typer.Option(
        "--log",
        metavar="FILE",
        envvar=LOG_VARIABLE,
        callback=_start,
        is_eager=True,
        expose_value=False,
        show_default=False,
        help="Append what is done and said, and errors with all their details, to this file.",
    ),
]


def speaks_plainly(command: Callable[P, R]) -> Callable[P, R]:
    """Turn exceptions of a command into a sentence and an exit code; a traceback only when NAPARI_SAM2_DEBUG is set."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt as stop:
            logger.info("stopped by Ctrl-C")
            console = err()
            console.print("Stopped.", style="bold")
            _print_notes(console, stop)
            raise typer.Exit(INTERRUPTED) from stop
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            logger.debug("the command ended with an error", exc_info=True)
            if os.environ.get(DEBUG_VARIABLE):
                raise
            console = err()
            text = str(error) or type(error).__name__
            if not isinstance(error, (*_EXPECTED, *_named_errors())):
                text = f"{type(error).__name__}: {text} (not foreseen: {DEBUG_VARIABLE}=1 shows where it happened)"
            console.print("[bold red]Error:[/]", end=" ")
            console.print(text, markup=False)
            _print_notes(console, error)
            raise typer.Exit(ERROR) from error

    return wrapper


def _print_notes(console: Console, error: BaseException) -> None:
    for note in getattr(error, "__notes__", ()):
        console.print(note, markup=False)


def _named_errors() -> tuple[type[Exception], ...]:
    from napari_sam2.weights import WeightsError

    return (WeightsError,)


def duration(seconds: float) -> str:
    """Say how long something took: ``0.42 s``, ``12 s``, ``3 min 5 s``."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
