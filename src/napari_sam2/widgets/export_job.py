"""One export, or one copy of the session, at a time, beside the main thread; can be cancelled. No Qt in here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam2.session.copying import copy_session
from napari_sam2.widgets import notify
from napari_sam2.widgets.exports import Offer, write

if TYPE_CHECKING:
    from napari_sam2.export import Exported
    from napari_sam2.session import Session
    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.runner import Job

Report = Callable[[int, int], object]
Work = Callable[[Report, Callable[[], bool]], Any]


@dataclass(frozen=True)
class ExportState:
    """How far it is.

    Parameters
    ----------
    doing
        What is written, in words; empty when nothing is.
    done, total
        Steps.
    said
        What came of the last one, in words.
    path
        Where the last one is; None if nothing was written.
    """

    doing: str = ""
    done: int = 0
    total: int = 0
    said: str = ""
    path: Path | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being written."""
        return bool(self.doing)


class Exporter:
    """Writes what a desk's session has, one thing at a time.

    Parameters
    ----------
    desk
        The desk.

    Attributes
    ----------
    changed : Signal of ExportState
        On the main thread.
    """

    changed = Signal(object)

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._job: Job | None = None
        self._session: Session | None = None
        self.state = ExportState()
        desk.session_changed.connect(self._session_changed)

    def export(self, offer: Offer, path: Path, *, cells: Iterable[int] | None = None, overwrite: bool = False) -> None:
        """Export the active session; see `exports.write`."""
        desk, session = self._desk, self._desk.session
        if session is None:
            return
        current = desk.current

        def work(report: Report, cancelled: Callable[[], bool]) -> Exported:
            return write(
                offer,
                session,
                path,
                cells=cells,
                current=current,
                overwrite=overwrite,
                progress=report,
                cancelled=cancelled,
            )

        self._start(f"Exporting {path.name}", work, tell_exported)

    def copy(self, path: Path) -> None:
        """Copy the active session's folder; see `copy_session`."""
        session = self._desk.session
        if session is None:
            return

        def work(report: Report, cancelled: Callable[[], bool]) -> Path | None:
            return copy_session(session, path, progress=report, cancelled=cancelled)

        self._start(f"Copying to {path.name}", work, tell_copied)

    def cancel(self) -> None:
        """Stop; nothing is left of what was being written."""
        if self._job is not None:
            self._job.stop.set()
            self._tell(replace(self.state, said="Stopping\N{HORIZONTAL ELLIPSIS}"))

    def close(self, seconds: float = 10.0) -> bool:
        """Stop, wait for the thread and listen no more; returns whether it has ended."""
        self._desk.session_changed.disconnect(self._session_changed, missing_ok=True)
        job = self._job
        self.cancel()
        return job is None or job.wait(seconds)

    def _start(self, doing: str, work: Work, tell: Callable[[Any], tuple[str, Path | None]]) -> None:
        if self._job is not None:
            notify.info(f"{self.state.doing} is not finished yet: wait, or cancel it")
            return
        runner = self._desk.runner
        said: list[tuple[str, Path | None]] = []

        def steps(job: Job) -> Iterator[Any]:
            def report(done: int, total: int) -> None:
                runner.call_soon(self._progress, job, done, total)

            yield work(report, job.stop.is_set)

        def ended(job: Job) -> None:
            if job is not self._job:
                return
            self._job, self._session = None, None
            text, path = said[0] if said else ("", None)
            if job.error is not None:
                found = notify.explain(job.error)
                text = found.text if found is not None else f"{doing} failed."
                notify.show(job.error, doing)
            elif text:
                notify.info(text)
            self._tell(ExportState(said=text, path=path))

        self._session = self._desk.session
        self._tell(ExportState(doing=doing))
        self._job = runner.start(steps, lambda result: said.append(tell(result)), ended)

    def _progress(self, job: Job, done: int, total: int) -> None:
        if job is self._job and not job.stop.is_set():
            self._tell(replace(self.state, done=done, total=total))

    def _session_changed(self, session: Session | None) -> None:
        if self._session is not None and self._session not in self._desk.sessions.values():
            self.cancel()  # its session is closed

    def _tell(self, state: ExportState) -> None:
        self.state = state
        self.changed.emit(state)


def tell_exported(result: Exported) -> tuple[str, Path | None]:
    """Words for an export that went well."""
    lost = f" Not in it: {'; '.join(result.lost)}." if result.lost else ""
    return f"{result.path.name} is written ({size(result.bytes)}).{lost}", result.path


def tell_copied(path: Path | None) -> tuple[str, Path | None]:
    """Words for a copy."""
    if path is None:
        return "The copy was cancelled: nothing was written.", None
    return f"The copy {path.name} is written. You go on working in the session itself.", path


def size(n_bytes: int) -> str:
    """Bytes as people read them."""
    value = float(n_bytes)
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} GB"
