"""Features page by page: seams that cost next to nothing, a cache that keeps to its bytes, nothing done twice."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from napari_sam2.network import Sam2, gather_windows, normalise
from napari_sam2.tracking.features import FeatureSource
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.movie import Movie
from napari_sam2.tracking.regions import HALO, MAX_PAGE, Region, page_halo, page_side, patches
from napari_sam2.weights import load_model
from tests.network.formula_weights import MINI, MINI_CELL, formula_model

from .small import Counting, discs_movie, encoded_images

WINDOW = 6
#: A field of 2 x 1 pages, seam at token 42: larger than a page, small enough to be encoded whole.
SHAPE = (1344, 320)


@cache
def _model() -> Sam2:
    return formula_model(MINI_CELL)


@cache
def _frames() -> np.ndarray:
    return discs_movie(3, SHAPE, seed=1, count=60, radius=14)


def _source(budget: int = 1 << 30, frames: np.ndarray | Counting | None = None) -> FeatureSource:
    """Pages only: what is said of patches has tests of its own."""
    movie = Movie(_frames() if frames is None else frames, limits=(80, 500))
    return FeatureSource(_model(), movie, budget, patch_share=0.0)


def _geometry() -> Geometry:
    geometry = Geometry.windowed(SHAPE, 1.0, WINDOW)
    assert page_side(geometry)[0] < geometry.tokens[0] <= 2 * page_side(geometry)[0]
    return geometry


def _whole(geometry: Geometry, frame: int, model: Sam2) -> list[torch.Tensor]:
    """Maps at strides 16, 8 and 4 of the whole field, encoded at once."""
    pixels = Movie(_frames(), limits=(80, 500)).frame(frame)
    image = torch.zeros(1, 3, *geometry.padded_shape)
    image[:, :, : SHAPE[0], : SHAPE[1]] = normalise(torch.from_numpy(pixels).permute(2, 0, 1)[None])
    with torch.inference_mode():
        features = model.encode_image(image)
    return [features.stride16, features.stride8, features.stride4]


def _windows(source: FeatureSource, geometry: Geometry, frame: int, origins: np.ndarray) -> list[torch.Tensor]:
    with torch.inference_mode():
        found = source.windows(geometry, frame, origins)
    return [found.stride16, found.stride8, found.stride4]


#: Largest difference from the whole field for windows on a seam and for patches, relative to the map's standard
#: deviation. A token of the small network sees 95 pixels around itself and loses nothing; one of the bundled network
#: sees 247, the halo is 128 wide, and weights count for less the farther they reach. Reached: 1e-5 and 0.06 (0.01 in
#: the root mean square). The finer maps see less far and lose nothing.
SEAM = {"mini": 2e-4, "cell": 0.15}
SEAM_RMS = {"mini": 2e-5, "cell": 0.02}
FINE = 2e-4


def _named(name: str) -> Sam2:
    return _model() if name == "mini" else load_model("cell", device="cpu").eval()


def _differences(got: list[torch.Tensor], whole: list[torch.Tensor], origins: np.ndarray, name: str) -> None:
    for k, found, full in zip((1, 2, 4), got, whole, strict=True):
        at = torch.from_numpy(origins * k)
        expected = gather_windows(full, torch.zeros(len(origins), dtype=torch.long), at, WINDOW * k)
        assert found.shape == expected.shape
        difference = (found - expected).abs().amax((1, 2, 3)) / full.std()
        assert difference.max() < (SEAM[name] if k == 1 else FINE), f"stride {16 // k}: {difference.tolist()}"
        rms = (found - expected).pow(2).mean().sqrt() / full.std()
        assert rms < SEAM_RMS[name]


@pytest.mark.parametrize("name", SEAM)
def test_a_window_on_a_seam_sees_what_it_would_without_one(name: str) -> None:
    model = _named(name)
    geometry = _geometry()
    seam = page_side(geometry)[0]
    origins = np.array([[seam - 3, 7], [seam - 1, 7], [seam, 7], [seam - WINDOW, 7], [seam - 5, 8], [seam + 8, 7]])
    source = FeatureSource(model, Movie(_frames(), limits=(80, 500)), patch_share=0.0)
    maps = _windows(source, geometry, 1, origins)
    whole = _whole(geometry, 1, model)
    _differences(maps, whole, origins, name)
    # The windows differ from each other by much more than that.
    assert (maps[0][0] - maps[0][2]).abs().max() > 5 * SEAM[name] * whole[0].std()


@pytest.mark.parametrize("name", SEAM)
def test_a_patch_has_the_features_of_the_page(name: str) -> None:
    model = _named(name)
    geometry = _geometry()
    last = (np.array(geometry.tokens) - WINDOW).tolist()
    origins = np.array([[0, 0], [21, 7], [page_side(geometry)[0] - 3, 8], last])
    for origin in origins:
        source = FeatureSource(model, Movie(_frames(), limits=(80, 500)), patch_share=1.0)
        with encoded_images() as calls:
            maps = _windows(source, geometry, 1, origin[None])
            assert calls == [1]
        assert source.kept_bytes == source.bytes_of(patches(geometry, origin[None])), "a patch and no page"
        _differences(maps, _whole(geometry, 1, model), origin[None], name)


def test_patches_serve_the_first_clicks_and_pages_the_rest() -> None:
    geometry = _geometry()
    source = FeatureSource(_model(), Movie(_frames(), limits=(80, 500)), patch_share=0.5)
    pages = _source()
    places = np.array([[r, c] for r in range(0, 24, 8) for c in (0, 6)])
    patch_bytes = source.bytes_of(patches(geometry, places[:1]))
    with encoded_images() as calls:
        first = _windows(source, geometry, 0, places[:1])
        assert sum(calls) == 1 and source.kept_bytes == patch_bytes
        _windows(source, geometry, 0, places[:1])
        assert sum(calls) == 1, "a patch seen before is not encoded again"
        for place in places[1:]:
            _windows(source, geometry, 0, place[None])
        assert source.kept_bytes > pages.bytes_of([Region(0, 0, *page_side(geometry))]), "in the end a page"
        done = sum(calls)
        for place in places:
            _windows(source, geometry, 0, place[None])
        _windows(source, geometry, 0, places)
        assert sum(calls) == done, "patches and the page are known"
        assert done <= 1 + len(places)
    for a, b in zip(first, _windows(pages, geometry, 0, places[:1]), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_many_windows_at_once_take_pages() -> None:
    geometry = _geometry()
    source = FeatureSource(_model(), Movie(_frames(), limits=(80, 500)), patch_share=0.5)
    places = np.array([[r, c] for r in range(0, 30, 3) for c in range(0, 12, 3)])
    with encoded_images() as calls:
        _windows(source, geometry, 0, places)
        assert sum(calls) == 1


def test_networks_that_know_places_have_no_patches() -> None:
    """A position embedding is stretched over what is encoded: a patch would not see what a page does."""
    model = formula_model(MINI)
    geometry = _geometry()
    source = FeatureSource(model, Movie(_frames(), limits=(80, 500)), patch_share=1.0)
    _windows(source, geometry, 0, np.array([[3, 3]]))
    assert source.kept_bytes == source.bytes_of([Region(0, 0, *page_side(geometry))])


def test_windows_of_several_pages_and_patches_are_put_together() -> None:
    """Whatever the order of asking, every window comes from the place it was asked for."""
    geometry = _geometry()
    whole = _whole(geometry, 0, _model())[0]
    rng = np.random.default_rng(0)
    limit = np.array(geometry.tokens) - WINDOW
    for share in (0.0, 0.5, 1.0):
        source = FeatureSource(_model(), Movie(_frames(), limits=(80, 500)), patch_share=share)
        for count in (1, 2, 7, 1, 40):
            origins = rng.integers(0, limit + 1, (count, 2))
            got = _windows(source, geometry, 0, origins)[0]
            expected = gather_windows(whole, torch.zeros(count, dtype=torch.long), torch.from_numpy(origins), WINDOW)
            torch.testing.assert_close(got, expected, atol=2e-4, rtol=0)


def test_regions_stay_inside_the_field_and_on_whole_elements() -> None:
    geometry = _geometry()
    limit = np.array(geometry.tokens) - WINDOW
    for origin in np.random.default_rng(1).integers(0, limit + 1, (50, 2)):
        (region,) = patches(geometry, origin[None])
        assert region.holds(origin[None], (WINDOW, WINDOW)).all()
        grown = region.grown(HALO).cut(geometry.tokens)
        for first, length, field in ((grown.top, grown.rows, 0), (grown.left, grown.columns, 1)):
            assert first % 2 == 0 and length % 2 == 0 and first >= 0 and first + length <= geometry.tokens[field]
    assert max(page_side(geometry)) <= MAX_PAGE


def test_one_page_is_exactly_the_whole_field() -> None:
    small = Geometry.windowed((224, 320), 1.0, WINDOW)
    assert page_side(small) == small.tokens and page_halo(small) == 0
    frames = _frames()[:, :224, :320]
    source = FeatureSource(_model(), Movie(frames, limits=(80, 500)))
    origins = np.array([[3, 5], [0, 0]])
    got = _windows(source, small, 0, origins)[0]
    image = torch.zeros(1, 3, *small.padded_shape)
    pixels = torch.from_numpy(Movie(frames, limits=(80, 500)).frame(0)).permute(2, 0, 1)[None]
    image[:, :, :224, :320] = normalise(pixels)
    with torch.inference_mode():
        full = _model().encode_image(image).stride16
    expected = gather_windows(full, torch.zeros(2, dtype=torch.long), torch.from_numpy(origins), WINDOW)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [0.31, 0.5, 1.7, 3.0])
def test_scaled_fields_are_the_resampled_frame(scale: float) -> None:
    shape = (300, 120)
    frames = _frames()[:1, :300, :120]
    geometry = Geometry.windowed(shape, scale, 4)
    source = FeatureSource(_model(), Movie(frames, limits=(80, 500)))
    image = torch.from_numpy(source.movie.frame(0)).permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(
        image, size=geometry.model_shape, mode="bilinear", align_corners=False, antialias=scale < 1
    )
    padded = torch.zeros(1, 3, *geometry.padded_shape)
    padded[:, :, : resized.shape[2], : resized.shape[3]] = normalise(resized)
    with torch.inference_mode():
        full = _model().encode_image(padded).stride16
    origins = np.array([[geometry.tokens[0] // 2 - 2, 0], [0, geometry.tokens[1] - 4]])
    got = _windows(source, geometry, 0, origins)[0]
    expected = gather_windows(full, torch.zeros(2, dtype=torch.long), torch.from_numpy(origins), 4)
    assert page_halo(geometry) == 0
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


def test_only_pages_that_a_window_touches_are_encoded_and_only_once() -> None:
    geometry = _geometry()
    seam = page_side(geometry)[0]
    source = _source()
    with encoded_images() as calls:
        _windows(source, geometry, 0, np.array([[0, 0], [9, 9]]))
        assert sum(calls) == 1
        _windows(source, geometry, 0, np.array([[3, 3]]))
        assert sum(calls) == 1, "a page seen before is not encoded again"
        _windows(source, geometry, 0, np.array([[seam - 2, 0]]))
        assert sum(calls) == 2, "the second page only"
        _windows(source, geometry, 1, np.array([[seam - 2, 0]]))
        assert sum(calls) == 4
        _windows(source, geometry, 0, np.array([[seam - 2, 0], [seam + 4, 0]]))
        assert sum(calls) == 4, "the first frame is still there"
        source.forget()
        assert source.kept_bytes == 0
        _windows(source, geometry, 0, np.array([[3, 3]]))
        assert sum(calls) == 5


def test_frames_are_read_once() -> None:
    counting = Counting(_frames())
    source = _source(frames=counting)
    geometry = _geometry()
    seam = page_side(geometry)[0]
    for frame in (0, 1, 2):
        for origin in ([0, 0], [seam, 0], [seam - 1, 3]):
            _windows(source, geometry, frame, np.array([origin]))
    assert counting.reads == [0, 1, 2]


def test_the_cache_keeps_to_its_bytes_and_forgets_the_oldest_first() -> None:
    geometry = _geometry()
    both = np.array([[page_side(geometry)[0] - 2, 0]])
    unlimited = _source()
    _windows(unlimited, geometry, 0, both)
    frame_bytes = unlimited.kept_bytes
    assert frame_bytes == 2 * sum(
        page_side(geometry)[0] * page_side(geometry)[1] * k * k * channels * 4
        for k, channels in ((1, MINI_CELL.width), (2, MINI_CELL.width // 4), (4, MINI_CELL.width // 8))
    )
    source = _source(budget=2 * frame_bytes)
    with encoded_images() as calls:
        for frame in (0, 1, 0, 2):
            _windows(source, geometry, frame, both)
            assert source.kept_bytes <= 2 * frame_bytes
        assert sum(calls) == 6
        _windows(source, geometry, 0, both)  # used more recently than frame 1
        assert sum(calls) == 6
        _windows(source, geometry, 1, both)
        assert sum(calls) == 8


@pytest.mark.parametrize("budget", [0, 1])
def test_without_a_budget_only_the_pages_in_work_stay(budget: int) -> None:
    geometry = _geometry()
    seam = page_side(geometry)[0]
    source = _source(budget=budget)
    first = _windows(source, geometry, 0, np.array([[seam - 2, 0]]))
    both = source.kept_bytes
    _windows(source, geometry, 1, np.array([[0, 0]]))
    assert source.kept_bytes <= both / 2
    again = _windows(source, geometry, 0, np.array([[seam - 2, 0]]))
    assert source.kept_bytes <= both
    for a, b in zip(first, again, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_two_scales_of_a_frame_do_not_get_mixed_up() -> None:
    source = _source()
    coarse, fine = Geometry.windowed(SHAPE, 0.5, WINDOW), Geometry.windowed(SHAPE, 0.7, WINDOW)
    origin = np.array([[2, 1]])
    a, b = _windows(source, coarse, 0, origin)[0], _windows(source, fine, 0, origin)[0]
    torch.testing.assert_close(_windows(_source(), coarse, 0, origin)[0], a, atol=1e-5, rtol=0)
    torch.testing.assert_close(_windows(_source(), fine, 0, origin)[0], b, atol=1e-5, rtol=0)
    assert (a - b).abs().max() > 0.1


def test_whole_frames_are_one_page_however_large() -> None:
    geometry = Geometry.whole((300, 200), 1200)
    assert page_side(geometry) == geometry.tokens and page_halo(geometry) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_time_of_encoding_is_measured_in_the_model_s_precision(dtype: torch.dtype) -> None:
    model = formula_model(MINI_CELL).to(dtype)
    source = FeatureSource(model, Movie(_frames(), limits=(80, 500)), 1 << 30, patch_share=0.0)
    geometry = _geometry()
    regions = source.cover(geometry, np.zeros((1, 2), np.int64))
    assert source.time_of(geometry, 0, regions) > 0
    assert not source._kept
