"""Looking: what is found is what is there, also where something is broken."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_sam2.cli import app
from napari_sam2.doctor import facts, window
from napari_sam2.doctor.facts import look_at_folder
from napari_sam2.doctor.trial import FRAMES, Trial, movie, try_tracking
from napari_sam2.weights import find_model
from napari_sam2.weights.download import part_of


def test_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    found = look_at_folder(tmp_path / "a" / "b")
    assert found.bytes == 0 and found.writable
    assert found.free is not None and found.free > 0
    assert not (tmp_path / "a").exists(), "looking makes nothing"


def test_files_are_added_up(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "one").write_bytes(b"x" * 10)
    (tmp_path / "sub" / "two").write_bytes(b"x" * 5)
    assert look_at_folder(tmp_path).bytes == 15
    assert look_at_folder(tmp_path, count=False).bytes == 0


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert not look_at_folder(tmp_path / "new").writable
    tmp_path.chmod(stat.S_IRWXU)


def test_models_are_checked_by_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    tiny, small = find_model("sam2.1-tiny"), find_model("sam2.1-small")
    assert tiny.path is not None and small.path is not None
    tiny.path.write_bytes(b"not a checkpoint")
    part_of(small.path).write_bytes(b"half")
    found = {model.name: model for model in facts._models()}
    assert set(found) == {"cell", "sam2.1-tiny", "sam2.1-small"}
    assert found["sam2.1-tiny"].check == "wrong"
    assert found["sam2.1-tiny"].sha256 == hashlib.sha256(b"not a checkpoint").hexdigest()
    assert (found["sam2.1-small"].check, found["sam2.1-small"].bytes) == ("unfinished", 4)
    assert found["cell"].check in ("right", "unknown")


@pytest.mark.parametrize(("content", "right"), [(b"weights", True), (b"changed", False)])
def test_the_package_s_own_list_says_what_a_file_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, right: bool
) -> None:
    file = tmp_path / "cell.safetensors"
    file.write_bytes(content)
    listed = base64.urlsafe_b64encode(hashlib.sha256(b"weights").digest()).decode().rstrip("=")
    entry = SimpleNamespace(name=file.name, hash=SimpleNamespace(mode="sha256", value=listed), locate=lambda: file)
    monkeypatch.setattr(facts.metadata, "files", lambda _: [entry])
    assert (facts._recorded(file) == hashlib.sha256(content).hexdigest()) is right
    assert facts._recorded(tmp_path / "other" / "cell.safetensors") is None


def test_a_cell_is_really_followed() -> None:
    frames, truth = movie()
    assert frames.shape == truth.shape and len(frames) == FRAMES
    assert not np.array_equal(truth[0], truth[-1]), "it moves"
    trial = try_tracking(device="cpu")
    assert trial.ran and trial.error is None
    assert trial.device == "cpu" and trial.precision in ("float32", "bfloat16")
    assert trial.iou is not None and trial.iou > 0.5


def test_what_stops_the_trial_is_reported() -> None:
    trial = try_tracking(model="no-such-model")
    assert not trial.ran
    assert trial.error is not None and "no-such-model" in trial.error


def fake_python(tmp_path: Path, program: str) -> list[str]:
    """A Python that runs a program of ours whatever it is told to."""
    file = tmp_path / "fake.py"
    file.write_text(program)
    return [sys.executable, str(file)]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("napari")
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")


@pytest.mark.usefixtures("screen")
def test_a_qt_that_kills_its_process_is_an_answer(tmp_path: Path) -> None:
    said = window._MARK + json.dumps({"binding": "PyQt6", "qt": "6.8"})
    complaint = "sys.stderr.write('libxcb-cursor0 is needed')\nsys.stderr.flush()"
    program = f"import os, sys\nprint({said!r}, flush=True)\n{complaint}\nos._exit(134)\n"
    found = window.look_at_window(fake_python(tmp_path, program))
    assert found.installed and not found.works
    assert (found.binding, found.qt, found.napari) == ("PyQt6", "6.8", None)
    assert "134" in str(found.error) and "libxcb-cursor0" in found.complaints


@pytest.mark.usefixtures("screen")
def test_a_window_that_works_says_so(tmp_path: Path) -> None:
    said = window._MARK + json.dumps({"binding": "PyQt6", "napari": "1"})
    found = window.look_at_window(fake_python(tmp_path, f"print({said!r})"))
    assert found.works and found.error is None


@pytest.mark.usefixtures("screen")
def test_a_window_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "LONGEST", 0.5)
    found = window.look_at_window(fake_python(tmp_path, "import time\ntime.sleep(60)"))
    assert not found.works and "did not answer" in str(found.error)


@pytest.mark.gui
def test_the_window_of_the_tests_works() -> None:
    """The whole question, to the real Qt on the virtual screen."""
    found = window.look_at_window()
    assert found.works, (found.error, found.complaints)
    assert found.gl and found.renderer and found.napari and found.binding


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command without the parts that take long."""
    answer = window.Window(True, True, True, "PyQt6", "6.8", "xcb", "4.6", "a card", "0.9.2")
    monkeypatch.setattr(facts, "look_at_window", lambda: answer)
    monkeypatch.setattr(facts, "try_tracking", lambda: Trial(True, "cpu", "bfloat16", 1.0, 2.0, 0.9))


@pytest.mark.usefixtures("quick")
def test_the_command_prints_what_an_issue_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "models"))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.output
    for words in ("napari-sam2 ", "torch ", "bfloat16 on cpu", "cell: 1", str(tmp_path / "models"), "a card"):
        assert words in result.output


@pytest.mark.usefixtures("quick")
def test_json_and_exit_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    (tmp_path / find_model("sam2.1-tiny").file).write_bytes(b"not a checkpoint")
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1, "a problem"
    found = json.loads(result.stdout)
    assert found["trial"]["precision"] == "bfloat16"
    assert any("sam2.1-tiny" in finding["what"] for finding in found["findings"] if finding["level"] == "problem")
