"""Features on disk are found by those only who would compute the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from napari_sam2.tracking.disk_cache import DiskCache
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.regions import HALO, Region


def test_features_on_disk_are_for_the_type_they_were_computed_in(tmp_path: Path) -> None:
    geometry, page = Geometry.windowed((320, 320), 1.0, 6), Region(0, 0, 4, 4)
    maps = tuple(torch.randn(4 * k, 4 * k, 8, dtype=torch.bfloat16) for k in (1, 2, 4))
    DiskCache(tmp_path, "movie").write(geometry, 0, page, maps)
    again = DiskCache(tmp_path, "movie")
    assert again.read(geometry, 0, page, like=torch.zeros(1)) is None
    found = again.read(geometry, 0, page, like=maps[0])
    assert found is not None
    for a, b in zip(found, maps, strict=True):
        torch.testing.assert_close(a, b)
    assert again.mirrored((True, False)).read(geometry, 0, page, like=maps[0]) is None


def test_features_on_disk_are_for_the_halo_they_were_computed_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = DiskCache(tmp_path, "movie").key
    monkeypatch.setattr("napari_sam2.tracking.disk_cache.HALO", HALO + 1)
    assert DiskCache(tmp_path, "movie").key != before
