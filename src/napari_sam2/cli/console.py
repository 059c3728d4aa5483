"""What all commands share: where they print, what errors look like, and exit codes.

0: done. 1: an error, said in a sentence. 2: the command was called wrongly. 130: stopped by Ctrl-C.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer
from rich.console import Console

ERROR = 1
INTERRUPTED = 130
"""128 + SIGINT, as shells count."""
DEBUG_VARIABLE = "NAPARI_SAM2_DEBUG"

P = ParamSpec("P")
R = TypeVar("R")

#: What the user can mend arrives as one of these, with a message that says how.
_EXPECTED = (ValueError, TypeError, OSError, IndexError, ImportError, MemoryError)


def out() -> Console:
    """The console for results, on standard output."""
    return Console(highlight=False, soft_wrap=True)


def err() -> Console:
    """The console for progress, notes and errors, on standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def speaks_plainly(command: Callable[P, R]) -> Callable[P, R]:
    """Turn exceptions of a command into a sentence and an exit code; a traceback only when NAPARI_SAM2_DEBUG is set."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt as stop:
            console = err()
            console.print("Stopped.", style="bold")
            _print_notes(console, stop)
            raise typer.Exit(INTERRUPTED) from stop
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
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
