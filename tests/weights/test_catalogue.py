"""The models with a name, and the folder they are kept in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from napari_sam2.network.config import CONFIGS
from napari_sam2.weights import UnknownModelError, cache_folder, find_model, list_models, set_cache_folder


def test_every_configuration_with_a_name_is_listed_once() -> None:
    models = list_models()
    assert [info.name for info in models][0] == "cell"
    assert sorted(info.name for info in models) == sorted(CONFIGS)
    assert all(CONFIGS[info.config].version == info.version for info in models)


def test_published_entries_are_complete() -> None:
    published = [info for info in list_models() if not info.bundled]
    assert len(published) == 8
    for info in published:
        release = "092824" if info.version == "2.1" else "072824"
        assert info.url == f"https://dl.fbaipublicfiles.com/segment_anything_2/{release}/{info.file}"
        assert info.licence == "Apache-2.0"
        assert info.sha256 is not None and len(info.sha256) == 64 and int(info.sha256, 16)
        # float32 parameters and a little packing: the size fits the architecture's name
        assert info.bytes is not None and 150e6 < info.bytes < 900e6
    assert len({info.sha256 for info in published}) == len({info.file for info in published}) == 8


def test_state_follows_the_cache_folder(tmp_path: Path) -> None:
    info = find_model("sam2.1-tiny", tmp_path)
    assert info.state == "not downloaded"
    assert info.path == tmp_path / "sam2.1_hiera_tiny.pt"
    with info.path.open("wb") as file:
        file.truncate(1000)
    assert find_model("sam2.1-tiny", tmp_path).state == "not downloaded", "a file of another size is not the model"
    with info.path.open("wb") as file:
        file.truncate(156008466)  # sparse: takes no room
    assert find_model("sam2.1-tiny", tmp_path).state == "downloaded"


def test_a_cache_folder_that_cannot_be_looked_into_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_file = Path.is_file

    def refuse(path: Path) -> bool:
        if path.parent == tmp_path:
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refuse)
    assert [info.state for info in list_models(tmp_path)] == ["bundled"] + ["not downloaded"] * 8


@pytest.mark.parametrize(
    "name", ["sam2.1-base-plus", "SAM2.1-Base-Plus", "sam2.1_hiera_base_plus", "sam2.1_hiera_base_plus.pt"]
)
def test_a_model_is_found_under_its_names(name: str) -> None:
    assert find_model(name).name == "sam2.1-base-plus"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownModelError, match=r"no model called 'sam3'; there are: cell, sam2\.1-tiny"):
        find_model("sam3")


def test_cache_folder_argument_then_variable_then_setting_then_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NAPARI_SAM2_CACHE", raising=False)
    assert cache_folder().name in ("napari-sam2", "Cache")
    try:
        set_cache_folder(tmp_path / "setting")
        assert cache_folder() == tmp_path / "setting"
        monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "variable"))
        assert cache_folder() == tmp_path / "variable"
        assert list_models()[1].path == tmp_path / "variable" / "sam2.1_hiera_tiny.pt"
        assert cache_folder(tmp_path / "argument") == tmp_path / "argument"
    finally:
        set_cache_folder(None)


def test_listing_costs_no_torch() -> None:
    code = (
        "import sys, napari_sam2; names = [i.name for i in napari_sam2.list_models()]; "
        "from napari_sam2.weights import download_model; "
        "assert 'cell' in names; assert 'torch' not in sys.modules; assert 'requests' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
