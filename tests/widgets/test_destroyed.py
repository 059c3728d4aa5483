"""What a widget's end calls must outlive it: see `widgets.listen`."""

from __future__ import annotations

from pathlib import Path

import napari_sam2.widgets

#: Where a connection to `destroyed` is made by hand: the one place that keeps what it connects, and one to a window
#: that the application's own signal keeps, too.
BY_HAND = {"listen.py", "main_dock.py"}


def test_nothing_is_connected_to_a_widgets_end_that_the_garbage_collector_may_clear_before() -> None:
    """Python crashed in such a function, whose globals had been taken from it: `when_destroyed` keeps it."""
    folder = Path(napari_sam2.widgets.__file__).parent
    found = {file.name for file in folder.glob("*.py") if ".destroyed.connect(" in file.read_text(encoding="utf-8")}
    assert found == BY_HAND
