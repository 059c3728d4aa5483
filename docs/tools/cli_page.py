"""The page on the command line, from the program's own commands and options."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from typer.models import ArgumentInfo, OptionInfo

INTRO = """# The command line

This page is written by the program itself; `napari-sam2 COMMAND --help` says the same in a terminal. Every command
ends with 0 when all went well, 1 for an error (said in a sentence), 2 when it was called wrongly, 130 when it was
stopped with Ctrl-C. `NAPARI_SAM2_DEBUG=1` in front of a command shows where in the code an error came from.
"""


WORDS = {Path: "PATH", int: "N", float: "NUMBER", str: "TEXT"}


def page() -> str:
    """The page in Markdown."""
    from napari_sam2.cli import app

    return "\n".join([INTRO, *(section(path, function) for path, function in commands(app, ("napari-sam2",)))])


def commands(app: typer.Typer, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Callable[..., Any]]]:
    """Yield the functions behind an app's commands and those below it, with their names."""
    if app.registered_callback is not None and app.registered_callback.callback is not None:
        yield path, app.registered_callback.callback
    for command in app.registered_commands:
        if command.callback is not None and not command.hidden:
            name = command.name or command.callback.__name__.replace("_", "-")
            yield (*path, name), command.callback
    for group in app.registered_groups:
        if group.typer_instance is not None and not group.hidden:
            yield from commands(group.typer_instance, (*path, str(group.name)))


def section(path: tuple[str, ...], function: Callable[..., Any]) -> str:
    """One command: what it does, examples, arguments and options."""
    parts = [f"## {' '.join(path)}", *prose(inspect.getdoc(function) or "")]
    arguments, options = [], []
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        kind, *notes = typing.get_args(parameter.annotation) or (None,)
        for info in notes:
            if isinstance(info, ArgumentInfo):
                arguments.append(f"| `{(info.metavar or parameter.name).upper()}` | {cell(info.help)} |")
            elif isinstance(info, OptionInfo) and not info.hidden:
                options.append(option_row(parameter, kind, info))
    if arguments:
        parts.append("\n".join(["| argument | |", "|---|---|", *arguments]))
    if options:
        parts.append("\n".join(["| option | | default |", "|---|---|---|", *options]))
    return "\n\n".join(parts) + "\n"


def prose(text: str) -> Iterator[str]:
    """Paragraphs as text, and what stands behind a backspace (lines that must stay as they are) as code."""
    plain = re.sub(r"\[bold\](.*?)\[/(?:bold)?\]", r"**\1**", text)
    for paragraph in re.split(r"\n\s*\n", plain):
        if "\b" in paragraph:
            lines = [line.strip() for line in paragraph.replace("\b", "").strip().splitlines()]
            kind = "sh" if any(line.startswith("napari-sam2") for line in lines) else "text"
            yield "\n".join([f"```{kind}", *lines, "```"])
        elif paragraph.strip():
            yield " ".join(paragraph.split())


def option_row(parameter: inspect.Parameter, kind: Any, info: OptionInfo) -> str:
    """A row of the table of options."""
    # inside Annotated, typer takes the first argument of Option for a name, and keeps it where the default would be
    first = (info.default,) if isinstance(info.default, str) and info.default.startswith("-") else ()
    names = (*first, *(info.param_decls or ())) or ("--" + parameter.name.replace("_", "-"),)
    needed = parameter.default is inspect.Parameter.empty
    shown = "" if needed or not info.show_default else default_of(parameter.default)
    text = cell(info.help) + (" **Needed.**" if needed else "")
    return f"| {', '.join(f'`{name}`' for name in names)}{value_of(kind, info)} | {text} | {shown} |"


def value_of(kind: Any, info: OptionInfo) -> str:
    """What stands behind an option."""
    if isinstance(kind, types.UnionType):
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
    again = typing.get_origin(kind) in (list, tuple)
    if again:
        kind = typing.get_args(kind)[0]
    if kind is bool:
        return ""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " " + " \\| ".join(f"`{choice.value}`" for choice in kind)
    word = f" `{info.metavar or WORDS.get(kind, 'TEXT')}`"
    low, high = ("" if end is None else f"{end:g}" for end in (info.min, info.max))
    limits = f" ({low}…{high})" if low or high else ""
    return word + limits + (", again for more" if again else "")


def default_of(value: Any) -> str:
    """The default, where there is one to show."""
    if value is None or isinstance(value, bool) or value == ():
        return ""
    return f"`{value.value if isinstance(value, Enum) else value}`"


def cell(text: str | None) -> str:
    """Text for a table's cell."""
    return " ".join((text or "").split()).replace("|", "\\|")
