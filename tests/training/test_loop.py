"""Batches and the loop: windows hold the cell, time can be reversed, runs resume exactly, exports repeat."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from napari_sam2.network.config import Sam2Config
from napari_sam2.network.model import Sam2
from napari_sam2.training.batches import TOKEN, BatchBuilder, BatchPlan, window_origin
from napari_sam2.training.checkpoint import load_checkpoint
from napari_sam2.training.export_weights import export_weights, half
from napari_sam2.training.forward import Trainee
from napari_sam2.training.loader import BatchData, load_batches, reversed_clip
from napari_sam2.training.loop import RunOptions, Trainer
from napari_sam2.training.losses import LossWeights
from napari_sam2.training.remembered import draw_timing
from napari_sam2.training.schedule import learning_rate_factor
from napari_sam2.training.settings import TrainSettings
from napari_sam2.training.validation import Validation, ValidationSize

from .helpers import TINY, DiscSource

PLAN = BatchPlan(stills=1, still_cells=3, clips=1, clip_cells=3, frames=(3, 3), size=160, window=8, second_prompt=0.5)
SETTINGS = TrainSettings(config="tiny-test", plan=PLAN, ramp=0, warmup=2, precision="fp32", synthetic=0.0)


def trainer(out: Path, steps: int, settings: TrainSettings = SETTINGS, **options: Any) -> Trainer:
    torch.manual_seed(0)
    return Trainer(settings, RunOptions(out, workers=0, steps=steps, threads=1, command="train", **options), TINY)


def test_windows_hold_the_prompted_cells() -> None:
    batch = BatchData(DiscSource(), DiscSource(), replace(PLAN, second_prompt=1.0, reverse=0.0), 0)[0]
    tokens = PLAN.size // TOKEN
    assert int(batch.row_origin.min()) >= 0 and int(batch.row_origin.max()) <= tokens - PLAN.window
    assert (batch.row_target.flatten(1).sum(1) > 0).all()
    for row in range(len(batch.row_image)):
        if int(batch.row_labels[row, 0]) == 1:
            x, y = (batch.row_points[row, 0] / 4).long()
            assert batch.row_target[row, y, x] > 0
    assert (batch.track_image[:, 1:] - batch.track_image[:, :-1] == 1).all()
    prompted = batch.track_second >= 0
    assert prompted.any()
    frames = batch.second_frame[prompted]
    index = torch.arange(len(prompted))[prompted]
    assert torch.equal(batch.track_origin[index, frames], batch.row_origin[batch.track_second[prompted]])


def test_a_window_is_clamped_into_its_field() -> None:
    assert window_origin(0, 0, 20, 16) == (0, 0)
    assert window_origin(319, 319, 20, 16) == (4, 4)
    assert window_origin(160, 160, 20, 16) == (2, 2)
    assert window_origin(100, 100, 10, 16) == (0, 0)  # a field smaller than the window


def test_reversal_turns_time_and_forgets_parents() -> None:
    clip = DiscSource().sample(np.random.default_rng(0), 64, 3)
    back = reversed_clip(replace(clip, parents={2: 1}))
    assert np.array_equal(back.frames[0], clip.frames[2]) and np.array_equal(back.labels[2], clip.labels[0])
    assert back.parents == {}


def test_batches_do_not_depend_on_the_worker() -> None:
    data = BatchData(DiscSource(), DiscSource(), PLAN, 7)
    here = list(load_batches(data, 2, 4, workers=0))
    there = list(load_batches(data, 2, 4, workers=1))
    for one, two in zip(here, there, strict=True):
        for name, value in vars(one).items():
            assert torch.equal(value, getattr(two, name)), name


def test_a_batch_without_cells_still_teaches_the_encoder() -> None:
    class Empty(DiscSource):
        def sample(self, rng, size, length):  # type: ignore[no-untyped-def]
            clip = super().sample(rng, size, length)
            return replace(clip, labels=np.zeros_like(clip.labels))

    batch = BatchData(Empty(), Empty(), PLAN, 0)[0]
    output = Trainee(Sam2(TINY), PLAN.window)(batch, LossWeights(), torch.Generator())
    output.loss.backward()
    assert torch.isfinite(output.loss)


def test_a_label_that_is_not_trusted_is_not_prompted() -> None:
    clip = DiscSource().sample(np.random.default_rng(0), PLAN.size, 1)
    builder = BatchBuilder(replace(PLAN, prompt="click"), np.random.default_rng(0))
    builder.add_still(replace(clip, labels=-clip.labels))
    batch = builder.build()
    assert len(batch.row_image) == 0
    assert float(batch.dense[:, 0].sum()) > 0  # but it is foreground all the same


@pytest.mark.parametrize("half", [False, True])
def test_every_part_of_the_network_is_taught(half: bool) -> None:
    torch.manual_seed(0)
    trainee = Trainee(Sam2(TINY), PLAN.window)
    generator = torch.Generator().manual_seed(0)
    data = BatchData(DiscSource(), DiscSource(), replace(PLAN, second_prompt=1.0), 3)
    for step in range(3):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            output = trainee(data[step], LossWeights(), generator)
        assert {"first_mask", "corrected_mask", "corrected_2_mask", "follow_mask"} <= set(output.terms)
        output.loss.backward()
    silent = {n for n, p in trainee.named_parameters() if p.grad is None or not p.grad.any()}
    unused = {"model.no_mem_pos_enc"}  # in every published checkpoint, used by none
    # These speak only when a cell is taken to be absent, which an untrained network may never do.
    rare = {"model.no_obj_ptr", "model.no_obj_embed_spatial"}
    # Of the three alternative masks, only the best is taught.
    alternatives = {n for n in silent if "output_hypernetworks_mlps" in n and ".mlps.0." not in n}
    assert silent - rare - alternatives <= unused


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    run = trainer(tmp_path, 0)
    batch = BatchData(DiscSource(), DiscSource(), replace(PLAN, clips=0, size=128), 0)[0]
    terms = [run.train_step(batch) for _ in range(15)]
    assert terms[0] is not None and terms[-1] is not None
    assert terms[-1]["loss"] < 0.9 * terms[0]["loss"]


def test_resuming_is_exact(tmp_path: Path) -> None:
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    trainer(straight, 4).run(DiscSource(), DiscSource())
    trainer(broken, 2).run(DiscSource(), DiscSource())
    trainer(broken, 4).run(DiscSource(), DiscSource())
    one, two = load_checkpoint(straight), load_checkpoint(broken)
    assert one["step"] == two["step"] == 4
    for part in ("model", "average"):
        for name, value in one[part].items():
            assert torch.equal(value, two[part][name]), f"{part} {name}"
    for index, state in one["optimizer"]["state"].items():
        for name, value in state.items():
            assert torch.equal(value, two["optimizer"]["state"][index][name]), f"{index} {name}"


def test_resuming_is_exact_where_several_batches_move_the_network_together(tmp_path: Path) -> None:
    settings = replace(SETTINGS, batches=2)
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    trainer(straight, 4, settings=settings).run(DiscSource(), DiscSource())
    trainer(broken, 1, settings=settings).run(DiscSource(), DiscSource())
    assert load_checkpoint(broken)["step"] == 2  # no half of an update is left over
    trainer(broken, 4, settings=settings).run(DiscSource(), DiscSource())
    one, two = load_checkpoint(straight), load_checkpoint(broken)
    assert max(int(state["step"]) for state in one["optimizer"]["state"].values()) == 2
    for name, value in one["model"].items():
        assert torch.equal(value, two["model"][name]), name


def test_the_decay_starts_where_it_is_asked_for_and_ends_the_run(tmp_path: Path) -> None:
    trainer(tmp_path, 2).run(DiscSource(), DiscSource())
    run = trainer(tmp_path, 0, decay_steps=2)
    assert run.decay_start == 2
    run.run(DiscSource(), DiscSource())
    assert load_checkpoint(tmp_path)["step"] == 4


def test_a_run_can_go_back_from_its_decay_to_the_plateau(tmp_path: Path) -> None:
    trainer(tmp_path, 2).run(DiscSource(), DiscSource())
    trainer(tmp_path, 0, decay_steps=2).run(DiscSource(), DiscSource())
    assert trainer(tmp_path, 6)._last_step() == 4  # a decay that is over stays over ...
    run = trainer(tmp_path, 6, plateau=True)  # ... until it is left
    run.run(DiscSource(), DiscSource())
    assert load_checkpoint(tmp_path)["step"] == 6
    assert run.updates.optimizer.param_groups[0]["lr"] == SETTINGS.learning_rate


def test_a_signal_stops_the_run_with_a_checkpoint(tmp_path: Path) -> None:
    run = trainer(tmp_path, 50)
    step = run.train_step

    def stop_at_second(batch):  # type: ignore[no-untyped-def]
        if run.step == 1:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGUSR1)
        return step(batch)

    run.train_step = stop_at_second  # type: ignore[method-assign]
    run.run(DiscSource(), DiscSource())
    assert load_checkpoint(tmp_path)["step"] == 2


def test_learning_rate_warms_up_stays_and_decays_to_the_floor() -> None:
    assert learning_rate_factor(0, 10, None, 0) == pytest.approx(0.1)
    assert learning_rate_factor(10_000, 10, None, 0) == 1
    assert learning_rate_factor(500, 10, 500, 100) == 1
    assert learning_rate_factor(600, 10, 500, 100) == pytest.approx(0.01)
    falling = [learning_rate_factor(s, 10, 500, 100) for s in range(500, 601)]
    assert falling == sorted(falling, reverse=True)


def test_validation_measures_all_sources() -> None:
    size = ValidationSize(stills=2, clips=1, cells=2, frames=6, size=160)
    torch.manual_seed(0)
    trainee = Trainee(Sam2(TINY), 16)
    result = Validation({"discs": DiscSource()}, {"discs": DiscSource()}, replace(size, size=256)).run(
        trainee, torch.device("cpu"), None
    )
    assert {"one_click", "one_click/discs", "follow_1", "follow_end", "score"} <= set(result)
    assert all(0 <= v <= 1 for v in result.values())
    assert trainee.training


def test_exports_repeat_byte_for_byte_and_load(tmp_path: Path) -> None:
    trainer(tmp_path / "run", 1).run(DiscSource(), DiscSource())
    for name in ("a.safetensors", "b.safetensors"):
        export_weights(tmp_path / "run", tmp_path / name)
    content = (tmp_path / "a.safetensors").read_bytes()
    assert content == (tmp_path / "b.safetensors").read_bytes()
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        metadata = file.metadata()
        state = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    config = Sam2Config.from_dict(json.loads(metadata["config"]))
    assert config == TINY
    record = json.loads(metadata["training"])
    assert record["steps"] == 1 and record["commands"] == ["train"] and record["seed"] == SETTINGS.seed
    model = Sam2(config)
    model.load_state_dict(state, strict=True)
    average = load_checkpoint(tmp_path / "run")["average"]
    assert torch.allclose(model.no_mem_embed, average["model.no_mem_embed"], atol=1e-3)


def test_exports_can_be_mixed_with_others(tmp_path: Path) -> None:
    for run, steps in (("first", 1), ("second", 3)):
        trainer(tmp_path / run, steps).run(DiscSource(), DiscSource())
        export_weights(tmp_path / run, tmp_path / f"{run}.safetensors")
    files = {name: tmp_path / f"{name}.safetensors" for name in ("first", "second", "mixed")}
    export_weights(tmp_path / "second", files["mixed"], other=files["first"], share=0.25)
    first, second, mixed = (load_file(file) for file in files.values())
    name = "no_mem_embed"
    assert not torch.equal(first[name], second[name])
    expected = (0.25 * first[name].float() + 0.75 * second[name].float()).half()
    torch.testing.assert_close(mixed[name], expected, atol=1e-6, rtol=1e-3)
    with safe_open(files["mixed"], "pt") as file:
        record = json.loads(file.metadata()["training"])
    assert record["steps"] == 3 and record["mixed_with"]["training"]["steps"] == 1
    assert record["mixed_with"]["sha256"] == hashlib.sha256(files["first"].read_bytes()).hexdigest()
    for share in (0.0, 1.0):  # nothing of the one, nothing of the other
        export_weights(tmp_path / "second", files["mixed"], other=files["first"], share=share)
        assert torch.equal(load_file(files["mixed"])[name], (second, first)[int(share)][name])
    with pytest.raises(ValueError, match="must lie in 0..1"):
        export_weights(tmp_path / "second", files["mixed"], other=files["first"], share=2)
    strange = tmp_path / "strange.safetensors"
    save_file({"weight": torch.zeros(2)}, strange)
    with pytest.raises(ValueError, match="another network"):
        export_weights(tmp_path / "second", files["mixed"], other=strange)


def test_a_diverged_run_is_not_exported() -> None:
    with pytest.raises(ValueError, match="half precision"):
        half("weight", torch.tensor([1e6]))


def test_remembered_times_are_those_that_long_movies_ask_for() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = [draw_timing(generator) for _ in range(400)]
    assert {t.stretch for t in drawn} == {1, 2, 3}
    assert min(t.before for t in drawn) == 0 and max(t.before for t in drawn) > 200
