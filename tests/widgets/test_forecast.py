"""A long run is announced with its cost, a short one is not; and nobody is held up by that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from napari_sam2.tracking.estimate import Estimate
from napari_sam2.widgets import forecast, tasks
from napari_sam2.widgets.desk import Desk
from napari_sam2.widgets.forecast import Forecast
from napari_sam2.widgets.run_state import Request


class Panel:
    """What stands for the panel."""

    def __init__(self) -> None:
        self.found: list[Estimate] = []

    def request(self) -> Request:
        return Request()

    def told(self, found: Estimate) -> None:
        self.found.append(found)


@pytest.mark.parametrize(("seconds", "long"), [(20.0, False), (2000.0, True)])
def test_only_long_runs_are_announced(
    desk: Desk, wait: Callable[..., None], monkeypatch: pytest.MonkeyPatch, seconds: float, long: bool
) -> None:
    asked: list[Any] = []

    def measure(session: Any, request: Request) -> Estimate:
        asked.append(request)
        return Estimate(seconds, 2**20, 2**20, 12, 24)

    monkeypatch.setattr(tasks, "estimate", measure)
    monkeypatch.setattr(forecast, "MANY", 5)
    monkeypatch.setattr(forecast, "QUIET", 0.05)
    panel = Panel()
    made = Forecast(desk, panel.request, panel.told)
    desk.needs_changed.connect(made.needs_changed)
    desk.act("add_click", 1, 0, (10, 12))
    desk.act("add_click", 2, 0, (28, 12))
    wait(lambda: bool(asked) and desk.run.kind == "idle")
    assert [e.seconds for e in panel.found[:1]] == ([2000.0] if long else [])


def test_an_estimate_holds_nobody_up(desk: Desk, wait: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    gate = threading.Event()
    monkeypatch.setattr(tasks, "estimate", lambda session, request: gate.wait(30) and None)
    desk.act("add_click", 1, 0, (10, 12))
    wait()
    desk.estimate(Request(), lambda found: None)
    desk.act("add_click", 2, 0, (28, 12))
    assert 2 in desk.session.cells, "clicks go on"
    desk.track()
    gate.set()
    wait()
    assert not desk.session.stale() and (desk.session.labels[11] == 2).any(), "and so does tracking"
