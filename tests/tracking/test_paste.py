"""Masks painted on the device are those painted on the host."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.tracking.arbitrate import Claims, paint, settle_doubles
from napari_sam2.tracking.paste import paste
from napari_sam2.tracking.settings import Settings

from .small import WINDOW, discs_movie, run, tracker_for
from .test_arbitrate import SHAPE, Crowd

seeds = st.integers(0, 10**6)


@settings(deadline=None)
@given(seeds, st.booleans(), st.booleans())
def test_the_device_paints_as_the_host_does(seed: int, settle: bool, doubled: bool) -> None:
    crowd = Crowd.random(seed)
    rng = np.random.default_rng(seed)
    if doubled and len(crowd.cells) > 1:  # two on one object, as after a division that nobody marked
        crowd.crops[1] = crowd.crops[0] + rng.choice([0.0, 0.5])
        crowd.corners[1] = crowd.corners[0]
    ages = None if rng.random() < 0.3 else rng.integers(0, 3, len(crowd.cells)).tolist()
    claims = crowd.claims(np.arange(len(crowd.cells)))
    expected = np.zeros(SHAPE, np.int32)
    paint(expected, crowd.cells, settle_doubles(claims, len(crowd.cells), ages) if settle else claims)
    got = np.zeros(SHAPE, np.int32)
    paste(got, crowd.cells, torch.from_numpy(crowd.crops), crowd.corners, ages, settle)
    assert np.array_equal(got, expected)


def test_a_displaced_cell_leaves_no_rim() -> None:
    crops = np.full((2, 10, 10), -5.0, np.float32)
    crops[0, 1:9, 1:9] = 3.0  # the older one, which reaches a little farther
    crops[1, 2:8, 2:8] = 2.0
    corners = np.array([[5, 5], [5, 5]])
    labels = np.zeros(SHAPE, np.int32)
    paste(labels, [7, 9], torch.from_numpy(crops), corners, [4, 0])
    assert set(np.unique(labels)) == {0, 9} and (labels == 9).sum() == 36
    assert len(Claims.of_crops(crops, corners, SHAPE).at) == 100, "the older one did claim more"


@pytest.mark.parametrize("tidy", [False, True])
def test_a_movie_is_tracked_the_same(tidy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is on the frames already: nothing, or cells that were tracked before."""
    movie = discs_movie(4, (96, 128))
    found = []
    for device in (False, True):
        used: list[int] = []
        monkeypatch.setattr("napari_sam2.tracking.paste.pays", lambda crops, on=device: on)
        monkeypatch.setattr("napari_sam2.tracking.paste.paste", lambda *a, used=used: (used.append(1), paste(*a))[1])
        tracker = tracker_for(movie, settings=Settings(window=WINDOW, target_diameter=40.0, tidy=tidy))
        for cell, yx in ((1, (30.0, 40.0)), (2, (50.0, 90.0))):
            tracker.add_click(cell, 0, yx)
        results = run(tracker, "forward")
        assert bool(used) == device
        tracker.add_click(3, 1, (60.0, 50.0))
        results += run(tracker, "forward", cells=[3])
        found.append((np.asarray(tracker.labels[:]).copy(), [(r.frame, r.areas, r.scores) for r in results]))
    assert found[0][0].any()
    assert np.array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
