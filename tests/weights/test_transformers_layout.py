"""The layout of transformers' ``Sam2VideoModel``: names, configurations and files, there and back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from napari_sam2.network.config import CONFIGS, Sam2Config
from napari_sam2.network.model import Sam2
from napari_sam2.weights import CheckpointError, load_model, weights_hash
from napari_sam2.weights.recognise import expected_shapes
from napari_sam2.weights.transformers_config import config_from_transformers, config_to_transformers
from napari_sam2.weights.transformers_layout import TABLE, from_transformers, to_transformers

HIERA = [name for name in CONFIGS if name != "cell"]


@pytest.fixture(scope="module")
def small_config(mini_config: Sam2Config) -> Sam2Config:
    """A small network that transformers can build too: its memories are always 64 wide."""
    return replace(mini_config, name="small", width=128, memory_width=64)


def _meta_state(config: Sam2Config) -> dict[str, torch.Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in expected_shapes(config).items()}


def _numbered_state(config: Sam2Config) -> dict[str, torch.Tensor]:
    """Every number is different, so that no tensor can take another's place unnoticed."""
    state, first = {}, 0
    for name, shape in expected_shapes(config).items():
        count = torch.Size(shape).numel()
        state[name] = torch.arange(first, first + count, dtype=torch.float64).reshape(shape)
        first += count
    return state


@pytest.fixture
def theirs():
    """Builds transformers' model with random weights; skips where transformers is not installed."""
    transformers = pytest.importorskip("transformers")

    def build(config: Sam2Config, device: str = "cpu"):
        with torch.device(device):
            return transformers.Sam2VideoModel(transformers.Sam2VideoConfig(**config_to_transformers(config)))

    return build


def test_the_table_is_one_to_one() -> None:
    assert len({ours for ours, _ in TABLE}) == len({theirs for _, theirs in TABLE}) == len(TABLE)


@pytest.mark.parametrize("name", HIERA)
def test_names_there_and_back(name: str) -> None:
    state = _meta_state(CONFIGS[name])
    there = to_transformers(state)
    assert len(there) == len(state) - 2
    # The random-Fourier matrix cannot be compared without values, so only one of its two copies goes back here.
    del there["shared_image_embedding.positional_embedding"]
    back = from_transformers(there)
    assert {n: t.shape for n, t in back.items()} == {n: t.shape for n, t in state.items()}


@pytest.mark.parametrize("name", ["sam2.1-tiny", "sam2-base-plus", "sam2.1-large"])
def test_names_and_shapes_are_those_of_transformers(theirs, name: str) -> None:
    expected = {n: t.shape for n, t in theirs(CONFIGS[name], "meta").state_dict().items()}
    assert {n: t.shape for n, t in to_transformers(_meta_state(CONFIGS[name])).items()} == expected
    if name == "sam2.1-tiny":
        assert len(expected) == 469


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_every_number_survives_the_way_through_transformers(theirs, small_config: Sam2Config, version: str) -> None:
    config = replace(small_config, version=version)
    state = _numbered_state(config)
    model = theirs(config).double()
    model.load_state_dict(to_transformers(state), strict=True)
    back = from_transformers(model.state_dict())
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_a_folder_that_transformers_saved(theirs, tmp_path: Path, small_config: Sam2Config) -> None:
    model = theirs(small_config)
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-1, 1)
        model.shared_image_embedding.positional_embedding.copy_(
            model.prompt_encoder.shared_embedding.positional_embedding
        )
    model.save_pretrained(tmp_path)
    loaded = load_model(tmp_path, "cpu")
    assert replace(loaded.config, name="small") == small_config
    expected = from_transformers(model.state_dict())
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())
    assert weights_hash(tmp_path / "model.safetensors") == weights_hash(loaded)


def test_without_its_config_json_an_unknown_size_is_refused(
    tmp_path: Path, mini_config: Sam2Config, mini_model: Sam2
) -> None:
    save_file(to_transformers(mini_model.state_dict()), tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="of a size that is not known"):
        load_model(tmp_path, "cpu")
    assert load_model(tmp_path, "cpu", config=mini_config).config is mini_config
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "sam_vit"}))
    with pytest.raises(CheckpointError, match="config.json is of a 'sam_vit' model, expected 'sam2_video'"):
        load_model(tmp_path, "cpu")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="config.json cannot be read"):
        load_model(tmp_path, "cpu")


@pytest.mark.parametrize("best_of_three", [(True, True), (True, False), (False, False)])
@pytest.mark.parametrize("name", HIERA)
def test_configurations_there_and_back(name: str, best_of_three: tuple[bool, bool]) -> None:
    config = replace(CONFIGS[name], multimask_clicks=best_of_three[0], multimask_tracking=best_of_three[1])
    data = {"model_type": "sam2_video", **config_to_transformers(config)}
    assert config_from_transformers(json.loads(json.dumps(data))) == replace(config, name="from transformers")


@pytest.mark.parametrize("name", ["sam2.1-small", "sam2-large"])
def test_configurations_as_transformers_writes_them(name: str) -> None:
    transformers = pytest.importorskip("transformers")
    written = transformers.Sam2VideoConfig(**config_to_transformers(CONFIGS[name])).to_json_string()
    assert config_from_transformers(json.loads(written)) == replace(CONFIGS[name], name="from transformers")


def test_a_configuration_that_leaves_everything_out_is_tiny() -> None:
    expected = replace(CONFIGS["sam2.1-tiny"], name="from transformers")
    assert config_from_transformers({"model_type": "sam2_video"}) == expected


def test_broken_configurations() -> None:
    for vision in ({"backbone_config": {"blocks_per_stage": [1, 2]}}, {"backbone_config": 3}, {"fpn_hidden_size": "x"}):
        with pytest.raises(CheckpointError, match="does not describe a SAM 2 network"):
            config_from_transformers({"model_type": "sam2_video", "vision_config": vision})


def test_the_bundled_models_trunk_has_no_counterpart() -> None:
    with pytest.raises(CheckpointError, match="has no counterpart"):
        to_transformers(_meta_state(CONFIGS["cell"]))
    with pytest.raises(CheckpointError, match="no trunk like that of 'cell'"):
        config_to_transformers(CONFIGS["cell"])
    with pytest.raises(CheckpointError, match="memories 64 wide, 'sam2.1-tiny' 32"):
        config_to_transformers(replace(CONFIGS["sam2.1-tiny"], memory_width=32))


def test_unknown_names_and_unequal_copies(mini_model: Sam2) -> None:
    there = to_transformers(mini_model.state_dict())
    with pytest.raises(CheckpointError, match="1 tensors it does not have: adapter.weight"):
        from_transformers({**there, "adapter.weight": torch.zeros(1)})
    there["shared_image_embedding.positional_embedding"] += 1
    with pytest.raises(CheckpointError, match="differ, expected one matrix kept twice"):
        from_transformers(there)
