"""A run and what may befall it: errors in a worker, a full disk, damaged logs, other data, settings that cannot be."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tifffile import imwrite

from napari_sam2.training import runlog
from napari_sam2.training.assemble import check_plan
from napari_sam2.training.batches import BatchPlan
from napari_sam2.training.checkpoint import NAME, NotSavedError, load_checkpoint, save_checkpoint
from napari_sam2.training.commands import build_parser, first_settings, main, merged_settings
from napari_sam2.training.curves import append_row, read_log, trim_log
from napari_sam2.training.own_data import own_pack
from napari_sam2.training.pack import data_hash
from napari_sam2.training.runlog import RunLog
from napari_sam2.training.settings import TrainSettings

from .helpers import DiscSource, disc_pack, discs
from .test_loop import PLAN, SETTINGS, trainer

full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")


# Workers

FAILING = """
import numpy as np
from napari_sam2.training.batches import BatchPlan
from napari_sam2.training.clip import Clip
from napari_sam2.training.loader import BatchData, load_batches

class Failing:
    def sample(self, rng, size, length):
        raise ValueError("a file that nobody can read")

for batch in load_batches(BatchData(Failing(), Failing(), BatchPlan(stills=1, size=64), 0), 0, 50, workers=1):
    pass
"""


def test_an_error_in_a_worker_ends_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "a file that nobody can read" in done.stderr


def test_workers_end_with_the_loop_that_wants_no_more() -> None:
    import multiprocessing

    from napari_sam2.training.loader import BatchData, load_batches

    before = set(multiprocessing.active_children())
    batches = load_batches(BatchData(DiscSource(), DiscSource(), PLAN, 7), 0, 50, workers=1)
    next(batches)
    assert len(set(multiprocessing.active_children()) - before) == 1
    batches.close()
    for worker in set(multiprocessing.active_children()) - before:
        worker.join(5)
        assert not worker.is_alive()


# Disk and log


@full_disk
def test_a_full_disk_is_said_and_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {"step": 1})
    (tmp_path / "checkpoint.part").symlink_to("/dev/full")
    with pytest.raises(NotSavedError, match="the disk is full"):
        save_checkpoint(tmp_path, {"weights": torch.zeros(100_000)})
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert load_checkpoint(tmp_path) == {"step": 1}


def test_a_checkpoint_that_fails_on_the_way_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []

    def save(directory: Path, state: dict[str, object], name: str) -> Path:
        asked.append(int(str(state["step"])))
        if len(asked) == 2:
            raise NotSavedError("the disk is full")
        return save_checkpoint(directory, state, name)

    monkeypatch.setattr("napari_sam2.training.loop.save_checkpoint", save)
    trainer(tmp_path, 3, checkpoint_every=0.0).run(DiscSource(), DiscSource())
    assert asked == [1, 2, 3, 3]
    told = capsys.readouterr().out
    assert "the checkpoint of step 2 was not saved: the disk is full; the last one is of step 1" in told
    assert load_checkpoint(tmp_path)["step"] == 3


def test_the_last_checkpoint_must_not_fail_silently(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    run = trainer(tmp_path, 1)
    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(NotSavedError, match="of step 1 was not saved: .*the disk is full; there is none yet"):
        run.run(DiscSource(), DiscSource())
    assert not list(tmp_path.glob("*.p*t"))


def test_a_checkpoint_before_the_first_row_of_the_log(tmp_path: Path) -> None:
    trainer(tmp_path, 1, checkpoint_every=0.0).run(DiscSource(), DiscSource())
    assert load_checkpoint(tmp_path)["step"] == 1 and not (tmp_path / "log.csv").exists()


def test_no_failure_of_log_or_picture_ends_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    log = RunLog(tmp_path)
    log.add({"step": 1, "loss": 1.0})
    for name in ("append_row", "trim_log", "draw_curves"):
        monkeypatch.setattr(runlog, name, fail)
    log.begin({}, 1)
    log.add({"step": 2, "loss": 1.0})
    log.draw()
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 3 and all("No space left" in line for line in told)
    assert "curves.png" in told[2]


def test_a_damaged_log_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("")
    trim_log(path, 5)
    append_row(path, {"step": 10, "loss": 1.5})
    with path.open("a") as file:
        file.write("20,lo")  # the disk was full
    assert read_log(path) == {"loss": [(10, 1.5)]}
    trim_log(path, 15)
    append_row(path, {"step": 20, "loss": 1.25})
    assert path.read_text().split() == ["step,name,value", "10,loss,1.5", "20,loss,1.25"]
    trim_log(path, 10)
    assert read_log(path) == {"loss": [(10, 1.5)]}


def test_a_log_that_cannot_be_trimmed_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.csv"
    append_row(path, {"step": 10, "loss": 1.5})
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        trim_log(path, 5)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["log.csv"]


# Data


def test_own_data_counts_in_the_hash(tmp_path: Path) -> None:
    image, labels = discs(1)
    imwrite(tmp_path / "a.tif", image)
    imwrite(tmp_path / "a_labels.tif", labels)
    pack, own = disc_pack(), own_pack([tmp_path])
    assert data_hash(None, None) == ""
    assert data_hash(pack, None) == pack.digest() and data_hash(None, own) == own.digest()
    both = data_hash(pack, own)
    assert both not in (pack.digest(), own.digest())
    imwrite(tmp_path / "a_labels.tif", np.roll(labels, 1, 0))
    assert data_hash(pack, own_pack([tmp_path])) != both


def test_a_run_on_own_data_does_not_go_on_without_it(tmp_path: Path) -> None:
    trainer(tmp_path, 1, data_hash="pack and own", pack_hash="pack").run(DiscSource(), DiscSource())
    with pytest.raises(ValueError, match=r"other data \(pack and own, not pack\).*--own.*did \(train\).*--start-from"):
        trainer(tmp_path, 2, data_hash="pack", pack_hash="pack")
    assert trainer(tmp_path, 2, data_hash="pack and own", pack_hash="pack").step == 1


def test_a_run_of_before_own_data_counted_goes_on(tmp_path: Path) -> None:
    trainer(tmp_path, 1, data_hash="pack").run(DiscSource(), DiscSource())
    saved = load_checkpoint(tmp_path)
    del saved["pack_hash"]
    save_checkpoint(tmp_path, saved)
    with pytest.raises(ValueError, match="other data"):
        trainer(tmp_path, 1, data_hash="another and own", pack_hash="another")
    trainer(tmp_path, 1, data_hash="pack and own", pack_hash="pack").save()
    with pytest.raises(ValueError, match="other data"):  # from now on it counts
        trainer(tmp_path, 1, data_hash="pack", pack_hash="pack")


# Settings


def settings_of(*arguments: str) -> TrainSettings:
    options = build_parser().parse_args(["train", "--out", "run", *arguments])
    return merged_settings(first_settings(options), options)


def test_fine_tuning_begins_where_training_ended() -> None:
    nothing, tuned = settings_of(), settings_of("--start-from", "cell")
    assert nothing.tilt(0) == 0 and nothing.ramp > 0
    assert tuned.tilt(0) == tuned.weights.tilt == nothing.weights.tilt > 0
    assert tuned.ramp == 0
    given = settings_of("--start-from", "cell", "--ramp", "5", "--tilt-ramp", "0", "10")
    assert given.ramp == 5 and given.tilt(0) == 0 and given.tilt(5) == pytest.approx(given.weights.tilt / 2)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--frames 1 3", "at least 2"),
        ("--frames 5 4", "the fewest first"),
        ("--frames 3 11", "have 10 frames"),
        ("--size 160", "at least 256"),
        ("--size 300", "a multiple of 32"),
    ],
)
def test_batches_that_cannot_be_are_refused_at_once(tmp_path: Path, arguments: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        main(["train", "--out", str(tmp_path / "run"), *arguments.split()])
    assert not (tmp_path / "run").exists()


def test_long_clips_are_fine_without_synthetic_movies() -> None:
    check_plan(replace(SETTINGS, plan=BatchPlan(frames=(3, 20)), synthetic=0.0))


def test_what_is_wrong_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_sam2.training.__main__ import DEBUG_VARIABLE, run

    monkeypatch.delenv(DEBUG_VARIABLE, raising=False)
    given = ["train", "--out", str(tmp_path / "run"), "--own", str(tmp_path), "--frames", "2", "3"]
    assert run(given) == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: no labelled images in") and len(said.splitlines()) == 1
    monkeypatch.setenv(DEBUG_VARIABLE, "1")
    with pytest.raises(ValueError, match="no labelled images in"):
        run(given)


def test_the_last_checkpoint_is_there_before_anything_else_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[bool] = []
    monkeypatch.setattr("napari_sam2.training.runlog.draw_curves", lambda *_: there.append((tmp_path / NAME).exists()))
    trainer(tmp_path, 10).run(DiscSource(), DiscSource())
    assert there == [True]
