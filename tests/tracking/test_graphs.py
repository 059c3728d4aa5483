"""What is recorded: which shapes stay, what happens where memory runs out, and what a recording reads."""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from napari_sam2.network.positions import KEPT, noted, sine_positions, window_turns
from napari_sam2.tracking import graphs
from napari_sam2.tracking.calls import NetworkCalls
from napari_sam2.tracking.graphs import EAGER_CALLS, MOST_RECORDED, CudaBackend, Replayer, is_out_of_memory
from tests.network.formula_weights import mini_cell_model

from .small import discs_movie, tracker_for
from .test_calls import StandIn

CPU = torch.device("cpu")


class Scarce(StandIn):
    """Has no memory to record tensors of more than so many rows."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows, self.refused = rows, 0

    def record(self, call: graphs.Call, inputs: list[torch.Tensor]) -> graphs.Recorded:
        if len(inputs[0]) > self.rows:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory while recording")
        return super().record(call, inputs)


def _double(replayer: Replayer, rows: int, times: int = 1) -> None:
    for turn in range(times):
        values = torch.full((rows,), float(turn))
        assert torch.equal(replayer.run("double", lambda x: (2 * x,), [values])[0], 2 * values)


# which shapes stay ----------------------------------------------------------------------------------------------------


def test_shapes_that_come_for_good_are_recorded_however_many_came_before() -> None:
    backend = StandIn()
    replayer = Replayer(backend)
    for rows in range(1, MOST_RECORDED + 11):  # as of a pass's first frames, each with one pointer more
        _double(replayer, rows, EAGER_CALLS + 1)
    assert len(replayer) == MOST_RECORDED
    before = backend.recorded
    _double(replayer, 1000, 20)
    assert backend.recorded == before + 1 and len(replayer) == MOST_RECORDED


def test_what_was_not_used_for_longest_makes_room_and_has_to_come_again_and_again() -> None:
    backend = StandIn()
    replayer = Replayer(backend)
    for rows in range(1, MOST_RECORDED + 1):
        _double(replayer, rows, EAGER_CALLS + 1)
    _double(replayer, 1)  # recorded first, but used last
    _double(replayer, 1000, EAGER_CALLS + 1)
    recorded = backend.recorded
    _double(replayer, 1)
    assert backend.recorded == recorded, "still there"
    _double(replayer, 2, EAGER_CALLS)
    assert backend.recorded == recorded, "was dropped, and is not recorded for coming once more"
    _double(replayer, 2)
    assert backend.recorded == recorded + 1


# memory ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_INVALID_VALUE"), False),
        (ValueError("broken"), False),
    ],
)
def test_errors_that_say_that_memory_ran_out(error: Exception, said: bool) -> None:
    assert is_out_of_memory(error) is said


def test_an_error_that_hides_that_memory_ran_out() -> None:
    @contextmanager
    def recording() -> Any:
        try:
            yield
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    with pytest.raises(RuntimeError, match="previous error") as found:
        with recording():
            raise torch.OutOfMemoryError("CUDA out of memory")
    assert is_out_of_memory(found.value)


def test_where_memory_runs_out_while_recording_that_is_said_and_recording_goes_on() -> None:
    backend = Scarce(8)
    replayer = Replayer(backend)
    _double(replayer, 4, EAGER_CALLS + 1)
    assert len(replayer) == 1
    _double(replayer, 16, EAGER_CALLS)
    with pytest.raises(torch.OutOfMemoryError):
        _double(replayer, 16)
    assert replayer.active and len(replayer) == 0, "nothing is recorded, but something may be"
    _double(replayer, 8, EAGER_CALLS + 1)
    assert len(replayer) == 1


def test_what_did_not_fit_alone_is_not_recorded_again() -> None:
    backend = Scarce(8)
    replayer = Replayer(backend)
    _double(replayer, 16, EAGER_CALLS)
    with pytest.raises(torch.OutOfMemoryError):
        _double(replayer, 16)
    _double(replayer, 16, 3 * EAGER_CALLS)
    assert backend.refused == 1 and replayer.active


@pytest.mark.parametrize(("rows", "chunk"), [(2, 2), (0, 1)])
def test_cells_whose_recording_does_not_fit_are_tracked_in_smaller_batches(rows: int, chunk: int) -> None:
    mine = tracker_for(discs_movie(2, (96, 128)))._engine
    mine.chunk, mine.calls.replayer = 8, Replayer(Scarce(rows))

    def work(part: slice) -> list[float]:
        values = torch.arange(part.start, part.stop, dtype=torch.float32)
        return mine.calls.replayer.run("double", lambda x: (2 * x,), [values])[0].tolist()

    for _ in range(4 * EAGER_CALLS):
        assert sum(mine._in_chunks(8, work), []) == [2.0 * i for i in range(8)]
    assert mine.chunk == chunk, "in the end a single cell, which is not recorded"


def test_a_single_cell_that_does_not_fit_is_an_error_in_words() -> None:
    mine = tracker_for(discs_movie(2, (96, 128)))._engine
    mine.calls.replayer = Replayer(StandIn())
    tried: list[slice] = []

    def work(part: slice) -> None:
        tried.append(part)
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(MemoryError, match="not even one cell fits"):
        mine._in_chunks(2, work)
    assert [part.stop - part.start for part in tried] == [2, 1, 1], "once more without what was recorded"


# what a recording reads -----------------------------------------------------------------------------------------------


def test_what_a_recorded_call_reads_stays_as_long_as_it_does() -> None:
    def place(x: torch.Tensor) -> tuple[torch.Tensor]:
        return (x + sine_positions(3, 5, 8, 8, CPU) + window_turns(3, 5, 8, CPU).real.sum(),)

    replayer = Replayer(StandIn())
    for _ in range(EAGER_CALLS + 1):
        replayer.run("place", place, [torch.zeros(8, 3, 5)])
    read = [weakref.ref(sine_positions(3, 5, 8, 8, CPU)), weakref.ref(window_turns(3, 5, 8, CPU))]
    for n in range(KEPT + 1):
        sine_positions(2, n + 1, 8, 8, CPU)
        window_turns(2, n + 1, 8, CPU)
    assert all(ref() is not None for ref in read), "other maps have come since, but a replay reads them still"
    replayer.forget()
    assert all(ref() is None for ref in read)


def test_only_what_is_handed_out_meanwhile_is_noted() -> None:
    sine_positions(2, 2, 8, 8, CPU)
    with noted() as outer:
        a = sine_positions(2, 2, 8, 8, CPU)
        with noted() as inner:
            b = window_turns(2, 2, 8, CPU)
    sine_positions(2, 3, 8, 8, CPU)
    assert [t is a for t in outer] == [True] and [t is b for t in inner] == [True]


# CUDA, made up --------------------------------------------------------------------------------------------------------


class _Gpus:
    """Notes on which device and stream what happens; device 0 is the current one outside."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.device, self.stream, self.pools = 0, "default", 0
        self.captured: list[tuple[int, str, int]] = []
        self.replayed: list[int] = []
        gpus = self

        class Graph:
            def replay(self) -> None:
                gpus.replayed.append(gpus.device)

        def pool() -> int:
            self.pools += 1
            return self.pools

        @contextmanager
        def within(**what: Any) -> Any:
            before = {name: getattr(self, name) for name in what}
            vars(self).update(what)
            try:
                yield
            finally:
                vars(self).update(before)

        def stream(device: torch.device) -> Any:
            return SimpleNamespace(index=device.index, name="own", wait_stream=lambda other: None)

        @contextmanager
        def capture(graph: Any, pool: int, stream: Any, capture_error_mode: str) -> Any:
            with within(device=stream.index, stream=stream.name):
                self.captured.append((self.device, self.stream, pool))
                yield

        made = {
            "Stream": stream,
            "CUDAGraph": Graph,
            "graph": capture,
            "graph_pool_handle": pool,
            "current_stream": stream,
            "device": lambda device: within(device=device.index),
            "stream": lambda own: within(device=own.index, stream=own.name),
        }
        for name, fake in made.items():
            monkeypatch.setattr(torch.cuda, name, fake)


def test_a_second_gpu_records_and_replays_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = _Gpus(monkeypatch)
    ran: list[tuple[int, str]] = []

    def call(x: torch.Tensor) -> tuple[torch.Tensor]:
        ran.append((gpus.device, gpus.stream))
        return (x,)

    recorded = CudaBackend(torch.device("cuda", 1)).record(call, [torch.zeros(2)])
    recorded.replay()
    assert ran == [(1, "own"), (1, "own")], "once for itself and once recorded, on one stream"
    assert [where[:2] for where in gpus.captured] == [(1, "own")]
    assert gpus.replayed == [1] and gpus.device == 0


def test_recordings_share_memory_until_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = _Gpus(monkeypatch)
    backend = CudaBackend(torch.device("cuda", 0))
    kept = [backend.record(lambda x: (x,), [torch.zeros(2)]) for _ in range(2)]
    del kept[0]
    kept.append(backend.record(lambda x: (x,), [torch.zeros(2)]))
    kept.clear()
    kept.append(backend.record(lambda x: (x,), [torch.zeros(2)]))
    first, second, third, fourth = (pool for _, _, pool in gpus.captured)
    assert first == second == third != fourth


def test_room_is_made_on_the_gpu_too(monkeypatch: pytest.MonkeyPatch) -> None:
    emptied: list[bool] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    calls = NetworkCalls(mini_cell_model().eval(), StandIn())
    calls.make_room(MemoryError())
    assert not emptied
    calls.model = SimpleNamespace(device=torch.device("cuda", 1))  # type: ignore[assignment]
    calls.make_room(MemoryError())
    assert emptied == [True]
    with pytest.raises(ValueError, match="broken"):
        calls.make_room(ValueError("broken"))
