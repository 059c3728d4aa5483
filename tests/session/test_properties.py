"""Whatever is done: undo is the identity of every byte, so is saving and opening, and numbers are never used again."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stub import FRAMES, HEIGHT, WIDTH, again, disc, make, measured, replayed, state

from napari_sam2.session import Refused, Session

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Thousands of small files are written: not to a disk where that can be helped."""
FRAME = st.integers(0, FRAMES - 1)
PLACE = st.tuples(st.integers(2, HEIGHT - 3), st.integers(2, WIDTH - 3))
CELL = st.integers(0, 5)
FORCE = st.booleans()
ACTIONS = st.one_of(
    st.tuples(st.just("click"), CELL, FRAME, PLACE),
    st.tuples(st.just("box"), CELL, FRAME, PLACE),
    st.tuples(st.just("mask"), CELL, FRAME, PLACE),
    st.tuples(st.just("paint"), CELL, FRAME, PLACE, FORCE),
    st.tuples(st.just("erase"), CELL, FRAME, PLACE),
    st.tuples(st.just("remove_prompt"), CELL, FRAME),
    st.tuples(st.just("move_prompt"), CELL, FRAME, PLACE),
    st.tuples(st.just("track"), st.sampled_from(["needed", "stale", "prompted", "all"]), st.integers(1, 30)),
    st.tuples(st.just("delete"), CELL, FORCE),
    st.tuples(st.just("delete_from"), CELL, FRAME, FORCE),
    st.tuples(st.just("delete_on"), CELL, FRAME, FORCE),
    st.tuples(st.just("merge"), CELL, CELL, FORCE),
    st.tuples(st.just("connect"), CELL, CELL, FORCE),
    st.tuples(st.just("cut"), CELL, FRAME, FORCE),
    st.tuples(st.just("swap"), CELL, CELL, FRAME, FORCE),
    st.tuples(st.just("split"), CELL, FRAME, PLACE),
    st.tuples(st.just("divide"), CELL, FRAME, PLACE, st.booleans()),
    st.tuples(st.just("divide_into"), CELL, FRAME, CELL, CELL, st.booleans()),
    st.tuples(st.just("renumber"), CELL, st.integers(1, 40)),
    st.tuples(st.just("set_state"), CELL, FRAME, st.sampled_from(["hidden", "left", "dead", "checked", "suspect"])),
    st.tuples(st.just("lock"), CELL, st.one_of(st.none(), FRAME)),
    st.tuples(st.just("unlock"), CELL, st.one_of(st.none(), FRAME)),
    st.tuples(st.just("describe"), CELL, st.text(max_size=5)),
    st.tuples(st.just("take_over"), PLACE, st.sampled_from(["none", "first", "all"])),
    st.tuples(st.just("preview"), CELL, FRAME),
    st.tuples(st.just("set_parent"), CELL, CELL),
    st.tuples(st.just("set_options"), st.sampled_from([7.0, 9.0])),
    st.tuples(st.just("accept"), st.booleans()),
    st.tuples(st.just("reject")),
    st.tuples(st.just("review")),
    st.tuples(st.just("undo")),
    st.tuples(st.just("redo")),
    st.tuples(st.just("settle")),
    st.tuples(st.just("save")),
)


def act(s: Session, action: tuple[Any, ...]) -> None:
    """Do one action; those that make no sense in the present state are refused, which changes nothing."""
    verb, *args = action
    known = sorted(s.cells)

    def cell(index: int) -> int:
        return known[index % len(known)] if known else 1

    if verb == "click":
        s.add_click(None if args[0] >= len(known) else cell(args[0]), args[1], args[2], force=True)
    elif verb == "box":
        y, x = args[2]
        s.add_box(None if args[0] >= len(known) else cell(args[0]), args[1], ((y - 3, x - 3), (y + 3, x + 3)))
    elif verb == "mask":
        s.add_mask(None if args[0] >= len(known) else cell(args[0]), args[1], disc(*args[2]))
    elif verb == "paint":
        s.paint(None if args[0] >= len(known) else cell(args[0]), args[1], disc(*args[2]), over=args[3])
    elif verb == "erase":
        s.erase(cell(args[0]), args[1], disc(*args[2]))
    elif verb == "remove_prompt":
        s.remove_prompt(cell(args[0]), args[1])
    elif verb == "move_prompt":
        s.move_prompt(cell(args[0]), args[1], 0, args[2])
    elif verb == "track":
        s.run(what=args[0], stop_after=args[1])
    elif verb in ("delete", "merge", "connect", "delete_from", "delete_on", "cut", "swap"):
        *where, force = args
        cells = {"merge": 2, "connect": 2, "swap": 2}.get(verb, 1)
        getattr(s, verb)(*[cell(c) for c in where[:cells]], *where[cells:], force=force)
    elif verb == "split":
        s.split(cell(args[0]), args[1], disc(*args[2]))
    elif verb == "divide":
        y, x = args[2]
        s.divide(cell(args[0]), args[1], [(y, x), disc(min(y + 5, HEIGHT - 4), x)], track=args[3])
    elif verb == "divide_into":
        mother = None if args[4] else cell(args[0])
        s.divide(mother, args[1], [cell(args[2]), cell(args[3])])
    elif verb == "take_over":
        labels = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint16)
        labels[2:5, disc(*args[0])] = 3
        s.take_over(labels, range(2, 5), args[1])
    elif verb in ("undo", "redo", "settle", "save"):
        getattr(s, verb)()
    elif verb == "preview":
        s.preview(args[1], [cell(args[0])])
    elif verb == "set_parent":
        s.set_parent(cell(args[0]), cell(args[1]))
    elif verb == "set_options":
        s.set_options(cell_diameter=args[0])
    elif verb in ("accept", "reject"):
        for proposal in s.proposals()[:1]:
            getattr(s, verb)(proposal, **({"track": args[0]} if args else {}))
    elif verb == "review":
        for suspect in s.review()[:1]:
            s.set_state(suspect.cell, (suspect.first, suspect.last + 1), "checked")
            assert not [x for x in s.review([suspect.cell]) if suspect.first <= x.frame <= suspect.last]
    elif verb == "describe":
        s.describe(cell(args[0]), notes=args[1])
    else:
        getattr(s, verb)(cell(args[0]), *args[1:])


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ACTIONS, min_size=10, max_size=16), st.booleans())
def test_undo_redo_save_and_open_are_exact(actions: list[tuple[Any, ...]], idle: bool) -> None:
    """With frames written beside the actions, and with a disk so slow (``idle``) that none is written until asked."""
    start = [("click", 9, 0, (10, 12)), ("click", 9, 0, (28, 12)), ("click", 9, 6, (18, 30)), ("track", "all", 99)]
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "one.sam2cells"
        s = make(path)
        if idle:
            s.document.writer.submit = s.document.writer.changed = lambda *frame: None  # type: ignore[method-assign]
        empty, used = state(s), set()
        for action in [*start, *actions]:
            before, ids = state(s), set(s.cells)
            try:
                act(s, action)
            except (Refused, ValueError):
                assert state(s) == before, f"{action} was refused, and has changed something"
            assert action[0] == "redo" or action[0] == "undo" or not (set(s.cells) - ids) & used, "a number came again"
            used |= set(s.cells)
            measured(s)
            if action[0] == "settle":
                measured(s, settled=True)
        final, steps = state(s), []

        # what a crash would leave opens as it is
        crashed = Path(folder) / "crashed.sam2cells"
        shutil.copytree(path, crashed)
        with again(crashed) as opened:
            assert state(opened) == final
        with again(crashed) as opened:
            assert state(opened) == final
            assert not opened.labels.pending

        while s.can_undo:
            steps.append(state(s))
            s.undo()
            measured(s)
        assert state(s) == empty
        while steps:
            s.redo()
            assert state(s) == steps.pop()
        assert state(s) == final
        s.settle()
        measured(s, settled=True)
        s.close()
        with again(path) as s:
            assert state(s) == final
            while s.can_undo:
                s.undo()
            assert state(s) == empty


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ACTIONS, min_size=8, max_size=14))
def test_the_script_does_the_same(actions: list[tuple[Any, ...]]) -> None:
    """Whatever was done and not undone, a script that does it again makes the same labels and cells."""
    start = [("click", 9, 0, (10, 12)), ("click", 9, 0, (28, 12)), ("click", 9, 6, (18, 30)), ("track", "all", 99)]
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, make(Path(folder) / "one.sam2cells") as s:
        for action in [*start, *actions]:
            with contextlib.suppress(Refused, ValueError):
                act(s, action)
        with replayed(s, Path(folder) / "again.sam2cells") as other:
            assert {c: told(s, c) for c in s.cells} == {c: told(other, c) for c in other.cells}
            np.testing.assert_array_equal(s.labels[:], other.labels[:])


def told(session: Session, cell: int) -> dict[str, Any]:
    """What is known of a cell, but for its place in the table."""
    return {**session.document.cells[cell].to_json(), "row": 0}
