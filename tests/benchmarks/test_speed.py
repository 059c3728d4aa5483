"""speed.py and memory.py run and add up; nothing here says how fast anything has to be."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import memory as memory_command  # noqa: E402
from benchmarks import speed as speed_command  # noqa: E402
from benchmarks._book import Bar, Book, Part  # noqa: E402
from benchmarks._memory.child import long_run, tiny_network  # noqa: E402
from benchmarks._memory.frames import BACKGROUND, Discs  # noqa: E402
from benchmarks._memory.parts import Sizes  # noqa: E402
from benchmarks._speed.arithmetic import Counter, attend_flops, matmul_rate  # noqa: E402
from benchmarks._speed.contenders import full_memories, make_tracker, race  # noqa: E402
from benchmarks._speed.movies import Bouncing, Field, make_field  # noqa: E402
from benchmarks._speed.setup import TRUSTING, Setup  # noqa: E402
from benchmarks._speed.watch import Clock, watch  # noqa: E402
from napari_sam2.network import CONFIGS, MemoryBatch  # noqa: E402
from napari_sam2.network.config import HieraConfig  # noqa: E402
from napari_sam2.tracking import CellTracker, Settings  # noqa: E402
from napari_sam2.tracking.memory import MemoryBank  # noqa: E402
from napari_sam2.weights import save_model  # noqa: E402

WINDOW = 8
MACHINE = {"cpu": "a processor", "gpu": None, "threads": 1, "cores": 2, "torch": "2", "date": "today", "commit": "1"}


@pytest.fixture
def field() -> Field:
    return make_field(4, 24.0, 128)


@pytest.fixture
def tracker(field: Field) -> CellTracker:
    settings = replace(Settings(), window=WINDOW, **TRUSTING)
    return make_tracker(tiny_network(), field, 3, "windows", settings)


def test_a_field_has_its_cells_where_they_are_clicked(field: Field) -> None:
    assert len(field.clicks) >= 4
    for cell, (y, x) in field.clicks.items():
        assert field.labels[0, int(y), int(x)] == cell
    with pytest.raises(ValueError, match="cells"):
        field.some(1000)


def test_crowded_fields_are_put_together() -> None:
    crowded = make_field(420, 8.0, 256)
    assert len(crowded.clicks) >= 420
    assert len(set(crowded.clicks)) == len(np.unique(crowded.labels[0])) - 1


def test_frames_go_to_and_fro() -> None:
    movie = Bouncing(np.arange(3, dtype=np.uint16)[:, None, None], 7)
    assert [int(movie[t][0, 0]) for t in range(7)] == [0, 1, 2, 1, 0, 1, 2]
    assert movie[1:3].shape == (2, 1, 1)


def test_every_memory_is_in_use_from_the_first_tracked_frame(
    tracker: CellTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[MemoryBatch] = []
    look = MemoryBank.look

    def remember(self: MemoryBank, *arguments: object) -> MemoryBatch | None:
        batch = look(self, *arguments)  # type: ignore[arg-type]
        assert batch is not None
        seen.append(batch)
        return batch

    monkeypatch.setattr(MemoryBank, "look", remember)
    config, settings = tracker.model.config, tracker.settings
    with full_memories():
        run = tracker.track("forward")
        for _ in range(3):
            next(run)
    assert len(seen) == 2
    for batch in seen:
        assert batch.spatial_nmchw.shape[:2] == (3, 1 + settings.recent)
        assert batch.pointers_npc.shape[:2] == (3, config.max_pointers)
        assert batch.all_valid


def test_parts_add_up_and_the_network_is_left_as_it_was(tracker: CellTracker) -> None:
    before = dict(vars(tracker.model))
    clock, counter = Clock("cpu"), Counter(tracker.model.config)
    with full_memories():
        run = tracker.track("forward")
        next(run)
        with watch(tracker, clock):
            whole = race({"": chain([None], run)}, 1)[""][0]
        with watch(tracker, counter):
            next(run)
    assert vars(tracker.model) == before
    assert all(clock.seconds[part] > 0 for part in ("encode", "attend", "decode", "memory", "paint", "recall"))
    assert sum(clock.seconds.values()) <= whole * 1.01
    assert all(counter.flops[part] > 0 for part in ("encode", "attend", "decode", "memory"))


def test_arithmetic_of_attention() -> None:
    # Counted in shared/design for the published width: 7 frames, 16 pointers, 606 GFLOP with wide values.
    config = CONFIGS["sam2.1-tiny"]
    h = w = 64
    none, pointers = torch.empty(0), torch.empty(1, 16, 256)
    spatial = torch.empty(1, 7, 64, h, w, device="meta")
    batch = MemoryBatch(spatial, none, none, none, none, pointers, none, none, 15.0)
    assert attend_flops(config, 1, h * w, batch) == pytest.approx(419e9, rel=0.03)
    assert attend_flops(config, 3, h * w, batch) == pytest.approx(3 * attend_flops(config, 1, h * w, batch))
    assert attend_flops(config, 1, h * w, None) == 0
    assert matmul_rate(64, torch.float32, "cpu", seconds=0.0) > 0


def test_a_book_goes_on_where_it_was(tmp_path: Path) -> None:
    circumstances = {"machine": MACHINE, "key": "a", "seconds": 1.0}
    book = Book(tmp_path / "x", "Title")
    bars = [Bar("time", 2.0, 1.0, True, "s"), Bar("unknown", float("nan"), 1.0, False)]
    book.put("second", Part("Two", "How.", [{"cells": 3, "s": 0.123456}], bars), circumstances, ("first", "second"))
    again = Book(tmp_path / "x", "Title")
    assert again.has("second", "a") and not again.has("second", "b") and not again.has("first", "a")
    again.put("first", Part("One", skipped="no time"), circumstances, ("first", "second"))
    assert list(again.parts) == ["first", "second"]
    assert again.parts["second"].rows == book.parts["second"].rows
    assert [bar.passed for bar in again.parts["second"].bars] == [False, False]
    text = (tmp_path / "x.md").read_text(encoding="utf-8")
    assert "| 3 | 0.123 |" in text and "**fail**" in text and "Not measured: no time." in text
    assert (tmp_path / "x.csv").read_text().splitlines() == ["part,cells,s", "second,3,0.123456"]


def test_two_processes_can_write_one_book(tmp_path: Path) -> None:
    circumstances = {"machine": MACHINE, "key": "a"}
    one, other = Book(tmp_path / "x", "Title"), Book(tmp_path / "x", "Title")
    one.put("first", Part("One", skipped="no time"), circumstances, ("first", "second"))
    other.put("second", Part("Two", skipped="no time"), circumstances, ("first", "second"))
    assert list(Book(tmp_path / "x", "Title").parts) == ["first", "second"]


@pytest.mark.slow
def test_all_parts_of_speed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("benchmarks._book.code_hash", lambda *folders: "code")
    file = tmp_path / "tiny.safetensors"
    save_model(tiny_network(), file)
    trunk = HieraConfig(width=16, blocks=(1, 1, 2, 1), windows=(8, 4, 4, 2), global_blocks=(3,))
    mini = replace(
        CONFIGS["sam2.1-tiny"], trunk=trunk, image_size=128, width=128, memory_layers=1, memory_ffn=64, decoder_ffn=64,
        name="mini",
    )  # fmt: skip
    setup = Setup.quick(
        model=str(file), architecture=mini, side=128, reference_cells=(1, 2), few_cells=(1,), scaling_cells=(1, 2),
        versus_cells=1, floor_cells=2, clicks=2, new_frames=1, matmul=64,
    )  # fmt: skip
    parts = list(speed_command.PARTS)
    try:
        import transformers.models.sam2_video  # noqa: F401
    except ImportError:
        parts.remove("reference")
    speed_command.measure(setup, parts, tmp_path / "speed", "a command")
    book = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))
    assert list(book) == parts
    assert all(book[name]["part"]["rows"] for name in parts if name != "gpu")
    assert (tmp_path / "speed.png").stat().st_size > 0
    changed = (tmp_path / "speed.json").stat().st_mtime_ns
    speed_command.measure(setup, ["versus", "floor"], tmp_path / "speed", "a command", resume=True)
    assert (tmp_path / "speed.json").stat().st_mtime_ns == changed


def test_discs_are_where_they_say() -> None:
    discs = Discs(9, 64, 5, 8.0)
    for frame in (0, 8):
        for y, x in discs.places(frame):
            assert discs[frame][round(y), round(x)] > 3 * BACKGROUND
    assert discs[2:4].shape == (2, 64, 64)
    np.testing.assert_array_equal(discs[3], discs[3])


def test_a_long_run_reports_its_peak() -> None:
    job = {"frames": 3, "cells": 2, "side": 64, "diameter": 16.0, "window": 4, "model": None, "cache_mib": 1}
    found = long_run(job | {"device": "cpu"})
    assert found["peak"] >= found["samples"][-1][1] > 0
    assert [frame for frame, _ in found["samples"]] == [0, 1, 2]
    assert 0 < found["kept"] <= 1 << 20


def test_small_cells_are_measured_in_a_process_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "tiny.safetensors"
    save_model(tiny_network(), file)
    sizes = Sizes(model=str(file), small_side=64, small_cells=2, small_diameter=16.0, small_frames=2)
    memory_command.measure(sizes, ["small"], tmp_path / "memory", "a command")
    (row,) = json.loads((tmp_path / "memory.json").read_text(encoding="utf-8"))["small"]["part"]["rows"]
    assert row["cells"] == 2 and 0 < row["peak GiB"] < 8 and 0 <= row["median one-click IoU"] <= 1


@pytest.mark.parametrize("command", [speed_command, memory_command])
def test_unknown_parts_are_named(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--parts", "nonsense"])
    assert "nonsense" in capsys.readouterr().err
