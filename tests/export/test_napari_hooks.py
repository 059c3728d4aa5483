"""napari's Save and Open, through its plugin manager and its layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sam2.export import export
from napari_sam2.export.napari_hooks import get_reader, read_layers, tracks_of_layer, write_labels, write_tracks
from napari_sam2.export.read_segmentation import open_segmentation
from napari_sam2.export.read_tracks import read_tracks
from tests.export.example import example, example_labels

pytestmark = pytest.mark.filterwarnings("ignore::napari_sam2.export.save.LossWarning")
LAYER: dict[str, Any] = {"name": "cells", "scale": (5.0, 0.5, 0.5), "units": ("minute", "micrometer", "micrometer")}
GRAPH = {3: [1], 4: [1]}


def points() -> np.ndarray:
    tracks = [[1, 0, 5, 6], [1, 1, 6, 6], [3, 2, 4, 6], [4, 2, 8, 6.5]]
    return np.array(tracks, float)


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tif", "a.tif", "a.geff", "a.coco.json"])
def test_labels_layers_are_saved_with_scale_and_units(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    assert write_labels(path, example_labels(), LAYER) == [path]
    back = open_segmentation(path)
    np.testing.assert_array_equal(back.labels[:], example_labels())
    assert dict(back.scale) == pytest.approx({"T": 5.0, "Y": 0.5, "X": 0.5})


@pytest.mark.parametrize("shape", [(6, 1, 48, 64), (1, 6, 48, 64)])
def test_axes_of_length_one_are_left_out(tmp_path: Path, shape: tuple[int, ...]) -> None:
    write_labels(str(tmp_path / "a.ome.zarr"), example_labels().reshape(shape), {"scale": (5.0, 1.0, 0.5, 0.5)})
    assert open_segmentation(tmp_path / "a.ome.zarr").shape == (6, 48, 64)


def test_volumes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2D movie"):
        write_labels(str(tmp_path / "a.ome.zarr"), np.zeros((2, 3, 4, 5), int), {})
    with pytest.raises(ValueError, match="three-dimensional"):
        tracks_of_layer(np.array([[1, 0, 0, 1, 1], [1, 1, 5, 1, 1]]), {})


@pytest.mark.parametrize("name", ["a.csv", "a.xml", "a.geff"])
def test_tracks_layers_are_saved_with_their_graph(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    assert write_tracks(path, points(), {**LAYER, "graph": GRAPH}) == [path]
    back = read_tracks(path)
    assert back.parents == {3: 1, 4: 1}
    np.testing.assert_allclose(np.column_stack((back.cell, back.frame, back.y, back.x)), points())
    if name != "a.csv":
        assert dict(back.scale) == pytest.approx({"T": 5.0, "Y": 0.5, "X": 0.5})


def test_what_is_read_and_what_is_left_to_others(tmp_path: Path) -> None:
    for name in ("a.geff", "a.xml", "a.tracks.csv", "01_RES", "a.ome.zarr", "a.tif"):
        export(example(), tmp_path / name)
    (tmp_path / "other.xml").write_text("<other/>")
    found = {child.name for child in tmp_path.iterdir() if get_reader(str(child)) is not None}
    assert found == {"a.geff", "a.xml", "a.tracks.csv", "01_RES"}
    assert get_reader([str(tmp_path / "a.geff")]) is None
    labels, tracks = read_layers(str(tmp_path / "a.geff"))
    assert (labels[2], tracks[2]) == ("labels", "tracks")
    np.testing.assert_array_equal(np.asarray(labels[0]), example_labels())
    assert tracks[1]["graph"] == {3: [1], 4: [1]}
    assert [kind for _, _, kind in read_layers(str(tmp_path / "01_RES"))] == ["labels"]


@pytest.mark.gui
def test_napari_saves_and_opens(tmp_path: Path) -> None:
    """With napari's own layers and functions; no window."""
    npe2 = pytest.importorskip("npe2")
    pytest.importorskip("napari")
    npe2.PluginManager.instance().discover()
    from napari.components import ViewerModel
    from napari.layers import Labels, Tracks

    labels = Labels(example_labels(), **LAYER)
    assert labels.save(str(tmp_path / "a.ome.zarr"), plugin="napari-sam2") == [str(tmp_path / "a.ome.zarr")]
    np.testing.assert_array_equal(open_segmentation(tmp_path / "a.ome.zarr").labels[:], example_labels())
    tracks = Tracks(points(), graph=GRAPH, **LAYER)
    for name in ("a.csv", "a.geff", "a.xml"):
        assert tracks.save(str(tmp_path / name), plugin="napari-sam2") == [str(tmp_path / name)]
    viewer = ViewerModel()
    (opened,) = viewer.open(str(tmp_path / "a.geff"), plugin="napari-sam2")
    np.testing.assert_allclose(opened.data, points())
    assert {int(k): [int(m) for m in v] for k, v in opened.graph.items()} == GRAPH
    np.testing.assert_allclose(opened.scale[-3:], LAYER["scale"])
