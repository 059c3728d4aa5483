"""What was painted in the Labels layer as actions of the session: strokes, erasing and filling. No Qt in here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_sam2.session import Session
    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.shown_labels import ShownLabels


def take_painted(desk: Desk, session: Session, shown: ShownLabels) -> bool:
    """Take what was painted into the session, as one step; what is refused is gone. Returns whether there was any."""
    painted = shown.painted()
    if not painted:
        return False
    with desk.together():
        for frame, image in painted.items():
            before = session.labels.read(frame)
            changed = image != before
            for cell in np.unique(image[changed]).tolist():
                if cell > 0:
                    stroke = changed & (image == cell)
                    desk.act("paint", desk.next_cell() if desk.is_gone(cell) else cell, frame, stroke)
            for cell in np.unique(before[changed & (image == 0)]).tolist():
                stroke = changed & (image == 0) & (before == cell)
                if (session.labels.read(frame) == cell)[~stroke].any():
                    desk.act("erase", cell, frame, stroke)
                else:
                    desk.act("delete_on", cell, frame)
    return True
