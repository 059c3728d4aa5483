"""Batches of few sizes, and calls that are replayed, give what plain calls give."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.network import MemoryBatch, Prompts, Sam2
from napari_sam2.tracking import CellTracker, Settings
from napari_sam2.tracking.calls import NetworkCalls, padded_size
from napari_sam2.tracking.graphs import EAGER_CALLS, MOST_RECORDED, Call, Recorded, Replayer, backend_for
from napari_sam2.tracking.sheets import WindowFeatures
from tests.network.formula_weights import MINI_CELL, formula_model, mini_cell_model

from .small import SETTINGS, WINDOW, discs_movie, run, tracker_for

TOKENS = 4
SLOTS, POINTERS = 3, 4


class StandIn:
    """Replays by running the call again, into memory that the next replay writes over, as a CUDA graph does."""

    def __init__(self) -> None:
        self.recorded = 0

    def record(self, call: Call, inputs: list[torch.Tensor]) -> Recorded:
        self.recorded += 1
        outputs = tuple(out.clone() for out in call(*inputs))

        def replay() -> None:
            for own, fresh in zip(outputs, call(*inputs), strict=True):
                own.copy_(fresh)

        for own in outputs:
            own.fill_(float("nan") if own.is_floating_point() else 0)  # recording computes nothing
        return Recorded(inputs, outputs, replay)


class Broken:
    def record(self, call: Call, inputs: list[torch.Tensor]) -> Recorded:
        raise RuntimeError("operation not permitted when stream is capturing")


@pytest.fixture(scope="module")
def model() -> Sam2:
    return mini_cell_model().eval()


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def _given(model: Sam2, cells: int, seed: int, kept: bool) -> tuple[WindowFeatures, MemoryBatch]:
    rng = torch.Generator().manual_seed(seed)
    config = model.config
    maps = [
        torch.randn(cells, config.width // k, TOKENS * side, TOKENS * side, generator=rng)
        for k, side in ((1, 1), (4, 2), (8, 4))
    ]
    spatial = torch.randn(cells, SLOTS, config.memory_width, TOKENS, TOKENS, generator=rng)
    valid = torch.rand(cells, SLOTS, generator=rng) > 0.3
    valid[:, 0] = True
    keys = None
    if kept:
        every = model.memory_attention.memory_keys(spatial.flatten(0, 1)).unflatten(1, (cells, SLOTS))
        keys = list(every.unbind(2))
    origins = torch.randint(0, 3, (cells, SLOTS, 2), generator=rng)
    memory = MemoryBatch(
        spatial_nmchw=spatial,
        spatial_time_nm=torch.tensor([[6, 0, 1]]).expand(cells, -1),
        spatial_valid_nm=valid,
        spatial_origin_nm2=origins,
        query_origin_n2=origins[:, 1],
        pointers_npc=torch.randn(cells, POINTERS, config.width, generator=rng),
        pointer_time_np=torch.arange(POINTERS).float().expand(cells, -1),
        pointer_valid_np=torch.rand(cells, POINTERS, generator=rng) > 0.3,
        pointer_span=15.0,
        slot_keys=keys,
        moved_k2=(origins != origins[:, 1:2]).any(2).nonzero() if kept else None,
    )
    return WindowFeatures(*maps), memory


def _same(got: tuple[Any, torch.Tensor], expected: tuple[Any, torch.Tensor]) -> None:
    for name, value in (*vars(expected[0]).items(), ("conditioned", expected[1])):
        mine = got[1] if name == "conditioned" else getattr(got[0], name)
        torch.testing.assert_close(mine, value, atol=2e-4, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 19), st.integers(0, 1000), st.booleans())
def test_batches_that_are_filled_up_give_what_they_gave(cells: int, seed: int, kept: bool) -> None:
    model = mini_cell_model().eval()
    with torch.inference_mode():
        features, memory = _given(model, cells, seed, kept)
        expected = NetworkCalls(model).segment(features, memory)
        filled = NetworkCalls(model, StandIn())
        for _ in range(EAGER_CALLS + 2):
            got = filled.segment(features, memory)
            assert len(got[0].iou_n) == len(got[1]) == cells
            _same(got, expected)
        assert len(filled.replayer) == 1
        stride16, logits = features.stride16, torch.randn(cells, 4 * TOKENS, 4 * TOKENS)
        scores, hard = torch.randn(cells), torch.rand(cells) > 0.5
        plain = model.encode_memory(stride16, logits, scores, hard)
        for _ in range(EAGER_CALLS + 2):
            got_memory = filled.remember(stride16, logits, scores, hard)
            torch.testing.assert_close(got_memory, plain, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("best_of_three", [True, False])
def test_which_mask_answers_where_nobody_prompted_is_the_models_own(best_of_three: bool) -> None:
    model = formula_model(replace(MINI_CELL, multimask_tracking=best_of_three, stability_threshold=0.0)).eval()
    features, memory = _given(model, 6, 3, True)
    found, conditioned = NetworkCalls(model).segment(features, memory)
    nothing = model.embed_prompts(Prompts.none(1), (TOKENS, TOKENS))
    output = model.decode(conditioned, features.stride8, features.stride4, nothing)
    expected = 1 + output.iou_nm[:, 1:].argmax(1) if best_of_three else torch.zeros(6, dtype=torch.long)
    assert found.index_n.tolist() == expected.tolist()
    torch.testing.assert_close(found.iou_n, output.iou_nm[torch.arange(6), expected])
    there = found.object_logits_n > 0
    assert there.any()
    torch.testing.assert_close(found.logits_nhw[there], output.logits_nmhw[torch.arange(6), expected][there])


@pytest.mark.parametrize("best_of_three", [True, False])
def test_which_mask_answers_a_single_click_is_the_models_own(
    best_of_three: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = formula_model(replace(MINI_CELL, multimask_clicks=best_of_three, stability_threshold=0.0)).eval()
    chosen: list[int] = []
    select = Sam2.select

    def note(self: Sam2, *given: Any) -> Any:
        found = select(self, *given)
        chosen.extend(found.index_n.tolist())
        return found

    monkeypatch.setattr(Sam2, "select", note)
    movie = discs_movie(1, (128, 128))
    for clicks, single in ((1, not best_of_three), (2, True)):
        tracker = CellTracker(movie, model, cell_diameter=18.0, settings=SETTINGS, mode="windows")
        tracker.add_click(cell=1, frame=0, yx=(60, 60))
        for extra in range(1, clicks):
            tracker.add_click(cell=1, frame=0, yx=(60 + extra, 63))
        chosen.clear()
        tracker.segment(0, [1])
        assert chosen and (chosen[-1] == 0) is single


def test_there_are_few_sizes() -> None:
    sizes = [padded_size(n) for n in range(1, 101)]
    assert all(size >= n for n, size in enumerate(sizes, start=1))
    assert sizes == sorted(sizes) and len(set(sizes)) <= 16
    assert max(size / n for n, size in enumerate(sizes, start=1)) <= 2


def test_calls_of_one_shape_are_recorded_once_and_results_are_kept(model: Sam2) -> None:
    backend = StandIn()
    calls, plain = NetworkCalls(model, backend), NetworkCalls(model)
    batches = [_given(model, cells, seed, True) for seed, cells in enumerate((5, 6, 7, 8, 5, 8))]  # all padded to 8
    got = [calls.segment(*batch) for batch in batches]
    assert backend.recorded == 1
    for one, batch in zip(got, batches, strict=True):  # the last replay has written over nobody's results
        _same(one, plain.segment(*batch))
    features, memory = _given(model, 5, 9, True)
    still = replace(memory, at_rest=True, spatial_origin_nm2=memory.query_origin_n2[:, None].expand(-1, SLOTS, -1))
    for _ in range(EAGER_CALLS + 1):
        _same(calls.segment(features, still), plain.segment(features, still))
    assert backend.recorded == 2, "what is promised is part of what is recorded"
    images = torch.randn(1, 3, 64, 64)
    for _ in range(EAGER_CALLS + 2):
        encoded = calls.encode(images)
    assert backend.recorded == 3
    torch.testing.assert_close(encoded.stride16, model.encode_image(images).stride16)
    calls.replayer.forget()
    assert len(calls.replayer) == 0
    _same(calls.segment(*batches[0]), plain.segment(*batches[0]))


def test_shapes_that_come_seldom_are_not_recorded() -> None:
    backend = StandIn()
    replayer = Replayer(backend)
    for n in range(1, 2 * MOST_RECORDED):
        for turn in range(EAGER_CALLS + (n % 2 == 0)):
            values = torch.full((n,), float(turn))
            (found,) = replayer.run("double", lambda x: (2 * x,), [values])
            assert torch.equal(found, 2 * values)
    assert backend.recorded == len(replayer) == MOST_RECORDED - 1
    for n in (1, 3, 5):
        replayer.run("double", lambda x: (2 * x,), [torch.zeros(n)])
    assert len(replayer) == MOST_RECORDED, "more are never kept"


def test_what_is_replayed_reads_its_own_copies() -> None:
    replayer = Replayer(StandIn())
    values = torch.arange(4.0)
    results = [replayer.run("add", lambda x, y: (x + y,), [values + i, values.flip(0)])[0] for i in range(6)]
    for i, found in enumerate(results):
        assert torch.equal(found, torch.full((4,), 3.0 + i))
    assert torch.equal(values, torch.arange(4.0))


def test_where_nothing_can_be_recorded_one_is_told_once(model: Sam2, caplog: pytest.LogCaptureFixture) -> None:
    calls = NetworkCalls(model, Broken())
    batch = _given(model, 3, 0, True)
    expected = NetworkCalls(model).segment(*batch)
    with caplog.at_level(logging.WARNING, logger="napari_sam2"):
        for _ in range(EAGER_CALLS + 3):
            _same(calls.segment(*batch), expected)
            calls.encode(torch.zeros(1, 3, 64, 64))
    (record,) = caplog.records
    assert "NAPARI_SAM2_GRAPHS=0" in record.message and "stream is capturing" in record.message
    assert not calls.replayer.active


def test_only_cuda_is_recorded_and_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert backend_for(torch.device("cpu")) is None
    monkeypatch.setenv("NAPARI_SAM2_GRAPHS", "0")
    assert backend_for(torch.device("cuda")) is None
    made = []
    monkeypatch.setattr("napari_sam2.tracking.graphs.CudaBackend", lambda device: made.append(device) or "backend")
    assert backend_for(torch.device("cuda")) is None and not made
    monkeypatch.delenv("NAPARI_SAM2_GRAPHS")
    assert backend_for(torch.device("cuda")) == "backend"


def test_a_movie_is_tracked_the_same_with_replays() -> None:
    with torch.inference_mode(False):
        movie = discs_movie(20, (96, 128))  # all pointers are there from frame 16 on: then shapes repeat

        def tracked(backend: StandIn | None) -> CellTracker:
            tracker = tracker_for(movie, settings=Settings(window=WINDOW, target_diameter=40.0, mirrors=False))
            if backend is not None:
                tracker._features.calls.replayer = Replayer(backend)
            for cell, yx in ((1, (30.0, 40.0)), (2, (50.0, 90.0)), (3, (60.0, 50.0))):
                tracker.add_click(cell, 0, yx)
            run(tracker)
            return tracker

        backend = StandIn()
        expected, got = tracked(None), tracked(backend)
    assert backend.recorded >= 3, "encoding, segmenting and remembering"
    assert np.asarray(expected.labels)[-1].any()
    assert (np.asarray(got.labels) == np.asarray(expected.labels)).mean() > 0.999
