"""Taking a second segmentation over: cells that are there already stay as they are, and only new ones are added."""

from __future__ import annotations

import numpy as np
import pytest
from stub import FRAMES, HEIGHT, WIDTH, disc, measured, state

from napari_sam2.session import Refused, Session


def labels_of(**masks: object) -> np.ndarray:
    """Labels of the whole movie, with masks on frame 5: ``_4=mask``."""
    labels = np.zeros((FRAMES, HEIGHT, WIDTH), np.int32)
    for name, mask in masks.items():
        labels[5][mask] = int(name[1:])
    return labels


@pytest.mark.parametrize("prompts", ["none", "first", "all"])
def test_the_rim_of_a_tracked_cell_is_no_new_cell(tracked: Session, prompts: str) -> None:
    before, image = state(tracked), tracked.labels[5].copy()
    y, x = (float(v.mean()) for v in np.nonzero(image == 1))
    labels = labels_of(_4=disc(y, x, 5.0), _9=disc(33, 40, 3.0))
    assert ((labels[5] == 4) & (image == 0)).any()  # it juts out
    assert tracked.take_over(labels, [5], prompts) == {9: 9}
    after = tracked.labels[5]
    assert np.array_equal(after[image > 0], image[image > 0])
    assert set(np.unique(after[image == 0]).tolist()) == {0, 9}
    measured(tracked)
    tracked.undo()
    assert state(tracked)["labels"] == before["labels"]


def test_half_of_the_area_decides(session: Session) -> None:
    first = np.zeros((HEIGHT, WIDTH), bool)
    first[10:20, 10:20] = True
    session.take_over(labels_of(_1=first), [5])
    half, less = np.zeros_like(first), np.zeros_like(first)
    half[10:14, 6:14] = True  # 16 of 32 pixels lie on the cell
    less[16:20, 17:24] = True  # 12 of 28
    assert session.take_over(labels_of(_2=half, _3=less), [5]) == {3: 3}
    image = session.labels[5]
    assert not (image == 2).any() and (image == 3).sum() == 16 and (image == 1).sum() == 100


def test_nothing_new_is_refused_with_the_reason(tracked: Session) -> None:
    before = state(tracked)
    with pytest.raises(Refused, match="lie on cells that are in the session already"):
        tracked.take_over(tracked.labels[:], [5])
    assert state(tracked) == before
