"""Numbers without a cell: of one that was deleted, and of one that is still to be made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_sam2.widgets import commands
from napari_sam2.widgets.desk import Desk

Wait = Callable[..., None]


def test_the_number_of_a_deleted_cell_stands_for_a_new_one(two: Desk, wait: Wait, told: list[str]) -> None:
    two.act("delete", 1)
    wait()
    two.select(2)
    labels = two.layers.labels
    labels.selected_label = 1  # by hand, in napari's own box
    assert labels.selected_label == two.current == 3 and two.adding
    assert len(told) == 1 and "cell 1" in told[0] and "makes cell 3" in told[0]
    two.layers.points.add([0.0, 20.0, 30.0])
    wait()
    assert sorted(two.session.cells) == [2, 3] and two.current == 3 and len(told) == 1


def test_paint_in_the_number_of_a_deleted_cell(two: Desk, wait: Wait, told: list[str]) -> None:
    two.act("delete", 1)
    wait()
    two.binding.shown[0, 18:22, 28:33] = 1  # as napari does where the number was in its box all along
    two.binding.take_painted()
    assert sorted(two.session.cells) == [2, 3] and two.current == 3 and told == []
    assert (two.session.labels[0] == 3).sum() == 20


def test_a_cell_that_goes_while_it_is_current(two: Desk, wait: Wait, told: list[str]) -> None:
    two.select(1)
    two.session.delete(1)  # by a script: the desk has not heard of it yet
    assert two.box(0, ((15, 25), (24, 36))) == 3
    wait()
    assert sorted(two.session.cells) == [2, 3] and told == []


def test_a_cell_still_to_be_made_is_not_shown_alone(two: Desk, told: list[str]) -> None:
    labels = two.binding.show_labels()
    two.next_cell()
    commands.show_only(two)
    assert not labels.show_selected_label and "Choose a cell first" in told[0]
    two.select(1)
    commands.show_only(two)
    assert labels.show_selected_label
    two.next_cell()
    commands.show_only(two)
    assert not labels.show_selected_label and len(told) == 1


@pytest.mark.gui
def test_the_box_in_the_table_says_what_is_shown(two: Desk, qtbot: Any, told: list[str]) -> None:
    from napari_sam2.widgets.cells_table import CellsTable

    table = CellsTable(two)
    qtbot.addWidget(table)
    two.next_cell()
    table.only.setChecked(True)
    assert not table.only.isChecked() and "Choose a cell first" in told[0]
    two.select(1)
    table.only.setChecked(True)
    assert table.only.isChecked() and two.layers.labels.show_selected_label


def test_cells_keep_their_colours_while_one_is_shown_alone(two: Desk) -> None:
    two.select(1)
    before = [two.colour(cell) for cell in (1, 2)]
    assert np.ptp(before, axis=0).any() and all(sum(colour[:3]) > 0 for colour in before)
    two.show_only(True)
    assert [two.colour(cell) for cell in (1, 2)] == before
    assert two.layers.labels.colormap.use_selection
