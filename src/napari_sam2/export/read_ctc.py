"""The table of tracks in a folder of the Cell Tracking Challenge."""

from __future__ import annotations

from pathlib import Path


def read_track_table(path: Path) -> list[tuple[int, int, int, int]]:
    """Read ``res_track.txt`` or ``man_track.txt``: (label, first frame, last frame, parent) a line.

    Raises
    ------
    ValueError
        Naming the line that makes no sense.
    """
    rows: list[tuple[int, int, int, int]] = []
    seen: set[int] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            label, first, last, parent = (int(part) for part in line.split())
        except ValueError:
            raise ValueError(
                f"{path}, line {number}: {line.strip()!r} is not LABEL FIRST LAST PARENT, four whole numbers"
            ) from None
        if label < 1 or first < 0 or last < first or parent < 0 or label in seen or parent == label:
            mend = (
                "labels count from 1 and occur once, the last frame is not before the first, a parent is another label"
            )
            raise ValueError(f"{path}, line {number}: {line.strip()!r} makes no sense: {mend}")
        seen.add(label)
        rows.append((label, first, last, parent))
    unknown = [row for row in rows if row[3] and row[3] not in seen]
    if unknown:
        raise ValueError(f"{path}: the parent {unknown[0][3]} of {unknown[0][0]} has no line of its own")
    return rows
