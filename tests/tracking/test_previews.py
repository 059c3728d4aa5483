"""A click's preview is encoded from a patch, tracking from pages: with the bundled model both say the same."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.tracking import CellTracker
from napari_sam2.tracking.mirrors import MIRRORS

from .small import encoded_images

SIDE, DIAMETER = 1260, 56.0
#: Overlap of masks from a patch and from pages: the least of them. Reached: 0.99 and more.
LEAST_IOU = 0.97


def _movie() -> tuple[np.ndarray, list[tuple[float, float]]]:
    rng = np.random.default_rng(4)
    movie = rng.integers(90, 140, (2, SIDE, SIDE)).astype(np.uint16)
    y, x = np.indices((SIDE, SIDE))
    places = [
        (r + rng.uniform(-20, 20), c + rng.uniform(-20, 20))
        for r in range(100, SIDE, 150)
        for c in range(100, SIDE, 150)
    ]
    for cy, cx in places:
        movie[:, (y - cy) ** 2 + (x - cx) ** 2 < (DIAMETER / 2) ** 2] += 300
    return movie, places


def _tracker(movie: np.ndarray) -> CellTracker:
    return CellTracker(movie, "cell", device="cpu", dtype="float32", limits=(90, 500), cell_diameter=DIAMETER)


@pytest.mark.slow
def test_a_preview_from_a_patch_is_what_tracking_gives() -> None:
    movie, places = _movie()
    clicked, tracked = _tracker(movie), _tracker(movie)
    for cell, place in enumerate(places, start=1):
        tracked.add_click(cell, 0, place)
    with encoded_images() as calls:
        pages = tracked.segment(0)
        assert sum(calls) == 1 + len(MIRRORS), "all cells at once take the page, once in each view"
    geometry = tracked._scales.geometry(0)
    page_bytes = tracked._features.kept_bytes
    chosen = (1, 30, 64)  # at the border, in the middle, at another border
    for cell in chosen:
        clicked.add_click(cell, 0, places[cell - 1])
        preview = clicked.segment(0, [cell]) == cell
        whole = pages == cell
        assert whole.any() and (preview & whole).sum() > LEAST_IOU * (preview | whole).sum()
        assert clicked._features.kept_bytes < page_bytes / 2, "no page was encoded for a click"
    assert clicked._scales.geometry(0) == geometry
    previews = clicked.segment(0)
    next(clicked.track("forward"))
    assert np.array_equal(clicked.labels[0], previews), "tracking takes the mask that was shown"
