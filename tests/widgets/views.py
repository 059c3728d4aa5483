"""What the tests of the views share: a session with a family, and waiting for what is computed beside the window."""

from __future__ import annotations

import numpy as np
from stub import disc

from napari_sam2.session import Session
from napari_sam2.widgets.desk import Desk
from napari_sam2.widgets.overview import overview_of
from napari_sam2.widgets.review_queue import queue_of


def fill(session: Session) -> None:
    """Four cells: 1 divides on frame 5 into 2 and 3; 4 is on frames 2 to 9, and missing on frame 6."""
    labels = np.zeros(session.labels.shape, np.int32)
    for t in range(session.n_frames):
        if t < 5:
            labels[t, disc(10, 12, 5)] = 1
        else:
            labels[t, disc(6, 12, 3)] = 2
            labels[t, disc(14, 12, 3)] = 3
        if 2 <= t <= 9 and t != 6:
            labels[t, disc(28, 30 + t, 4)] = 4
    session.take_over(labels)
    session.divide(1, 5, [2, 3])


def settle(desk: Desk) -> None:
    """Let the summaries come up to date."""
    overview = overview_of(desk)
    desk.runner.pump(0.0)
    assert desk.runner.pump(20.0, lambda: overview.settled), "the overview did not settle"
    desk.runner.pump(0.0)


def looked(desk: Desk) -> None:
    """Let the review queue come up to date."""
    queue = queue_of(desk)
    queue.want()
    desk.runner.pump(0.0)
    assert desk.runner.pump(20.0, lambda: not queue.busy), "the review did not end"
