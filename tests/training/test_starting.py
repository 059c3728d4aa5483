"""Weights to start from: those of a run with its heads, a file, the mean of several."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from napari_sam2.network.config import Sam2Config
from napari_sam2.network.model import Sam2
from napari_sam2.training.batches import BatchPlan
from napari_sam2.training.checkpoint import NAME, save_checkpoint
from napari_sam2.training.forward import Trainee
from napari_sam2.training.loop import RunOptions, Trainer
from napari_sam2.training.settings import TrainSettings
from napari_sam2.training.starting import NETWORK, starting_weights

from .helpers import TINY

PLAN = BatchPlan(size=160, window=8)
SETTINGS = TrainSettings(config="tiny-test", plan=PLAN, precision="fp32")


def run(folder: Path, seed: int, config: Sam2Config = TINY) -> dict[str, torch.Tensor]:
    """A run's folder with random weights; gives what it holds."""
    torch.manual_seed(seed)
    state = dict(Trainee(Sam2(config), PLAN.window).state_dict())
    save_checkpoint(folder, {"average": state, "config": config.to_dict()})
    return state


def test_a_run_gives_its_heads_too_and_the_trainer_takes_all_of_them(tmp_path: Path) -> None:
    state = run(tmp_path / "a", 1)
    heads = [name for name in state if not name.startswith(NETWORK)]
    assert heads
    config, weights = starting_weights([str(tmp_path / "a" / NAME)])
    began = Trainer(SETTINGS, RunOptions(tmp_path / "new", threads=1), config, weights).trainee.state_dict()
    assert began.keys() == state.keys()
    for name in state:
        torch.testing.assert_close(began[name], state[name], rtol=0, atol=0)


def test_several_are_averaged_and_heads_over_those_that_have_them(tmp_path: Path) -> None:
    one, other = run(tmp_path / "a", 1), run(tmp_path / "b", 2)
    torch.manual_seed(3)
    bare = {NETWORK + name: tensor.contiguous() for name, tensor in Sam2(TINY).state_dict().items()}
    file = tmp_path / "c.safetensors"
    plain = {name.removeprefix(NETWORK): tensor for name, tensor in bare.items()}
    save_file(plain, file, {"config": json.dumps(TINY.to_dict())})
    _, mean = starting_weights([str(tmp_path / "a"), str(tmp_path / "b"), str(file)])
    assert mean.keys() == one.keys()
    for name in (n for n in one if one[n].is_floating_point()):
        several = [one[name], other[name], *([bare[name]] if name in bare else [])]
        torch.testing.assert_close(mean[name], torch.stack(several).mean(0), rtol=1e-5, atol=1e-6)


def test_what_is_not_one_network_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "a", 1)
    run(tmp_path / "b", 1, replace(TINY, memory_layers=TINY.memory_layers + 1))
    with pytest.raises(ValueError, match="only runs of one network"):
        starting_weights([str(tmp_path / "a"), str(tmp_path / "b")])
    with pytest.raises(ValueError, match="only runs of one network"):
        starting_weights([str(tmp_path / "b"), str(tmp_path / "a")])


def test_weights_without_heads_start_a_run_and_those_of_another_network_do_not(tmp_path: Path) -> None:
    state = run(tmp_path / "a", 1)
    bare = {name: tensor for name, tensor in state.items() if name.startswith(NETWORK)}
    began = Trainer(SETTINGS, RunOptions(tmp_path / "new", threads=1), TINY, bare).trainee.state_dict()
    assert all(torch.equal(began[name], bare[name]) for name in bare)
    few = dict(list(bare.items())[3:])
    with pytest.raises(ValueError, match="another network"):
        Trainer(SETTINGS, RunOptions(tmp_path / "other", threads=1), TINY, few)


def test_a_run_is_known_by_what_it_holds(tmp_path: Path) -> None:
    state = run(tmp_path / "a", 1)
    renamed = (tmp_path / "a" / NAME).rename(tmp_path / "best.pt")
    _, weights = starting_weights([str(renamed)])
    assert weights.keys() == state.keys()  # with its heads
    torch.manual_seed(2)
    bare = Sam2(TINY).state_dict()
    torch.save({"model": bare, "config": TINY.to_dict()}, tmp_path / NAME)  # another program's, by the same name
    _, weights = starting_weights([str(tmp_path / NAME)])
    assert weights.keys() == {NETWORK + name for name in bare}
    assert torch.equal(weights[f"{NETWORK}no_mem_embed"], bare["no_mem_embed"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        starting_weights([str(tmp_path / "empty")])
