"""Sessions that were begun and never used leave nothing; everything else stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from stub import make, movie

from napari_sam2.session import open_session
from napari_sam2.session.unused import is_unused, remove_unused


def test_a_session_without_a_cell_goes(tmp_path: Path) -> None:
    session = make(tmp_path / "a.sam2cells")
    session.close()
    assert is_unused(session) and remove_unused(session)
    assert list(tmp_path.iterdir()) == []


def test_a_setting_alone_is_no_use(tmp_path: Path) -> None:
    session = make(tmp_path / "a.sam2cells")
    session.set_options(cell_diameter=20.0)
    session.close()
    assert remove_unused(session) and list(tmp_path.iterdir()) == []


def test_a_cell_that_was_undone_can_be_done_again(tmp_path: Path) -> None:
    session = make(tmp_path / "a.sam2cells")
    session.add_click(None, 0, (10, 12))
    session.undo()
    session.close()
    assert not is_unused(session) and not remove_unused(session)
    with open_session(session.path, movie()) as again:
        assert again.can_redo


def test_an_open_one_stays(tmp_path: Path) -> None:
    session = make(tmp_path / "a.sam2cells")
    assert not remove_unused(session)
    session.add_click(None, 0, (10, 12))
    session.close()
    assert (session.path / "session.json").exists()


@pytest.mark.parametrize("name", ["notes.txt", "labels/c", "results/cells.csv"])
def test_one_with_something_else_in_it_stays(tmp_path: Path, name: str) -> None:
    session = make(tmp_path / "a.sam2cells")
    session.close()
    file = session.path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine")
    assert not remove_unused(session)
    assert file.read_text() == "mine"
    with open_session(session.path, movie()) as again:
        assert not again.cells


def test_one_that_somebody_has_used_since_stays(tmp_path: Path) -> None:
    session = make(tmp_path / "a.sam2cells")
    session.close()
    with open_session(session.path, movie()) as other:
        assert not remove_unused(session)
        other.set_options(cell_diameter=20.0)
    assert not remove_unused(session)
    with open_session(session.path, movie()) as again:
        assert again.meta["cell_diameter"] == 20.0


def test_cut_short_it_is_whole_or_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = make(tmp_path / "a.sam2cells")
    session.close()

    def dies(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", dies)
        with pytest.raises(KeyboardInterrupt):
            remove_unused(session)
    with open_session(session.path, movie()) as again:
        assert not again.cells
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", dies)
        with pytest.raises(KeyboardInterrupt):
            remove_unused(session)
    assert not session.path.exists()
    with make(session.path) as fresh:
        assert fresh.path == session.path
