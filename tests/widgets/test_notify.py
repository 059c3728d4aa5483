"""Errors in words: what is wrong and how to mend it, with the names of buttons and no Python."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import numpy as np
import pytest
from stub import again, make

from napari_sam2.export import Cancelled
from napari_sam2.session import DamagedSession, NewerSession, Refused, SessionInUse, open_session
from napari_sam2.session.errors import ReadOnlySession, StorageProblem
from napari_sam2.tracking.movie import Movie
from napari_sam2.weights import CheckpointError, DeviceError, DownloadError, load_model
from napari_sam2.widgets import notify

PYTHON = re.compile(r"force=|open_session|set_options|read_only|movie=|axes=|np\.|overwrite=|\bNone\b|Error\b")
"""What a person with a mouse should not be told."""


def said(problem: BaseException, doing: str = "") -> str:
    message = notify.explain(problem, doing)
    assert message is not None
    assert not PYTHON.search(message.text), message.text
    assert message.text.endswith(".")
    return message.text


def caught(call: object, *args: object, **options: object) -> BaseException:
    with pytest.raises(Exception) as found:  # noqa: B017, PT011  which kind is what is tested
        call(*args, **options)
    return found.value


@pytest.mark.parametrize(
    "problem",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: not enough memory: you tried to ..."),
        RuntimeError("MPS backend out of memory (MPS allocated: 5.00 GB)"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    ],
)
def test_out_of_memory(problem: BaseException) -> None:
    text = said(problem)
    assert "not enough memory" in text and "smaller model" in text and "is kept" in text
    assert notify.explain(problem).level == "error"


def test_torch_s_own_out_of_memory() -> None:
    torch = pytest.importorskip("torch")
    assert notify.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))


def test_a_real_failed_allocation_is_recognised() -> None:
    torch = pytest.importorskip("torch")
    assert notify.is_out_of_memory(caught(torch.empty, 1 << 60, dtype=torch.uint8))


def test_other_runtime_errors_are_mistakes_of_the_program() -> None:
    assert notify.explain(RuntimeError("shapes do not match")) is None
    assert notify.explain(ZeroDivisionError()) is None
    assert notify.explain(TypeError("unsupported operand")) is None


def test_a_missing_checkpoint(tmp_path: Path) -> None:
    text = said(caught(load_model, str(tmp_path / "none.pt")))
    assert "none.pt" in text and "Choose one in the list of models" in text
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"nothing of the kind")
    problem = caught(load_model, str(broken))
    assert isinstance(problem, CheckpointError)
    assert "Choose another model" in said(problem)


def test_a_download_that_fails_says_how_by_hand() -> None:
    assert "Could not fetch" in said(DownloadError("could not fetch sam2.1-tiny: no network\nPut it in /here"))


def test_a_device_that_is_not_there() -> None:
    assert "Choose another model or device" in said(DeviceError("there is no 'cuda' here; here there are: auto, cpu"))


@pytest.mark.parametrize("shape", [(3, 4, 5, 30, 30), (40, 40, 3), (6, 40, 40, 3), (0, 30, 30), (7,)])
def test_wrong_axes(shape: tuple[int, ...]) -> None:
    said(caught(Movie, np.zeros(shape, np.uint8)))


def test_a_session_in_use(tmp_path: Path) -> None:
    with make(tmp_path / "a.sam2cells") as session:
        problem = caught(again, session.path)
    assert isinstance(problem, SessionInUse)
    text = said(problem)
    assert "a.sam2cells is open in this napari already" in text and "looking only" in text
    assert "program" not in text and "Choose the layer" in text
    elsewhere = re.sub(r"process \d+", "process 1", problem.owner)
    text = said(SessionInUse(problem.path, elsewhere))
    assert "a.sam2cells is open in another program" in text and "process 1" in text and "looking only" in text
    assert "another program" in said(SessionInUse(problem.path, "another program"))


def test_a_moved_movie(tmp_path: Path) -> None:
    import tifffile

    from napari_sam2.session import new_session

    where = tmp_path / "movie.tif"
    tifffile.imwrite(where, np.zeros((4, 32, 32), np.uint8), photometric="minisblack", metadata={"axes": "TYX"})
    new_session(where, tmp_path / "a.sam2cells").close()
    where.unlink()
    text = said(caught(open_session, tmp_path / "a.sam2cells"))
    assert f"is not at {where} any more" in text and "select its layer" in text


def test_a_movie_that_was_only_in_memory(tmp_path: Path) -> None:
    make(tmp_path / "a.sam2cells").close()
    assert "only in memory" in said(caught(open_session, tmp_path / "a.sam2cells"))


def test_another_movie(tmp_path: Path) -> None:
    make(tmp_path / "a.sam2cells").close()
    for shape in ((12, 40, 48), (3, 40, 48)):
        text = said(caught(open_session, tmp_path / "a.sam2cells", np.zeros(shape, np.uint8)))
        assert "not the movie of the session" in text and "right one" in text


def test_a_newer_session() -> None:
    text = said(NewerSession(Path("/x/a.sam2cells"), 9, 1))
    assert "newer version" in text and "pip install --upgrade napari-sam2" in text


def test_refusals_say_only_why() -> None:
    text = said(Refused("cell 3 is locked on frame 2", can_force=True), "deleting")
    assert text == "Deleting: Cell 3 is locked on frame 2."


def test_weights_that_are_others() -> None:
    problem = Refused(
        "the weights of model 'cell' are not those the session was made with (1... not 2...): choose it again with "
        "set_options(model=...), and everything is tracked afresh"
    )
    assert "choose it again under 'Image and model'" in said(problem)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (ReadOnlySession("x cannot be written to: copy it, or open it: open_session(..., read_only=True)"),
         "Nothing was changed"),
        (StorageProblem("no room to write x (No space left): not done. Free some space"), "Free some"),
        (DamagedSession(Path("cells.json"), "not JSON"), "put back a copy"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "make room"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), "/x/y cannot be written to: choose a folder"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/x/y"), "/x/y is not there"),
        (FileExistsError("cells.tif exists: choose another name, or overwrite"), "choose another name"),
        (FileExistsError(errno.EEXIST, "File exists", "/x/y"), "/x/y is there already"),
        (OSError(errno.EIO, "Input/output error", "/x/y"), "disk is connected"),
        (ImportError("MP4 movies need imageio-ffmpeg: pip install imageio-ffmpeg"), "pip install imageio-ffmpeg"),
        (ValueError("ids up to 65,535: take ome-tiff"), "take ome-tiff"),
    ],
)  # fmt: skip
def test_files_and_values(problem: BaseException, words: str) -> None:
    assert words in said(problem)


def test_cancelling_is_no_error() -> None:
    message = notify.explain(Cancelled("the export was cancelled: nothing was written"), "exporting")
    assert message == notify.Message("The export was cancelled: nothing was written.", "info")


def test_shown_by_napari_at_its_level(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari.utils import notifications

    shown: list[tuple[str, str]] = []
    for level in ("info", "warning", "error"):
        monkeypatch.setattr(notifications, f"show_{level}", lambda text, level=level: shown.append((level, text)))
    notify.info("a")
    notify.warning("b")
    notify.error("c")
    notify.show(MemoryError())
    assert [level for level, _ in shown] == ["info", "warning", "error", "error"]


def test_a_mistake_of_the_program_keeps_its_traceback() -> None:
    from napari.utils.notifications import ErrorNotification, notification_manager

    found: list[object] = []
    notification_manager.notification_ready.connect(found.append)
    try:
        notify.show(caught(lambda: 1 / 0))
    finally:
        notification_manager.notification_ready.disconnect(found.append)
    assert len(found) == 1 and isinstance(found[0], ErrorNotification)
    assert isinstance(found[0].exception, ZeroDivisionError)
