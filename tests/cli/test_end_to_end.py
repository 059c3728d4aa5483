"""The commands with the real tracker and a small network that has not learnt anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from typer.testing import CliRunner

from napari_sam2.cli import app
from napari_sam2.export import open_movie
from tests.export.example import make_image


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the parameters of a very small network, random but always the same."""
    import torch

    from napari_sam2.network import HieraConfig, Sam2, Sam2Config
    from napari_sam2.weights import save_model

    trunk = HieraConfig(
        width=16, heads=1, blocks=(1, 1, 1, 1), windows=(8, 4, 6, 3), global_blocks=(2,), pos_embed_size=7
    )
    config = Sam2Config(
        name="toy", trunk=trunk, image_size=128, width=64, memory_width=16, memory_layers=1, memory_ffn=64
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Sam2(config)
    path = tmp_path_factory.mktemp("weights") / "toy.safetensors"
    save_model(model, path)
    return path


@pytest.fixture
def movie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.random.default_rng(0).integers(0, 99, (4, 64, 80)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "movie.tif", frames, photometric="minisblack")
    (tmp_path / "prompts.csv").write_text(
        "cell,frame,kind,y,x,y2,x2\n1,1,click,20,20,,\n1,1,not,50,50,,\n70000,2,box,30,30,50,60\n"
    )
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("direction", ["both", "forward", "backward"])
def test_track(movie: None, checkpoint: Path, direction: str) -> None:
    arguments = ["track", "movie.tif", "--prompts", "prompts.csv", "--out", "cells.ome.zarr", "--device", "cpu"]
    result = CliRunner().invoke(app, [*arguments, "--model", str(checkpoint), "--direction", direction])
    assert result.exit_code == 0, result.output
    labels = open_movie("cells.ome.zarr").data
    assert labels.shape == (4, 64, 80)
    assert labels.dtype == np.uint32  # an id does not fit 16 bit
    assert set(np.unique(labels[:])) <= {0, 1, 70000}


def test_track_into_an_image(movie: None, checkpoint: Path) -> None:
    image = zarr.open_group("image.ome.zarr", mode="w-")
    image.create_array("0", data=tifffile.imread("movie.tif"))
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0, 1.0]}]}]
    axes = [{"name": "t", "type": "time"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    image.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    arguments = ["track", "image.ome.zarr", "--prompts", "prompts.csv", "--device", "cpu", "--model", str(checkpoint)]
    result = CliRunner().invoke(app, [*arguments, "--out", "image.ome.zarr/labels/cells"])
    assert result.exit_code == 0, result.output
    assert zarr.open_group("image.ome.zarr/labels", mode="r").attrs["ome"]["labels"] == ["cells"]
    assert set(np.unique(open_movie("image.ome.zarr/labels/cells").data[:])) <= {0, 1, 70000}


def test_track_into_an_image_of_another_size(movie: None) -> None:
    make_image(Path("image.ome.zarr"), "0.5")
    arguments = ["track", "movie.tif", "--prompts", "prompts.csv", "--model", "nothing.pt"]
    result = CliRunner().invoke(app, [*arguments, "--out", "image.ome.zarr/labels/cells"])
    assert result.exit_code == 1
    assert "same frames and size" in " ".join(result.stderr.split()), "said before the model is looked for"
    assert not Path("image.ome.zarr/labels").exists()


def test_demo(tmp_path: Path, checkpoint: Path) -> None:
    out = tmp_path / "out"
    arguments = ["demo", "--out", str(out), "--frames", "2", "--size", "128", "--device", "cpu"]
    result = CliRunner().invoke(app, [*arguments, "--model", str(checkpoint)])
    assert result.exit_code == 0, result.output
    assert "Mean IoU with the truth: 0." in result.stdout
    assert (out / "strip.png").is_file()


def test_models_that_do_not_exist(movie: None) -> None:
    arguments = ["track", "movie.tif", "--prompts", "prompts.csv", "--out", "cells.tif", "--model", "nothing.pt"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "nothing.pt" in result.stderr
    assert not Path("cells.tif").exists()
