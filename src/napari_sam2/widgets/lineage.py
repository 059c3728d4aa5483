"""Families of cells as trees in time: which cells, in which order, from where to where. Free of Qt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.widgets.summary import ending, family

if TYPE_CHECKING:
    from napari_sam2.session import Session


@dataclass(frozen=True)
class Branch:
    """A cell in a tree.

    Parameters
    ----------
    cell, parent
        Its number, and its mother's.
    title
        Number and name.
    runs
        Stretches of frames with pixels: (first, one past the last).
    ending
        What became of it, as in `Summary`.
    """

    cell: int
    parent: int | None
    title: str
    runs: tuple[tuple[int, int], ...]
    ending: str

    @property
    def first(self) -> int | None:
        """First frame with pixels."""
        return self.runs[0][0] if self.runs else None

    @property
    def stop(self) -> int | None:
        """One past the last frame with pixels."""
        return self.runs[-1][1] if self.runs else None


def branches(session: Session, cells: Iterable[int]) -> dict[int, Branch]:
    """Measure some cells from the table."""
    document = session.document
    mothers = {record.parent for record in dict(document.cells).values()}
    found = {}
    for cell in cells:
        record = document.cells.get(cell)
        if record is None:
            continue
        rows = document.table.row(record.row)
        edges = np.flatnonzero(np.diff(np.concatenate(([0], (rows["area"] > 0).astype(np.int8), [0]))))
        runs = tuple(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
        what = "none"
        if runs:
            what = ending(rows["state"], runs[-1][1] - 1, record.life(document.frames)[1], cell in mothers)
        found[cell] = Branch(cell, record.parent, f"{cell} {record.name}".strip(), runs, what)
    return found


def kin(parents: Mapping[int, int | None], cell: int) -> set[int]:
    """The family of a cell."""
    return set(family(parents, cell))


def side_by_side(parents: Mapping[int, int | None]) -> list[int]:
    """Cells so ordered that every mother stands between her daughters, families in the order of their first cells."""
    children: dict[int | None, list[int]] = {}
    for cell, above in sorted(parents.items()):
        children.setdefault(above if above in parents else None, []).append(cell)
    out: list[int] = []
    # (cell, whether its first daughters are out already); no recursion: lineages can be hundreds of cells deep
    todo = [(root, False) for root in reversed(children.get(None, []))]
    while todo:
        cell, open_ = todo.pop()
        born = children.get(cell, [])
        if open_ or not born:
            out.append(cell)
            continue
        half = (len(born) + 1) // 2
        todo += [(d, False) for d in reversed(born[half:])]
        todo.append((cell, True))
        todo += [(d, False) for d in reversed(born[:half])]
    return out
