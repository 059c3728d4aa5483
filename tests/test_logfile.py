"""The log file: what it holds, and that nothing is set up without being asked."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from napari_sam2.cli import app
from napari_sam2.logfile import LOG_VARIABLE, start_from_environment, start_log, stop_log


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    for handler in list(logging.getLogger("napari_sam2").handlers):
        stop_log(handler)


def run(*words: str, code: int = 0) -> None:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, result.output


def test_every_command_can_log(tmp_path: Path) -> None:
    """Whatever the program has: a command without --log fails here."""
    from napari_sam2.cli.app import app as tree

    def commands(typer_app, path=()):
        for command in typer_app.registered_commands:
            yield (*path, command.name or command.callback.__name__)
        for group in typer_app.registered_groups:
            yield from commands(group.typer_instance, (*path, group.name))

    found = list(commands(tree))
    assert ("doctor",) in found and ("models", "download") in found
    for words in found:
        result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
        assert "--log" in result.output, words


def test_what_is_said_and_with_which_versions(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "a.log"
    run("models", "list", "--log", str(log))
    text = log.read_text()
    for words in ("called as:", "Python 3.", "torch ", "Downloaded models are kept in"):
        assert words in text


def test_errors_with_their_traceback(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    run("models", "download", "no-such-model", "--log", str(log), code=1)
    text = log.read_text()
    assert "Traceback" in text and "UnknownModelError" in text and "no-such-model" in text


def test_before_the_command_and_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("--log", str(tmp_path / "a.log"), "models")
    assert "called as" in (tmp_path / "a.log").read_text()
    monkeypatch.setenv(LOG_VARIABLE, str(tmp_path / "b.log"))
    run("models", "list")
    assert "called as" in (tmp_path / "b.log").read_text()


def test_a_file_that_cannot_be_written_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run("models", "list", "--log", str(tmp_path / "file" / "a.log"), code=2)


def test_warnings_and_loggers_end_up_in_it_until_it_is_closed(tmp_path: Path) -> None:
    handler = start_log(tmp_path / "a.log")
    assert start_log(tmp_path / "a.log") is handler, "one file is not logged to twice"
    logging.getLogger("napari_sam2.tracking").debug("a detail")
    logging.getLogger("elsewhere").error("not ours")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning("something is odd", UserWarning, "x.py", 1)
    stop_log(handler)
    logging.getLogger("napari_sam2.tracking").error("too late")
    text = (tmp_path / "a.log").read_text()
    assert text.count("called as") == 1
    assert "a detail" in text and "something is odd" in text
    assert "not ours" not in text and "too late" not in text


def test_the_environment_may_name_nothing_or_nonsense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LOG_VARIABLE, raising=False)
    assert start_from_environment() is None
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(LOG_VARIABLE, str(tmp_path / "file" / "a.log"))
    assert start_from_environment() is None


def test_importing_sets_up_no_logging() -> None:
    program = (
        "import logging, napari_sam2, napari_sam2.cli, napari_sam2.doctor, napari_sam2.logfile\n"
        "assert not logging.getLogger().handlers and not logging.getLogger('napari_sam2').handlers\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_napari_can_log_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``NAPARI_SAM2_LOG=FILE napari``: the log begins with the first desk."""
    pytest.importorskip("napari")
    from napari.components import ViewerModel

    from napari_sam2.widgets.desk import desk_of

    monkeypatch.setenv(LOG_VARIABLE, str(tmp_path / "napari.log"))
    desk = desk_of(ViewerModel())
    desk.close()
    assert "called as" in (tmp_path / "napari.log").read_text()
