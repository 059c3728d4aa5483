"""Where memory runs out while a frame is encoded: fewer regions at once, and nothing kept that it can do without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_sam2.network import ImageFeatures
from napari_sam2.tracking.features import FeatureSource
from napari_sam2.tracking.regions import Region, page_side
from napari_sam2.tracking.sheets import Sheet

from .small import encoded_images
from .test_features import _geometry, _source, _windows

#: Windows on both pages and on their seam.
BOTH = np.array([[0, 0], [35, 0], [60, 0]])


class _Scarce:
    """An encoder that has no memory for more than so many images at once, or none for its first calls."""

    def __init__(self, source: FeatureSource, images: int = 1 << 30, failures: int = 0) -> None:
        self.encode, self.images, self.failures = source.calls.encode, images, failures
        self.asked: list[int] = []
        source.calls.encode = self  # type: ignore[method-assign, assignment]

    def __call__(self, images: torch.Tensor) -> ImageFeatures:
        self.asked.append(len(images))
        if len(images) > self.images or len(self.asked) <= self.failures:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.encode(images)


def test_regions_that_do_not_fit_at_once_are_encoded_by_fewer() -> None:
    geometry = _geometry()
    expected = _windows(_source(), geometry, 0, BOTH)
    source = _source()
    scarce = _Scarce(source, images=1)
    got = _windows(source, geometry, 0, BOTH)
    assert scarce.asked == [2, 1, 1]
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)
    _windows(source, geometry, 1, BOTH)
    assert scarce.asked[3:] == [1, 1], "what did not fit once is not tried for every frame"


def test_what_the_frame_does_not_need_makes_room() -> None:
    geometry = _geometry()
    source = _source()
    _windows(source, geometry, 0, BOTH)
    _windows(source, geometry, 1, BOTH[:1])
    mirrored = source.mirrored((True, False))
    own = source.bytes_of([Region(0, 0, *page_side(geometry))])
    assert source.kept_bytes == 3 * own
    scarce = _Scarce(source, failures=1)
    forgotten: list[bool] = []
    source.calls.replayer.forget = lambda: forgotten.append(True)  # type: ignore[method-assign]
    _windows(mirrored, geometry, 1, BOTH[:1])
    assert scarce.asked == [1, 1] and forgotten
    assert source.kept_bytes == own and {key[1] for key in source._kept} == {1}, "of the plain source too"


def test_a_region_that_was_encoded_again_counts_once() -> None:
    geometry = _geometry()
    source = _source()
    keep, failed = source._kept.keep, []

    def once(key: tuple, maps: tuple[torch.Tensor, ...]) -> None:
        if len(source._kept) == 1 and not failed:
            failed.append(key)
            raise MemoryError
        keep(key, maps)

    source._kept.keep = once  # type: ignore[method-assign]
    _windows(source, geometry, 0, BOTH)
    assert failed and source.kept_bytes == source.bytes_of([key[2] for key in source._kept])


def test_pages_that_cannot_be_put_together_are_when_there_is_room() -> None:
    geometry = _geometry()
    source = _source()
    _windows(source, geometry, 1, BOTH)
    mosaic, failed = source._mosaic, []

    def once(*given: Any) -> Sheet:
        if not failed:
            failed.append(given)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return mosaic(*given)

    source._mosaic = once  # type: ignore[method-assign]
    with encoded_images() as calls:
        _windows(source, geometry, 0, BOTH)
    assert failed and sum(calls) == 2 and {key[1] for key in source._kept} == {0}


def test_a_region_that_does_not_fit_alone_is_an_error_in_words() -> None:
    source = _source()
    scarce = _Scarce(source, images=0)
    with pytest.raises(MemoryError, match="one part of frame 0 fits into the memory of cpu.*smaller model"):
        _windows(source, _geometry(), 0, BOTH)
    assert scarce.asked == [2, 1, 1]


def test_other_errors_are_not_taken_for_want_of_memory() -> None:
    source = _source()
    source.calls.encode = lambda images: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(ZeroDivisionError):
        _windows(source, _geometry(), 0, BOTH)
    source.calls.encode = broken  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="broken"):
        _windows(source, _geometry(), 0, BOTH)


def broken(images: torch.Tensor) -> ImageFeatures:
    raise RuntimeError("broken")
