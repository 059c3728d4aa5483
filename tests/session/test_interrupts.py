"""Ctrl-C at the worst moments: what is on the disk and what is in memory stay one and the same."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from stub import again, make, replayed, state

from napari_sam2.session import Refused, Session
from napari_sam2.session import storage as storage_module
from napari_sam2.session.deltas import Deltas
from napari_sam2.session.locking import OwnedLock, uninterrupted
from napari_sam2.session.storage import append
from napari_sam2.session.table import Table


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


# the tools ------------------------------------------------------------------------------------------------------------


def test_a_block_is_finished_before_an_interrupt_is_obeyed() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        interrupt()
        done.append("inner")
        with uninterrupted():
            interrupt()
            done.append("innermost")
    assert done[0] == "inner"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_in_the_block_comes_out_and_the_handler_is_back() -> None:
    with pytest.raises(ValueError, match="wrong"), uninterrupted():
        raise ValueError("wrong")
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_other_threads_are_never_interrupted_and_set_no_handler() -> None:
    handlers: list[object] = []

    def work() -> None:
        with uninterrupted():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


def test_a_lock_knows_its_owner() -> None:
    lock, seen = OwnedLock(), []
    assert not lock.mine
    with lock, lock:
        thread = threading.Thread(target=lambda: seen.append(lock.mine))
        thread.start()
        thread.join()
        assert lock.mine
    assert seen == [False] and not lock.mine


def test_what_was_appended_when_an_interrupt_came_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "log"
    append(file, b"first\n")

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(storage_module.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        append(file, b"second\n", sync=True)
    assert file.read_bytes() == b"first\n"


# the session ----------------------------------------------------------------------------------------------------------


def _whole(session: Session, folder: Path) -> None:
    """Go on working, and hold what is in memory to what is on the disk."""
    assert session.document.open_entry is None
    session.add_click(None, 2, (30, 40))
    session.run()
    now = state(session)
    session.undo()
    session.redo()
    assert state(session) == now
    crashed = folder.with_name("crashed.sam2cells")
    shutil.copytree(folder, crashed)
    with again(crashed) as back:  # out of the log alone
        assert state(back) == now
    with replayed(session, folder.with_name("replayed.sam2cells")) as other:
        assert np.array_equal(other.labels[:], session.labels[:])
    session.close()
    with again(folder) as back:
        assert state(back) == now


def click(session: Session) -> None:
    session.add_click(None, 0, (20, 30))


def undo(session: Session) -> None:
    session.undo()


def track(session: Session) -> None:
    session.run()


@pytest.mark.parametrize("act", [click, undo, track])
def test_while_the_log_goes_to_the_disk(
    act: Callable[[Session], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "movie.sam2cells"
    session = make(folder)
    session.add_click(None, 0, (10, 12))
    session.run()
    session.add_click(None, 0, (28, 12))
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        monkeypatch.setattr(storage_module.os, "fsync", real)
        interrupt()

    session.document.journal._synced = 0.0
    monkeypatch.setattr(storage_module.os, "fsync", fsync)
    with pytest.raises(KeyboardInterrupt):
        act(session)
    _whole(session, folder)


@pytest.mark.parametrize(("where", "what"), [(Deltas, "append"), (Table, "put")])
def test_in_the_middle_of_a_tracked_frame(
    where: type, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "movie.sam2cells"
    session = make(folder)
    session.add_click(None, 0, (10, 12))
    real = getattr(where, what)

    def struck(self: object, *args: object) -> object:
        found = real(self, *args)
        if session.document.open_frames == 3:
            monkeypatch.setattr(where, what, real)
            interrupt()
        return found

    monkeypatch.setattr(where, what, struck)
    with pytest.raises(KeyboardInterrupt):
        session.run()
    assert len(session.labels[3][session.labels[3] == 1]), "the frame in work was finished"
    _whole(session, folder)


def test_as_a_run_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_sam2.session import run

    folder = tmp_path / "movie.sam2cells"
    session = make(folder)
    session.add_click(None, 0, (10, 12))
    with monkeypatch.context() as patched:
        patched.setattr(run, "digests", lambda *_: interrupt())
        with pytest.raises(KeyboardInterrupt):
            session.run()
    _whole(session, folder)


@pytest.mark.parametrize("error", [KeyboardInterrupt, Refused])
def test_while_an_action_is_taken_back(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "movie.sam2cells"
    session = make(folder)
    session.add_click(None, 0, (10, 12))
    session.add_click(None, 0, (28, 12))
    session.run()
    before, real = state(session), Table.put

    def put(self: Table, *args: object) -> None:
        real(self, *args)
        interrupt()

    with pytest.raises(KeyboardInterrupt), session.change("merge", {}) as change:
        change.relabel(0, 5, {2: 1})
        change.cell(2, None)
        change.rows([1], 0, np.zeros_like(session.document.table.block([0], 0, 5)))
        monkeypatch.setattr(Table, "put", put)
        raise error("no")
    monkeypatch.setattr(Table, "put", real)
    assert state(session) == before
    _whole(session, folder)
