"""The real tracker in and out: a segmentation becomes prompts, what is tracked is saved by ``tracker.save``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sam2.export import export
from napari_sam2.export.as_prompts import add_segmentation, add_tracks
from napari_sam2.export.read_segmentation import open_segmentation

pytestmark = pytest.mark.filterwarnings("ignore::napari_sam2.export.save.LossWarning")


def test_a_segmentation_is_tracked_on_and_saved(tmp_path: Path) -> None:
    small = pytest.importorskip("tests.tracking.small")
    movie = small.discs_movie(3, (96, 96), count=2)
    masks = (movie[0] > 300).astype(np.int32)
    masks[:, 48:] *= 7
    tracker = small.tracker_for(movie)
    assert set(add_segmentation(tracker, masks)) == {int(i) for i in np.unique(masks) if i}
    results = list(tracker.track("forward"))
    tracker.save(tmp_path / "a.ome.zarr", known={"results": results, "scale": {"Y": 0.5, "X": 0.5}})
    back = open_segmentation(tmp_path / "a.ome.zarr")
    np.testing.assert_array_equal(back.labels[:], tracker.labels)
    np.testing.assert_array_equal(back.frame(0), masks)
    for result in results:
        for cell, score in result.scores.items():
            assert float(back.record(cell, result.frame)["score"]) == pytest.approx(score, abs=1e-6)
    for name in ("a.measurements.csv", "a.geff", "a.tif", "ctc", "a.gif", "a.prompts.csv"):
        tracker.save(tmp_path / name)
        assert (tmp_path / name).exists()
    with pytest.raises(FileExistsError):
        tracker.save(tmp_path / "a.tif")
    again = small.tracker_for(movie)
    path = export(tracker, tmp_path / "a.tracks.csv", cells=[1] if 1 in np.unique(masks) else None).path
    assert add_tracks(again, path)
