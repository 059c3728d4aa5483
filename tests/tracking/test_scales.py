"""Cells of very different size in one movie, the cost told before a run, and features kept on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_sam2.network.fold import folded
from napari_sam2.tracking import CellTracker
from napari_sam2.tracking.geometry import MAX_SCALE, STRETCH, Geometry
from napari_sam2.tracking.masks import Masks
from napari_sam2.tracking.mirrors import MIRRORS
from napari_sam2.tracking.scales import FINER_MARGIN
from tests.network.formula_weights import mini_cell_model

from .small import discs_movie, encoded_images, run, tracker_for

T, SHAPE = 6, (260, 300)
PLACE = (60.0, 60.0)


def _disc(centre: tuple[float, float], diameter: float) -> np.ndarray:
    y, x = np.indices(SHAPE)
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < (diameter / 2) ** 2


#: A box needs no measuring of what an untrained network makes of a click.
BOX = ((50, 50), (70, 70))


def _tracker(**options):
    return tracker_for(discs_movie(T, SHAPE, seed=2), **options)


@pytest.mark.parametrize(
    ("diameter", "octaves"), [(18, 0), (30, 0), (10, 0), (40, 1), (8, 0), (5, -1), (80, 2), (2, -2), (200, 2)]
)
def test_a_cell_gets_the_field_that_suits_its_size(diameter: float, octaves: int) -> None:
    tracker = _tracker(cell_diameter=18.0)
    tracker.add_mask(1, 0, _disc((130, 140), diameter))
    assert tracker._scales.level(1) == octaves
    typical, own = tracker._scales.geometry(0), tracker._scales.anchors(1).geometry
    assert own.mean_scale == pytest.approx(min(typical.mean_scale / 2**octaves, MAX_SCALE), rel=STRETCH)


@pytest.mark.parametrize("where", [(0, 140), (259, 140), (130, 0), (130, 299)])
@pytest.mark.parametrize("box", [True, False])
def test_what_the_border_leaves_of_a_cell_is_not_its_size(where: tuple[int, int], box: bool) -> None:
    tracker = _tracker(cell_diameter=18.0)
    rest = _disc(where, 7)
    inside = _disc(tuple(np.clip(where, 20, 239)), 5)  # as small as that, away from the border
    for cell, mask in ((1, rest), (2, inside)):
        if box:
            (y, x), (y2, x2) = np.argwhere(mask).min(0).tolist(), np.argwhere(mask).max(0).tolist()
            tracker.add_box(cell, 0, ((y, x), (y2, x2)))
        else:
            tracker.add_mask(cell, 0, mask)
    assert [tracker._scales.level(cell) for cell in (1, 2)] == [0, -1]


@pytest.mark.parametrize(
    ("shape", "scale"), [((96, 128), 2.15), ((256, 256), 0.8), ((100, 512), 1.4), ((512, 512), 1.4)]
)
def test_masks_at_the_border_of_a_frame_that_its_field_goes_beyond(shape: tuple[int, int], scale: float) -> None:
    geometry = Geometry.windowed(shape, scale, 16)
    height, width = geometry.model_shape
    for y, x, there in [
        (height - 1, width // 2, True), (height // 2, width - 1, True), (0, width // 2, True), (height // 2, 0, True),
        (height // 2, width // 2, False), (height - 13, width // 2, False),
    ]:  # fmt: skip
        origins = geometry.place_windows(np.array([[y, x]], float))
        masks = Masks.empty(origins, geometry.window_tokens, 8, torch.device("cpu"), torch.float32)
        masks.logits_nhw[:] = -1.0
        row, column = (np.array([y, x]) // 4 - origins[0] * 4).tolist()
        masks.logits_nhw[0, row, column] = 1.0
        assert masks.at_border(geometry).tolist() == [there], (y, x)


def test_a_clicked_cell_that_is_cut_off_gets_no_field_of_its_own() -> None:
    shape = (512, 512)
    y, x = np.indices(shape)
    movie = np.full((1, *shape), 100.0)
    centres = {1: (120.0, 120.0), 2: (380.0, 120.0), 3: (250.0, 400.0), 4: (250.0, 533.0)}
    for centre in centres.values():
        movie[0] += 300 / (1 + np.exp((np.hypot(y - centre[0], x - centre[1]) - 28) / 2))
    movie += np.random.default_rng(0).normal(0, 8, movie.shape)
    tracker = CellTracker(movie.astype(np.uint16), "cell", cell_diameter=56.0)
    for cell, (row, column) in centres.items():
        tracker.add_click(cell, 0, (row, min(column, 510.0)))
    labels = tracker.segment(0)
    rest = np.count_nonzero(labels == 4)
    assert 0 < 2 * np.sqrt(rest / np.pi) < 56 / 2 ** (1 + FINER_MARGIN), "so little shows of it"
    assert {tracker._scales.level(cell) for cell in centres} == {0}


def test_small_and_large_cells_are_tracked_together() -> None:
    tracker = _tracker(cell_diameter=18.0)
    drawn = {1: _disc((60, 60), 18), 2: _disc((170, 180), 110), 3: _disc((60, 230), 6)}
    for cell, mask in drawn.items():
        tracker.add_mask(cell, 0, mask)
    results = run(tracker)
    assert [r.frame for r in results] == list(range(T))
    assert all(set(r.scores) == {1, 2, 3} for r in results)
    for cell, mask in drawn.items():
        assert np.array_equal(tracker.labels[0] == cell, mask), "however large or small"


def test_the_diameter_comes_from_clicks_when_nothing_is_drawn() -> None:
    tracker = _tracker(cell_diameter=None)
    tracker.add_click(1, 0, PLACE)
    diameter = tracker.cell_diameter
    assert 4 <= diameter <= 1000
    tracker.add_click(2, 0, (200.0, 200.0))
    assert tracker.cell_diameter == diameter


def test_a_run_is_estimated_without_being_run() -> None:
    tracker = _tracker()
    tracker.add_click(1, 0, PLACE)
    tracker.add_click(2, 2, (200.0, 200.0))
    cost = tracker.estimate()
    assert not tracker.labels.any()
    assert cost.cell_frames == 2 * (T - 1) and cost.frames == T
    assert cost.label_bytes == 4 * T * SHAPE[0] * SHAPE[1]
    assert cost.seconds > 0 and cost.device_bytes > 0
    assert "masks" in str(cost) and "MiB" in str(cost)
    part = tracker.estimate(frames=(0, 3), cells=[1])
    assert part.cell_frames == 2 and part.device_bytes <= cost.device_bytes
    run(tracker)
    assert tracker.estimate().cell_frames == cost.cell_frames


def test_features_on_disk_are_found_again(tmp_path: Path) -> None:
    labels = []
    for turn in range(2):
        tracker = _tracker(cache_folder=tmp_path)
        tracker.add_box(1, 0, BOX)
        with encoded_images() as calls:
            run(tracker)
        assert sum(calls) == (T + len(MIRRORS) if turn == 0 else 0)
        labels.append(tracker.labels.copy())
    assert (labels[0] == labels[1]).mean() > 0.99, "kept in half precision"
    other = tracker_for(discs_movie(T, SHAPE, seed=9), cache_folder=tmp_path)
    other.add_box(1, 0, BOX)
    with encoded_images() as calls:
        run(other)
    assert sum(calls) == T + len(MIRRORS), "another movie's features are not taken for this one's"


def test_a_page_that_was_not_finished_is_made_again(tmp_path: Path) -> None:
    tracker = _tracker(cache_folder=tmp_path)
    tracker.add_click(1, 0, PLACE)
    run(tracker, frames=(0, 2))
    marks = sorted(tmp_path.rglob("*.done"))
    assert len(marks) == 2 + len(MIRRORS), "the prompted frame in each view, and the one after it"
    marks[0].unlink()
    again = _tracker(cache_folder=tmp_path)
    again.add_click(1, 0, PLACE)
    with encoded_images() as calls:
        run(again, frames=(0, 2))
    assert sum(calls) == 1


def test_folding_the_norms_changes_nothing_but_the_speed() -> None:
    model = mini_cell_model()
    names = set(model.state_dict())
    copied = folded(model)
    assert set(model.state_dict()) == names, "the model itself stays as it is"
    image = torch.randn(1, 3, 96, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for a, b in zip(
            vars(model.encode_image(image)).values(), vars(copied.encode_image(image)).values(), strict=True
        ):
            torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in copied.image_encoder.modules())
