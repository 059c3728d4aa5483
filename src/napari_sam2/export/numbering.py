"""Whether the numbers in the names of a folder's images say one order of frames, without a gap."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

LARGEST_COUNT = 99_999
"""Larger numbers are times of day, dates or serial numbers: these go on unevenly, and a gap in them means nothing."""


def refuse_disorder(path: Path, files: list[Path]) -> None:
    """See that images, sorted, are the frames of one movie.

    Numbers that are the same in all names do not matter, nor at which one they begin or by how much they go on. Of
    several that change, one has to be another in every name, as a frame's number beside its time of day is.

    Parameters
    ----------
    path
        The folder or pattern, for the message.
    files
        Sorted, with names that differ by their numbers alone.

    Raises
    ------
    ValueError
        If the numbers give no order, as of positions or channels in one folder, or if some are missing.
    """
    if len(files) < 2:
        return
    columns = list(zip(*(map(int, re.findall(r"\d+", file.name)) for file in files), strict=True))
    changing = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    counting = [i for i in changing if len(set(columns[i])) == len(files)]
    ascending = [i for i in counting if list(columns[i]) == sorted(columns[i])]
    if not counting and len(changing) > 1:
        raise ValueError(
            f"{path}: {len(changing)} numbers change in the names ({_seen(files[0], changing)}), and none of them is "
            "another in every name: these are several channels, positions or planes. Name one movie with a pattern in "
            f"which one number changes, for example {_pattern(path, files[0], changing)}"
        )
    if not counting:
        twice = next(one for one, other in zip(files, files[1:], strict=False) if _numbers(one) == _numbers(other))
        raise ValueError(
            f"{path}: two images have the numbers of {twice.name}: leave one of them, or name the movie with a pattern"
        )
    backward = [i for i in counting if i not in ascending and _is_time(files[0], i)]
    if backward:
        raise ValueError(
            f"{path}: sorted by their names the images are not in the order of {_seen(files[0], backward)}: leave in "
            "the names only the number that counts frames, or put it first"
        )
    counts = [columns[i] for i in ascending if columns[i][-1] <= LARGEST_COUNT]
    if counts and all(map(_missing, counts)):
        missing = _missing(counts[0])
        shown = ", ".join(map(str, missing[:5])) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise ValueError(
            f"{path}: {'frame' if len(missing) == 1 else 'frames'} {shown} missing between {counts[0][0]} and "
            f"{counts[0][-1]}: put the files there (of labels empty ones, where there is no cell), or number the rest "
            "without gaps"
        )


def _numbers(file: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", file.name)]


def _missing(numbers: tuple[int, ...]) -> list[int]:
    """What is left out of numbers that otherwise go on by their smallest step; nothing where they go unevenly."""
    steps = np.diff(numbers)
    step = int(steps.min())
    if (steps % step).any():
        return []
    return sorted(set(range(numbers[0], numbers[-1] + 1, step)) - set(numbers))


def _is_time(file: Path, column: int) -> bool:
    """Whether a number of a name comes after the word for time or frame."""
    before = re.split(r"(\d+)", file.name)[2 * column].lower()
    return re.search(r"(^|[^a-z])(t|time|timepoint|frame)[^a-z]*$", before) is not None


def _seen(file: Path, columns: list[int]) -> str:
    """The changing numbers of a name, with the letters before them: ``t004 and c1``."""
    parts = re.split(r"(\d+)", file.name)
    return " and ".join(re.sub(r"^.*[^A-Za-z]", "", parts[2 * i]) + parts[2 * i + 1] for i in columns)


def _pattern(path: Path, file: Path, changing: list[int]) -> str:
    """A pattern in which the number of the frame, or else the first that changes, is free."""
    parts = re.split(r"(\d+)", file.name)
    free = next((i for i in changing if _is_time(file, i)), changing[0])
    parts[2 * free + 1] = "*"
    return f'"{(path if path.is_dir() else path.parent) / "".join(parts)}"'
