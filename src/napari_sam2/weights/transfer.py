"""One file over HTTP into a ``.part`` file: resumed, retried, measured and checked. A downloader for pooch."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.weights.errors import DownloadError
from napari_sam2.weights.progress import Reporter

if TYPE_CHECKING:
    import requests

#: Bytes read at a time. A broken connection loses at most one such piece.
CHUNK = 64 * 1024

#: After at least this many new bytes a broken connection counts as the first failure again: a long download over a
#: poor line ends, while a server that drops every connection at once does not hold us for ever.
PROGRESS_THAT_COUNTS = 1024 * 1024

_OK, _PARTIAL, _RANGE_REFUSED = 200, 206, 416
_WORTH_A_RETRY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class RetryPolicy:
    """How patient a download is.

    Attributes
    ----------
    attempts
        Connections tried without progress before giving up.
    first_delay, longest_delay
        Seconds before the second attempt, doubled each time, and the most they grow to.
    connect_timeout, read_timeout
        Seconds without a connection, and without a byte, after which an attempt counts as broken.
    """

    attempts: int = 5
    first_delay: float = 1.0
    longest_delay: float = 30.0
    connect_timeout: float = 10.0
    read_timeout: float = 30.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after the given number (1, 2, ...) of failures in a row."""
        return min(self.first_delay * 2 ** (failures - 1), self.longest_delay)


class _BrokenError(Exception):
    """An attempt ended early, in a way that another attempt may mend."""


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, lower-case hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0


class ResumingDownloader:
    """A pooch downloader that keeps what it has got in a ``.part`` file and goes on from there.

    Parameters
    ----------
    part
        The file that grows. It outlives broken connections, a cancel and the process; it is deleted only when it turns
        out to hold the wrong bytes.
    total, sha256
        What the whole file must be; None where unknown.
    report
        Told about every step; may raise to cancel.
    policy
        How often and how long to try.

    Raises
    ------
    DownloadError
        When called: if the server refuses, offers a file of another size, keeps breaking the connection, or sends
        bytes with another checksum.
    """

    def __init__(
        self, part: Path, total: int | None, sha256: str | None, report: Reporter, policy: RetryPolicy
    ) -> None:
        self.part = part
        self.total = total
        self.sha256 = sha256
        self.report = report
        self.policy = policy

    def __call__(self, url: str, output_file: str | os.PathLike[str], _pooch: Any = None) -> None:
        from_earlier = size_of(self.part) > 0
        self._fetch(url)
        found = self._checksum()
        if found != self.sha256 and from_earlier:
            # What was kept may stem from another file at this address: once more, from nothing.
            self.part.unlink()
            self._fetch(url)
            found = self._checksum()
        if found != self.sha256:
            self.part.unlink()
            raise DownloadError(
                f"{url} did not send the file that was expected: its sha256 is {found}, not {self.sha256}. "
                "Nothing of it was kept."
            )
        os.replace(self.part, output_file)

    def _checksum(self) -> str | None:
        self.report("verifying", size_of(self.part))
        return None if self.sha256 is None else file_sha256(self.part)

    def _fetch(self, url: str) -> None:
        """Connect as often as the policy allows until the part is complete."""
        failures = 0
        while True:
            before = size_of(self.part)
            try:
                return self._attempt(url)
            except _BrokenError as broken:
                failures = 1 if size_of(self.part) - before >= PROGRESS_THAT_COUNTS else failures + 1
                if failures >= self.policy.attempts:
                    raise DownloadError(f"{url}: {broken} ({failures} attempts)") from broken
                self.report.sleep(self.policy.delay(failures), "retrying", size_of(self.part), str(broken))

    def _attempt(self, url: str) -> None:
        import requests

        have = size_of(self.part)
        if self.total is not None and have >= self.total:
            if have == self.total:
                return
            self.part.unlink()  # longer than the file can be
            have = 0
        self.report("connecting", have)
        headers = {"Accept-Encoding": "identity", "User-Agent": "napari-sam2"}
        if have:
            headers["Range"] = f"bytes={have}-"
        timeout = (self.policy.connect_timeout, self.policy.read_timeout)
        try:
            with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
                start = self._agree(response, have)
                self._receive(response, start)
        except (
            requests.exceptions.SSLError,
            requests.exceptions.InvalidURL,
            requests.exceptions.MissingSchema,
        ) as error:
            raise DownloadError(f"{url}: {error}") from error
        except requests.exceptions.RequestException as error:
            raise _BrokenError(_reason(error)) from error

    def _agree(self, response: requests.Response, have: int) -> int:
        """Look at the answer's head; the position in the file that its first byte belongs to."""
        status = response.status_code
        if status in _WORTH_A_RETRY:
            raise _BrokenError(f"the server answered {status} {response.reason}")
        if status == _RANGE_REFUSED:
            self.part.unlink(missing_ok=True)
            raise _BrokenError("the server has nothing beyond what was kept, so it starts again")
        if status not in (_OK, _PARTIAL):
            raise DownloadError(f"{response.url}: the server answered {status} {response.reason}")
        if status == _OK:  # also the answer of a server that does not know Range: from the start, then
            start, stated = 0, response.headers.get("Content-Length")
        else:
            match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
            if match is None or int(match[1]) != have:
                self.part.unlink(missing_ok=True)
                raise _BrokenError("the server sent another piece than the one asked for, so it starts again")
            start, stated = have, match[2]
        if self.total is not None and stated is not None and stated.isdigit() and int(stated) != self.total:
            raise DownloadError(f"{response.url}: the server offers {stated} bytes, expected {self.total}")
        return start

    def _receive(self, response: requests.Response, start: int) -> None:
        received = start
        with self.part.open("ab" if start else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                received += len(chunk)
                if self.total is not None and received > self.total:
                    raise DownloadError(f"{response.url}: the server sends more than the {self.total} bytes expected")
                file.write(chunk)
                self.report("downloading", received)
        self.report("downloading", received, force=True)
        if self.total is not None and received < self.total:
            raise _BrokenError(f"the connection ended after {received} of {self.total} bytes")


def _reason(error: BaseException) -> str:
    """The innermost cause in a few words; requests wraps it several times over."""
    inner = getattr(error, "args", None)
    text = str(inner[0]) if inner else str(error)
    if "NameResolutionError" in text or "getaddrinfo" in text:
        return "the server's name could not be resolved (no network?)"
    if "refused" in text:
        return "the connection was refused"
    if "timed out" in text.lower():
        return "the server did not answer in time"
    if "IncompleteRead" in text or "Connection broken" in text:
        return "the connection broke in the middle"
    return f"{type(error).__name__}: {text}"
