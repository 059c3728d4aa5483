"""Where the session is saved, and everything that can be exported. Part of the main dock."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_sam2.export.replacing import what_is_lost
from napari_sam2.session.folder import SUFFIX
from napari_sam2.widgets import notify
from napari_sam2.widgets.button_state import Can, Facts
from napari_sam2.widgets.export_job import Exporter, ExportState
from napari_sam2.widgets.exports import FOLDERS, OFFERS, Offer, suggested, why_not
from napari_sam2.widgets.listen import when_destroyed
from napari_sam2.widgets.panel import Panel
from napari_sam2.widgets.place import from_home, source_of
from napari_sam2.widgets.reopening import reopen

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk

COLUMNS = 3
NOTHING_OPEN = "No session is open: choose an image and press Start first"


class SavePanel(Panel):
    """Says that and where everything is saved; copies, opens and closes sessions; exports.

    Parameters
    ----------
    desk
        The desk.
    parent
        Qt parent.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.exporter = Exporter(desk)
        self.saved = QLabel()
        self.saved.setWordWrap(True)
        self.where = QElidingLabel()
        self.where.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.where.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.where.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.folder = _button("Show folder", "Open the folder that the session is in", self.show_folder)
        self.copying = _button(
            "Save a copy\N{HORIZONTAL ELLIPSIS}", "Copy the session, with its history", self.save_copy
        )
        self.opening = _button("Open\N{HORIZONTAL ELLIPSIS}", "Open another session, with its movie", self.open_session)
        self.closing = _button("Close", "Close the session; it is saved", self.close_session)
        self.which = QComboBox()
        self.which.setAccessibleName("Which cells are exported")
        self.which.addItems(["All cells", "The current cell"])
        self.buttons: dict[str, QPushButton] = {}
        for offer in OFFERS:
            button = _button(offer.text, offer.tip(), lambda offer=offer: self.export(offer))
            button.setAccessibleName(f"Export {offer.text}")
            self.buttons[offer.name] = button
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(8)
        self.bar.setAccessibleName("Progress of the export")
        self.cancel = _button("Cancel", "Stop; nothing is left of what was being written", self.exporter.cancel)
        self.told = QLabel()
        self.told.setWordWrap(True)
        self._build()
        self.follow((self.exporter.changed,))
        exporter = self.exporter
        when_destroyed(self, lambda: exporter.close(0))

    def _build(self) -> None:
        session, choice, grid, running = QHBoxLayout(), QHBoxLayout(), QGridLayout(), QHBoxLayout()
        for button in (self.folder, self.copying, self.opening, self.closing):
            session.addWidget(button)
        choice.addWidget(QLabel("Export"))
        choice.addWidget(self.which, 1)
        grid.setSpacing(3)
        for i, button in enumerate(self.buttons.values()):
            grid.addWidget(button, i // COLUMNS, i % COLUMNS)
        running.addWidget(self.bar, 1)
        running.addWidget(self.cancel)
        self.running = QWidget()
        running.setContentsMargins(0, 0, 0, 0)
        self.running.setLayout(running)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 4, 2, 2)
        layout.setSpacing(4)
        for part in (self.saved, self.where):
            layout.addWidget(part)
        layout.addLayout(session)
        layout.addLayout(choice)
        layout.addLayout(grid)
        layout.addWidget(self.running)
        layout.addWidget(self.told)
        layout.addStretch(1)

    # what is shown ------------------------------------------------------------------------------------------------

    def show_facts(self, facts: Facts, can: Mapping[str, Can]) -> None:
        """See `Panel`."""
        session, state = self.desk.session, self.exporter.state
        if session is None:
            self.saved.setText("Nothing is open. Sessions are saved by themselves, after every step.")
            self.where.setText("")
        elif facts.read_only:
            self.saved.setText("Open for looking only: nothing is changed in")
            self.where.setText(from_home(session.path))
        else:
            self.saved.setText("Everything is saved by itself, after every step, in")
            self.where.setText(from_home(session.path))
        self.where.setToolTip("" if session is None else str(session.path))
        none = Can(False, NOTHING_OPEN)
        there = Can() if session is not None else none
        busy = Can(False, f"{state.doing} is not finished: wait, or cancel it") if state.busy else None
        writing = Can(False, "Tracking is under way: wait, or cancel it first") if facts.run.busy else None
        self.allow(self.folder, there)
        self.allow(self.copying, none if session is None else busy or writing or Can())
        self.allow(self.opening, Can(False, f"'{facts.opening}' is being opened") if facts.opening else Can())
        self.allow(self.closing, none if session is None else busy or Can())
        # a paused run holds the session between frames: what is written then is whole
        tracking = facts.run.busy and facts.run.kind != "paused"
        for offer in OFFERS:
            why = why_not(offer, session, tracking, facts.current)
            self.allow(self.buttons[offer.name], busy or (Can() if why is None else Can(False, why)))
        self.which.setEnabled(facts.current is not None)
        self.which.setItemText(1, "The current cell" if facts.current is None else f"Only cell {facts.current}")
        if facts.current is None:
            self.which.setCurrentIndex(0)
        self._show_export(state)

    def _show_export(self, state: ExportState) -> None:
        self.running.setVisible(state.busy)
        self.bar.setRange(0, state.total)
        self.bar.setValue(state.done)
        self.told.setText(f"{state.doing}\N{HORIZONTAL ELLIPSIS} {state.said}" if state.busy else state.said)
        self.told.setVisible(bool(self.told.text()))

    # what is done -------------------------------------------------------------------------------------------------

    def export(self, offer: Offer) -> None:
        """Ask for a name, and export."""
        session = self.desk.session
        if session is None:
            return
        start = suggested(offer, session, self.desk.current)
        name, _ = QFileDialog.getSaveFileName(self, f"Export {offer.text}", str(start), offer.filter())
        if not name:
            return
        path = offer.complete(Path(name))
        movie = next((movie for movie in self._movies() if what_is_lost(path, movie)), None)
        if movie is not None:
            notify.warning(
                f"Nothing was exported: {path} would replace the movie {movie.name}. Export again, under another name."
            )
            return
        overwrite = path.exists()
        # the dialog has asked about files, under the name that was typed; not about folders
        asked = path == Path(name) and offer.name not in FOLDERS
        if overwrite and not asked and not self.desk.confirm(f"{path} is there already.\n\nReplace it?"):
            return
        current = self.desk.current
        cells = [current] if self.which.currentIndex() == 1 and current is not None else None
        self.exporter.export(offer, path, cells=cells, overwrite=overwrite)

    def _movies(self) -> list[Path]:
        """Files and folders of the session's movie and of the other images in the viewer."""
        from napari.layers import Image

        session = self.desk.session
        address = None if session is None else session.document.meta["movie"]["address"]
        layers = [source_of(layer) for layer in self.desk.viewer.layers if isinstance(layer, Image)]
        return [*([Path(address)] if address else []), *(path for path in layers if path is not None)]

    def save_copy(self) -> None:
        """Ask for a name, and copy the session there."""
        session = self.desk.session
        if session is None:
            return
        start = session.path.with_name(f"{session.path.stem}-copy{SUFFIX}")
        name, _ = QFileDialog.getSaveFileName(self, "Save a copy of the session", str(start), f"Session (*{SUFFIX})")
        if name:
            self.exporter.copy(Path(name))

    def open_session(self) -> None:
        """Ask for a session, and open it."""
        session = self.desk.session
        start = str(session.path.parent) if session is not None else ""
        name = QFileDialog.getExistingDirectory(self, f"Open a session: a folder NAME{SUFFIX}", start)
        if name:
            reopen(self.desk, Path(name))

    def close_session(self) -> None:
        """Close the session."""
        self.desk.close_session()

    def show_folder(self) -> None:
        """Show the folder that the session is in."""
        if self.desk.session is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.desk.session.path.parent)))


def _button(text: str, tip: str, clicked: object) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleName(text.rstrip("\N{HORIZONTAL ELLIPSIS}"))
    button.clicked.connect(lambda *_: clicked())  # type: ignore[operator]
    return button
