"""Prompted frames seen in mirrors: conversions are exact, and what the views agree on heeds the user."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.network import Sam2
from napari_sam2.network.prompt_encoder import ABSENT, BACKGROUND, BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, FOREGROUND
from napari_sam2.tracking import CellTracker
from napari_sam2.tracking.features import FeatureSource
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.masks import Masks
from napari_sam2.tracking.mirrors import MIRRORS, PLAIN, Mirror, agree, flip, mirror_origins, mirror_points
from napari_sam2.tracking.movie import Movie
from napari_sam2.tracking.regions import Region
from napari_sam2.tracking.settings import Settings
from napari_sam2.training.synthetic import SyntheticMovie, make_preset
from napari_sam2.weights import load_model

mirrors = st.tuples(st.booleans(), st.booleans())


@pytest.fixture(scope="module")
def model() -> Sam2:
    return load_model("cell")


@given(mirrors, st.integers(0, 2**16))
def test_a_mirror_takes_itself_back(mirror: Mirror, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tokens, window = (int(rng.integers(16, 40)), int(rng.integers(16, 40))), (16, 16)
    origins = np.stack([rng.integers(0, t - 15, 5) for t in tokens], axis=1)
    there = mirror_origins(origins, tokens, window, mirror)
    np.testing.assert_array_equal(mirror_origins(there, tokens, window, mirror), origins)
    region = Region(3, 4, 5, 6)
    assert region.mirrored(tokens, mirror).mirrored(tokens, mirror) == region
    values = torch.from_numpy(rng.normal(size=(2, 3, 4)))
    assert torch.equal(flip(flip(values, mirror), mirror), values)


@given(mirrors, st.integers(0, 2**16))
def test_a_point_stays_on_its_pixel(mirror: Mirror, seed: int) -> None:
    """The pixel under a point, in its window of the field, is under the mirrored point in the mirrored window."""
    rng = np.random.default_rng(seed)
    tokens, window = (20, 24), (16, 16)
    field = torch.arange(20 * 16 * 24 * 16).reshape(20 * 16, 24 * 16)
    origin = np.array([[rng.integers(0, 5), rng.integers(0, 9)]])
    x, y = (int(v) for v in rng.integers(0, 256, 2))
    seen = field[origin[0, 0] * 16 + y, origin[0, 1] * 16 + x]
    point = mirror_points(torch.tensor([[[x, y]]]).float(), torch.tensor([[FOREGROUND]]), window, mirror)[0, 0].long()
    there = mirror_origins(origin, tokens, window, mirror)[0] * 16
    assert flip(field, mirror)[there[0] + point[1], there[1] + point[0]] == seen


@given(mirrors)
def test_a_box_keeps_its_corners_in_order_and_clicks_keep_their_places(mirror: Mirror) -> None:
    points = torch.tensor([[[10.0, 20.0], [60.0, 90.0], [30.0, 40.0]], [[200.0, 7.0], [5.0, 100.0], [0.0, 0.0]]])
    labels = torch.tensor([[BOX_TOP_LEFT, BOX_BOTTOM_RIGHT, BACKGROUND], [FOREGROUND, FOREGROUND, ABSENT]])
    there = mirror_points(points, labels, (16, 16), mirror)
    assert (there[0, 0] < there[0, 1]).all()
    assert torch.equal(there[0, 1] - there[0, 0], points[0, 1] - points[0, 0])
    far = torch.tensor([255.0 if on else 0.0 for on in reversed(mirror)])
    assert torch.equal(there[1, 0], (far - points[1, 0]).abs())
    assert torch.equal(points[1, 0], torch.tensor([200.0, 7.0])), "what was asked is left as it is"


@pytest.mark.parametrize("mirror", MIRRORS)
@pytest.mark.parametrize("patch_share", [0.0, 1.0])
def test_mirrored_features_are_those_of_the_mirrored_field(model: Sam2, mirror: Mirror, patch_share: float) -> None:
    frames = np.random.default_rng(1).integers(0, 255, (1, 300, 420), np.uint8)
    geometry = Geometry.windowed((300, 420), 1.0, 16)
    source = FeatureSource(model, Movie(frames, limits=(0, 255)), patch_share=patch_share)
    origins = np.array([[0, 0], [2, 5]])
    there = mirror_origins(origins, geometry.tokens, (16, 16), mirror)
    image = source.pixels.region(geometry, 0, Region(0, 0, *geometry.tokens))
    whole = model.encode_image(flip(image, mirror)[None])
    got = source.mirrored(mirror).windows(geometry, 0, there)
    for level, k in ((0, 1), (2, 4)):
        full = (whole.stride16, whole.stride8, whole.stride4)[level][0]
        mine = (got.stride16, got.stride8, got.stride4)[level]
        for i, (top, left) in enumerate(there * k):
            wanted = full[:, top : top + 16 * k, left : left + 16 * k]
            assert (mine[i] - wanted).abs().mean() < 0.01 * wanted.abs().mean()


def test_views_count_alike_however_sure_they_are() -> None:
    origins = np.zeros((1, 2), np.int64)

    def view(logit: float) -> Masks:
        masks = Masks.empty(origins, (1, 1), 8, torch.device("cpu"), torch.float32)
        masks.logits_nhw += logit
        masks.iou_n += logit
        return masks

    assert (agree(view(2.0), [view(2.0), view(2.0), view(-60.0)]).logits_nhw > 0).all()
    assert (agree(view(60.0), [view(-2.0), view(-2.0), view(-2.0)]).logits_nhw < 0).all()
    same = agree(view(3.0), [view(3.0)] * 3)
    torch.testing.assert_close(same.logits_nhw, view(3.0).logits_nhw)
    torch.testing.assert_close(same.iou_n, view(3.0).iou_n)


@pytest.fixture(scope="module")
def movie() -> SyntheticMovie:
    return make_preset("nuclei", frames=1, size=(200, 220), seed=5)


def clicked(movie: SyntheticMovie, model: Sam2, **settings: bool) -> CellTracker:
    tracker = CellTracker(
        movie.frames, model=model, cell_diameter=34.0, settings=replace(Settings(), **settings), limits=(0, 4095)
    )
    for cell in np.unique(movie.labels[0])[1:]:
        y, x = np.nonzero(movie.labels[0] == cell)
        if len(y) > 400:
            middle = int(np.argmin((y - y.mean()) ** 2 + (x - x.mean()) ** 2))
            tracker.add_click(int(cell), 0, (float(y[middle]), float(x[middle])))
    return tracker


def test_masks_do_not_depend_on_how_the_movie_lies(model: Sam2) -> None:
    """Seen in all four mirrors, a mirrored movie gives the mirrored masks; seen once, it does not."""
    movie = make_preset("nuclei", frames=1, size=(256, 288), seed=5)

    def spread(mirrored: bool) -> float:
        straight, turned = (
            CellTracker(
                frames, model=model, cell_diameter=Settings().target_diameter, limits=(0, 4095),
                settings=replace(Settings(), mirrors=mirrored),
            )
            for frames in (movie.frames, movie.frames[:, :, ::-1].copy())
        )  # fmt: skip
        for cell in np.unique(movie.labels[0])[1:].tolist():
            y, x = np.argwhere(movie.labels[0] == cell).mean(0).round()
            straight.add_click(cell, 0, (y, x))
            turned.add_click(cell, 0, (y, 287 - x))
        one, other = straight.segment(0), turned.segment(0)[:, ::-1]
        return float((one != other).sum() / (one > 0).sum())

    assert spread(True) < 0.1 * spread(False)


def test_clicks_hold_in_what_the_views_agree_on(movie: SyntheticMovie, model: Sam2) -> None:
    tracker = clicked(movie, model)
    cell = tracker.prompts.on_frame(0)[0]
    before = tracker.segment(0, [cell]) == cell
    y, x = np.nonzero(before)
    inside = (float(y[np.argmax(x)]), float(x.max() - 3))
    assert before[int(inside[0]), int(inside[1])]
    tracker.add_click(cell, 0, inside, False)
    assert not (tracker.segment(0, [cell]) == cell)[int(inside[0]), int(inside[1])]


def test_what_is_drawn_stays_as_drawn(movie: SyntheticMovie, model: Sam2) -> None:
    tracker = CellTracker(movie.frames, model=model, limits=(0, 4095))
    drawn = np.zeros(movie.frames.shape[1:], bool)
    drawn[40:73, 51:90] = True
    tracker.add_mask(1, 0, drawn)
    tracker.add_click(2, 0, (150.0, 150.0))
    labels = tracker.segment(0, [1])
    np.testing.assert_array_equal(labels == 1, drawn)


def test_a_mirrored_source_gives_back_what_it_does_not_need(model: Sam2) -> None:
    frames = np.random.default_rng(1).integers(0, 255, (1, 300, 420), np.uint8)
    source = FeatureSource(model, Movie(frames, limits=(0, 255)), budget=0).mirrored(MIRRORS[0])
    source.windows(Geometry.windowed((300, 420), 1.0, 16), 0, np.array([[0, 0]]))
    assert source.kept_bytes > 0
    source.release()
    assert source.kept_bytes == 0
    assert source.mirror != PLAIN
