"""Calls of the network that are recorded once for each shape and then replayed as a whole: CUDA graphs.

A frame of hundreds of small kernels is bound by how fast they are launched, not by what they compute. A recorded call
is launched as one. It always reads the same memory and writes the same, so what goes in is copied there, and what comes
out is copied away before the next replay.
"""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol
from weakref import WeakSet

import torch
from torch import Tensor

from napari_sam2.network.positions import noted

logger = logging.getLogger(__name__)

#: Set to 0 to launch every kernel by itself, on GPUs too.
GRAPHS_VARIABLE = "NAPARI_SAM2_GRAPHS"
#: A call is recorded when a shape comes for the third time: what comes once or twice is not worth it, and by then
#: everything that is computed once and kept has been computed.
EAGER_CALLS = 2
#: Shapes that are kept; each holds the memory of its inputs and results. What was not used for longest makes room.
MOST_RECORDED = 32
#: What torch and the libraries below it say when memory runs out: only CUDA's own allocator has an error of its own.
OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
)

Tensors = Sequence[Tensor]
Call = Callable[..., tuple[Tensor, ...]]
Key = tuple[object, ...]


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error says that memory ran out, or came up while one that says so was dealt with.

    A recording that breaks off for want of memory ends with an error of its own, which hides the first.
    """
    while error is not None:
        words = str(error).lower()
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(said in words for said in OUT_OF_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


@dataclass
class Recorded:
    """A call that can be replayed: where it reads, where it writes, and what makes it happen.

    `constants` are what it reads besides: whoever computed them may let go of them, a replay still reads their memory.
    """

    inputs: list[Tensor]
    outputs: tuple[Tensor, ...]
    replay: Callable[[], object]
    constants: list[Tensor] = field(default_factory=list)


class Backend(Protocol):
    """Records calls on some device."""

    def record(self, call: Call, inputs: list[Tensor]) -> Recorded:
        """Record a call that reads `inputs` and nothing else that changes."""


class CudaBackend:
    """CUDA graphs, all in one memory pool and recorded on one stream, since no two of them run at once.

    So one of them can go at any time: its results are copied away right after each replay, on the stream that the next
    replay waits for, and torch waits for the device before it records into the memory that became free.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        # torch's own stream for recordings is on whichever device was the current one when it was first needed
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()
        self._graphs: WeakSet[torch.cuda.CUDAGraph] = WeakSet()

    def record(self, call: Call, inputs: list[Tensor]) -> Recorded:
        """Run the call once on a stream of its own, as torch asks for, then record it there."""
        if not self._graphs:  # torch refuses a pool that was used and is no more
            self._pool = torch.cuda.graph_pool_handle()
        with torch.cuda.device(self.device):
            present = torch.cuda.current_stream(self.device)
            self._stream.wait_stream(present)
            with torch.cuda.stream(self._stream):
                call(*inputs)
            present.wait_stream(self._stream)
            graph = torch.cuda.CUDAGraph()
            # Only what this thread does counts: another one may be uploading the next frame.
            mode = "thread_local"
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode=mode):
                outputs = call(*inputs)
        self._graphs.add(graph)
        return Recorded(inputs, outputs, partial(self._replay, graph))

    def _replay(self, graph: torch.cuda.CUDAGraph) -> None:
        with torch.cuda.device(self.device):
            graph.replay()


def backend_for(device: torch.device) -> Backend | None:
    """What records calls on a device; None where nothing does, or where it is switched off."""
    if device.type != "cuda" or os.environ.get(GRAPHS_VARIABLE, "1").strip().lower() in ("0", "false", "off", "no"):
        return None
    return CudaBackend(device)


class Replayer:
    """Runs calls, and replays those that come again and again with the same shapes.

    Parameters
    ----------
    backend
        What records; None runs every call as it is.
    """

    def __init__(self, backend: Backend | None) -> None:
        self._backend = backend
        self._times: dict[Key, int] = {}
        self._recorded: OrderedDict[Key, Recorded] = OrderedDict()
        self._too_large: set[Key] = set()

    @property
    def active(self) -> bool:
        """Whether anything is recorded."""
        return self._backend is not None

    def __len__(self) -> int:
        return len(self._recorded)

    def forget(self) -> None:
        """Give back the memory of everything recorded, as when memory has run out."""
        self._times.clear()
        self._recorded.clear()

    def run(self, name: object, call: Call, tensors: Tensors) -> tuple[Tensor, ...]:
        """Run ``call(*tensors)``.

        Parameters
        ----------
        name
            What the call is besides its tensors: calls of one name and of tensors of the same shapes are the same.
        call
            Gives tensors from tensors, and reads and changes nothing else.
        tensors
            What it reads.

        Returns
        -------
        tuple of Tensor
            The caller's own.

        Raises
        ------
        RuntimeError, MemoryError
            As the call itself does, and where memory runs out while it is recorded: then nothing is recorded any more,
            and fewer at once may fit.
        """
        if self._backend is None:
            return call(*tensors)
        key = (name, *((t.shape, t.dtype) for t in tensors))  # what is copied may lie in any order
        recorded = self._recorded.get(key)
        if recorded is None:
            self._times[key] = self._times.get(key, 0) + 1
            if self._times[key] <= EAGER_CALLS or key in self._too_large:
                return call(*tensors)
            recorded = self._record(key, call, tensors)
            if recorded is None:
                return call(*tensors)
        self._recorded.move_to_end(key)
        for own, given in zip(recorded.inputs, tensors, strict=True):
            own.copy_(given)
        recorded.replay()
        return tuple(out.clone(memory_format=torch.preserve_format) for out in recorded.outputs)

    def _record(self, key: Key, call: Call, tensors: Tensors) -> Recorded | None:
        backend = self._backend
        if backend is None:
            return None
        while len(self._recorded) >= MOST_RECORDED:
            oldest, _ = self._recorded.popitem(last=False)
            del self._times[oldest]  # it has to come again and again to be recorded once more
        try:
            own = [t.clone(memory_format=torch.preserve_format) for t in tensors]
            with noted() as constants:
                self._recorded[key] = backend.record(call, own)
            self._recorded[key].constants = constants
        except Exception as error:  # noqa: BLE001 whatever it is: without recordings everything works, only slower
            alone = not self._recorded
            self.forget()
            if is_out_of_memory(error):
                if alone:  # nor will it fit the next time: recording takes more than the call alone
                    self._too_large.add(key)
                raise
            self._backend = None
            logger.warning(
                "calls of the network cannot be recorded on this device, so they run one by one, which is slower (%s). "
                "Set %s=0 to leave it at that without this message.",
                error,
                GRAPHS_VARIABLE,
            )
        return self._recorded.get(key)
