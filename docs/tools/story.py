"""The story of the tutorial, told to a real window by mouse and keys, with a picture at each of its stations."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QTabWidget, QWidget

from tests.widgets import real_window as window
from tools.album import Album

if TYPE_CHECKING:
    from napari_sam2.widgets.review_items import Item

SAMPLE = "nuclei"
CELLS = 12
"""So many are clicked on the first frame."""
MOTHERS = 4
"""So many of them divide: which of the divisions are noticed depends on the weights."""
PATIENCE = 600.0
"""Seconds that anything may take at most; a slow computer is no reason for a wrong picture."""
Place = tuple[int, float, float]


class EnoughError(Exception):
    """All pictures that were wanted are taken."""


class Story:
    """A window with a movie and the dock, and what a person does there.

    Parameters
    ----------
    album
        Takes the pictures.
    size
        Width and height of the window in pixels.
    """

    def __init__(self, album: Album, size: tuple[int, int]) -> None:
        import napari

        from napari_sam2.samples.synthetic import FRAMES, SIZE
        from napari_sam2.training.synthetic import make_preset

        self.album = album
        self.truth = make_preset(SAMPLE, frames=FRAMES, size=SIZE)
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*size)
        self.viewer.open_sample("napari-sam2", SAMPLE)
        self.image = self.viewer.layers[0]
        # the layer controls of napari take the room that the picture needs
        _, self.dock = self.viewer.window.add_plugin_dock_widget("napari-sam2", "SAM 2 Cell Tracker")
        self.desk = self.dock.desk
        self.clicks = self.keys = 0
        self.wait(0.5)

    # what a person does -------------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Look on."""
        window.spin(seconds)

    def until(self, reached: Callable[[], bool], what: str) -> None:
        """Wait for something to come about."""
        if not window.spin(PATIENCE, reached):
            raise TimeoutError(f"waited {PATIENCE:.0f} s in vain: {what}")

    def click(self, place: Place, modifiers: Any = window.NONE) -> None:
        """Go to a frame and click at (y, x)."""
        frame, y, x = place
        self.show_frame(frame)
        window.click(self.viewer, self.image, (frame, y, x), modifiers)
        self.clicks += 1
        self.wait(0.1)

    def key(self, key: Qt.Key, modifiers: Any = window.NONE) -> None:
        """Press a key with the mouse over the picture."""
        window.press(self.viewer, key, modifiers)
        self.keys += 1
        self.wait(0.2)

    def press(self, button: QAbstractButton) -> None:
        """Click on a button of the dock."""
        if not button.isEnabled():
            raise RuntimeError(f"{button.text()!r} cannot be pressed: {button.toolTip()}")
        on = QPoint(10, button.height() // 2)  # the middle of a check box may be beside its text
        QTest.mouseClick(button, Qt.MouseButton.LeftButton, pos=on)
        self.clicks += 1
        self.wait(0.2)

    def tab(self, title: str) -> QWidget:
        """Click on a tab of the dock."""
        tabs: QTabWidget = self.dock.tabs
        index = next(i for i in range(tabs.count()) if tabs.tabText(i) == title)
        bar = tabs.tabBar()
        QTest.mouseClick(bar, Qt.MouseButton.LeftButton, pos=bar.tabRect(index).center())
        self.clicks += 1
        self.wait(0.4)
        return tabs.widget(index)

    def show_frame(self, frame: int) -> None:
        """Move the slider of time."""
        self.viewer.dims.set_current_step(0, frame)
        self.wait(0.1)

    def point_at(self, place: Place) -> None:
        """Move the mouse there."""
        QTest.mouseMove(window.canvas_of(self.viewer), window.canvas_point(self.viewer, self.image, place))
        self.wait(0.2)

    def quiet(self) -> None:
        """Wait until nothing is computed any more."""
        self.wait(0.3)
        self.until(lambda: self.desk.run.kind == "idle", "the computing ends")
        self.wait(0.4)

    def fit(self) -> None:
        """Press the house: the whole movie is in view."""
        self.viewer.reset_view()
        self.wait(0.2)

    def over(self, name: str) -> None:
        """Take a picture of the window with what has been opened over it."""
        from qtpy.QtGui import QPainter
        from qtpy.QtWidgets import QApplication

        self.wait(0.5)
        main = window.main_window_of(self.viewer)
        shot = main.grab()
        painter = QPainter(shot)
        for widget in QApplication.topLevelWidgets():
            if widget.isVisible() and widget is not main and widget.isWindow():
                painter.drawPixmap(main.mapFromGlobal(widget.pos()), widget.grab())
        painter.end()
        image = shot.toImage().convertToFormat(shot.toImage().Format.Format_RGB888)
        rows = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint8).reshape(image.height(), -1)
        self.album.put(name, rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3))

    def picture(self, name: str) -> None:
        """Take a picture of the window."""
        self.wait(0.5)
        self.album.put(name, self.viewer.screenshot(canvas_only=False, flash=False))
        if self.album.complete:
            raise EnoughError

    # where to click, from the truth -------------------------------------------------------------------------------

    def inside(self, cell: int, frame: int) -> Place:
        """The pixel deepest inside a cell."""
        from scipy.ndimage import distance_transform_edt

        depth = distance_transform_edt(np.pad(self.truth.labels[frame] == cell, 1))[1:-1, 1:-1]
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        return frame, float(y), float(x)

    def families(self) -> list[tuple[int, int, list[int]]]:
        """Divisions: (first frame of the daughters, mother, daughters), the earliest first, of cells of frame 0."""
        first = {int(c): int(np.argmax((self.truth.labels == c).any((1, 2)))) for c in np.unique(self.truth.labels)[1:]}
        found: dict[int, list[int]] = {}
        for daughter, mother in self.truth.parents.items():
            if daughter in first:
                found.setdefault(int(mother), []).append(int(daughter))
        births = [(first[d[0]], m, sorted(d)) for m, d in found.items() if len(d) == 2 and first.get(m, 1) == 0]
        return sorted(births)

    def proposed(self, items: Sequence[Item]) -> tuple[Item, int] | None:
        """The first proposed division that is a true one, and the first frame of its daughters; None for none."""
        labels = self.desk.session.labels
        for item in items:
            for born, mother, daughters in self.families():
                if item.proposal is None or abs(item.frame - born) > 1:
                    continue
                early, late = min(item.frame, born) - 1, max(item.frame, born)
                own = labels.read(early) == item.cell
                later = np.isin(labels.read(late), item.proposal.daughters)
                there = [(later & (self.truth.labels[late] == d)).any() for d in daughters]
                if (own & (self.truth.labels[early] == mother)).sum() > 0.5 * own.sum() and all(there):
                    return item, born
        return None

    def chosen(self, needed: list[int]) -> list[int]:
        """Cells of frame 0 to click on: those needed, and the largest that stay to the end, away from the border."""
        labels = self.truth.labels
        last = set(np.unique(labels[-1]).tolist())
        border = np.ones(labels.shape[1:], bool)
        border[20:-20, 20:-20] = False
        stay = [
            int(c)
            for c in np.unique(labels[0])[1:]
            if c in last and not border[labels[0] == c].any() and c not in needed
        ]
        stay.sort(key=lambda c: -int((labels[0] == c).sum()))
        return [*needed, *stay][:CELLS]


def tell(album: Album, size: tuple[int, int]) -> None:
    """Tell the story."""
    began = time.monotonic()
    story = Story(album, size)
    try:
        with suppress(EnoughError):
            _tell(story)
        print(f"{story.clicks} clicks and {story.keys} keys, {time.monotonic() - began:.0f} s")
    finally:
        story.desk.close()
        story.viewer.close()
        window.spin(0.5)


def _tell(story: Story) -> None:
    key, shift, alt = Qt.Key, window.SHIFT, window.ALT
    mothers = [mother for born, mother, _ in story.families() if born >= 5][:MOTHERS]
    cells = story.chosen(mothers)
    album, desk, last = story.album, story.desk, story.image.data.shape[0] - 1

    story.show_frame(0)
    story.until(lambda: desk.session is not None and not desk.opening, "the movie is opened")
    story.picture("step-1-open")
    story.key(key.Key_Q)
    for cell in cells:
        story.click(story.inside(cell, 0))
        story.quiet()
    story.picture("step-2-click")

    story.key(key.Key_G)
    story.until(lambda: desk.run.done >= 0.5 * max(desk.run.total, 1) > 1, "half of the masks are tracked")
    story.show_frame(last // 3)
    story.picture("step-3-track")
    story.quiet()

    # a correction: a click on the mask chooses the cell, one more says what belongs to it, one what does not
    wrong, frame = cells[len(mothers)], last - 5
    _, y, x = story.inside(wrong, frame)
    radius = float(np.sqrt((story.truth.labels[frame] == wrong).sum() / np.pi))
    story.click((frame, y, x))
    story.click((frame, y + 0.5 * radius, x), shift)
    story.quiet()
    story.click((frame, y, x - 1.7 * radius), alt)
    story.quiet()
    story.picture("step-4-correct")
    story.key(key.Key_G)
    story.quiet()

    born = _review(story, mothers)
    story.key(key.Key_G)
    story.quiet()

    lineage: Any = story.tab("Lineage")
    story.fit()
    story.show_frame(born + 2)
    desk.select(desk.session.lineage()[0].mother)
    story.picture("lineage")
    story.press(lineage.tracks)
    story.until(lambda: any(layer._type_string == "tracks" for layer in story.viewer.layers), "the tails are drawn")
    story.tab("Cells")
    story.show_frame(last * 2 // 3)
    story.picture("tracked")
    story.tab("Save")
    story.picture("step-5-save")
    if album.wants("help"):
        story.key(key.Key_H)
        story.over("help")
        story.key(key.Key_H)


def _review(story: Story, mothers: list[int]) -> int:
    """A division in the review list is looked at, and accepted; returns the first frame of the daughters."""
    review: Any = story.tab("Review")
    story.until(lambda: not review.queue.busy and review.model.rowCount() > 0, "the suspects are found")
    story.key(Qt.Key.Key_J)
    found = story.proposed(review.queue.items)
    if found is not None:
        if review.queue.at != found[0]:
            row = review.model.index(review.model.row_of(found[0]), 0)
            review.list.scrollTo(row)
            at = review.list.visualRect(row).center()
            QTest.mouseClick(review.list.viewport(), Qt.MouseButton.LeftButton, pos=at)
            story.clicks += 1
        story.wait(1.0)
        story.picture("review")
        story.key(Qt.Key.Key_Y, window.SHIFT)
        story.quiet()
        return found[1]
    print("no true division is proposed: one is told by hand, and the picture of the review list shows a suspect")
    story.wait(1.0)
    story.picture("review")
    born, mother, daughters = next(f for f in story.families() if f[1] in mothers)
    _, y, x = story.inside(mother, born - 1)
    cell = int(story.desk.session.labels.read(born - 1)[round(y), round(x)])
    story.desk.act("divide", cell, born, [story.inside(d, born)[1:] for d in daughters], track=True)
    story.quiet()
    return born
