"""Choosing a model: which are here, and fetching one that is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_sam2.weights import DownloadProgress, ModelInfo, list_models
from napari_sam2.widgets import notify
from napari_sam2.widgets.listen import when_destroyed
from napari_sam2.widgets.runner import Job

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk

OWN_FILE = "A file of your own…"


def describe(info: ModelInfo) -> str:
    """A model in the list, with what it takes to use it."""
    size = "" if info.bytes is None else f", {info.bytes / 1e6:.0f} MB"
    if info.state == "not downloaded":
        return f"{info.name} (to download{size})"
    return f"{info.name} ({info.state}{size})"


class ModelChooser(QWidget):
    """List of models with a button that fetches the chosen one, and the progress of that.

    Parameters
    ----------
    desk
        The desk.
    model
        The model that is chosen at first.
    parent
        Qt parent.

    Attributes
    ----------
    chosen : Signal of str
        Another model was chosen that is here: its name, or the path of a file.
    """

    chosen = Signal(str)

    def __init__(self, desk: Desk, model: str = "cell", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._job: Job | None = None
        self._last = model
        self.box = QComboBox()
        self.box.setAccessibleName("Model")
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.box.setMinimumContentsLength(12)
        self.fetch = QPushButton("Download")
        self.fetch.setAccessibleName("Download the model")
        self.fetch.clicked.connect(self.download)
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Progress of the download")
        self.stop = QPushButton("Cancel")
        self.stop.setAccessibleName("Cancel the download")
        self.stop.setToolTip("What is here is kept: the next download goes on from there.")
        self.stop.clicked.connect(self.cancel)
        self.about = QLabel()
        self.about.setWordWrap(True)
        top, below = QHBoxLayout(), QHBoxLayout()
        top.addWidget(self.box, 1)
        top.addWidget(self.fetch)
        below.addWidget(self.bar, 1)
        below.addWidget(self.stop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addLayout(below)
        layout.addWidget(self.about)
        self.fill(model)
        self.box.activated.connect(self._activated)
        when_destroyed(self, _stopper(self))

    @property
    def name(self) -> str:
        """The chosen model: its name, or a path."""
        return str(self.box.currentData() or "cell")

    @property
    def is_here(self) -> bool:
        """Whether it can be used now."""
        info = self._info()
        return info is None or info.state in ("bundled", "downloaded")

    def fill(self, model: str | None = None) -> None:
        """Read the list of models again, and choose one."""
        wanted = model or self.name
        with_signals = self.box.blockSignals(True)
        self.box.clear()
        for info in list_models():
            self.box.addItem(describe(info), info.name)
        if self.box.findData(wanted) < 0:
            self.box.addItem(Path(wanted).name, wanted)
        self.box.addItem(OWN_FILE, "")
        self.box.setCurrentIndex(self.box.findData(wanted))
        self.box.blockSignals(with_signals)
        self._last = wanted
        self._show()

    def download(self) -> None:
        """Fetch the chosen model, in the background."""
        info = self._info()
        if info is None or self._job is not None:
            return

        def steps(job: Job) -> Iterator[DownloadProgress]:
            yield from _download(info, job)

        self._job = self._desk.runner.start(steps, self._received, lambda job: self._ended(job, info.name))
        self._show()

    def cancel(self) -> None:
        """Stop the download; what is here is kept."""
        if self._job is not None:
            self._job.stop.set()

    def _activated(self, index: int) -> None:
        if not self.box.currentData():
            kinds = "Models (*.pt *.pth *.safetensors)"
            path, _ = QFileDialog.getOpenFileName(self, "Choose a checkpoint", "", kinds)
            self.fill(path or self._last)
            if path:
                self.chosen.emit(path)
            return
        self._last = self.name
        self._show()
        if self.is_here:
            self.chosen.emit(self.name)

    def _info(self) -> ModelInfo | None:
        return next((info for info in list_models() if info.name == self.name), None)

    def _show(self) -> None:
        info, busy = self._info(), self._job is not None
        missing = info is not None and info.state == "not downloaded"
        self.fetch.setVisible(missing and not busy)
        self.bar.setVisible(busy)
        self.stop.setVisible(busy)
        self.box.setEnabled(not busy)
        text = "" if info is None else info.description
        self.about.setVisible(missing or busy)
        if missing and info is not None and info.bytes is not None:
            self.fetch.setToolTip(f"{info.bytes / 1e6:.0f} MB from {info.url}, once")
        self.about.setText(text)
        self.box.setToolTip(text)

    def _received(self, report: DownloadProgress) -> None:
        self.bar.setRange(0, 1000 if report.total else 0)
        self.bar.setValue(round(1000 * (report.fraction or 0.0)))
        total = "?" if report.total is None else f"{report.total / 1e6:.0f}"
        self.bar.setFormat(f"{report.received / 1e6:.0f} of {total} MB")
        self.about.setText(report.message or report.stage)

    def _ended(self, job: Job, name: str) -> None:
        self._job = None
        if job.error is not None:
            notify.show(job.error, f"downloading {name}")
        try:
            self.fill(name)
        except RuntimeError:  # the dock was closed meanwhile: Qt has deleted it
            return
        if job.error is None and self.is_here:
            notify.info(f"{name} is here.")
            self.chosen.emit(name)


def _download(info: ModelInfo, job: Job) -> Iterator[DownloadProgress]:
    """Fetch a model in this thread and hand out what it reports."""
    import queue
    import threading

    from napari_sam2.weights import download_model

    reports: queue.SimpleQueue[DownloadProgress | None] = queue.SimpleQueue()
    problems: list[BaseException] = []

    def told(report: DownloadProgress) -> bool:
        reports.put(report)
        return not job.stop.is_set()

    def fetch() -> None:
        try:
            download_model(info.name, told)
        except Exception as problem:  # noqa: BLE001 -- raised again where the job is driven
            problems.append(problem)
        finally:
            reports.put(None)

    thread = threading.Thread(target=fetch, name="napari-sam2 download", daemon=True)
    thread.start()
    try:
        while (report := reports.get()) is not None:
            yield report
    finally:
        job.stop.set()
        thread.join()
    if problems:
        raise problems[0]


def _stopper(chooser: ModelChooser) -> Callable[[], None]:
    import weakref

    known = weakref.ref(chooser)

    def stop() -> None:
        alive = known()
        if alive is not None and alive._job is not None:
            alive._job.stop.set()

    return stop
