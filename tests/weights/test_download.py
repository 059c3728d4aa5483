"""Downloads over a connection that breaks, lies and refuses."""

from __future__ import annotations

import hashlib
import multiprocessing
import shutil
import socket
import threading
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from napari_sam2.weights import DownloadCancelled, DownloadError, DownloadProgress, RetryPolicy, download_model
from napari_sam2.weights import catalogue as catalogue_module
from napari_sam2.weights.download import fetch, part_of

HASTY = RetryPolicy(attempts=3, first_delay=0.01, longest_delay=0.02, connect_timeout=2, read_timeout=2)


class Log:
    """A progress callback that writes down what it is told."""

    def __init__(self, cancel_at: str | None = None) -> None:
        self.reports: list[DownloadProgress] = []
        self.cancel_at = cancel_at

    def __call__(self, report: DownloadProgress) -> bool | None:
        self.reports.append(report)
        return False if report.stage == self.cancel_at else None

    @property
    def stages(self) -> list[str]:
        """The stages, repetitions left out."""
        stages = [report.stage for report in self.reports]
        return [stage for i, stage in enumerate(stages) if i == 0 or stage != stages[i - 1]]


def leftovers(folder: Path) -> list[str]:
    """Files in the folder, the lock aside."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_whole_file(server, tmp_path: Path) -> None:
    log = Log()
    path = fetch(server.info(tmp_path / "deep" / "down"), log, HASTY)
    assert path.read_bytes() == server.body
    assert leftovers(path.parent) == ["model.pt"]
    assert log.stages == ["connecting", "downloading", "verifying", "done"]
    assert log.reports[-1] == DownloadProgress("test-model", "done", len(server.body), len(server.body))
    received = [report.received for report in log.reports]
    assert received == sorted(received)
    assert log.reports[-1].fraction == 1.0


def test_a_file_that_is_here_is_not_fetched_again(server, tmp_path: Path) -> None:
    info = server.info(tmp_path)
    fetch(info, None, HASTY)
    fetch(info, None, HASTY)
    assert server.requests == [None]


def test_a_file_that_is_here_is_used_from_a_cache_that_cannot_be_written(
    server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = server.info(tmp_path)
    info.path.write_bytes(server.body)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock", refuse)
    log = Log()
    assert fetch(info, log, HASTY) == info.path
    assert log.stages == ["verifying", "done"] and server.requests == []
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]
    info.path.write_bytes(server.body[:-1] + b"x")  # damaged: now it must be written
    with pytest.raises(DownloadError, match="Permission denied"):
        fetch(info, None, HASTY)


def test_a_folder_that_cannot_be_looked_into(server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(DownloadError, match="Permission denied(.|\n)*save it as"):
        fetch(server.info(tmp_path), None, HASTY)


def test_a_damaged_file_that_is_here_is_fetched_again(server, tmp_path: Path) -> None:
    info = server.info(tmp_path)
    (tmp_path / "model.pt").write_bytes(server.body[:-1] + b"x")
    fetch(info, None, HASTY)
    assert (tmp_path / "model.pt").read_bytes() == server.body


def test_a_broken_connection_is_resumed_where_it_broke(server, tmp_path: Path) -> None:
    server.drops = [200_000, 100_000, None]
    log = Log()
    path = fetch(server.info(tmp_path), log, HASTY)
    assert path.read_bytes() == server.body
    first, second, third = server.requests
    assert first is None
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in (second, third)]
    assert 100_000 < starts[0] <= 200_000 < starts[1] <= 300_000
    assert "retrying" in log.stages
    assert any("broke" in report.message for report in log.reports)


def test_a_later_call_goes_on_with_what_an_earlier_one_kept(server, tmp_path: Path) -> None:
    server.drops = [200_000, 0, 0]
    info = server.info(tmp_path)
    with pytest.raises(DownloadError, match=r"bytes are kept; the next download goes on from there"):
        fetch(info, None, HASTY)
    kept = part_of(info.path).stat().st_size
    assert 100_000 < kept <= 200_000
    assert leftovers(tmp_path) == ["model.pt.part"]
    assert fetch(info, None, HASTY).read_bytes() == server.body
    assert server.requests[-1] == f"bytes={kept}-"


def test_a_server_without_range_starts_again(server, tmp_path: Path) -> None:
    server.ranges = False
    part_of(tmp_path / "model.pt").write_bytes(server.body[:1000])
    assert fetch(server.info(tmp_path), None, HASTY).read_bytes() == server.body


def test_a_wrong_piece_starts_again(server, tmp_path: Path) -> None:
    server.shift = 7
    part_of(tmp_path / "model.pt").write_bytes(server.body[:1000])
    assert fetch(server.info(tmp_path), None, HASTY).read_bytes() == server.body
    assert server.requests == ["bytes=1000-", None]


def test_a_part_of_another_file_is_given_up(server, tmp_path: Path) -> None:
    part_of(tmp_path / "model.pt").write_bytes(b"something else entirely")
    assert fetch(server.info(tmp_path), None, HASTY).read_bytes() == server.body
    assert server.requests == ["bytes=23-", None]


@pytest.mark.parametrize("extra", [b"", b"more"])
def test_a_part_that_is_complete_or_too_long(server, tmp_path: Path, extra: bytes) -> None:
    part_of(tmp_path / "model.pt").write_bytes(server.body + extra)
    assert fetch(server.info(tmp_path), None, HASTY).read_bytes() == server.body
    assert len(server.requests) == len(extra[:1]), "a complete part only needs checking"


def test_a_wrong_checksum_names_both_and_keeps_nothing(server, tmp_path: Path) -> None:
    good = server.body
    server.body = good[:-1] + b"!"
    info = server.info(tmp_path, body=good)
    with pytest.raises(DownloadError) as caught:
        fetch(info, None, HASTY)
    assert hashlib.sha256(good).hexdigest() in str(caught.value)
    assert hashlib.sha256(server.body).hexdigest() in str(caught.value)
    assert leftovers(tmp_path) == []
    assert len(server.requests) == 1


def test_a_wrong_checksum_leaves_an_earlier_file_alone(server, tmp_path: Path) -> None:
    good = server.body
    server.body = good[:-1] + b"!"
    (tmp_path / "model.pt").write_bytes(b"the user's")
    with pytest.raises(DownloadError):
        fetch(server.info(tmp_path, body=good), None, HASTY)
    assert (tmp_path / "model.pt").read_bytes() == b"the user's"


def test_a_truncated_file_on_the_server(server, tmp_path: Path) -> None:
    good = server.body
    server.body = good[:-5000]
    with pytest.raises(DownloadError, match=f"offers {len(good) - 5000} bytes, expected {len(good)}"):
        fetch(server.info(tmp_path, body=good), None, HASTY)
    assert leftovers(tmp_path) == []


def test_a_server_that_always_breaks_is_given_up(server, tmp_path: Path) -> None:
    server.drops = [10] * 20
    with pytest.raises(DownloadError, match=r"the connection broke in the middle \(3 attempts\)"):
        fetch(server.info(tmp_path), None, HASTY)
    assert len(server.requests) == 3


def test_progress_between_failures_renews_the_patience(server, tmp_path: Path) -> None:
    server.body = bytes(6 * 2**20)
    server.drops = [2**20 + 2**17] * 4
    assert fetch(server.info(tmp_path), None, HASTY).read_bytes() == server.body
    assert len(server.requests) == 5 > HASTY.attempts


def test_a_server_that_falls_silent_is_asked_again(server, tmp_path: Path) -> None:
    server.stall = 0.5
    log = Log()
    path = fetch(server.info(tmp_path), log, replace(HASTY, read_timeout=0.1))
    assert path.read_bytes() == server.body
    assert "the server did not answer in time" in {report.message for report in log.reports}


def test_a_busy_server_is_asked_again(server, tmp_path: Path) -> None:
    server.statuses = [503, 429, None]
    log = Log()
    assert fetch(server.info(tmp_path), log, HASTY).read_bytes() == server.body
    assert "the server answered 503 Service Unavailable" in {report.message for report in log.reports}


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_refusal_is_final_and_says_what_to_do(server, tmp_path: Path, status: int) -> None:
    server.statuses = [status] * 9
    info = server.info(tmp_path)
    with pytest.raises(DownloadError, match=f"the server answered {status}") as caught:
        fetch(info, None, HASTY)
    assert len(server.requests) == 1
    for needed in (info.url, str(info.path), info.sha256, str(info.bytes), "NAPARI_SAM2_CACHE"):
        assert str(needed) in str(caught.value)


def test_offline_says_which_file_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(
        catalogue_module, "_CATALOGUE",
        {"sam2.1-tiny": replace(catalogue_module.find_model("sam2.1-tiny"), url=f"http://127.0.0.1:{port}/tiny.pt")},
    )  # fmt: skip
    with pytest.raises(DownloadError) as caught:
        download_model("sam2.1-tiny", folder=tmp_path, policy=HASTY)
    message = str(caught.value)
    assert message.startswith("could not fetch sam2.1-tiny")
    for needed in ("refused (3 attempts)", f"http://127.0.0.1:{port}/tiny.pt", "156008466 bytes", "7402e0d864fa8270",
                   f"save it as\n    {tmp_path / 'sam2.1_hiera_tiny.pt'}"):  # fmt: skip
        assert needed in message
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("stage", ["connecting", "downloading", "retrying", "verifying"])
def test_cancelling_keeps_what_is_here(server, tmp_path: Path, stage: str) -> None:
    server.drops = [300_000] if stage == "retrying" else []
    info = server.info(tmp_path)
    with pytest.raises(DownloadCancelled, match="test-model was cancelled"):
        fetch(info, Log(cancel_at=stage), RetryPolicy(first_delay=60))
    assert not info.path.exists()
    assert set(leftovers(tmp_path)) <= {"model.pt.part"}
    assert fetch(info, None, HASTY).read_bytes() == server.body


def test_an_error_in_the_callback_comes_out(server, tmp_path: Path) -> None:
    def callback(_: DownloadProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server.info(tmp_path), callback, HASTY)
    assert fetch(server.info(tmp_path), None, HASTY).read_bytes() == server.body


def test_a_full_disk_is_noticed_before(server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(DownloadError, match=r"has 1 MB free, 68 MB are needed"):
        fetch(server.info(tmp_path), None, HASTY)
    assert server.requests == []


def test_a_folder_that_cannot_be_written(server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="could not fetch test-model"):
        fetch(server.info(tmp_path / "file"), None, HASTY)


def test_threads_that_want_the_same_file_fetch_it_once(server, tmp_path: Path) -> None:
    info = server.info(tmp_path)
    threads = [threading.Thread(target=fetch, args=(info, None, HASTY)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert info.path.read_bytes() == server.body
    assert server.requests == [None]


def test_processes_that_want_the_same_file_fetch_it_once(server, tmp_path: Path) -> None:
    info = server.info(tmp_path)
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=fetch, args=(info, None, HASTY)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert info.path.read_bytes() == server.body
    assert server.requests == [None]


def test_waiting_for_another_process_can_be_cancelled(server, tmp_path: Path) -> None:
    import filelock

    with filelock.FileLock(tmp_path / ".model.pt.lock"), pytest.raises(DownloadCancelled):
        fetch(server.info(tmp_path), Log(cancel_at="waiting"), HASTY)
    assert server.requests == []
