"""Copying a session that is open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stub import again, state

from napari_sam2.session import Refused, Session
from napari_sam2.session.copying import copy_session


def test_a_copy_is_the_same_session(tracked: Session, tmp_path: Path) -> None:
    tracked.delete_on(1, 3)
    before = state(tracked)
    made = copy_session(tracked, tmp_path / "elsewhere" / "copy")
    assert made == tmp_path / "elsewhere" / "copy.sam2cells"
    assert state(tracked) == before  # and it is still open
    tracked.delete(2)
    with again(made) as copy:
        assert state(copy) == before
        copy.undo()  # the history came along
        assert 3 in np.flatnonzero(copy.measurements(1)["area"])


def test_what_changes_during_the_copy_is_in_it(tracked: Session, tmp_path: Path) -> None:
    acted: list[int] = []

    def act(done: int, total: int) -> None:
        if done == total // 2 and not acted:
            acted.append(done)
            tracked.delete_on(1, 5)
            tracked.cut(2, 6)  # noted in the log, its frames are written later
            tracked.add_click(None, 4, (35, 40))

    made = copy_session(tracked, tmp_path / "copy", progress=act)
    assert made is not None and acted
    with again(made) as copy:
        assert state(copy) == state(tracked)


def test_a_cancelled_copy_leaves_nothing(tracked: Session, tmp_path: Path) -> None:
    seen: list[int] = []
    made = copy_session(
        tracked, tmp_path / "copies" / "a", progress=lambda n, _: seen.append(n), cancelled=lambda: len(seen) > 3
    )
    assert made is None
    assert seen and not list((tmp_path / "copies").iterdir())


def test_a_copy_replaces_nothing_and_does_not_eat_itself(tracked: Session, tmp_path: Path) -> None:
    (tmp_path / "there.sam2cells").mkdir()
    with pytest.raises(FileExistsError, match="another name"):
        copy_session(tracked, tmp_path / "there")
    with pytest.raises(Refused, match="into itself"):
        copy_session(tracked, tracked.path / "inner")


def test_no_copy_while_tracking_writes(tracked: Session, tmp_path: Path) -> None:
    tracked.add_click(None, 2, (33, 40))
    run = tracked.track()
    next(run)
    with pytest.raises(Refused, match="pause"):
        copy_session(tracked, tmp_path / "copy")
    run.close()
    assert copy_session(tracked, tmp_path / "copy") is not None
