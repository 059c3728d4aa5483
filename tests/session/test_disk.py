"""What is on the disk, and everything that can be wrong with it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from stub import again, disc, make, measured, movie, state

from napari_sam2.session import (
    DamagedSession,
    MovieNotFound,
    NewerSession,
    ReadOnlySession,
    Session,
    SessionError,
    SessionInUse,
    StorageProblem,
    WrongMovie,
    new_session,
    open_session,
    storage,
)
from napari_sam2.session.folder import VERSION


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but those that say who has it open."""
    skip = {"session.lock", "owner.json"}
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file() and f.name not in skip}


@pytest.fixture
def closed(tracked: Session) -> Path:
    """A session that was worked on and closed."""
    tracked.paint(1, 4, disc(10, 20))
    tracked.delete(3)
    tracked.close()
    return tracked.path


def test_the_suffix_is_added_and_nothing_is_overwritten(tmp_path: Path) -> None:
    with make(tmp_path / "one") as session:
        assert session.path.name == "one.sam2cells"
    before = contents(session.path)
    with pytest.raises(FileExistsError, match="open_session"):
        make(tmp_path / "one.sam2cells")
    assert contents(session.path) == before


def test_labels_and_table_are_zarr_that_zarr_opens(closed: Path) -> None:
    import zarr

    group = zarr.open_group(closed, mode="r")
    with again(closed) as session:
        labels = session.labels[:]
        areas = session.measurements(1)["area"]
        row = session.cells[1].row
    stored = group["labels"]
    assert stored.shape == labels.shape and stored.chunks == (1, *labels.shape[1:]) and stored.dtype == np.int32
    assert np.array_equal(stored[:], labels)
    assert np.array_equal(group["table/area"][row], areas)
    assert group["table/state"].attrs["meanings"][1] == "present"


def test_small_tables_are_json_that_a_person_can_read(closed: Path) -> None:
    cells = json.loads((closed / "cells.json").read_text())["cells"]
    assert [c["id"] for c in cells] == [1, 2]
    said = json.loads((closed / "prompts.json").read_text())["prompts"]
    assert said[0]["rounds"][0]["clicks"] == [[10.0, 12.0, True]] and said[0]["rounds"][0]["time"].endswith("Z")
    verbs = [json.loads(line).get("verb") for line in (closed / "log.jsonl").read_text().splitlines()]
    assert verbs == ["add_clicks", "add_clicks", "add_clicks", "track", None, "paint", "delete"]
    assert len((closed / "cells.json").read_text().splitlines()) == 2 + len(cells) + 2


def test_no_file_is_a_pickle_and_opening_runs_no_code(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("something was unpickled")

    monkeypatch.setattr(pickle, "load", refuse)
    monkeypatch.setattr(pickle, "loads", refuse)
    with again(closed) as session:
        assert session.labels[:].any()
    assert not [f for f in closed.rglob("*") if f.suffix in (".pkl", ".npy", ".py")]


@pytest.mark.parametrize("channel", [0, 1])
def test_the_channel_is_found_that_a_session_was_begun_on(tmp_path: Path, channel: int) -> None:
    import tifffile

    file, path = tmp_path / "two.ome.tif", tmp_path / "session.sam2cells"
    both = np.stack((movie(), movie()[::-1] // 2), axis=1)
    tifffile.imwrite(file, both, metadata={"axes": "TCYX"})
    new_session(both[:, channel], path, address=file).close()
    with open_session(path) as session:
        assert session.movie is not None and session.movie.shape == (12, 1, 40, 48)
        np.testing.assert_array_equal(session.movie.raw(3)[0], both[3, channel])
        assert f"channels=({channel},)" in session.script(tmp_path / "script.py")
    with open_session(path, both) as session:
        np.testing.assert_array_equal(session.movie.raw(3)[0], both[3, channel])
    with pytest.raises(WrongMovie, match=r"is \(12, 2, 40, 48\) \(T, C, Y, X\), the session's is \(12, 1, 40, 48\)"):
        open_session(path, both[::-1].copy())


def test_the_movie_is_found_where_it_was_and_asked_for_where_it_is_not(tmp_path: Path) -> None:
    import tifffile

    file = tmp_path / "movie.tif"
    tifffile.imwrite(file, movie(), photometric="minisblack", metadata={"axes": "TYX"})
    path = tmp_path / "session.sam2cells"
    new_session(file, path).close()
    with open_session(path) as session:
        assert session.movie is not None and session.movie.shape == (12, 1, 40, 48)

    moved = tmp_path / "elsewhere.tif"
    file.rename(moved)
    before = contents(path)
    with pytest.raises(MovieNotFound, match=r"movie\.tif any more.*movie=\.\.\."):
        open_session(path)
    with pytest.raises(WrongMovie, match="other content"):
        open_session(path, movie()[:, ::-1])
    with pytest.raises(WrongMovie, match=r"\(6, 1, 40, 48\)"):
        open_session(path, movie(frames=6))
    assert contents(path) == before
    with open_session(path, without_movie=True) as session:
        assert session.movie is None
    with open_session(path, moved):
        pass
    with open_session(path) as session:  # it knows the new place now
        assert session.meta["movie"]["address"] == str(moved)


def test_a_second_program_is_told_who_has_it_open(closed: Path) -> None:
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[2]); from stub import again\n"
        "s = again(__import__('pathlib').Path(sys.argv[1])); print('open', flush=True); time.sleep(60)"
    )
    run = [sys.executable, "-c", code, str(closed), str(Path(__file__).parent)]
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None and other.stdout.readline() == "open\n"
            with pytest.raises(SessionInUse, match=f"process {other.pid} of .* on .*, since") as caught:
                again(closed)
            assert str(other.pid) in caught.value.owner
            with again(closed, read_only=True) as looking:  # to look is always possible
                assert looking.labels[:].any()
                with pytest.raises(ReadOnlySession):
                    looking.delete(1)
        finally:
            other.kill()
    with again(closed) as session:  # the dead program's lock holds nobody up
        session.delete(1)


def test_the_same_program_cannot_open_it_twice(tracked: Session) -> None:
    with pytest.raises(SessionInUse):
        again(tracked.path)


def test_a_newer_version_is_refused_and_left_alone(closed: Path) -> None:
    meta = json.loads((closed / "session.json").read_text())
    (closed / "session.json").write_text(json.dumps({**meta, "version": 99}))
    before = contents(closed)
    with pytest.raises(NewerSession, match="version 99.*update napari-sam2"):
        again(closed)
    assert contents(closed) == before


def test_the_first_development_version_is_brought_up_to_date(closed: Path) -> None:
    with again(closed) as session:
        was = state(session)
    meta = json.loads((closed / "session.json").read_text())
    for key in ("scale", "units", "labels_through", "rejected_divisions"):
        del meta[key]
    (closed / "session.json").write_text(json.dumps({**meta, "version": 0}))
    with pytest.raises(ReadOnlySession, match="older layout"):
        again(closed, read_only=True)
    with again(closed) as session:
        assert state(session) == was
    assert json.loads((closed / "before-version-1" / "session.json").read_text())["version"] == 0
    assert json.loads((closed / "session.json").read_text())["version"] == VERSION


def test_a_session_of_version_1_keeps_its_history_and_gets_its_shapes(tmp_path: Path) -> None:
    """The file was written by the program as it was then: clicks, runs, a stroke, a merge, and a delete undone."""
    import zipfile

    folder = tmp_path / "old.sam2cells"
    with zipfile.ZipFile(Path(__file__).parent / "data" / "version-1.zip") as old:
        old.extractall(folder)
    with again(folder) as session:
        assert sorted(session.cells) == [1, 3] and session.can_undo == "track" and session.can_redo == "delete"
        measured(session)
        assert np.isnan(session.measurements(1)["second"]).all()
        assert session.document.unmeasured() == list(range(12))
        assert session.settle() == 0 and not session.document.unmeasured()
        measured(session, settled=True)
        assert session.measurements(1)["second"].max() > 0.4  # it was merged out of two
        while session.can_undo:
            session.undo()
            measured(session)
        assert not session.cells and not session.labels[:].any()
        while session.can_redo:
            session.redo()
        session.settle()
        measured(session, settled=True)
    assert json.loads((folder / "session.json").read_text())["version"] == VERSION


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("session.json", b"{"),
        ("session.json", b"[]"),
        ("session.json", b'{"format": "napari-sam2 session", "version": 1}'),
        ("session.json", b'{"format": "napari-sam2 session", "version": %d}' % VERSION),
        ("cells.json", b'{"cells": [{"id": 1}]}'),
        ("cells.json", b"\xff\xfe"),
        ("prompts.json", b'{"prompts": 3}'),
        ("log.jsonl", b"nonsense\n"),
        ("log.jsonl", b""),
        ("table/area/c/0/0", b"nonsense"),
    ],
)
def test_damaged_files_are_named_and_nothing_is_overwritten(closed: Path, name: str, damage: bytes) -> None:
    (closed / name).write_bytes(damage)
    before = contents(closed)
    with pytest.raises(DamagedSession, match=name.split("/")[0]):
        again(closed)
    assert contents(closed) == before


@pytest.mark.parametrize("name", ["cells.json", "prompts.json", "log.jsonl"])
def test_missing_files_are_named(closed: Path, name: str) -> None:
    (closed / name).unlink()
    with pytest.raises(DamagedSession, match="missing"):
        again(closed)


def test_what_is_no_session_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="does not exist"):
        open_session(tmp_path / "nowhere.sam2cells")
    with pytest.raises(SessionError, match="no session"):
        open_session(tmp_path)


def test_a_damaged_label_frame_is_found_by_its_checksum(closed: Path) -> None:
    file = closed / "labels" / "c" / "4" / "0" / "0"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(bytes(data))
    with again(closed) as session:
        assert session.labels[3].any()
        with pytest.raises(DamagedSession, match="t 4"):
            session.labels[4]


def test_an_unfinished_last_line_is_an_action_that_was_not_done(closed: Path) -> None:
    with again(closed) as session:
        was = state(session)
    with (closed / "log.jsonl").open("ab") as log:
        log.write(b'{"n":7,"verb":"dele')
    with again(closed, read_only=True) as session:
        assert state(session) == was
    assert (closed / "log.jsonl").read_bytes().endswith(b"dele")  # looking changes nothing
    with again(closed) as session:
        assert state(session) == was
        session.delete(1)
    with again(closed) as session:
        assert 1 not in session.cells


def test_a_folder_without_rights_can_be_looked_at(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    before = contents(closed)
    with pytest.raises(ReadOnlySession, match="read_only=True"):
        again(closed)
    with again(closed, read_only=True) as session:
        assert session.labels[:].any()
    assert contents(closed) == before


class FullDisk:
    """Lets so many bytes through, then reports a full disk, as the operating system does: some of them are written."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.write = os.write

    def __call__(self, descriptor: int, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = bytes(data)[: self.room]
        self.room -= len(part)
        return self.write(descriptor, part)


@pytest.mark.parametrize("room", [0, 10, 100, 300, 600, 900, 1500, 3000])
def test_a_full_disk_loses_nothing(tracked: Session, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    tracked.save()
    actions = [
        lambda: tracked.paint(1, 4, disc(10, 20)),
        lambda: tracked.add_click(2, 8, (30, 20)),
        lambda: tracked.run(),
        lambda: tracked.delete(3),
        lambda: tracked.undo(),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "write", FullDisk(room))
        failed = 0
        for action in actions:
            before = state(tracked)
            try:
                action()
            except StorageProblem as error:
                failed += 1
                assert "no room" in str(error)
                if action is not actions[2]:  # a tracking run keeps the frames that it could write
                    assert state(tracked) == before
            measured(tracked)
    assert failed
    now = state(tracked)
    copy = tracked.path.with_name("copy.sam2cells")
    shutil.copytree(tracked.path, copy)
    with again(copy) as left:
        assert state(left) == now
    tracked.run()  # there is room again
    while tracked.can_undo:
        tracked.undo()
    assert not tracked.labels[:].any() and not tracked.cells
