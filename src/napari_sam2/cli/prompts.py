"""Reading ``prompts.csv``: errors name the line and the mend."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

KINDS = ("click", "not", "box")
COLUMNS = ("cell", "frame", "kind", "y", "x", "y2", "x2")
HEADER = ",".join(COLUMNS)
_MAX_CELL = 2**31 - 1


class TakesPrompts(Protocol):
    """What of a tracker is needed here."""

    def add_clicks(
        self, cell: int, frame: int, yx: Sequence[tuple[float, float]], foreground: Sequence[bool]
    ) -> object: ...

    def add_box(self, cell: int, frame: int, box: tuple[tuple[float, float], tuple[float, float]]) -> object: ...


@dataclass(frozen=True)
class Prompt:
    """One line of the table; coordinates are pixels of the array (y, x)."""

    line: int
    cell: int
    frame: int
    kind: str
    yx: tuple[float, float]
    yx2: tuple[float, float] | None = None

    def points(self) -> Iterable[tuple[float, float]]:
        """Its one or two points."""
        yield self.yx
        if self.yx2 is not None:
            yield self.yx2


def read_prompts(path: str | Path) -> list[Prompt]:
    """Read a table of prompts.

    Comma, semicolon or tab between the columns, which may stand in any order; lines that are empty or start with #
    are skipped; further columns are ignored.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read. The message names the first line that is wrong and what should be there.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: it should be a table with the first line {HEADER}")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8: save the table as CSV (UTF-8)") from error
    kept = [(number, line) for number, line in enumerate(lines, 1) if line.strip(" \t,;") and line.lstrip()[0] != "#"]
    if not kept:
        raise ValueError(f"{path} is empty: its first line should be {HEADER}")
    first = kept[0][1]
    delimiter = max(",;\t", key=first.count)
    heads = [head.strip().lower() for head in next(csv.reader([first], delimiter=delimiter))]
    missing = [column for column in COLUMNS[:5] if column not in heads]
    if missing:
        raise ValueError(
            f"{path}, line {kept[0][0]}: the column{'s' * (len(missing) > 1)} {', '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} missing; the first line should be {HEADER}"
        )
    prompts = []
    for number, line in kept[1:]:
        values = [value.strip() for value in next(csv.reader([line], delimiter=delimiter))]
        row = dict(zip(heads, values, strict=False))
        try:
            prompts.append(_parse(number, row))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    if not prompts:
        raise ValueError(
            f"{path} names no prompts: after the first line there should be lines such as 1,0,click,120,84.5,,"
        )
    return prompts


def check_prompts(prompts: Sequence[Prompt], shape: tuple[int, int, int], path: str | Path) -> None:
    """See that every prompt lies inside a movie of shape (T, Y, X), and that no cell is only said what it is not.

    Raises
    ------
    ValueError
        Naming the line.
    """
    frames, height, width = shape
    said = {prompt.cell for prompt in prompts if prompt.kind != "not"}
    for prompt in prompts:
        if prompt.frame >= frames:
            raise ValueError(
                f"{path}, line {prompt.line}: there is no frame {prompt.frame}, the movie has frames 0 to {frames - 1}"
            )
        for y, x in prompt.points():
            if not (-0.5 <= y <= height - 0.5 and -0.5 <= x <= width - 0.5):
                swapped = -0.5 <= x <= height - 0.5 and -0.5 <= y <= width - 0.5
                raise ValueError(
                    f"{path}, line {prompt.line}: y={y:g}, x={x:g} lies outside the frame of {height} rows (y) and "
                    f"{width} columns (x)" + (": are y and x swapped?" if swapped else "")
                )
    for prompt in prompts:
        if prompt.cell not in said:
            raise ValueError(
                f"{path}, line {prompt.line}: cell {prompt.cell} has no click and no box, only what it is not: "
                "add a click on it"
            )


def add_prompts(tracker: TakesPrompts, prompts: Sequence[Prompt], path: str | Path) -> None:
    """Hand the prompts to a tracker: for each cell and frame first the boxes, then all clicks together.

    Raises
    ------
    ValueError
        What the tracker objects to, with the (first) line named.
    """
    together: dict[tuple[int, int], list[Prompt]] = {}
    for prompt in prompts:
        together.setdefault((prompt.cell, prompt.frame), []).append(prompt)
    for (cell, frame), group in together.items():
        clicks = [prompt for prompt in group if prompt.yx2 is None]
        at = group[0]
        try:
            for at in group:
                if at.yx2 is not None:
                    tracker.add_box(cell, frame, (at.yx, at.yx2))
            if clicks:
                at = clicks[0]
                foreground = [prompt.kind == "click" for prompt in clicks]
                tracker.add_clicks(cell, frame, [prompt.yx for prompt in clicks], foreground)
        except (ValueError, IndexError) as error:
            raise ValueError(f"{path}, line {at.line}: {error}") from error


def check_reach(prompts: Sequence[Prompt], direction: str, span: tuple[int, int]) -> None:
    """See that a cell is there to be tracked in the wanted frames.

    Parameters
    ----------
    prompts
        At least one.
    direction
        Forward reaches from a cell's first prompt to the end of the movie, backward from its last to the beginning.
    span
        (first, one past the last) frame wanted.

    Raises
    ------
    ValueError
        If all cells lie behind or before these frames.
    """
    first, stop = span
    frames = sorted({prompt.frame for prompt in prompts})
    if direction == "forward" and frames[0] >= stop:
        mend = "track backward or in both directions"
    elif direction == "backward" and frames[-1] < first:
        mend = "track forward or in both directions"
    else:
        return
    listed = ", ".join(map(str, frames[:5])) + (", ..." if len(frames) > 5 else "")
    raise ValueError(
        f"there is nothing to track: the prompts are on {'frame' if len(frames) == 1 else 'frames'} {listed}, which "
        f"do{'es' if len(frames) == 1 else ''} not lead {direction} into the frames {first} to {stop - 1}: {mend}, or "
        "choose other frames"
    )


def write_prompts(path: str | Path, prompts: Sequence[Prompt]) -> None:
    """Write a table that `read_prompts` reads."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for prompt in prompts:
            second = ("", "") if prompt.yx2 is None else (_text(value) for value in prompt.yx2)
            writer.writerow([prompt.cell, prompt.frame, prompt.kind, *map(_text, prompt.yx), *second])


def _text(value: float) -> str:
    """The shortest text that gives the same number again."""
    return repr(int(value)) if value.is_integer() else repr(value)


def _parse(line: int, row: dict[str, str]) -> Prompt:
    kind = row.get("kind", "").lower()
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, it should be click, not (a click on what is not the cell) or box")
    cell = _whole(row, "cell")
    if not 1 <= cell <= _MAX_CELL:
        raise ValueError(f"cell is {cell}, cells are numbered from 1")
    frame = _whole(row, "frame")
    if frame < 0:
        raise ValueError(f"frame is {frame}, frames count from 0")
    yx = (_number(row, "y"), _number(row, "x"))
    if kind != "box":
        return Prompt(line, cell, frame, kind, yx)
    yx2 = (_number(row, "y2"), _number(row, "x2"))
    if yx[0] == yx2[0] or yx[1] == yx2[1]:
        raise ValueError("the box has no area: y2 and x2 are the corner across from y and x")
    return Prompt(line, cell, frame, kind, yx, yx2)


def _whole(row: dict[str, str], column: str) -> int:
    value = _number(row, column)
    if not value.is_integer():
        raise ValueError(f"{column} is {row[column]!r}, it should be a whole number")
    return int(value)


def _number(row: dict[str, str], column: str) -> float:
    text = row.get(column, "")
    if not text:
        raise ValueError(f"{column} is missing")
    try:
        value = float(text)
    except ValueError:
        mend = f"; write {text.replace(',', '.')}" if text.count(",") == 1 else ""
        raise ValueError(f"{column} is {text!r}, it should be a number{mend}") from None
    if not math.isfinite(value):
        raise ValueError(f"{column} is {text!r}, it should be a number")
    return value
