"""Tracking: what, where to, how far it is. Part of the main dock."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QProgressBar, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_sam2.widgets import keys, notify
from napari_sam2.widgets.button_state import Can, Facts
from napari_sam2.widgets.forecast import Forecast
from napari_sam2.widgets.listen import listen
from napari_sam2.widgets.needs import Needs
from napari_sam2.widgets.panel import Panel
from napari_sam2.widgets.run_state import Request

if TYPE_CHECKING:
    from napari_sam2.tracking.estimate import Estimate
    from napari_sam2.widgets.desk import Desk

WHAT = (
    ("What is needed", "needed", "Stale masks and those never tracked, of all cells"),
    ("Only this cell", "cell", "What is needed of the current cell"),
    ("Only stale masks", "stale", "Masks whose prompts have changed since"),
    ("Everything again", "all", "All masks of all cells, whether they are stale or not"),
)
DIRECTIONS = (
    ("both ways", "both", "From each prompt to both sides"),
    ("forward", "forward", "From the first prompt of each cell to the end"),
    ("backward", "backward", "From the last prompt of each cell to the beginning"),
)
FRAMES = (
    ("on all frames", "all"),
    ("from here to the end", "to_end"),
    ("from the beginning to here", "to_here"),
    ("on frames…", "range"),
)
FROM_HERE = ("to_end", "to_here")
"""Those that are about the frame that is shown."""

SHORT = 10
"""Letters of an entry that are shown in any case."""


class TrackPanel(Panel):
    """What to track, Track and Cancel, Pause, progress, and what is left to track.

    Parameters
    ----------
    desk
        The desk.
    parent
        Qt parent.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.what = _box("What to track", WHAT)
        self.direction = _box("Direction", DIRECTIONS)
        self.frames = _box("Frames", FRAMES)
        self.frames.currentIndexChanged.connect(self.changed)
        self.first, self.last = QSpinBox(), QSpinBox()
        self.first.setAccessibleName("First frame")
        self.last.setAccessibleName("Last frame")
        self.run = QPushButton("Track")
        self.run.setAccessibleName("Track")
        self.run.clicked.connect(self.begin_or_stop)
        self.hold = QPushButton("Pause")
        self.hold.setAccessibleName("Pause or resume tracking")
        self.hold.clicked.connect(self.pause_or_resume)
        self.ask = QPushButton("Estimate")
        self.ask.setToolTip("How long it will take, and how much memory, measured on a few cells")
        self.ask.clicked.connect(self.estimate)
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Progress of tracking")
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(8)
        keeps = self.bar.sizePolicy()
        keeps.setRetainSizeWhenHidden(True)  # or all below moves, and is drawn anew, as a run begins and ends
        self.bar.setSizePolicy(keeps)
        self.told = QLabel()
        self.told.setWordWrap(True)
        self._estimate = ""
        self._build()
        self.follow((desk.frame_changed,))
        self.forecast = Forecast(desk, self.request, self._foreseen)
        listen(self, (desk.needs_changed, self._needs_changed))

    def _build(self) -> None:
        top, middle, buttons = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        top.addWidget(self.what, 3)
        top.addWidget(self.direction, 2)
        middle.addWidget(self.frames, 1)
        self._to = QLabel("to")
        for widget in (self.first, self._to, self.last):
            middle.addWidget(widget)
        buttons.addWidget(self.run, 2)
        buttons.addWidget(self.hold, 1)
        buttons.addWidget(self.ask, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 4)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addLayout(middle)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.told)

    # acting -------------------------------------------------------------------------------------------------------

    def request(self) -> Request:
        """What is chosen."""
        desk, what = self.desk, self.what.currentData()
        cells = (desk.current,) if what == "cell" and desk.current is not None else None
        count = 0 if desk.session is None else desk.session.n_frames
        span: tuple[int, int] | None = {
            "to_end": (desk.frame, count),
            "to_here": (0, desk.frame + 1),
            "range": (min(self.first.value(), self.last.value()), max(self.first.value(), self.last.value()) + 1),
        }.get(str(self.frames.currentData()))
        return Request(cells, span, self.direction.currentData(), "needed" if what == "cell" else what)

    def begin_or_stop(self) -> None:
        """Track what is chosen; cancel where tracking is on."""
        if self.desk.run.busy:
            self.desk.cancel()
            return
        beyond = self.desk.beyond()
        if beyond is not None and self.frames.currentData() in FROM_HERE:
            notify.warning(f"{beyond}, or choose other frames to track.")
            return
        asked = self.request()
        self.desk.track(cells=asked.cells, frames=asked.frames, direction=asked.direction, what=asked.what)

    def pause_or_resume(self) -> None:
        """Pause, or go on."""
        if self.desk.run.kind == "paused":
            self.desk.resume()
        else:
            self.desk.pause()

    def estimate(self) -> None:
        """Find out what the chosen run would cost, and say so."""
        self.desk.estimate(self.request(), self._estimated)

    def _estimated(self, found: Estimate) -> None:
        text = str(found)
        self._estimate = f"{text[0].upper()}{text[1:]}."
        self.changed()

    def _needs_changed(self, needs: Needs) -> None:
        self._estimate = ""
        self.forecast.needs_changed(needs)

    def _foreseen(self, found: Estimate) -> None:
        with suppress(RuntimeError):  # the dock was closed meanwhile: Qt has deleted it
            self._estimated(found)

    # showing ------------------------------------------------------------------------------------------------------

    def show_facts(self, facts: Facts, can: Mapping[str, Can]) -> None:
        """Bring the widgets up to date."""
        run, session = facts.run, self.desk.session
        busy = run.busy
        keys.tell(self.run, "cancel" if busy else "track")
        self.run.setText("Cancel" if busy else "Track")
        one = self.what.currentData() == "cell"
        self.allow(self.run, can["cancel"] if busy else can["track_cell" if one else "track"])
        keys.tell(self.hold, "pause")
        self.hold.setText("Resume" if run.kind == "paused" else "Pause")
        self.allow(self.hold, can["resume"] if run.kind == "paused" else can["pause"])
        self.allow(self.ask, can["estimate"])
        for box in (self.what, self.direction, self.frames):
            box.setEnabled(facts.open and not busy)
        ranged = self.frames.currentData() == "range"
        for widget in (self.first, self._to, self.last):
            widget.setVisible(ranged)
        if session is not None:
            for spin in (self.first, self.last):
                if spin.maximum() != session.n_frames - 1:
                    spin.setRange(0, session.n_frames - 1)
                    self.last.setValue(session.n_frames - 1)
            self.frames.setVisible(session.n_frames > 1)
        self.bar.setVisible(busy)
        self.bar.setRange(0, run.total if run.total else 0)
        self.bar.setValue(run.done)
        self._say(facts)

    def _say(self, facts: Facts) -> None:
        if facts.run.busy or facts.run.text:
            text = facts.run.text
            self._estimate = "" if facts.run.busy else self._estimate
        else:
            text = str(facts.needs) if facts.open else ""
            text = f"{text} {self._estimate}".strip()
        self.told.setText(text)


def _box(name: str, entries: Any) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(name)
    # beside the boxes of a range there is less room than the longest entry takes
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(SHORT)
    for i, (text, value, *tip) in enumerate(entries):
        box.addItem(text, value)
        if tip:
            box.setItemData(i, tip[0], 3)  # Qt.ToolTipRole
    return box
