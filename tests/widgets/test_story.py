"""The whole story with real mouse and key events: open, five clicks, track, a correction, a division, save, reopen.

``NAPARI_SAM2_STORY=FOLDER`` has a picture of each step, and the counts of clicks and keys, written there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QPushButton
from real_window import ALT, NONE, SHIFT, canvas_of, canvas_point, click, picture, press, spin

from napari_sam2.samples.synthetic import FRAMES, SIZE
from napari_sam2.training.synthetic import make_preset
from napari_sam2.widgets import place
from napari_sam2.widgets.main_dock import MainDock
from napari_sam2.widgets.samples import nuclei
from napari_sam2.widgets.save_panel import SavePanel

pytestmark = [pytest.mark.gui, pytest.mark.slow]

AFTER = 7
"""Frames of the sample that are shown from the division on: the story needs no more."""
PATIENCE = 900.0
"""Seconds after which a step counts as failed: the movie is really tracked, on whatever computer this is."""


class Teller:
    """Does what a person does, counts it, and takes pictures."""

    def __init__(self, viewer: Any, dock: MainDock, folder: Path | None) -> None:
        self.viewer, self.dock, self.desk, self.folder = viewer, dock, dock.desk, folder
        self.image = viewer.layers[0]
        self.counts: dict[str, list[int]] = {}

    def step(self, name: str) -> None:
        """Begin a step; the one before is pictured."""
        self.look()
        self.counts[name] = [0, 0]

    def look(self) -> None:
        """Take a picture of how the step ended."""
        if self.folder is not None and self.counts:
            number = len(self.counts)
            picture(self.viewer, self.folder / f"{number}-{list(self.counts)[-1].replace(' ', '-')}.png")

    def count(self, clicks: int = 0, keys: int = 0) -> None:
        now = list(self.counts)[-1]
        self.counts[now][0] += clicks
        self.counts[now][1] += keys

    def click(self, frame: int, yx: tuple[float, float], modifiers: Any = NONE) -> None:
        self.viewer.dims.set_current_step(0, frame)
        spin(0.05)
        click(self.viewer, self.image, (frame, *yx), modifiers)
        self.count(clicks=1)
        self.quiet()

    def key(self, key: Qt.Key, modifiers: Any = NONE) -> None:
        press(self.viewer, key, modifiers)
        self.count(keys=1)

    def button(self, button: QPushButton) -> None:
        assert button.isEnabled(), button.toolTip()
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        self.count(clicks=1)
        spin(0.05)

    def point(self, frame: int, yx: tuple[float, float]) -> None:
        QTest.mouseMove(canvas_of(self.viewer), canvas_point(self.viewer, self.image, (frame, *yx)))
        spin(0.1)

    def until(self, reached: Callable[[], bool], what: str) -> None:
        assert spin(PATIENCE, reached), what

    def quiet(self) -> None:
        """Wait for the masks of clicks, or the end of a run."""
        spin(0.25)
        self.until(lambda: self.desk.run.kind == "idle", "the computing ends")


@pytest.fixture
def teller(
    make_napari_viewer: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Teller, np.ndarray, dict[int, list[int]]]]:
    """A window with the sample movie and the dock; and the truth: labels (T, Y, X), daughters by mother."""
    named = os.environ.get("NAPARI_SAM2_STORY")
    folder = Path(named) if named else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(place, "data_folder", lambda: tmp_path / "sessions")
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    data, attributes, _ = nuclei()[0]
    made = make_preset("nuclei", frames=FRAMES, size=SIZE)  # the same movie, with its truth
    truth = np.asarray(made.labels)
    assert np.array_equal(np.asarray(data), made.frames)
    families: dict[int, list[int]] = {}
    for daughter, mother in made.parents.items():
        families.setdefault(int(mother), []).append(int(daughter))
    stop = choose(truth, families)[1] + AFTER
    truth = truth[:stop]
    viewer.add_image(np.asarray(data)[:stop], **attributes)
    dock = MainDock(viewer)
    viewer.window.add_dock_widget(dock, name="SAM 2 Cell Tracker", area="right")
    spin(0.5)
    told = Teller(viewer, dock, folder)
    yield told, truth, families
    told.look()
    if folder is not None:
        lines = [f"{name}: {clicks} clicks, {pressed} keys" for name, (clicks, pressed) in told.counts.items()]
        total = [sum(column) for column in zip(*told.counts.values(), strict=True)]
        (folder / "counts.txt").write_text("\n".join([*lines, f"all: {total[0]} clicks, {total[1]} keys"]) + "\n")
    dock.desk.close()
    dock.leave()
    dock.deleteLater()
    spin(0.5)


def deepest(mask: np.ndarray) -> tuple[float, float]:
    """The pixel deepest inside a mask."""
    from scipy.ndimage import distance_transform_edt

    y, x = np.unravel_index(int(distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1].argmax()), mask.shape)
    return float(y), float(x)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def choose(truth: np.ndarray, families: dict[int, list[int]]) -> tuple[int, int, list[int]]:
    """A mother on frame 0, the first frame of her daughters, and four cells that stay to the end."""
    births = []
    for mother, daughters in families.items():
        if any(not (truth == d).any() for d in daughters):
            continue
        first = [int(np.argmax((truth == d).any((1, 2)))) for d in daughters]
        if len(daughters) == 2 and (truth[0] == mother).any() and max(first) < len(truth) - 3:
            births.append((max(first), mother))
    born, mother = min(births)
    border = np.ones(truth.shape[1:], bool)
    border[20:-20, 20:-20] = False
    stay = [
        int(c)
        for c in np.unique(truth[0])[1:]
        if c != mother and (truth[-1] == c).any() and not border[truth[0] == c].any()
    ]
    stay.sort(key=lambda c: -int((truth[0] == c).sum()))
    return mother, born, stay[:4]


def test_the_story(
    teller: tuple[Teller, np.ndarray, dict[int, list[int]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell, truth, families = teller
    mother, born, others = choose(truth, families)
    desk, dock, last = tell.desk, tell.dock, len(truth) - 1

    tell.step("open")  # the dock has found the only movie
    tell.until(lambda: desk.session is not None and not desk.opening, "the session begins")

    tell.step("five clicks")
    for cell in (mother, *others):
        tell.click(0, deepest(truth[0] == cell))
    assert sorted(desk.session.cells) == [1, 2, 3, 4, 5]
    shown = np.asarray(desk.session.labels[0])
    for number, cell in enumerate((mother, *others), 1):
        assert iou(shown == number, truth[0] == cell) > 0.6  # a mask, at once

    tell.step("track")
    tell.key(Qt.Key.Key_G)
    tell.until(lambda: desk.run.busy, "tracking begins")
    tell.quiet()
    final = np.asarray(desk.session.labels[last])
    good = [iou(final == number, truth[last] == cell) > 0.4 for number, cell in enumerate(others, 2)]
    assert good[0] and sum(good) >= 3, good
    tell.viewer.dims.set_current_step(0, last // 2)

    tell.step("a correction")
    frame, number = last - 4, 2
    mask = truth[frame] == others[0]
    y, x = deepest(mask)
    before = np.asarray(desk.session.labels[frame]).copy()
    tell.click(frame, (y, x))  # on its mask: now it is the current cell
    assert desk.current == number
    radius = float(np.sqrt(mask.sum() / np.pi))
    tell.click(frame, (y, x - 2.0 * radius), ALT)  # this does not belong to it
    assert frame in desk.session.prompts(number)
    assert set(desk.session.stale()) == {number}
    tell.key(Qt.Key.Key_G)
    tell.quiet()
    assert not desk.session.stale()
    assert iou(np.asarray(desk.session.labels[frame]) == number, mask) > 0.5
    assert (before == 3).sum() == (np.asarray(desk.session.labels[frame]) == 3).sum()  # nobody else has changed

    tell.step("a division")
    a, b = (deepest(truth[born] == d) for d in sorted(families[mother]))
    labels = np.asarray(desk.session.labels[born])
    under = [int(labels[round(y), round(x)]) for y, x in (a, b)]
    assert 1 in under, "the mother is tracked to her division"
    if under != [1, 1]:  # her track has followed one daughter: the other is clicked
        other = b if under[0] == 1 else a
        tell.key(Qt.Key.Key_N)
        tell.click(born, other)
        tell.click(born, a if under[0] == 1 else b)
        assert desk.current == 1
        tell.point(born, other)
    else:
        tell.click(born, a)
    tell.key(Qt.Key.Key_D, SHIFT)
    spin(0.3)
    divisions = desk.session.lineage()
    assert [(d.mother, d.frame) for d in divisions] == [(1, born)], "one key divides"
    tell.key(Qt.Key.Key_G)
    tell.quiet()
    daughters = divisions[0].daughters
    after = np.asarray(desk.session.labels[min(born + 2, last)])
    for daughter in daughters:
        assert (after == daughter).any()
    assert not (after == 1).any()

    tell.step("save")
    target = tmp_path / "cells.ome.zarr"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args, **options: (str(target), ""))
    bar = dock.tabs.tabBar()
    index = next(i for i in range(dock.tabs.count()) if dock.tabs.tabText(i) == "Save")
    QTest.mouseClick(bar, Qt.MouseButton.LeftButton, pos=bar.tabRect(index).center())
    tell.count(clicks=1)
    spin(0.2)
    panel = dock.findChild(SavePanel)
    tell.button(panel.buttons["ome-zarr"])
    tell.count(clicks=1)  # Save in the dialog
    tell.until(lambda: not panel.exporter.state.busy, "the export ends")
    assert panel.exporter.state.path == target and (target / "zarr.json").exists()

    tell.step("reopen")
    path = desk.session.path
    whole = np.asarray(desk.session.labels[:]).copy()
    prompts = {c: dict(desk.session.prompts(c)) for c in desk.session.cells}
    tell.until(panel.closing.isEnabled, "the buttons can be pressed again")
    tell.button(panel.closing)
    assert desk.session is None
    tell.viewer.layers.selection.active = tell.image
    spin(0.2)
    tell.button(dock.image.start)
    tell.until(lambda: desk.session is not None and not desk.opening, "it is opened again")
    assert desk.session.path == path
    assert np.array_equal(np.asarray(desk.session.labels[:]), whole)
    assert {c: dict(desk.session.prompts(c)) for c in desk.session.cells} == prompts
    assert [d.daughters for d in desk.session.lineage()] == [daughters]
    tell.key(Qt.Key.Key_U)  # and even then a step can be taken back
    assert not np.array_equal(np.asarray(desk.session.labels[:]), whole) or desk.session.can_redo
